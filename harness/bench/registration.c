/* What the subjects share: names, managers, and the options that a policy offers. */
#include "microbench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct bm_benchmark *bench_register(bm_function *function, const void *context, const char *format, ...)
{
    char name[NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    return bm_register(name, function, context);
}

struct sm_manager *bench_manager(struct bm_state *state, enum sm_sapi sapi, const char *policy, const char *pacing)
{
    const struct sm_config config = {.sapi = sapi, .policy = policy, .pacing = pacing};
    struct sm_manager *mm = NULL;
    struct sm_error error;
    if (sm_manager_create(&config, &mm, &error) == SM_OK)
        return mm;
    bm_skip_with_error(state, error.detail);
    return NULL;
}

const char *const *bench_choices(const struct sm_policy_ops *ops, const char *key)
{
    static const char *const none[] = {NULL};
    for (size_t i = 0; ops != NULL && i < ops->option_count; i++)
        if (ops->options[i].kind == SM_OPTION_CHOICE && strcmp(ops->options[i].key, key) == 0)
            return ops->options[i].choices;
    return none;
}
