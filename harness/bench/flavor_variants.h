/**
 * The variants of guard-based policies: one for each liburcu flavour, or for each flavour and way of reclaiming.
 *
 * Read from the policy's own option table, so that a choice that is added there is measured without a word here.
 */
#ifndef FLAVOR_VARIANTS_H
#define FLAVOR_VARIANTS_H

#include "microbench.h"

#include "raw_urcu.h"

struct flavor_variant {
    const struct sm_policy_ops *ops;
    char policy[NAME_BYTES]; /**< "epoch:flavor=memb,reclaim=thread": the policy's text, and the name in reports */
};

/** Policies of the registry with `capability`, by flavour, and by way of reclaiming where `by_reclaim`. Returns how many. */
size_t flavor_variants(uint32_t capability, bool by_reclaim, struct flavor_variant *variants, size_t capacity);

/** The raw flavours; NULL past the end. */
const struct raw_flavor *raw_flavor_at(size_t index);

#endif
