/**
 * Allocation, stores, resizing: the inline fast paths every policy shares.
 *
 * The manager's first fields are a bump window and size-class list heads. An allocation bumps, or
 * pops, or asks the policy; a store writes, or, when the barrier word says so, asks the manager.
 * Unless stated otherwise: Threads: owner. The inline paths ask nobody who calls: a thread or a forked child that
 * must not allocate is refused where the policy is asked, and at every function that is not inline.
 */
#ifndef SAPIMEM_ALLOC_H
#define SAPIMEM_ALLOC_H

#include "sapimem/manager.h"
#include "sapimem/object.h"

#include <assert.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/** Payloads up to this size take the inline path; Zend's largest small size. */
#define SM_INLINE_PAYLOAD_MAX 3072u
#define SM_SIZE_CLASSES_MAX 200u

/** A free block of a size-class list. */
struct sm_free_cell {
    struct sm_free_cell *next;
};

/** Bits of the barrier word. Zero: a store is a plain store. */
enum sm_barrier {
    SM_BARRIER_POLICY = 1u << 0,  /**< the policy's store_slow wants every store */
    SM_BARRIER_PUBLISH = 1u << 1, /**< observers exist: slots are written whole, with release */
    SM_BARRIER_CHECK = 1u << 2,   /**< checked build: verify thread and owner */
    SM_BARRIER_EVERY = SM_BARRIER_POLICY | SM_BARRIER_PUBLISH | SM_BARRIER_CHECK, /**< those that no flag decides */
    /** store_slow wants stores to owners that carry the header flag of this value, one of the policy's own. */
    SM_BARRIER_ARMED = 1u << 8,
};

/** Bits of the script word: what a record of deaths has to do with this run (death_schedule.h). */
enum sm_script {
    SM_SCRIPT_BIRTHS = 1u << 0,  /**< every object gets a number at birth; the inline path is closed */
    SM_SCRIPT_SHARING = 1u << 1, /**< answers to questions about sharing are recorded or replayed */
    SM_SCRIPT_REPLAY = 1u << 2,  /**< and it is the latter */
    SM_SCRIPT_SLOTS = 1u << 3,   /**< `count` holds a number of the policy's and counts nothing */
};

/** The manager's first fields. Policies write the window and the heads; nobody else does. */
struct sm_hot {
    char *cursor; /**< bump window; cursor == limit when the policy has none */
    char *limit;
    const uint8_t *size_class_of; /**< class of (payload_bytes + 7) / 8; NULL when the policy keeps no lists */
    uint64_t alloc_bytes;         /**< the allocation clock */
    uint64_t alloc_count;
    uint64_t event_clock_bytes; /**< the clock at which the next safepoint has work */
    uint32_t attention;         /**< set by other threads and signals: the next safepoint has work */
    uint32_t barrier;           /**< enum sm_barrier */
    uint64_t
        counted_tags; /**< a value with one of these tag bits is counted: 0, SM_TAG_COUNTED, or SM_TAG_HEAP for all */
    uint32_t never_candidate; /**< SM_OBJECT_ACYCLIC unless the policy wants possible roots */
    uint32_t script;          /**< enum sm_script */
    uint32_t at_boundary;     /**< inside sm_safepoint_boundary */
    struct sm_free_cell *heads[SM_SIZE_CLASSES_MAX];
};

static inline struct sm_hot *sm_hot(struct sm_manager *mm)
{
    return (struct sm_hot *)mm;
}

/** Slow part of sm_alloc and sm_alloc_leaf. */
struct sm_object *sm_alloc_slow(struct sm_manager *mm, sm_type_id type, size_t payload_bytes);
struct sm_object *sm_alloc_leaf_slow(struct sm_manager *mm, sm_type_id type, size_t payload_bytes);

/** Take a block from the window or a list; NULL when neither has one. */
static inline void *sm_take_block(struct sm_hot *hot, size_t payload_bytes)
{
    size_t block_bytes = sm_block_bytes(payload_bytes);
    char *cursor = hot->cursor;
    if (SM_LIKELY(block_bytes <= (size_t)(hot->limit - cursor))) {
        hot->cursor = cursor + block_bytes;
        return cursor;
    }
    if (hot->size_class_of == NULL)
        return NULL;
    struct sm_free_cell **head = &hot->heads[hot->size_class_of[(payload_bytes + 7) / 8]];
    struct sm_free_cell *cell = *head;
    if (cell != NULL)
        *head = cell->next;
    return cell;
}

