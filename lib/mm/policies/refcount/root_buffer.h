/**
 * Possible roots of dead cycles: Zend's root buffer.
 *
 * Slots are numbered from 1, as in Zend; an object knows its slot through the word that its type offers
 * (sm_type.root_offset), or through `index` where it offers none, and carries SM_OBJECT_CANDIDATE. A slot given up is
 * linked into a list, last given up first, and reused before a new one is taken.
 *
 * Zend runs its collector the moment a root finds no unused slot below the threshold. Here that root asks for a
 * cycle, and it and those after it are `late`: the run at the next safepoint must not consider them, or it would
 * collect what Zend's could not have.
 *
 * Source: PHP 8.2, Zend/zend_gc.c (gc_possible_root, gc_compact, gc_adjust_threshold).
 */
#ifndef SM_ROOT_BUFFER_H
#define SM_ROOT_BUFFER_H

#include "object_map.h"

#include "sapimem/object.h"

enum {
    ROOTS_FIRST = 1,           /* slot 0 is never used: an index of 0 says none */
    ROOTS_INITIAL = 16 * 1024, /* slots; below a step the buffer doubles, from there it grows by steps */
    ROOTS_STEP = 128 * 1024,
    ROOTS_MAX = 1 << 30
};
/** Bit of an index: it is a position among the late ones. */
#define ROOTS_LATE (UINT32_C(1) << 31)

struct root_list {
    struct sm_object **objects; /**< NULL: died meanwhile */
    uint32_t count, capacity;
};

struct root_buffer {
    struct sm_manager *mm;
    struct sm_object **slots; /**< an unused one holds the number of the next, shifted left, and bit 0 */
    uint32_t capacity;
    uint32_t first_unused; /**< slots from here on have not been used since the last compaction */
    uint32_t unused;       /**< head of the list; 0: empty */
    uint32_t count;        /**< roots in slots */
    struct root_list late;
    uint32_t late_count; /**< of them not dead */
    struct sm_object_map index;
    uint64_t lost_count; /**< roots that found no memory */
};

void root_buffer_init(struct root_buffer *buffer, struct sm_manager *mm);
void root_buffer_finish(struct root_buffer *buffer);

/** Whether the next root needs a slot at `threshold` or beyond. */
static inline bool root_buffer_is_full(const struct root_buffer *buffer, uint32_t threshold)
{
    return buffer->unused == 0 && buffer->first_unused >= threshold;
}

/** Put an object, which is not in the buffer, in a slot. False: no memory; it is no root then. */
bool root_buffer_add(struct root_buffer *buffer, struct sm_object *object);
/** Likewise among the late ones. */
bool root_buffer_add_late(struct root_buffer *buffer, struct sm_object *object);
/** Take out an object that is in the buffer. */
void root_buffer_remove(struct root_buffer *buffer, struct sm_object *object);

/** Object in a slot below first_unused; NULL: unused. */
static inline struct sm_object *root_buffer_at(const struct root_buffer *buffer, uint32_t slot)
{
    struct sm_object *object = buffer->slots[slot];
    return ((uintptr_t)object & 1) != 0 ? NULL : object;
}

/** Fill unused slots with the last roots, in Zend's order; no slot below first_unused is unused after it. */
void root_buffer_compact(struct root_buffer *buffer);

/** The late ones, out of the buffer (no SM_OBJECT_CANDIDATE); the caller frees `objects`. NULL entries died. */
struct root_list root_buffer_detach_late(struct root_buffer *buffer);
/** Treat late ones as any other. */
void root_buffer_settle_late(struct root_buffer *buffer);

/** Forget every root, at a bulk free. `stays` objects lose their mark; the others are not looked at. NULL: none stays. */
void root_buffer_forget(struct root_buffer *buffer, bool (*stays)(void *context, const struct sm_object *object),
                        void *context);

/** Roots that gc_status would show. */
static inline uint32_t root_buffer_total(const struct root_buffer *buffer)
{
    return buffer->count + buffer->late_count;
}

#endif
