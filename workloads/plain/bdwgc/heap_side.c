/* The plain programs' heap on bdwgc: what is not inline. */
#include "heap_side.h"

#include <stdio.h>
#include <stdlib.h>

const char heap_side[] = "bdwgc";

/* Events of the collector carry no context. */
static struct heap *watched;

static void note_committed(struct heap *heap)
{
    uint64_t committed_bytes = GC_get_heap_size();
    if (committed_bytes > heap->peak_committed_bytes)
        heap->peak_committed_bytes = committed_bytes;
}

/* The one thread stands still from the collection's start to its end. */
static void GC_CALLBACK on_event(GC_EventType event)
{
    if (event == GC_EVENT_START) {
        note_committed(watched);
        watched->stop_start_delay_ns = clock_run_delay_ns();
        watched->stop_start_ns = clock_wall_ns();
    } else if (event == GC_EVENT_END) {
        uint64_t duration_ns = clock_wall_ns() - watched->stop_start_ns;
        stops_add(&watched->figures.stops, duration_ns, clock_run_delay_ns() - watched->stop_start_delay_ns);
    }
}

_Noreturn void heap_refused(struct heap *heap, size_t bytes)
{
    note_committed(heap);
    fprintf(stderr, "%s: out of memory: %zu bytes wanted, the heap has %llu\n", heap_side, bytes,
            (unsigned long long)heap->peak_committed_bytes);
    exit(1);
}

/* The whole heap at once, and a collection only when it is full: otherwise it collects before it uses what it may. */
static void claim(struct heap *heap, uint64_t limit_bytes)
{
    GC_set_free_space_divisor(1);
    uint64_t held_bytes = GC_get_heap_size();
    if (limit_bytes > held_bytes && GC_expand_hp(limit_bytes - held_bytes) == 0)
        heap_refused(heap, limit_bytes - held_bytes);
    GC_set_max_heap_size(GC_get_heap_size() + GC_get_unmapped_bytes());
    GC_set_dont_expand(1);
}

void heap_open(struct heap *heap, const struct heap_settings *settings)
{
    memset(heap, 0, sizeof(*heap));
    if (settings->policy != NULL || settings->pacing != NULL) {
        fprintf(stderr, "%s: --policy, --pacing: expected on the sapimem side alone\n", heap_side);
        exit(2);
    }
    /* Programs keep the beginning of every object, and objects need no spare byte at their end then. */
    GC_set_all_interior_pointers(0);
    GC_INIT();
    watched = heap;
    GC_set_on_collection_event(on_event);
    if (settings->limit_bytes != 0)
        claim(heap, settings->limit_bytes);
}

void heap_close(struct heap *heap)
{
    GC_set_on_collection_event(NULL);
    watched = NULL;
    memset(heap->roots, 0, sizeof(heap->roots));
}

void heap_measure(struct heap *heap, struct heap_totals *totals)
{
    note_committed(heap);
    totals->collections = GC_get_gc_no();
    totals->peak_committed_bytes = heap->peak_committed_bytes;
}
