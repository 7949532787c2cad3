/*
 * Weak cells and entries, by long links.
 *
 * A cell holds its target's address with all bits turned, so that bdwgc does not take it for a pointer; the link zeroes it when
 * the target is gone, finalizers included. Bdwgc knows nothing of an entry's value, so entries are listed, each
 * address again under a long link, and swept after each collection.
 */
#include "boehm/boehm_internal.h"

#include <gc/gc.h>
#include <stdlib.h>

static struct sm_object *hide(struct sm_object *object)
{
    return (struct sm_object *)~(uintptr_t)object;
}

/* Where bdwgc finds no room for its first table of links it aborts the process, so some is made before. */
static bool has_table(struct boehm_policy *boehm)
{
    static bool has_room;
    has_room = has_room || boehm_grow_for_books(boehm);
    return has_room;
}

/* Bdwgc keeps links in its heap, so making one can need room, and can collect. */
static bool register_link(struct boehm_policy *boehm, void *link, struct sm_object *object)
{
    boehm_process_enter(boehm);
    int result = has_table(boehm) ? GC_register_long_link(link, object) : GC_NO_MEMORY;
    if (result == GC_NO_MEMORY && boehm_grow_for_books(boehm))
        result = GC_register_long_link(link, object);
    boehm_process_exit();
    return result == GC_SUCCESS;
}

static struct boehm_entry_links *segment_with_room(struct boehm_policy *boehm)
{
    struct boehm_entry_links *segment = boehm->entry_links;
    if (segment != NULL && segment->used_count < BOEHM_LINKS_PER_SEGMENT)
        return segment;
    segment = calloc(1, sizeof(*segment));
    if (segment == NULL)
        return NULL;
    segment->next = boehm->entry_links;
    boehm->entry_links = segment;
    return segment;
}

/* The first segment has the newest entries; a slot whose entry died serves again. */
static void **free_slot(struct boehm_policy *boehm)
{
    struct boehm_entry_links *segment = boehm->entry_links;
    for (size_t i = 0; segment != NULL && i < segment->used_count; i++)
        if (segment->entries[i] == NULL)
            return &segment->entries[i];
    segment = segment_with_room(boehm);
    return segment == NULL ? NULL : &segment->entries[segment->used_count++];
}

static bool list_entry(struct boehm_policy *boehm, struct sm_object *entry)
{
    void **slot = free_slot(boehm);
    if (slot == NULL)
        return false;
    *slot = entry;
    if (register_link(boehm, slot, entry))
        return true;
    *slot = NULL;
    return false;
}

sm_status boehm_weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    struct boehm_policy *boehm = boehm_of(policy);
    struct sm_weak_cell *weak = (struct sm_weak_cell *)cell;
    struct sm_object *target = weak->target;
    if (cell->type != SM_TYPE_WEAK_ENTRY || list_entry(boehm, cell)) {
        weak->target = hide(target);
        if (register_link(boehm, &weak->target, target))
            return SM_OK;
    }
    weak->target = NULL;
    return sm_policy_fail(policy->mm, SM_ERR_OUT_OF_MEMORY, "policy boehm: no memory for a weak link");
}

/* R9: the caller has it in a local, and an emergency before the next safepoint must not take it from there. */
struct sm_object *boehm_weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct sm_object *hidden = ((struct sm_weak_cell *)cell)->target;
    if (hidden == NULL)
        return NULL;
    boehm_of(policy)->handed_out = true;
    sm_attention_request(policy->mm);
    return hide(hidden);
}

void boehm_entries_sweep(struct boehm_policy *boehm)
{
    for (struct boehm_entry_links *segment = boehm->entry_links; segment != NULL; segment = segment->next)
        for (size_t i = 0; i < segment->used_count; i++) {
            struct sm_weak_entry *entry = segment->entries[i];
            if (entry != NULL && entry->cell.target == NULL)
                entry->value = (struct sm_value){0, 0};
        }
}

void boehm_entries_finish(struct boehm_policy *boehm)
{
    while (boehm->entry_links != NULL) {
        struct boehm_entry_links *segment = boehm->entry_links;
        boehm->entry_links = segment->next;
        for (size_t i = 0; i < segment->used_count; i++)
            (void)GC_unregister_long_link(&segment->entries[i]);
        free(segment);
    }
}
