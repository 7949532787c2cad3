/* The plain programs' heap on sapimem: what is not inline. */
#include "heap_side.h"

#include "sapimem/epoch.h"
#include "sapimem/roots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char heap_side[] = "sapimem";

static void trace_pointers(const struct sm_object *object, struct sm_visitor *visitor, size_t count)
{
    struct sm_object *const *slots = (struct sm_object *const *)sm_payload_const(object);
    for (size_t i = 0; i < count; i++)
        sm_visit_pointer(visitor, &slots[i]);
}

static void trace_two(const struct sm_object *object, struct sm_visitor *visitor)
{
    trace_pointers(object, visitor, 2);
}

static void trace_four(const struct sm_object *object, struct sm_visitor *visitor)
{
    trace_pointers(object, visitor, 4);
}

static const struct sm_type types[HEAP_KIND_COUNT] = {
    [HEAP_TWO_POINTERS] = {.name = "two-pointers",
                           .trace = trace_two,
                           .layout = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 2, .pointers = {0, sizeof(void *)}}},
    /* A layout has room for two plain pointers. */
    [HEAP_FOUR_POINTERS] = {.name = "four-pointers", .trace = trace_four},
    [HEAP_NUMBERS] = {.name = "numbers"},
};

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    const struct heap *heap = (const struct heap *)context;
    for (size_t i = 0; i < HEAP_ROOTS; i++)
        sm_visit_pointer(visitor, &heap->roots[i]);
    for (size_t i = 0; i < heap->held_count; i++)
        sm_visit_pointer(visitor, &heap->held[i]);
}

static void on_pause(void *context, const struct sm_pause_record *pause)
{
    struct heap *heap = (struct heap *)context;
    stops_add(&heap->figures.stops, pause->duration_ns, pause->run_delay_ns);
}

_Noreturn static void end_with(const char *reason)
{
    fprintf(stderr, "%s: %s\n", heap_side, reason);
    exit(1);
}

_Noreturn void heap_refused(struct heap *heap, size_t bytes)
{
    (void)bytes;
    end_with(sm_error_detail(heap->mm));
}

/* A threshold as large as the limit leaves it to the limit when to collect. */
static struct sm_config config_of(struct heap *heap, const struct heap_settings *settings)
{
    struct sm_config config = {
        .sapi = SM_SAPI_CLI,
        .policy = settings->policy,
        .pacing = settings->pacing,
        .memory_limit_bytes = settings->limit_bytes,
        .hooks = {.context = heap, .on_pause = on_pause},
    };
    if (settings->pacing == NULL && settings->limit_bytes != 0)
        config.threshold_bytes = settings->limit_bytes;
    return config;
}

void heap_open(struct heap *heap, const struct heap_settings *settings)
{
    struct sm_error error;
    memset(heap, 0, sizeof(*heap));
    const struct sm_config config = config_of(heap, settings);
    if (sm_manager_create(&config, &heap->mm, &error) != SM_OK)
        end_with(error.detail);
    sm_status status = sm_roots_register(heap->mm, &(struct sm_root_provider){"program", enumerate_roots, heap});
    for (size_t i = 0; i < HEAP_KIND_COUNT && status == SM_OK; i++)
        status = sm_type_register(heap->mm, &types[i], &heap->types[i]);
    if (status != SM_OK)
        end_with(sm_error_detail(heap->mm));
    /* Safepoints repin: the program is one iteration that never blocks. */
    sm_pin(sm_owner_guard(heap->mm), SM_HERE);
}

void heap_close(struct heap *heap)
{
    sm_unpin(sm_owner_guard(heap->mm));
    sm_manager_destroy(heap->mm);
}

void heap_measure(struct heap *heap, struct heap_totals *totals)
{
    struct sm_stats stats;
    sm_stats_get(heap->mm, &stats);
    totals->collections = stats.cycles;
    totals->peak_committed_bytes = stats.peak_committed_bytes;
}
