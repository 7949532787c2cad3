/**
 * The subjects of microbench. Each registers its benchmarks under names of the form SUBJECT/WHO[/argument:value].
 *
 * WHO is a policy, with its options, or "raw:NAME" for a peer: what scripts/microbench divides by. The counter `items`
 * is how many operations an iteration stands for; the table shows time per operation.
 */
#ifndef MICROBENCH_H
#define MICROBENCH_H

#include "benchmark_shim.h"

#include "sapimem/policy.h"

enum { NAME_BYTES = 128, POLICIES_MAX = 16, VARIANTS_MAX = 64 };

void bench_allocation_register(void);
void bench_fast_path_register(void);
void bench_request_register(void);
void bench_reset_register(void);
void bench_guards_register(void);
void bench_retire_register(void);
void bench_flush_register(void);
void bench_store_register(void);
/** `large`: heaps of ten million objects too. */
void bench_mark_register(bool large);

/** Register as printf-style `format` says. */
struct bm_benchmark *bench_register(bm_function *function, const void *context, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A manager, its cycles only those that a benchmark asks for when `pacing` is "never"; NULL: the run is skipped with the reason. */
struct sm_manager *bench_manager(struct bm_state *state, enum sm_sapi sapi, const char *policy, const char *pacing);

/** Choices of the option `key` of `ops`, NULL-terminated; an empty list when there is no such option. */
const char *const *bench_choices(const struct sm_policy_ops *ops, const char *key);

/** Whether a policy of the registry runs in this build. */
static inline bool bench_available(const struct sm_policy_ops *ops)
{
    return ops->unavailable == NULL;
}

#endif
