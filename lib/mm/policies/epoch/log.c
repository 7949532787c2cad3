/* Chunks of addresses. */
#include "epoch/log.h"

#include <stdlib.h>

static bool add_chunk(struct epoch_log *log)
{
    struct epoch_log_chunk *chunk = malloc(sizeof(*chunk));
    if (chunk == NULL)
        return false;
    chunk->next = log->first;
    chunk->count = 0;
    log->first = chunk;
    return true;
}

static bool make_room(struct epoch_log *log, size_t entries)
{
    return (log->first != NULL && log->first->count + entries <= EPOCH_LOG_CHUNK_ENTRIES) || add_chunk(log);
}

bool epoch_log_add_pair(struct epoch_log *log, uintptr_t entry, size_t number)
{
    if (!make_room(log, 2))
        return false;
    log->first->entries[log->first->count++] = entry | EPOCH_LOG_PAIR;
    log->first->entries[log->first->count++] = number;
    log->count += 2;
    return true;
}

bool epoch_log_add(struct epoch_log *log, uintptr_t entry)
{
    if (!make_room(log, 1))
        return false;
    log->first->entries[log->first->count++] = entry;
    log->count++;
    return true;
}

struct epoch_log_chunk *epoch_log_take(struct epoch_log *log)
{
    struct epoch_log_chunk *chunk = log->first;
    if (chunk == NULL)
        return NULL;
    log->first = chunk->next;
    log->count -= chunk->count;
    return chunk;
}

void epoch_log_splice(struct epoch_log *log, struct epoch_log *tail)
{
    struct epoch_log_chunk **end = &tail->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = log->first;
    log->first = tail->first;
    log->count += tail->count;
    *tail = (struct epoch_log){0};
}

void epoch_log_clear(struct epoch_log *log)
{
    struct epoch_log_chunk *chunk;
    while ((chunk = epoch_log_take(log)) != NULL)
        free(chunk);
}
