/**
 * A policy in each way it reclaims: its own name, and one text for every other choice of its option `reclaim`.
 */
#ifndef POLICY_VARIANTS_H
#define POLICY_VARIANTS_H

#include "sapimem/policy.h"

enum { POLICY_VARIANTS_MAX = 8, POLICY_VARIANT_BYTES = 64 };

struct policy_variants {
    size_t count;
    char texts[POLICY_VARIANTS_MAX][POLICY_VARIANT_BYTES];
};

/** At least one. */
struct policy_variants policy_variants_of(const struct sm_policy_ops *ops);

#endif