static inline struct sm_object *sm_object_init(struct sm_hot *hot, void *block, sm_type_id type, uint16_t flags,
                                               size_t payload_bytes)
{
    struct sm_object *object = (struct sm_object *)block;
    object->count = 1;
    object->type = type;
    object->flags = flags;
    object->payload_bytes = payload_bytes;
    hot->alloc_bytes += payload_bytes;
    hot->alloc_count++;
    return object;
}

/** Zero a payload in 16-byte steps; the rounding at its end is zeroed too. */
static inline void sm_zero_payload(struct sm_object *object, size_t payload_bytes)
{
    struct sm_value *slot = (struct sm_value *)sm_payload(object);
    struct sm_value *end = slot + (payload_bytes + 15) / 16;
    struct sm_value zero = {0, 0};
    if (payload_bytes > 256) {
        memset(slot, 0, (size_t)((char *)end - (char *)slot));
        return;
    }
    while (slot < end)
        *slot++ = zero;
}

/**
 * Allocate one object of `type`, zeroed.
 *
 * It is reachable only through the returned pointer until it is stored or rooted; it survives any
 * emergency collection before the next safepoint.
 * `payload_bytes` range: 0 .. SM_PAYLOAD_MAX.
 *
 * Returns:     the object, or NULL when the limit holds after one reclamation cycle; the heap is unchanged then.
 * Owner:       the policy; valid until request end (arena) or unreachable (epoch, R2). Under counting policies the
 *              caller holds the one count it is born with: sm_store_take passes it on, sm_value_drop gives it up.
 * May collect: only in an emergency.
 * Cost:        O(payload); out of line when the window and lists are empty.
 */
static inline struct sm_object *sm_alloc(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    struct sm_hot *hot = sm_hot(mm);
    if (SM_LIKELY(payload_bytes <= SM_INLINE_PAYLOAD_MAX)) {
        void *block = sm_take_block(hot, payload_bytes);
        if (SM_LIKELY(block != NULL)) {
            struct sm_object *object = sm_object_init(hot, block, type, 0, payload_bytes);
            sm_zero_payload(object, payload_bytes);
            return object;
        }
    }
    return sm_alloc_slow(mm, type, payload_bytes);
}

/** As sm_alloc for a leaf type (no trace function); the payload is not initialised. */
static inline struct sm_object *sm_alloc_leaf(struct sm_manager *mm, sm_type_id type, size_t payload_bytes)
{
    struct sm_hot *hot = sm_hot(mm);
    if (SM_LIKELY(payload_bytes <= SM_INLINE_PAYLOAD_MAX)) {
        void *block = sm_take_block(hot, payload_bytes);
        if (SM_LIKELY(block != NULL))
            return sm_object_init(hot, block, type, SM_OBJECT_ACYCLIC, payload_bytes);
    }
    return sm_alloc_leaf_slow(mm, type, payload_bytes);
}

/**
 * Change the payload size of `object`, keeping its bytes up to the smaller size; growth of a traced type is zeroed.
 *
 * In place where the policy can (no other thread may be reading then); otherwise a new object is made. The
 * caller then replaces its references and gives the old object to sm_retire, in that order: an observer
 * that arrives between the two must not find what nothing keeps. Growth counts on the allocation clock.
 * Objects with a destructor keep their size.
 * A new object takes over the old one's count, so the caller's reference to it changes by sm_store_move.
 * Returns:     the object, the same or a new one; NULL on failure, with the old one unchanged.
 * May collect: only in an emergency.
 */
struct sm_object *sm_resize(struct sm_manager *mm, struct sm_object *object, size_t payload_bytes);

/** Free now. Errors: SM_ERR_UNSUPPORTED unless the policy has SM_CAP_FREE. */
sm_status sm_free(struct sm_manager *mm, struct sm_object *object);

