#include "flavor_variants.h"

#include <stdio.h>

struct variant_list {
    struct flavor_variant *variants;
    size_t count, capacity;
};

/** Add "NAME:flavor=F,reclaim=R", without what is NULL. */
static void add(struct variant_list *list, const struct sm_policy_ops *ops, const char *flavor, const char *reclaim)
{
    if (list->count == list->capacity)
        return;
    struct flavor_variant *variant = &list->variants[list->count++];
    variant->ops = ops;
    snprintf(variant->policy, sizeof(variant->policy), "%s%s%s%s%s", ops->name,
             flavor == NULL ? "" : ":flavor=", flavor == NULL ? "" : flavor,
             reclaim == NULL  ? ""
             : flavor == NULL ? ":reclaim="
                              : ",reclaim=",
             reclaim == NULL ? "" : reclaim);
}

static void add_flavor(struct variant_list *list, const struct sm_policy_ops *ops, const char *flavor, bool by_reclaim)
{
    const char *const *reclaims = bench_choices(ops, "reclaim");
    if (!by_reclaim || *reclaims == NULL)
        add(list, ops, flavor, NULL);
    for (; by_reclaim && *reclaims != NULL; reclaims++)
        add(list, ops, flavor, *reclaims);
}

size_t flavor_variants(uint32_t capability, bool by_reclaim, struct flavor_variant *variants, size_t capacity)
{
    struct variant_list list = {variants, 0, capacity};
    for (size_t i = 0; sm_policy_table(i) != NULL; i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        if ((ops->capabilities & capability) == 0 || !bench_available(ops))
            continue;
        const char *const *flavors = bench_choices(ops, "flavor");
        if (*flavors == NULL)
            add_flavor(&list, ops, NULL, by_reclaim);
        for (; *flavors != NULL; flavors++)
            add_flavor(&list, ops, *flavors, by_reclaim);
    }
    return list.count;
}

const struct raw_flavor *raw_flavor_at(size_t index)
{
    static const struct raw_flavor *const flavors[] = {&raw_urcu_memb, &raw_urcu_qsbr, &raw_urcu_mb, &raw_urcu_bp};
    return index < sizeof(flavors) / sizeof(flavors[0]) ? flavors[index] : NULL;
}
