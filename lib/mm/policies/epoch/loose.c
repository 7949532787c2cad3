/* Loose holes by the power of two below their size. */
#include "epoch/loose.h"

void epoch_filler_write(char *start, size_t bytes)
{
    SM_ASSERT(bytes >= SM_HEADER_BYTES && bytes % SM_ALIGNMENT == 0);
    struct sm_object *header = (struct sm_object *)(void *)start;
    *header = (struct sm_object){.type = EPOCH_FILLER_TYPE, .payload_bytes = bytes - SM_HEADER_BYTES};
}

static uint32_t bucket_of(size_t bytes)
{
    return 63 - (uint32_t)__builtin_clzll(bytes);
}

void epoch_loose_add(struct epoch_loose *loose, char *start, size_t bytes)
{
    epoch_filler_write(start, bytes);
    if (bytes < EPOCH_LOOSE_MIN_BYTES)
        return;
    struct epoch_filler *filler = (struct epoch_filler *)(void *)start;
    uint32_t bucket = bucket_of(bytes);
    filler->next = loose->buckets[bucket];
    loose->buckets[bucket] = filler;
    loose->occupied |= UINT32_C(1) << bucket;
}

char *epoch_loose_take(struct epoch_loose *loose, size_t bytes, size_t *room_bytes)
{
    if (loose->occupied == 0)
        return NULL;
    uint32_t bucket = 31 - (uint32_t)__builtin_clz(loose->occupied);
    struct epoch_filler *filler = loose->buckets[bucket];
    size_t room = sm_block_bytes((size_t)filler->header.payload_bytes);
    if (room < bytes)
        return NULL;
    loose->buckets[bucket] = filler->next;
    if (filler->next == NULL)
        loose->occupied &= ~(UINT32_C(1) << bucket);
    *room_bytes = room;
    return (char *)filler;
}
