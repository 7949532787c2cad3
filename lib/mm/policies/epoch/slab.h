/**
 * The layout of the heap's memory: slabs, blocks, granules, and the byte that stands for each granule.
 *
 *     slab, 4 MiB, aligned:   | block headers, 16 KiB | granule bytes, 240 KiB | 60 blocks of 64 KiB |
 *
 * A granule is 16 bytes, the alignment of objects; the byte of the granule at slab offset `o` stands at slab offset
 * o / 16. What stands for the first four blocks, where no object can be, is the room of the 64 block headers; the
 * first of those describes the slab itself. So every address leads to its byte, its block and its slab by masks and
 * shifts alone, and large objects, which begin at a block of their own, need no other way.
 *
 * A granule's byte is 0 but for the first and the last granule of an old object, one that a cycle marked or that was made
 * old without one: colour | START and colour | END, both in one byte where the object is one granule. Young cycles add
 * marks of the colour there is; two colours alternate from one full cycle to the next, so that none clears marks, and a
 * sweep turns bytes of the other colour to 0 before that colour comes back (sweep.h).
 *
 * While a full cycle marks beside the program, two threads write to the first granule's byte, and to nothing else of the
 * same object: see barrier.h for who writes what.
 *
 * Committed is a block from its first use until it is given back, with the page of granule bytes that belongs to
 * it, and the headers of a slab as long as it is mapped. Address space that is merely mapped is not counted.
 */
#ifndef SM_EPOCH_SLAB_H
#define SM_EPOCH_SLAB_H

#include "assertion.h"
#include "sapimem/object.h"

enum {
    EPOCH_GRANULE_BYTES = 16,
    EPOCH_PAGE_BYTES = 4096,
    EPOCH_BLOCK_BYTES = 64 * 1024,
    EPOCH_BLOCK_GRANULES = EPOCH_BLOCK_BYTES / EPOCH_GRANULE_BYTES,
    EPOCH_BLOCK_PAGES = EPOCH_BLOCK_BYTES / EPOCH_PAGE_BYTES,
    EPOCH_SLAB_BLOCKS = 64,
    EPOCH_SLAB_BYTES = EPOCH_SLAB_BLOCKS * EPOCH_BLOCK_BYTES,
    EPOCH_FIRST_BLOCK = 4, /**< before it: headers and granule bytes */
    EPOCH_HEADER_BYTES = 256,
    EPOCH_HEADERS_BYTES = EPOCH_SLAB_BLOCKS * EPOCH_HEADER_BYTES,
    /** Room of the largest object that shares a block with others. */
    EPOCH_SHARED_MAX_BYTES = 32 * 1024,
    /** Largest run of blocks in one slab; a larger object has a mapping of its own. */
    EPOCH_RUN_BLOCKS_MAX = EPOCH_SLAB_BLOCKS - EPOCH_FIRST_BLOCK,
};

/** Bits of a granule's byte. */
enum epoch_granule {
    EPOCH_COLOUR_NONE = 0,
    EPOCH_COLOUR_A = 1,
    EPOCH_COLOUR_B = 2,
    EPOCH_COLOUR_MASK = 3,
    EPOCH_START = 4,
    EPOCH_END = 8,
    EPOCH_RECENT = 16,  /**< with START: may be younger than the last safepoint, though it is marked */
    EPOCH_CLAIMED = 32, /**< with START: the program has logged its slots, the marker leaves them alone (R8) */
    EPOCH_BUSY = 64,    /**< with START: the marker is reading its slots, the program waits (R8) */
};

/** What a block is at the moment. */
enum epoch_block_state {
    EPOCH_BLOCK_RESERVED = 0, /**< not for objects: the first four of a slab, and what must never be used again */
    EPOCH_BLOCK_FREE,         /**< no object */
    EPOCH_BLOCK_USED,         /**< objects of several sizes */
    EPOCH_BLOCK_LARGE,        /**< the first of a run that is one object */
    EPOCH_BLOCK_RUN,          /**< a later one of such a run */
};

/**
 * Header of a block.
 *
 * Up to `parsed_bytes` the block is a sequence of objects and fillers, each header leading to the next; behind it only
 * granules tell where objects are, which are those that the last cycle marked.
 *
 * `state` changes under the pool's lock. All else is its holder's: the owner's while the block is in one of the heap's
 * lists or in marking, the pool's (under its lock) while it is there, nobody's while it waits for a grace period.
 */
struct epoch_block {
    struct epoch_block *next, *previous; /**< in the list that holds it; `previous` among large ones only */
    uint8_t state;                       /**< enum epoch_block_state */
    uint8_t swept_for; /**< every granule byte that is not 0 has this colour, but for what is being marked */
    bool is_open;      /**< objects may have been made here since its last conclusion */
    bool is_poisoned;  /**< its holes were overwritten (poisoning.h) */
    bool is_touched;   /**< its holes may have changed since: the pool handed it out, or something in it was retired */
    bool is_worn;      /**< its last conclusion was a young cycle's: small holes in it were tried already */
    bool awaits_grace; /**< something here was retired and its grace period is not known to be over */
    uint32_t live_granules[2]; /**< of each colour (epoch_colour_index), without those below; LARGE: 0 or 1. The other
                                    colour's are the marker's while it marks, and mean nothing otherwise */
    uint32_t black_granules;   /**< made old by the owner in the other colour while a marker counts there */
    uint32_t used_bytes;       /**< of USED: in objects whose room is not free to be used again */
    uint32_t dead_bytes;       /**< of USED that awaits its grace period: what the backlog counts for it */
    uint32_t parsed_bytes;
    uint32_t recent_from;     /**< offset from which objects may be younger than the last safepoint op ... */
    uint64_t recent_sequence; /**< ... if this is the heap's */
    uint64_t large_bytes;     /**< LARGE: committed pages of the run */
    uint8_t *chunks;          /**< LARGE: state of its chunks of elements (chunks.h); NULL: it has none */
    uint32_t large_blocks;    /**< LARGE: blocks of the run */
    uint32_t concluded_bytes; /**< of USED: what lived here at its last conclusion, as the heap's occupancy has it */
    uint32_t unused[10];
    uint64_t page_epochs[EPOCH_BLOCK_PAGES]; /**< by page: not after the birth of any object that begins there */
} __attribute__((aligned(EPOCH_HEADER_BYTES)));

