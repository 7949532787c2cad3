/**
 * The manager's counters that are not kept elsewhere.
 *
 * Live figures are the manager's alone: everything allocated, corrected for resizes, minus everything
 * that died. Deaths are counted by the manager where it sees them (sm_retire, sm_free, the record of a
 * cycle, the end of a request under SM_CAP_BULK_FREE); a policy that kills objects elsewhere (counts
 * reaching zero) calls sm_count_dead.
 */
#ifndef SM_COUNTERS_H
#define SM_COUNTERS_H

#include "sapimem/stats.h"

struct sm_counters {
    uint64_t resize_count;
    uint64_t policy_bytes;
    uint64_t copied_bytes, copy_count;
    /** Payload bytes and objects that exist beyond the allocation clock's (modulo 2^64: shrinking subtracts). */
    uint64_t extra_bytes, extra_objects;
    uint64_t dead_bytes, dead_objects;
    uint64_t peak_live_bytes;
    uint64_t external_bytes, peak_external_bytes;
    uint64_t peak_garbage_bytes;
    uint64_t request_count;
    uint64_t cycle_count, cycles_by_trigger[SM_TRIGGER_COUNT], cycles_by_kind[SM_CYCLE_KIND_COUNT];
    uint64_t concurrent_count, fallback_count;
    uint64_t slice_count, assist_count;
    uint64_t cycle_cpu_ns, collector_cpu_ns;
    uint64_t traced_objects, logged_objects;
};

/** Count objects that a policy retired or freed outside collect, retire and free. Threads: owner. */
void sm_count_dead(struct sm_manager *mm, uint64_t objects, uint64_t payload_bytes);
uint64_t sm_live_bytes(const struct sm_manager *mm);
uint64_t sm_live_objects(const struct sm_manager *mm);
/** Take the live figure into the peak. */
void sm_sample_live(struct sm_manager *mm);
/** Retired, not yet reusable, as the policy reports it. */
uint64_t sm_backlog_bytes(const struct sm_manager *mm);

#endif