/**
 * Give up `object`: nothing reachable refers to it any more and the caller will not touch it again. Nor does anything
 * made since the last safepoint refer to it, or anything that a destructor still to run can reach: an emergency
 * takes both for reachable.
 *
 * It is reused after every guard active now has ended (R2). A policy that frees explicitly and cannot
 * retire frees it now; one that can do neither ignores the call. What its slots held is not dropped: it moved
 * elsewhere, or the caller has dropped it.
 */
void sm_retire(struct sm_manager *mm, struct sm_object *object);

/** Slow part of a drop: `object` lost its last count, or is a possible root now. */
void sm_count_zero_slow(struct sm_manager *mm, struct sm_object *object);
void sm_candidate_slow(struct sm_manager *mm, struct sm_object *object);

/** One holder more. A count at its end stays there. */
static inline void sm_count_add(struct sm_object *object)
{
    object->count += object->count != SM_COUNT_MAX;
}

/** One holder less; at zero the policy frees the object, otherwise it may be a possible root of a cycle. */
static inline void sm_count_remove(struct sm_manager *mm, struct sm_object *object)
{
    uint32_t count = object->count;
    if (SM_UNLIKELY(count == SM_COUNT_MAX))
        return;
    object->count = --count;
    if (count == 0)
        sm_count_zero_slow(mm, object);
    else if (((object->flags | sm_hot(mm)->never_candidate) & (SM_OBJECT_ACYCLIC | SM_OBJECT_CANDIDATE)) == 0)
        sm_candidate_slow(mm, object);
}

/** A local, a temporary or a slot now also holds `value`. Cost: one test where it is not counted. */
static inline void sm_value_copy(struct sm_manager *mm, struct sm_value value)
{
    if ((value.tag & sm_hot(mm)->counted_tags) != 0)
        sm_count_add(sm_value_object(value));
}

/** A holder no longer holds `value`; under counting policies this may free it and run destructors. */
static inline void sm_value_drop(struct sm_manager *mm, struct sm_value value)
{
    if ((value.tag & sm_hot(mm)->counted_tags) != 0)
        sm_count_remove(mm, sm_value_object(value));
}

/** Whether plain pointers are counted too: the policy counts everything. */
static inline bool sm_counts_all(struct sm_manager *mm)
{
    return (sm_hot(mm)->counted_tags & SM_TAG_HEAP) != 0;
}

/** Whether a store to `owner` is more than a store. */
static inline bool sm_store_is_slow(struct sm_manager *mm, const struct sm_object *owner)
{
    uint32_t barrier = sm_hot(mm)->barrier;
    return SM_UNLIKELY(barrier != 0) && (barrier & (SM_BARRIER_EVERY | (uint32_t)sm_object_flags(owner))) != 0;
}

/** Slow part of the stores: policy barrier, publication, checks. They write and count nothing. */
void sm_store_slow(struct sm_manager *mm, struct sm_object *owner, struct sm_value *slot, struct sm_value value);
void sm_store_pointer_slow(struct sm_manager *mm, struct sm_object *owner, void *slot, struct sm_object *target);

/**
 * Replace what `slot` holds and count nothing: its old content moved elsewhere, and `value` brings its count along.
 *
 * Orders:      release where observers exist; pairs with sm_load_shared.
 */
static inline void sm_store_move(struct sm_manager *mm, struct sm_object *owner, struct sm_value *slot,
                                 struct sm_value value)
{
    if (SM_LIKELY(!sm_store_is_slow(mm, owner)))
        *slot = value;
    else
        sm_store_slow(mm, owner, slot, value);
}

/** Store a value that the caller owns: the slot takes over its count. */
static inline void sm_store_take(struct sm_manager *mm, struct sm_object *owner, struct sm_value *slot,
                                 struct sm_value value)
{
    /* Where nothing is counted the old value need not be known: a slot that is not in the cache costs no wait then. */
    if (sm_hot(mm)->counted_tags == 0) {
        sm_store_move(mm, owner, slot, value);
        return;
    }
    struct sm_value old = *slot;
    sm_store_move(mm, owner, slot, value);
    sm_value_drop(mm, old);
}