_Static_assert(sizeof(struct epoch_block) == EPOCH_HEADER_BYTES, "64 headers fill the room there is for them");
_Static_assert(EPOCH_HEADERS_BYTES == EPOCH_FIRST_BLOCK * EPOCH_BLOCK_BYTES / EPOCH_GRANULE_BYTES,
               "the headers stand where the granule bytes of the first blocks would");

/** The slab's own record, in the place of its first block's header. Bit i of a mask is block i. Under the pool's lock. */
struct epoch_slab {
    uint64_t free_blocks;      /**< in state FREE */
    uint64_t committed_blocks; /**< counted as committed, whole */
    uint64_t committed_granule_pages;
    uint64_t hole_blocks;     /**< used, in the pool's hands, with holes worth a search */
    uint64_t full_blocks;     /**< used, in the pool's hands, without */
    uint64_t unswept_blocks;  /**< of these two */
    uint64_t poisoned_blocks; /**< free, and overwritten */
    uint64_t boot_blocks;     /**< not free when the open request began (region.c); 0 outside requests */
    uint64_t closed_blocks;   /**< of these, the ones whose holes are offered again when it ends */
    size_t mapped_bytes;      /**< above EPOCH_SLAB_BYTES: one huge object */
    uint64_t number;          /**< in the pool's directory: how many were mapped before it */
};

_Static_assert(sizeof(struct epoch_slab) <= EPOCH_HEADER_BYTES, "the slab's record has a header's room");

static inline struct epoch_slab *epoch_slab_of(const void *address)
{
    return (struct epoch_slab *)((uintptr_t)address & ~(uintptr_t)(EPOCH_SLAB_BYTES - 1));
}

static inline size_t epoch_slab_offset(const void *address)
{
    return (uintptr_t)address & (EPOCH_SLAB_BYTES - 1);
}

static inline uint8_t *epoch_granule_of(const void *address)
{
    return (uint8_t *)epoch_slab_of(address) + epoch_slab_offset(address) / EPOCH_GRANULE_BYTES;
}

static inline struct epoch_block *epoch_slab_block(struct epoch_slab *slab, size_t index)
{
    SM_ASSERT(index < EPOCH_SLAB_BLOCKS);
    return (struct epoch_block *)(void *)slab + index;
}

static inline struct epoch_block *epoch_block_of(const void *address)
{
    return (struct epoch_block *)(void *)epoch_slab_of(address) + epoch_slab_offset(address) / EPOCH_BLOCK_BYTES;
}

/** Which block of its slab a header belongs to. */
static inline size_t epoch_block_index(const struct epoch_block *block)
{
    return epoch_slab_offset(block) / EPOCH_HEADER_BYTES;
}

static inline char *epoch_block_start(const struct epoch_block *block)
{
    return (char *)epoch_slab_of(block) + epoch_block_index(block) * EPOCH_BLOCK_BYTES;
}

/** The granule bytes of a block; aligned to 8. */
static inline uint8_t *epoch_block_granules(const struct epoch_block *block)
{
    return epoch_granule_of(epoch_block_start(block));
}

/** Which of the two counts of a block belongs to `colour`. */
static inline size_t epoch_colour_index(uint8_t colour)
{
    return colour >> 1;
}

static inline uint8_t epoch_other_colour(uint8_t colour)
{
    return (uint8_t)(EPOCH_COLOUR_MASK - colour);
}

/** Granules that an old object is counted for: of a large one, which may have more than a count holds, one. */
static inline size_t epoch_marked_granules(const struct sm_object *object)
{
    size_t room_bytes = sm_block_bytes((size_t)object->payload_bytes);
    return room_bytes > EPOCH_SHARED_MAX_BYTES ? 1 : room_bytes / EPOCH_GRANULE_BYTES;
}

/** The byte of an address, which another thread may be writing to. */
static inline uint8_t epoch_granule_load(const void *address)
{
    return __atomic_load_n(epoch_granule_of(address), __ATOMIC_RELAXED);
}

static inline uint32_t epoch_block_offset(const struct epoch_block *block, const void *address)
{
    return (uint32_t)((const char *)address - epoch_block_start(block));
}

/** A list of blocks, each in one list at most. Zeroed: empty. */
struct epoch_block_list {
    struct epoch_block *first, *last;
    size_t count;
};

static inline void epoch_list_append(struct epoch_block_list *list, struct epoch_block *block)
{
    block->next = NULL;
    if (list->last == NULL)
        list->first = block;
    else
        list->last->next = block;
    list->last = block;
    list->count++;
}

static inline struct epoch_block *epoch_list_take(struct epoch_block_list *list)
{
    struct epoch_block *block = list->first;
    if (block == NULL)
        return NULL;
    list->first = block->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    block->next = NULL;
    return block;
}

/** Append `tail` to `list`; empties it. */
static inline void epoch_list_splice(struct epoch_block_list *list, struct epoch_block_list *tail)
{
    if (tail->first == NULL)
        return;
    if (list->last == NULL)
        list->first = tail->first;
    else
        list->last->next = tail->first;
    list->last = tail->last;
    list->count += tail->count;
    *tail = (struct epoch_block_list){0};
}

#endif
