#include "spec_names.h"

#include "run_options.h"
#include "sapimem/policy.h"
#include "workloads/workload.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 64 };

const char *hx_spec_split(const char *spec, char *name, size_t name_bytes)
{
    size_t length = strcspn(spec, ":");
    snprintf(name, name_bytes, "%.*s", (int)length, spec);
    return spec[length] == ':' ? spec + length + 1 : NULL;
}

int hx_option_index(const struct sm_option *table, size_t option_count, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(table[i].key, key) == 0)
            return (int)i;
    return -1;
}

static void join(const char *const *names, size_t count, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i > 0 ? ", " : "", names[i]);
}

static sm_status refuse_name(const char *option, const char *name, const char *const *names, size_t count,
                             struct sm_error *error)
{
    char list[200];
    sm_near_names(name, names, count, list, sizeof(list));
    if (list[0] == '\0')
        join(names, count, list, sizeof(list));
    return hx_refuse(error, "--%s=%.80s: unknown %s; expected one such as %s", option, name, option, list);
}

sm_status hx_refuse_policy(const char *name, struct sm_error *error)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; count < NAMES_MAX && sm_policy_table(count) != NULL; count++)
        names[count] = sm_policy_table(count)->name;
    return refuse_name("policy", name, names, count, error);
}

sm_status hx_refuse_workload(const char *name, struct sm_error *error)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; count < NAMES_MAX - 1 && wl_table(count) != NULL; count++)
        names[count] = wl_table(count)->name;
    names[count++] = "trace:FILE";
    return refuse_name("workload", name, names, count, error);
}

sm_status hx_refuse_spec(const char *option, const char *spec, struct sm_error *error)
{
    char reason[SM_DETAIL_BYTES];
    snprintf(reason, sizeof(reason), "%s", error->detail);
    return hx_refuse(error, "--%s=%.100s: %s", option, spec, reason);
}
