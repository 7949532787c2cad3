/**
 * What a store does beside the write: the snapshot of the cycle that marks, and the memory of old objects that were
 * written to.
 *
 * The snapshot (R1, R8). While a full cycle marks beside the program (barrier word: SM_BARRIER_POLICY), the first write to
 * an object that was there at the snapshot must leave its old slots to the marker, and a marker must not read a slot
 * that is being written, for a value is two words. So the slots of each object are read by one of the two, once:
 *
 *   byte of the first granule      what it means, and who may turn it into what
 *   0                              made since the snapshot; the marker passes it over, the program writes freely
 *   unmarked                       not yet read. Marker: compare-and-swap to marked | BUSY, read the slots, then store
 *                                  marked. Program: compare-and-swap to unmarked | CLAIMED, append what the slots hold to
 *                                  the log, then write.
 *   unmarked | CLAIMED             the program has read it. Marker: to marked, without reading the slots.
 *   marked | BUSY                  the marker is reading: the program waits, for 128 elements, or an object without chunks.
 *   marked                         read, by whomever; the program writes freely
 *
 * Colours, last granules and counts are the marker's alone to write, CLAIMED the program's. Large arrays have such a byte
 * for each chunk (chunks.h), and the byte of their first granule is the marker's alone.
 *
 * The remembered set (R10). A young cycle does not look at old objects, so those that may have come to refer to young
 * ones since the last are remembered. Every old object carries EPOCH_ARMED, whose place in the flags is that of
 * SM_BARRIER_ARMED in the barrier word: a store to an armed object is looked at, disarms it and puts it on the list, and later
 * ones cost one test. A young cycle reads what is on the list and arms it again. In a large array chunks are
 * remembered, and it stays armed. One bit for both, as R10 has it, would let no full cycle begin with anything on the
 * list; here the colour is the snapshot's bit, and the flag the remembered set's.
 *
 * Memory order. The marker's compare-and-swap (acquire) comes before its reads, its last store (release) after them;
 * pairs with the program's acquire load that finds the object read: the program's write comes after the marker's reads. The
 * program's compare-and-swap comes before it reads and appends the old slots, and that before its write; the log's lock is
 * what hands them over. Both
 * writes to one byte are read-modify-writes of the same location, so exactly one wins. Flags and the list are
 * the owner's.
 */
#ifndef SM_EPOCH_BARRIER_H
#define SM_EPOCH_BARRIER_H

#include "epoch/slab.h"

#include "sapimem/alloc.h"
#include "sapimem/policy.h"

/** Flag of old objects, in the policy's byte. */
enum { EPOCH_ARMED = SM_BARRIER_ARMED };

struct epoch_policy;

/* ---- The marker's side; `byte` is a first granule's or a chunk's. ---- */

/** True: the caller is to read the slots, and then epoch_granule_release. False: the program has; nothing is left to do. */
static inline bool epoch_claim_object(uint8_t *byte, uint8_t colour)
{
    uint8_t seen = __atomic_load_n(byte, __ATOMIC_RELAXED);
    for (;;) {
        bool is_claimed = (seen & EPOCH_CLAIMED) != 0;
        uint8_t wanted = (uint8_t)((seen & (EPOCH_START | EPOCH_END)) | colour | (is_claimed ? 0 : EPOCH_BUSY));
        /* Acquire: pairs with the release in claim_object_for_program; and the reads come after. */
        if (__atomic_compare_exchange_n(byte, &seen, wanted, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return !is_claimed;
    }
}

/** The same of a chunk, whose byte is a colour alone, of which only `colour` means that it was read. */
static inline bool epoch_claim_chunk(uint8_t *byte, uint8_t colour)
{
    uint8_t seen = __atomic_load_n(byte, __ATOMIC_RELAXED);
    do {
        if (seen == colour)
            return false;
    } while (!__atomic_compare_exchange_n(byte, &seen, (uint8_t)(colour | EPOCH_BUSY), false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return true;
}

/** The slots have been read. */
static inline void epoch_granule_release(uint8_t *byte, uint8_t value)
{
    /* Pairs with the acquire in the program's wait. */
    __atomic_store_n(byte, value, __ATOMIC_RELEASE);
}

/** Give an object the bytes of an old one. `count`: of its granules, 1 for a large one; `first`: colour and what else its first has. */
static inline void epoch_granules_set(uint8_t *granule, size_t count, uint8_t first)
{
    uint8_t last = (uint8_t)((first & EPOCH_COLOUR_MASK) | EPOCH_END);
    if (count > 1)
        __atomic_store_n(&granule[count - 1], last, __ATOMIC_RELAXED);
    __atomic_store_n(granule, (uint8_t)(first | EPOCH_START | (count == 1 ? EPOCH_END : 0)), __ATOMIC_RELAXED);
}

/** It is old: the next store to it is looked at where young cycles are. */
static inline void epoch_arm(struct sm_object *object)
{
    uint16_t flags = sm_object_flags(object);
    if ((flags & EPOCH_ARMED) == 0)
        sm_object_set_flags(object, EPOCH_ARMED);
}

/* ---- The program's side: barrier.c. ---- */

void epoch_store_slow(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                      struct sm_value value);
/** `object` was reachable at the snapshot. A cycle is marking. */
void epoch_log_reachable(struct epoch_policy *epoch, struct sm_object *object);
/** R9: `object` is handed out by a way that no edge describes; while marking is on it counts as reachable at the snapshot. */
void epoch_shade(struct epoch_policy *epoch, struct sm_object *object);
/** Put an object on the list for the next young cycle: all that it refers to now, and whatever is written there without a barrier. */
void epoch_remember_whole(struct epoch_policy *epoch, struct sm_object *object);
/** Put an entry back: the object, or one of its chunks. */
void epoch_remember_again(struct epoch_policy *epoch, struct sm_object *object, size_t chunk);

#endif
