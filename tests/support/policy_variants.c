#include "policy_variants.h"

#include <stdio.h>
#include <string.h>

static const struct sm_option *find_option(const struct sm_policy_ops *ops, const char *key)
{
    for (size_t i = 0; i < ops->option_count; i++)
        if (strcmp(ops->options[i].key, key) == 0)
            return &ops->options[i];
    return NULL;
}

struct policy_variants policy_variants_of(const struct sm_policy_ops *ops)
{
    struct policy_variants variants = {.count = 1};
    snprintf(variants.texts[0], POLICY_VARIANT_BYTES, "%s", ops->name);
    const struct sm_option *option = find_option(ops, "reclaim");
    for (size_t i = 0; option != NULL && option->choices[i] != NULL && variants.count < POLICY_VARIANTS_MAX; i++)
        if (strcmp(option->choices[i], option->default_text) != 0)
            snprintf(variants.texts[variants.count++], POLICY_VARIANT_BYTES, "%s:reclaim=%s", ops->name,
                     option->choices[i]);
    return variants;
}
