/*
 * Which objects exist: those that the last collection marked, and the young ones.
 *
 * A marked cell is an object, never a free one: blocks come from bdwgc's global free lists, whose cells lose their
 * marks at the end of each collection (those of thread-local lists keep them, which is why they are not used).
 */
#include "boehm/boehm_internal.h"

#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <stdlib.h>

/** One pass over the marked cells of a manager. */
struct survey {
    const struct boehm_policy *boehm;
    void (*visit)(void *context, struct sm_object *object);
    void *context;
};

/*
 * Of the manager's kinds, and an object by its looks: a number can mark a free cell of a block that waits for its
 * sweep, and free cells are clear or hold a link where an object has its type.
 */
static bool is_own(const struct boehm_policy *boehm, const struct sm_object *cell)
{
    size_t cell_bytes = 0;
    int kind = GC_get_kind_and_size(cell, &cell_bytes);
    return (kind == boehm->leaf_kind || kind == boehm->traced_kind) &&
           cell->payload_bytes <= cell_bytes - SM_HEADER_BYTES && sm_type_get(boehm->base.mm, cell->type) != NULL;
}

static void survey_cell(void *cell, size_t bytes, void *context)
{
    const struct survey *survey = context;
    (void)bytes;
    if (is_own(survey->boehm, cell))
        survey->visit(survey->context, cell);
}

static void *enumerate_locked(void *context)
{
    GC_enumerate_reachable_objects_inner(survey_cell, context);
    return NULL;
}

static void visit_marked(const struct boehm_policy *boehm, void (*visit)(void *context, struct sm_object *object),
                         void *context)
{
    struct survey survey = {boehm, visit, context};
    (void)GC_call_with_alloc_lock(enumerate_locked, &survey);
}

/* A recent object that a collection marked is met among the marked ones. */
static void visit_young(const struct boehm_policy *boehm, void (*visit)(void *context, struct sm_object *object),
                        void *context)
{
    const struct boehm_young *young = &boehm->young;
    for (size_t i = 0; i < young->count; i++)
        if (!GC_is_marked(young->objects[i]))
            visit(context, young->objects[i]);
}

static void add_object(void *context, struct sm_object *object)
{
    struct boehm_figures *figures = context;
    figures->objects++;
    figures->bytes += object->payload_bytes;
}

static uint64_t less(uint64_t figure, uint64_t part)
{
    return figure > part ? figure - part : 0;
}

/* More can be left than was thought alive: a number can bring back what was counted dead, until it is swept. */
struct boehm_figures boehm_find_dead(struct boehm_policy *boehm)
{
    struct sm_manager *mm = boehm->base.mm;
    struct boehm_figures left = {0, 0};
    if (boehm->counted == boehm_collections())
        return left;
    boehm->counted = boehm_collections();
    /* Bdwgc needs none of this; the cycle's record does. */
    sm_pause_aside_begin(mm);
    visit_marked(boehm, add_object, &left);
    visit_young(boehm, add_object, &left);
    sm_pause_aside_end(mm);
    return (struct boehm_figures){less(sm_live_objects(mm), left.objects), less(sm_live_bytes(mm), left.bytes)};
}

void boehm_walk(struct boehm_policy *boehm, void (*visit)(void *context, struct sm_object *object), void *context)
{
    visit_marked(boehm, visit, context);
    visit_young(boehm, visit, context);
}

static bool is_young(const struct boehm_young *young, const struct sm_object *object)
{
    for (size_t i = young->count; i > 0; i--)
        if (young->objects[i - 1] == object)
            return true;
    return false;
}

bool boehm_has(const struct boehm_policy *boehm, const struct sm_object *object)
{
    if (GC_base((void *)(uintptr_t)object) != object || !is_own(boehm, object))
        return false;
    return GC_is_marked(object) != 0 || is_young(&boehm->young, object);
}

/** Objects to free, found first: freeing changes what a survey sees. */
struct list {
    size_t count, capacity;
    struct sm_object **objects;
};

static void count_one(void *context, struct sm_object *object)
{
    struct list *list = context;
    (void)object;
    list->capacity++;
}

static void append(void *context, struct sm_object *object)
{
    struct list *list = context;
    SM_ASSERT(list->count < list->capacity);
    list->objects[list->count++] = object;
}

/* Bdwgc must not remember an address that will be another object's. */
static void forget(struct sm_object *object)
{
    if (sm_is_weak_cell(object))
        (void)GC_unregister_long_link((void **)&((struct sm_weak_cell *)object)->target);
    GC_register_finalizer_no_order(object, 0, NULL, NULL, NULL);
}

/*
 * All at once: of a part, the rest would keep the freed, and a later round free those again, for ever. Their marks
 * stay, or a block that waits for its sweep would free them a second time.
 */
bool boehm_free_marked(struct boehm_policy *boehm, size_t *found_count)
{
    struct list list = {0};
    visit_marked(boehm, count_one, &list);
    *found_count = list.capacity;
    if (list.capacity == 0)
        return true;
    list.objects = malloc(list.capacity * sizeof(struct sm_object *));
    if (list.objects == NULL)
        return false;
    visit_marked(boehm, append, &list);
    for (size_t i = 0; i < list.count; i++) {
        forget(list.objects[i]);
        GC_free(list.objects[i]);
    }
    free(list.objects);
    return true;
}
