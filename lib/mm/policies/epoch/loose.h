/**
 * Holes beside the beaten track: what a window left over, what was too small for the request at hand, and objects that
 * were retired by hand once their grace period is over.
 *
 * Each begins with a filler, so the block it lies in stays a sequence of headers; the filler's payload links the list.
 * They lie in blocks that the owner has used up, and are forgotten when a cycle begins, which finds that room anew.
 * Threads: owner.
 */
#ifndef SM_EPOCH_LOOSE_H
#define SM_EPOCH_LOOSE_H

#include "assertion.h"
#include "sapimem/object.h"

enum {
    EPOCH_LOOSE_MIN_BYTES = 64, /**< smaller ones are no use until a cycle joins them with others */
    EPOCH_LOOSE_BUCKETS = 17,   /**< bucket b: sizes from 2^b below 2^(b+1); a block is 2^16 */
};

/** Type of fillers; sm_type_register would have to hand out all 65,536 indices to reach it. */
#define EPOCH_FILLER_TYPE UINT16_MAX

/** What stands at the start of a loose hole. */
struct epoch_filler {
    struct sm_object header; /**< of type EPOCH_FILLER_TYPE, its payload the rest of the hole */
    struct epoch_filler *next;
};

/** Zeroed: empty. */
struct epoch_loose {
    uint32_t occupied; /**< bit b: bucket b is not empty */
    struct epoch_filler *buckets[EPOCH_LOOSE_BUCKETS];
};

static inline bool epoch_is_filler(const struct sm_object *object)
{
    return object->type == EPOCH_FILLER_TYPE;
}

/** Make `bytes` at `start`, a multiple of 16, a filler. */
void epoch_filler_write(char *start, size_t bytes);

/** Write a filler, and remember it if it is large enough. */
void epoch_loose_add(struct epoch_loose *loose, char *start, size_t bytes);

/** The largest there is if it has room for `bytes`; NULL: none has. `*room_bytes` is its size. */
char *epoch_loose_take(struct epoch_loose *loose, size_t bytes, size_t *room_bytes);

static inline void epoch_loose_clear(struct epoch_loose *loose)
{
    *loose = (struct epoch_loose){0};
}

#endif