/**
 * Store `value` into `slot`, inside the payload of `owner`. Every store of a reachable object goes through here.
 *
 * Orders:      release where observers exist; pairs with sm_load_shared.
 * Cost:        two tests and a 16-byte store; under a policy with young cycles a look at the owner's header as well.
 */
static inline void sm_store(struct sm_manager *mm, struct sm_object *owner, struct sm_value *slot,
                            struct sm_value value)
{
    sm_value_copy(mm, value);
    sm_store_take(mm, owner, slot, value);
}

/** The same three for a slot that holds a plain object pointer (the address of any `struct X *` whose first member is the header); NULL is fine. */
static inline void sm_store_pointer_move(struct sm_manager *mm, struct sm_object *owner, void *slot, void *target)
{
    if (SM_LIKELY(!sm_store_is_slow(mm, owner)))
        memcpy(slot, &target, sizeof(target));
    else
        sm_store_pointer_slow(mm, owner, slot, (struct sm_object *)target);
}

static inline void sm_store_pointer_take(struct sm_manager *mm, struct sm_object *owner, void *slot, void *target)
{
    if (!sm_counts_all(mm)) {
        sm_store_pointer_move(mm, owner, slot, target);
        return;
    }
    struct sm_object *old;
    memcpy(&old, slot, sizeof(struct sm_object *));
    sm_store_pointer_move(mm, owner, slot, target);
    if (old != NULL)
        sm_count_remove(mm, old);
}

static inline void sm_store_pointer(struct sm_manager *mm, struct sm_object *owner, void *slot, void *target)
{
    if (sm_counts_all(mm) && target != NULL)
        sm_count_add((struct sm_object *)target);
    sm_store_pointer_take(mm, owner, slot, target);
}

/**
 * A point where the owner holds no unrooted object: cycles start, destructors run, waits happen here.
 *
 * May collect: yes.
 * Cost:        two loads and a comparison when nothing is due.
 */
static inline void sm_safepoint(struct sm_manager *mm)
{
    struct sm_hot *hot = sm_hot(mm);
    if (SM_UNLIKELY(hot->alloc_bytes >= hot->event_clock_bytes) ||
        SM_UNLIKELY(__atomic_load_n(&hot->attention, __ATOMIC_RELAXED) != 0))
        sm_safepoint_slow(mm);
}

/**
 * The safepoint at the end of a run-loop iteration, once its locals are gone: nearly all that it made is dead here, so a
 * policy with young cycles has one here when it is due. A run loop without this has them at the first safepoint of
 * the next iteration's guard.
 *
 * May collect: yes.
 */
static inline void sm_safepoint_boundary(struct sm_manager *mm)
{
    struct sm_hot *hot = sm_hot(mm);
    hot->at_boundary = 1;
    sm_safepoint(mm);
    hot->at_boundary = 0;
}

/**
 * Make a weak cell that refers to `target` without keeping it alive; the cell itself is an ordinary object.
 *
 * Returns:     the cell, or NULL (out of memory).
 */
struct sm_object *sm_weak_make(struct sm_manager *mm, struct sm_object *target);

/**
 * Make an entry of a weak map: a weak cell that keeps `value` (counted in) until its target dies, which clears both.
 *
 * Returns:     the entry, or NULL (out of memory).
 */
struct sm_object *sm_weak_entry_make(struct sm_manager *mm, struct sm_object *target, struct sm_value value);

/** Where the value of an entry is, to read or sm_store (the entry is the owner); all zero once the target died (of thousands of weak cells some only a few safepoints after a
 * cycle has said so). */
struct sm_value *sm_weak_entry_value(struct sm_object *entry);

/** The target of a weak cell or entry, or NULL once it was retired or freed, and to whoever is not the owner (R1); still answers inside the target's destructor (R5). */
struct sm_object *sm_weak_get(struct sm_manager *mm, struct sm_object *cell);

/** `object` has a destructor (its type's `finalize`) that must run exactly once. Errors: SM_ERR_OUT_OF_MEMORY, SM_ERR_INVALID_ARGUMENT (no finalize, or registered before). */
sm_status sm_finalizer_register(struct sm_manager *mm, struct sm_object *object);

#ifdef __cplusplus
}
#endif
#endif
