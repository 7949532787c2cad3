/**
 * Mutator work: what a PHP program does between two allocations beyond the workload's own VM operations.
 *
 * A small bytecode interpreter runs over a world of its own (nodes that link to each other, strings, a
 * lookup table), charged by the workloads at every VM operation. Real pages and workers execute 10 to
 * 15 opcodes, 5.5 count operations (2.7 to 6.6) and 0.2 to 0.5 heap stores an allocation (measured on
 * PHP 8.2; figures in README.md); without it a bench overstates its allocator. Of those opcodes the ones that
 * decode, append, set and look up are the workload's operations themselves; the kernel stands for the rest,
 * and its rate is anchored to twins in real PHP (scripts/twin): time an allocation, and count operations.
 * The kernel never allocates, never reaches a safepoint, copies only objects (so that it sets no
 * sharing marks), and its result feeds the checksum.
 */
#ifndef MUTATOR_WORK_H
#define MUTATOR_WORK_H

#include "sapivm/vm.h"

/**
 * Opcodes charged for one VM operation of a workload (a token decoded, a piece appended, a field set).
 *
 * The workloads perform 0.85 (fpm-page) to 1.06 (cli-queue) such operations an allocation, so 5 give 4 to 6
 * opcodes an allocation beside the operations themselves.
 */
enum { MUTATOR_OPCODES_PER_OPERATION = 5 };

/** Opcodes of one call of the kernel: user functions are entered every 2 (MediaWiki) to 12 (WordPress) allocations. */
enum { MUTATOR_OPCODES_PER_CALL = 20 };

/** Counters and state; zeroed is switched off. */
struct mutator_work {
    struct vm *vm;
    struct vm_object *world; /**< borrowed: a global holds it */
    bool enabled;
    uint32_t opcodes_due;
    uint64_t accumulator; /**< result of all opcodes so far */
    uint64_t opcodes_run;
    uint64_t calls_run;
};

/**
 * Make the kernel's world in this request and hang it on a global.
 *
 * It is made even when the work is switched off, so that traffic is equal.
 *
 * Errors: bails out.
 */
void mutator_work_boot(struct mutator_work *work, struct vm *vm, bool enabled);

/** Run one call's worth of opcodes now. */
void mutator_work_call(struct mutator_work *work);

/** Charge `operation_count` VM operations; runs the kernel when a call's worth is due. */
static inline void mutator_work_charge(struct mutator_work *work, uint32_t operation_count)
{
    if (!work->enabled)
        return;
    work->opcodes_due += operation_count * MUTATOR_OPCODES_PER_OPERATION;
    while (work->opcodes_due >= MUTATOR_OPCODES_PER_CALL) {
        work->opcodes_due -= MUTATOR_OPCODES_PER_CALL;
        mutator_work_call(work);
    }
}

/** Block bytes of the world, for analytic live sizes. */
uint64_t mutator_work_block_bytes(void);

#endif
