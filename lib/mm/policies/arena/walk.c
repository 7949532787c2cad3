/* Looking at every object. */
#include "arena/arena_internal.h"

/** What is free at the cursor is a filler for whoever walks; the next allocation overwrites it. */
static void close_gap(const struct arena_policy *arena)
{
    const struct sm_hot *hot = arena_hot(arena);
    if (arena->shape == ARENA_REUSE && arena->active == &arena->request)
        arena_fill(hot->cursor, hot->limit);
}

static void walk_list(const struct arena_policy *arena, const struct arena_list *list,
                      void (*visit)(void *context, struct sm_object *object), void *context)
{
    for (struct arena_chunk *chunk = list->first; chunk != NULL; chunk = chunk->next) {
        char *end = arena_window_end_of(arena, chunk);
        for (char *block = sm_arena_first_block(chunk); block < end;) {
            struct sm_object *object = (struct sm_object *)block;
            block = arena_block_end(object);
            SM_ASSERT(block <= end);
            if (!arena_is_free(object) && !arena_is_filler(object))
                visit(context, object);
        }
    }
}

void arena_walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct arena_policy *arena = (struct arena_policy *)policy;
    close_gap(arena);
    walk_list(arena, &arena->boot.chunks, visit, context);
    walk_list(arena, &arena->boot.large, visit, context);
    walk_list(arena, &arena->request.chunks, visit, context);
    walk_list(arena, &arena->request.large, visit, context);
}

/** Whether an object begins at `object`, in a mapping of `list`. */
static bool in_list(const struct arena_policy *arena, const struct arena_list *list, const struct sm_object *object)
{
    struct arena_chunk *chunk = list->first;
    while (chunk != NULL && chunk != arena_chunk_of(arena, object))
        chunk = chunk->next;
    if (chunk == NULL)
        return false;
    const char *end = arena_window_end_of(arena, chunk);
    const char *block = sm_arena_first_block(chunk);
    while (block < end && block < (const char *)object)
        block = arena_block_end((const struct sm_object *)block);
    return block < end && block == (const char *)object && !arena_is_free(object) && !arena_is_filler(object);
}

bool arena_is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    const struct arena_policy *arena = (const struct arena_policy *)policy;
    close_gap(arena);
    return in_list(arena, &arena->boot.chunks, object) || in_list(arena, &arena->boot.large, object) ||
           in_list(arena, &arena->request.chunks, object) || in_list(arena, &arena->request.large, object);
}
