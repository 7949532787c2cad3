/**
 * When the next cycle is due: one table of rules, each a pure function of what was observed.
 *
 * Every quantity carries its unit: rescaling bytes by b or time by t rescales the answer as the
 * rule's formula says, and pacing_units_test.c checks that for every rule of the table.
 */
#ifndef SM_PACING_H
#define SM_PACING_H

#include "sapimem/manager.h"
#include "sapimem/status.h"

struct sm_pacing_rule;

/** What the rules may look at, as of the end of the last full cycle. */
struct sm_pacing_input {
    bool any_cycle;            /**< false before the first cycle: live bytes and rates are unknown */
    uint64_t live_bytes;       /**< payload bytes the last cycle left alive */
    double alloc_bytes_per_ns; /**< g: allocation rate of the mutator, less what young cycles took back, smoothed */
    double cycle_ns;           /**< T_gc: CPU time of one full cycle, all threads, smoothed */
    uint64_t room_bytes;       /**< sm_pacing_room; UINT64_MAX: no memory limit */
};

/** What a memory limit is shared by. */
struct sm_pacing_memory {
    uint64_t limit_bytes;   /**< of committed memory; 0: none */
    uint64_t live_bytes;    /**< payload bytes now */
    uint64_t waiting_bytes; /**< retired before the cycle that just ended, and still not reusable */
    double overhead;        /**< bytes held for a payload byte: headers, rounding; at least 1 */
};

struct sm_pacing {
    const struct sm_pacing_rule *rule;
    double parameter; /**< in the rule's unit */
};

/** Number and names of the rules, in the order in which they are listed. */
size_t sm_pacing_rule_count(void);
const char *sm_pacing_rule_name(size_t index);

/** Parse "fixed:16M", "sqrt:4e-8", "zend", "limit:0.2" and so on. Errors: SM_ERR_INVALID_ARGUMENT with a line. */
sm_status sm_pacing_parse(const char *text, struct sm_pacing *pacing, struct sm_error *error);

/** Whether the rule is zend: possible roots start cycles, not bytes. */
bool sm_pacing_counts_roots(const struct sm_pacing *pacing);
/** Whether the rule is limit: without a memory limit it says nothing. */
bool sm_pacing_needs_limit(const struct sm_pacing *pacing);
/** Possible roots before the first cycle: zend's parameter, none under "never", Zend's default under any other rule. */
uint32_t sm_pacing_roots(const struct sm_pacing *pacing);

/** The rule fixed:`bytes`. Errors: below SM_THRESHOLD_MINIMUM_BYTES. */
sm_status sm_pacing_fixed(uint64_t bytes, struct sm_pacing *pacing, struct sm_error *error);

/** Bytes of allocation clock until the next cycle, the room under a limit taken into account; UINT64_MAX: never; 0: at every safepoint. */
uint64_t sm_pacing_threshold(const struct sm_pacing *pacing, const struct sm_pacing_input *input);

/**
 * Bytes of allocation clock for which a limit has room: (limit - live - waiting) / 2, in payload bytes.
 *
 * Half, because what the next cycle retires still takes its place while as much again is allocated; for the same
 * reason what the cycle that just ended retired is not in `waiting_bytes`: it is what the other half is for.
 * Returns:     at least SM_THRESHOLD_MINIMUM_BYTES; UINT64_MAX without a limit.
 */
uint64_t sm_pacing_room(const struct sm_pacing_memory *memory);

/** Fold one full cycle into the smoothed rates; `mutator_ns` is the time since the one before it, stops left out. */
void sm_pacing_observe(struct sm_pacing_input *input, uint64_t live_bytes, uint64_t alloc_bytes, uint64_t mutator_ns,
                       uint64_t cycle_ns);

#endif
