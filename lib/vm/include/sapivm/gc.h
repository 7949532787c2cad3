/**
 * What PHP lets a program ask of its collector, and how late destructors run.
 */
#ifndef SAPIVM_GC_H
#define SAPIVM_GC_H

#include "sapivm/value.h"

/**
 * gc_collect_cycles: collect now, and run the destructors that this makes due.
 *
 * To be called at a safepoint. Returns what it freed: under a policy that counts, the arrays and objects in dead cycles, as
 * PHP does; under one that traces, every object the cycle retired, whatever its kind, since tracing cannot tell
 * which of them counts would have freed before. 0 under policies without cycles. Inside a
 * destructor of a tracing policy nothing is collected before the next safepoint, and it returns 0.
 * May collect: yes.
 */
uint64_t vm_gc_collect_cycles(struct vm *vm);

/** gc_enable, gc_disable, gc_enabled: cycles that a threshold asks for. vm_gc_collect_cycles and emergencies work all the same. */
void vm_gc_enable(struct vm *vm);
void vm_gc_disable(struct vm *vm);
bool vm_gc_enabled(const struct vm *vm);

/** gc_status. Under tracing: all cycles, what they retired, the threshold in bytes of the allocation clock, and no roots. */
struct vm_gc_status {
    uint64_t runs;
    uint64_t collected;
    uint64_t threshold;
    uint64_t roots;
};

struct vm_gc_status vm_gc_status(struct vm *vm);

/**
 * memory_get_usage and memory_get_peak_usage: payload bytes in use, garbage not found yet included; `real`: bytes held from the system.
 *
 * The peak of payload bytes is the largest figure that a cycle, a safepoint with work, a request's end or this call has seen.
 */
uint64_t vm_memory_get_usage(struct vm *vm, bool real);
uint64_t vm_memory_get_peak_usage(struct vm *vm, bool real);

/**
 * Destructors and `finally` blocks that ran, and when.
 *
 * A prompt one ran at the last drop: its delay is 0. A delayed one was found by a cycle. When its object died
 * nobody saw, but it was after the cycle before that one, which found it alive or ran before it was born, and before the
 * one that found it: so the delay on the allocation clock lies between `at_least` and `at_most`, both summed here.
 * Those at the end of a request are none of the two; most of their objects were alive until then.
 */
struct vm_destructor_stats {
    uint64_t run;
    uint64_t prompt;
    uint64_t delayed;
    uint64_t at_shutdown;
    uint64_t delay_at_least_bytes, delay_at_most_bytes; /**< sums over the delayed ones */
    uint64_t delay_max_bytes;                           /**< largest single upper bound */
};

struct vm_destructor_stats vm_destructor_stats(const struct vm *vm);

#endif
