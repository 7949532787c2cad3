/* The heap's invariants, for checked builds. */
#include "epoch/heap.h"

#include "epoch/sweep.h"

#include "manager_internal.h"

#include <string.h>

struct heap_count {
    const struct sm_manager *mm;
    uint64_t objects, payload_bytes;
    bool is_sound;
};

struct block_check {
    const struct epoch_heap *heap;
    bool is_sound;
};

/* A type that exists, no filler, not retired, and inside its block. */
static void check_object(void *context, struct sm_object *object)
{
    struct heap_count *count = context;
    const struct epoch_block *block = epoch_block_of(object);
    size_t room_bytes = sm_block_bytes((size_t)object->payload_bytes);
    bool is_inside = block->state == EPOCH_BLOCK_LARGE
                         ? room_bytes <= block->large_bytes
                         : room_bytes <= EPOCH_BLOCK_BYTES - epoch_block_offset(block, object);
    count->is_sound = count->is_sound && is_inside && sm_type_get(count->mm, object->type) != NULL &&
                      (sm_object_flags(object) & EPOCH_RETIRED) == 0;
    count->objects++;
    count->payload_bytes += object->payload_bytes;
}

/* How many granules behind `i` may be passed over at once: the rest of a word that is 0. */
static uint32_t skip_zeros(const uint8_t *granules, uint32_t i)
{
    uint64_t word;
    if (i % sizeof(word) != 0)
        return 0;
    memcpy(&word, granules + i, sizeof(word));
    return word == 0 ? sizeof(word) - 1 : 0;
}

/* START, nothing, END, and again; one colour from the first to the last granule of an object. Of a swept block only. */
static bool granules_are_sound(const struct epoch_block *block, uint32_t open_bytes)
{
    const uint8_t *granules = epoch_block_granules(block);
    uint8_t open = 0;
    uint32_t marked = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < EPOCH_BLOCK_GRANULES; i++) {
        uint8_t byte = granules[i];
        if (byte == 0) {
            i += skip_zeros(granules, i);
            continue;
        }
        uint8_t colour = byte & EPOCH_COLOUR_MASK;
        bool begins = (byte & EPOCH_START) != 0, ends = (byte & EPOCH_END) != 0;
        if (begins == (open != 0) || (open != 0 && colour != open) || colour == 0)
            return false;
        if (begins)
            first = i;
        if (ends)
            marked += i - first + 1;
        open = ends ? 0 : colour;
    }
    uint32_t counted = block->black_granules + block->live_granules[epoch_colour_index(block->swept_for)];
    return open == 0 && marked == counted && counted * EPOCH_GRANULE_BYTES <= block->used_bytes + open_bytes;
}

static void check_block(void *context, struct epoch_block *block)
{
    struct block_check *check = context;
    if (block->state != EPOCH_BLOCK_USED || block->swept_for != check->heap->colour)
        return;
    /* What the open window has taken is counted when it closes. */
    uint32_t open_bytes = check->heap->window == block ? EPOCH_BLOCK_BYTES : 0;
    if (!granules_are_sound(block, open_bytes) || block->parsed_bytes > EPOCH_BLOCK_BYTES)
        check->is_sound = false;
}

/* With the program stopped, and no cycle marking. */
bool epoch_heap_is_consistent(struct epoch_heap *heap)
{
    struct heap_count count = {.mm = heap->mm, .is_sound = true};
    struct block_check blocks = {.heap = heap, .is_sound = true};
    for (uint64_t position = 0; epoch_pool_visit_next(&heap->pool, &position, check_block, &blocks);)
        ;
    epoch_heap_walk(heap, check_object, &count);
    return blocks.is_sound && count.is_sound && count.objects == sm_live_objects(heap->mm) &&
           count.payload_bytes == sm_live_bytes(heap->mm);
}
