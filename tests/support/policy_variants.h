/**
 * A policy in each way it reclaims and collects: what is worth a run of its own wherever every policy has one.
 *
 * First its own name, with every default; then one text for every other choice of its options `reclaim` and `shape`, and one
 * that reuses from the first byte where `reuse-after` would put that off, and one whose requests pass `limit` at once. A policy with
 * young cycles and cycles beside the program gets these besides, each where the collector is the owner in slices and where it is a
 * thread, with thresholds so small that many such cycles run: young cycles always, with the smallest nursery (a store to an old
 * object matters at every step); none, so that all that is made is old at once; and, where no thread is asked, full cycles that stop.
 * Back-ends are not crossed with these: who waits for a grace period does not see which cycle retired what it waits for.
 */
#ifndef POLICY_VARIANTS_H
#define POLICY_VARIANTS_H

#include "sapimem/policy.h"

enum { POLICY_VARIANTS_MAX = 12, POLICY_VARIANT_BYTES = 64 };

struct policy_variant {
    char text[POLICY_VARIANT_BYTES];
    enum sm_collector_threads collector_threads;
    uint64_t threshold_bytes; /**< 0: whatever the test has */
};

struct policy_variants {
    size_t count;
    struct policy_variant variants[POLICY_VARIANTS_MAX];
};

/** At least one. */
struct policy_variants policy_variants_of(const struct sm_policy_ops *ops);

/** What it can do where requests are served: options may decide that, so one is made. */
uint32_t policy_variant_capabilities(const struct policy_variant *variant);

/** Its name in a test's: the text, and who marks. */
void policy_variant_name(const struct policy_variant *variant, char *name, size_t name_bytes);

/** The configuration of a test under a variant: the threshold only where the test leaves pacing to the default. */
void policy_variant_apply(const struct policy_variant *variant, struct sm_config *config);

#endif
