/* Batches are values; only the lists of objects retired by hand need memory. */
#include "epoch/batch.h"

#include <stdlib.h>

/* Chunks from the newest batch come first. */
static void splice_chunks(struct epoch_retired_chunk **chunks, struct epoch_retired_chunk *tail)
{
    struct epoch_retired_chunk **end = chunks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = tail;
}

void epoch_batch_splice(struct epoch_batch *batch, struct epoch_batch *tail)
{
    if (epoch_batch_is_empty(tail))
        return;
    epoch_list_splice(&batch->blocks, &tail->blocks);
    epoch_list_splice(&batch->large, &tail->large);
    splice_chunks(&tail->retired, batch->retired);
    batch->retired = tail->retired;
    batch->object_count += tail->object_count;
    batch->payload_bytes += tail->payload_bytes;
    batch->room_bytes += tail->room_bytes;
    batch->uncounted_bytes += tail->uncounted_bytes;
    batch->retire_epoch = tail->retire_epoch;
    if (batch->sealed_ns == 0)
        batch->sealed_ns = tail->sealed_ns;
    batch->trims_pool = batch->trims_pool || tail->trims_pool;
    *tail = (struct epoch_batch){0};
}

uint64_t epoch_retired_chunks_room_bytes(const struct epoch_retired_chunk *chunk)
{
    uint64_t room_bytes = 0;
    for (; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            room_bytes += sm_block_bytes((size_t)chunk->objects[i]->payload_bytes);
    return room_bytes;
}

static void take_living_blocks(struct epoch_batch *batch, struct epoch_batch *taken)
{
    struct epoch_block_list blocks = batch->blocks;
    struct epoch_block *block;
    batch->blocks = (struct epoch_block_list){0};
    while ((block = epoch_list_take(&blocks)) != NULL) {
        if (block->used_bytes == 0) {
            epoch_list_append(&batch->blocks, block);
        } else {
            taken->room_bytes += block->dead_bytes;
            epoch_list_append(&taken->blocks, block);
        }
    }
}

void epoch_batch_take_living(struct epoch_batch *batch, struct epoch_batch *taken)
{
    uint64_t room_bytes_before = taken->room_bytes;
    take_living_blocks(batch, taken);
    taken->room_bytes += epoch_retired_chunks_room_bytes(batch->retired);
    splice_chunks(&taken->retired, batch->retired);
    batch->retired = NULL;
    SM_ASSERT(batch->room_bytes >= taken->room_bytes - room_bytes_before);
    batch->room_bytes -= taken->room_bytes - room_bytes_before;
    if (taken->sealed_ns == 0)
        taken->sealed_ns = batch->sealed_ns;
}

void epoch_batch_take_blocks(struct epoch_batch *batch, struct epoch_block_list *blocks)
{
    uint64_t room_bytes = 0;
    for (const struct epoch_block *block = batch->blocks.first; block != NULL; block = block->next)
        room_bytes += block->dead_bytes;
    epoch_list_splice(blocks, &batch->blocks);
    SM_ASSERT(batch->room_bytes >= room_bytes);
    batch->room_bytes -= room_bytes;
}

bool epoch_batch_list(struct epoch_batch *batch, struct sm_object *object, uint64_t sequence)
{
    struct epoch_retired_chunk *chunk = batch->retired;
    if (chunk == NULL || chunk->count == EPOCH_RETIRED_CHUNK_OBJECTS) {
        chunk = malloc(sizeof(*chunk));
        if (chunk == NULL)
            return false;
        chunk->next = batch->retired;
        chunk->count = 0;
        batch->retired = chunk;
    }
    chunk->sequence = sequence;
    chunk->objects[chunk->count++] = object;
    return true;
}

void epoch_retired_chunks_free(struct epoch_retired_chunk *chunk)
{
    while (chunk != NULL) {
        struct epoch_retired_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void epoch_batch_forget_list(struct epoch_batch *batch)
{
    epoch_retired_chunks_free(batch->retired);
    batch->retired = NULL;
}
