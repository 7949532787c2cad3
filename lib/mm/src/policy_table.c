#include "sapimem/policy.h"

#include <string.h>

#define SM_POLICY(symbol) extern const struct sm_policy_ops sm_policy_##symbol;
#include "../policies/policies.def"
#undef SM_POLICY

#define SM_POLICY(symbol) &sm_policy_##symbol,
static const struct sm_policy_ops *const policies[] = {
#include "../policies/policies.def"
};
#undef SM_POLICY

static const char *const capability_names[] = {
    "resize", "free",       "barrier",   "counts",    "pin",        "collect", "retire",
    "weak",   "epoch-tags", "observers", "bulk-free", "concurrent", "deaths",
};

const struct sm_policy_ops *sm_policy_table(size_t index)
{
    return index < sizeof(policies) / sizeof(policies[0]) ? policies[index] : NULL;
}

const struct sm_policy_ops *sm_policy_find(const char *name)
{
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++) {
        if (strcmp(ops->name, name) == 0)
            return ops;
    }
    return NULL;
}

const char *sm_capability_name(uint32_t bit)
{
    for (size_t i = 0; i < sizeof(capability_names) / sizeof(capability_names[0]); i++) {
        if (bit == UINT32_C(1) << i)
            return capability_names[i];
    }
    return NULL;
}
