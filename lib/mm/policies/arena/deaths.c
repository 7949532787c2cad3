/*
 * What the machine knows to be dead: what it retires, and what loses its last count beside tracing.
 *
 * An array takes its storage along, and the counts of its elements; so do a reference and an object. What has no count, as
 * closures and generators, and what has a destructor give up nothing: what they held stays until the end of the request, as they do.
 */
#include "arena/arena_internal.h"

#include "manager_internal.h"

#include <string.h>

/** One death, and all that it brings about. */
struct toll {
    struct arena_policy *arena;
    uint64_t objects, bytes;
};

/** Other places than values may refer to it, or a destructor knows it. */
#define HELD_OTHERWISE (SM_OBJECT_SHARED | SM_OBJECT_INTERNED | SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)

static const struct sm_type *type_of(const struct arena_policy *arena, const struct sm_object *object)
{
    const struct sm_types *types = &arena->base.mm->types;
    return &types->pages[object->type >> SM_TYPE_PAGE_BITS][object->type & (SM_TYPE_PAGE_ENTRIES - 1)];
}

static __attribute__((noinline)) void give_back_other(struct arena_policy *arena, struct sm_object *object)
{
    if (arena->shape == ARENA_REUSE)
        arena_reuse(arena, object);
    else
        arena_retract(arena, object);
}

/** Most blocks are small and reused. */
static inline void give_back(struct toll *toll, struct sm_object *object)
{
    struct arena_policy *arena = toll->arena;
    if (SM_UNLIKELY(arena_chunk_of(arena, object)->generation != arena->generation))
        return;
    toll->objects++;
    toll->bytes += object->payload_bytes;
    bool is_plain = object->payload_bytes <= arena->plain_max_bytes && (object->flags & ARENA_ROOMY) == 0;
    if (SM_LIKELY(is_plain))
        arena_reuse_plain(arena, object);
    else
        give_back_other(arena, object);
}

static void die(struct toll *toll, struct sm_object *object, unsigned depth);

/* A destructor would run in the middle of this, so whoever has one keeps a count until the end of the request. */
static inline void drop(struct toll *toll, const struct sm_value *value, uint64_t counted_tags, unsigned depth)
{
    if ((value->tag & counted_tags) == 0)
        return;
    struct sm_object *object = sm_value_object(*value);
    if (object->count > 1) {
        object->count -= object->count != SM_COUNT_MAX && (object->flags & SM_OBJECT_FINALIZABLE) == 0;
        return;
    }
    if ((object->flags & SM_OBJECT_FINALIZABLE) != 0)
        return;
    object->count = 0;
    if ((object->flags & (HELD_OTHERWISE | SM_OBJECT_ACYCLIC)) == SM_OBJECT_ACYCLIC)
        give_back(toll, object);
    else if ((object->flags & HELD_OTHERWISE) == 0)
        die(toll, object, depth);
}

/** The values of `count` elements; plain pointers have no count here. */
static inline void drop_elements(struct toll *toll, const struct sm_layout *layout, const char *element, size_t count,
                                 unsigned depth)
{
    uint64_t counted_tags = sm_hot(toll->arena->base.mm)->counted_tags;
    size_t stride = layout->stride;
    for (const char *end = element + count * stride; element != end; element += stride)
        drop(toll, (const struct sm_value *)(const void *)element, counted_tags, depth);
}

static void drop_storage(struct toll *toll, const struct sm_layout *head, const struct sm_object *object,
                         unsigned depth)
{
    const char *payload = sm_payload_const(object);
    struct sm_object *storage;
    uint64_t used;
    memcpy(&storage, payload + head->pointers[0], sizeof(struct sm_object *));
    memcpy(&used, payload + head->used, sizeof(used));
    if (storage == NULL)
        return;
    drop_elements(toll, &type_of(toll->arena, storage)->layout, sm_payload_const(storage), used, depth);
    give_back(toll, storage);
}

/** Elements first: they are older than what holds them as often as not, and nothing is taken meanwhile. */
static void die(struct toll *toll, struct sm_object *object, unsigned depth)
{
    if (depth < ARENA_DEPTH_MAX) {
        const struct sm_layout *layout = &type_of(toll->arena, object)->layout;
        if (layout->kind == SM_LAYOUT_HEAD)
            drop_storage(toll, layout, object, depth + 1);
        else if (layout->kind == SM_LAYOUT_SLOTS && layout->stride != 0)
            drop_elements(toll, layout, (const char *)sm_payload_const(object) + layout->first,
                          (object->payload_bytes - layout->first) / layout->element_bytes, depth + 1);
    }
    give_back(toll, object);
}

void arena_known_dead(struct sm_policy *policy, struct sm_object *object)
{
    struct toll toll = {.arena = (struct arena_policy *)policy};
    SM_ASSERT(object->count == 0);
    if (!toll.arena->gives_back || (object->flags & HELD_OTHERWISE) != 0)
        return;
    if ((object->flags & SM_OBJECT_ACYCLIC) != 0)
        give_back(&toll, object);
    else
        die(&toll, object, 0);
    policy->mm->counters.dead_objects += toll.objects;
    policy->mm->counters.dead_bytes += toll.bytes;
}

/** The manager counts it as dead; where its memory is of no use it is a filler from now on. */
void arena_retire(struct sm_policy *policy, struct sm_object *object)
{
    struct toll toll = {.arena = (struct arena_policy *)policy};
    /* A weak cell refers to it. */
    if (object->count == SM_COUNT_MAX)
        return;
    if (toll.arena->gives_back)
        give_back(&toll, object);
    if (toll.objects == 0)
        object->type = ARENA_FILLER_TYPE;
}
