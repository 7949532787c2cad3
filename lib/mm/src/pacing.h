/**
 * When the next cycle is due: one table of rules, each a pure function of what was observed.
 *
 * Every quantity carries its unit: rescaling bytes by b or time by t rescales the answer as the
 * rule's formula says, and pacing_test.c checks that.
 */
#ifndef SM_PACING_H
#define SM_PACING_H

#include "sapimem/manager.h"
#include "sapimem/status.h"

struct sm_pacing_rule;

/** What the rules may look at, as of the end of the last cycle. */
struct sm_pacing_input {
    bool any_cycle;            /**< false before the first cycle: the rest is unknown */
    uint64_t live_bytes;       /**< payload bytes the last cycle left alive */
    double alloc_bytes_per_ns; /**< g: allocation rate of the mutator, smoothed */
    double cycle_ns;           /**< T_gc: time of one cycle, smoothed */
};

struct sm_pacing {
    const struct sm_pacing_rule *rule;
    double parameter; /**< in the rule's unit */
};

/** Parse "fixed:16M", "proportional:1.0", "sqrt:4e-8", "zend:10001" or "zend", "never", "always". Errors: SM_ERR_INVALID_ARGUMENT with a line. */
sm_status sm_pacing_parse(const char *text, struct sm_pacing *pacing, struct sm_error *error);

/** Whether the rule is zend: possible roots start cycles, not bytes. */
bool sm_pacing_counts_roots(const struct sm_pacing *pacing);
/** Possible roots before the first cycle: zend's parameter, none under "never", Zend's default under any other rule. */
uint32_t sm_pacing_roots(const struct sm_pacing *pacing);

/** The rule fixed:`bytes`. Errors: below SM_THRESHOLD_MINIMUM_BYTES. */
sm_status sm_pacing_fixed(uint64_t bytes, struct sm_pacing *pacing, struct sm_error *error);

/** Bytes of allocation clock until the next cycle; UINT64_MAX: never; 0: at every safepoint. */
uint64_t sm_pacing_threshold(const struct sm_pacing *pacing, const struct sm_pacing_input *input);

/** min(threshold, (limit - live - backlog) / 2), never below SM_THRESHOLD_MINIMUM_BYTES unless the threshold is. `limit_bytes` 0: no limit. */
uint64_t sm_pacing_under_limit(uint64_t threshold_bytes, uint64_t limit_bytes, uint64_t live_bytes,
                               uint64_t backlog_bytes);

/** Fold one cycle into the smoothed rates; `mutator_ns` is the time since the cycle before it. */
void sm_pacing_observe(struct sm_pacing_input *input, uint64_t live_bytes, uint64_t alloc_bytes, uint64_t mutator_ns,
                       uint64_t cycle_ns);

#endif
