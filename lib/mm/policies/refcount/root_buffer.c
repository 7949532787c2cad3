#include "refcount/root_buffer.h"

#include "refcount/edges.h"

#include "manager_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Where an object keeps its index. ---- */

/* The word in its payload; NULL: it has none. */
static inline uint32_t *word_of(const struct root_buffer *buffer, struct sm_object *object)
{
    uint32_t offset = edges_type(&buffer->mm->types, object)->root_offset;
    if (offset == SM_ROOT_NONE || offset == SM_ROOT_FORWARD || (uint64_t)offset + 4 > object->payload_bytes)
        return NULL;
    return (uint32_t *)(void *)((char *)sm_payload(object) + offset);
}

static inline bool set_index(struct root_buffer *buffer, struct sm_object *object, uint32_t index)
{
    uint32_t *word = word_of(buffer, object);
    if (word == NULL)
        return sm_object_map_set(&buffer->index, object, index);
    *word = index;
    return true;
}

static inline uint32_t take_index(struct root_buffer *buffer, struct sm_object *object)
{
    uint32_t *word = word_of(buffer, object);
    if (word == NULL)
        return (uint32_t)sm_object_map_take(&buffer->index, object);
    uint32_t index = *word;
    *word = 0;
    return index;
}

/* ---- Slots. ---- */

void root_buffer_init(struct root_buffer *buffer, struct sm_manager *mm)
{
    *buffer = (struct root_buffer){.mm = mm, .first_unused = ROOTS_FIRST};
}

void root_buffer_finish(struct root_buffer *buffer)
{
    free(buffer->slots);
    free(buffer->late.objects);
    sm_object_map_finish(&buffer->index);
}

static bool grow(struct sm_object ***objects, uint32_t *capacity)
{
    uint32_t wanted = *capacity == 0 ? ROOTS_INITIAL : *capacity < ROOTS_STEP ? *capacity * 2 : *capacity + ROOTS_STEP;
    if (wanted > ROOTS_MAX)
        return false;
    struct sm_object **grown = realloc(*objects, wanted * sizeof(struct sm_object *));
    if (grown == NULL)
        return false;
    *objects = grown;
    *capacity = wanted;
    return true;
}

static void link_unused(struct root_buffer *buffer, uint32_t slot)
{
    buffer->slots[slot] = (struct sm_object *)(((uintptr_t)buffer->unused << 1) | 1);
    buffer->unused = slot;
}

/* 0: no memory. */
static inline uint32_t take_slot(struct root_buffer *buffer)
{
    uint32_t slot = buffer->unused;
    if (slot != 0) {
        buffer->unused = (uint32_t)((uintptr_t)buffer->slots[slot] >> 1);
        return slot;
    }
    if (buffer->first_unused >= buffer->capacity && !grow(&buffer->slots, &buffer->capacity))
        return 0;
    return buffer->first_unused++;
}

static bool lose(struct root_buffer *buffer)
{
    buffer->lost_count++;
    return false;
}

bool root_buffer_add(struct root_buffer *buffer, struct sm_object *object)
{
    SM_ASSERT((object->flags & (SM_OBJECT_CANDIDATE | SM_OBJECT_ACYCLIC)) == 0);
    uint32_t slot = take_slot(buffer);
    if (slot == 0)
        return lose(buffer);
    if (!set_index(buffer, object, slot)) {
        link_unused(buffer, slot);
        return lose(buffer);
    }
    buffer->slots[slot] = object;
    buffer->count++;
    sm_object_set_flags(object, SM_OBJECT_CANDIDATE);
    return true;
}

bool root_buffer_add_late(struct root_buffer *buffer, struct sm_object *object)
{
    SM_ASSERT((object->flags & (SM_OBJECT_CANDIDATE | SM_OBJECT_ACYCLIC)) == 0);
    struct root_list *late = &buffer->late;
    if (late->count == late->capacity && !grow(&late->objects, &late->capacity))
        return lose(buffer);
    if (!set_index(buffer, object, late->count | ROOTS_LATE))
        return lose(buffer);
    late->objects[late->count++] = object;
    buffer->late_count++;
    sm_object_set_flags(object, SM_OBJECT_CANDIDATE);
    return true;
}

void root_buffer_remove(struct root_buffer *buffer, struct sm_object *object)
{
    uint32_t index = take_index(buffer, object);
    sm_object_clear_flags(object, SM_OBJECT_CANDIDATE);
    if ((index & ROOTS_LATE) != 0) {
        uint32_t position = index & ~ROOTS_LATE;
        SM_ASSERT(position < buffer->late.count && buffer->late.objects[position] == object);
        buffer->late.objects[position] = NULL;
        buffer->late_count--;
        return;
    }
    SM_ASSERT(index >= ROOTS_FIRST && index < buffer->first_unused && buffer->slots[index] == object);
    link_unused(buffer, index);
    buffer->count--;
}

void root_buffer_compact(struct root_buffer *buffer)
{
    uint32_t hole = ROOTS_FIRST, last = buffer->first_unused - 1;
    if (buffer->count + ROOTS_FIRST == buffer->first_unused)
        return;
    while (hole <= buffer->count) {
        if (root_buffer_at(buffer, hole) == NULL) {
            while (root_buffer_at(buffer, last) == NULL)
                last--;
            buffer->slots[hole] = buffer->slots[last--];
            /* It is there, so this needs no memory. */
            (void)set_index(buffer, buffer->slots[hole], hole);
        }
        hole++;
    }
    buffer->unused = 0;
    buffer->first_unused = buffer->count + ROOTS_FIRST;
}

/* ---- The late ones. ---- */

struct root_list root_buffer_detach_late(struct root_buffer *buffer)
{
    struct root_list late = buffer->late;
    for (uint32_t i = 0; i < late.count; i++) {
        if (late.objects[i] == NULL)
            continue;
        (void)take_index(buffer, late.objects[i]);
        sm_object_clear_flags(late.objects[i], SM_OBJECT_CANDIDATE);
    }
    buffer->late = (struct root_list){0};
    buffer->late_count = 0;
    return late;
}

void root_buffer_settle_late(struct root_buffer *buffer)
{
    struct root_list late = root_buffer_detach_late(buffer);
    for (uint32_t i = 0; i < late.count; i++) {
        if (late.objects[i] != NULL)
            (void)root_buffer_add(buffer, late.objects[i]);
    }
    free(late.objects);
}

static void forget(struct sm_object *object, bool (*stays)(void *context, const struct sm_object *object),
                   void *context)
{
    if (object != NULL && stays != NULL && stays(context, object))
        sm_object_clear_flags(object, SM_OBJECT_CANDIDATE);
}

void root_buffer_forget(struct root_buffer *buffer, bool (*stays)(void *context, const struct sm_object *object),
                        void *context)
{
    for (uint32_t slot = ROOTS_FIRST; stays != NULL && slot < buffer->first_unused; slot++)
        forget(root_buffer_at(buffer, slot), stays, context);
    for (uint32_t i = 0; stays != NULL && i < buffer->late.count; i++)
        forget(buffer->late.objects[i], stays, context);
    buffer->late.count = buffer->late_count = 0;
    buffer->unused = buffer->count = 0;
    buffer->first_unused = ROOTS_FIRST;
    sm_object_map_finish(&buffer->index);
}
