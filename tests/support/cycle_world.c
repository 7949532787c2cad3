#include "cycle_world.h"

static void see_record(void *context, const struct sm_cycle_record *record)
{
    struct cycle_world *world = context;
    assert_true(world->record_count < CYCLE_WORLD_ENTRIES);
    world->records[world->record_count++] = *record;
}

static void see_event(void *context, const struct sm_event *event)
{
    struct cycle_world *world = context;
    assert_true(world->event_count < CYCLE_WORLD_ENTRIES);
    world->events[world->event_count++] = *event;
}

void cycle_world_end_cycle(struct cycle_world *world)
{
    struct sm_cycle_record record = world->record;
    sm_cycle_close(world->mm, &record);
}

static sm_status collect(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record)
{
    struct cycle_world *world = lists->context;
    assert_true(world->asked_count < CYCLE_WORLD_ENTRIES);
    world->asked[world->asked_count].kind = kind;
    world->asked[world->asked_count++].trigger = trigger;
    /* What is open comes first, as in any policy. */
    if (sm_cycle_is_open(world->mm))
        cycle_world_end_cycle(world);
    if (world->opens && trigger == SM_TRIGGER_THRESHOLD) {
        sm_cycle_open(world->mm);
        return world->status;
    }
    if (kind == SM_COLLECT_YOUNG) {
        record->kind = SM_CYCLE_YOUNG;
        record->retired_bytes = world->retired_bytes;
    }
    return world->status;
}

void cycle_world_open(struct cycle_world *world, struct sm_config config)
{
    *world = (struct cycle_world){.record = {.is_concurrent = true, .trigger = SM_TRIGGER_THRESHOLD}};
    config.hooks = (struct sm_hooks){.context = world, .on_cycle = see_record, .on_event = see_event};
    world->mm = list_policy_manager(&list_policy_tracing_ops, &config);
    world->lists = list_policy_of(world->mm);
    world->lists->collect_instead = collect;
    world->lists->context = world;
    world->event_count = 0; /* what the heap needed from the start */
}

void cycle_world_close(struct cycle_world *world)
{
    sm_manager_destroy(world->mm);
}

struct cycle_world *cycle_world_of(const struct list_policy *lists)
{
    return lists->context;
}

void cycle_world_allocate(struct cycle_world *world, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes; done += 1024)
        assert_non_null(sm_alloc(world->mm, SM_TYPE_VALUES, 1024));
}

void cycle_world_with_open(struct cycle_world *world, struct sm_config config)
{
    config.threshold_bytes = 64 << 10;
    cycle_world_open(world, config);
    world->opens = true;
    cycle_world_allocate(world, 64 << 10);
    sm_safepoint(world->mm);
    assert_true(sm_cycle_is_open(world->mm));
    world->opens = false;
}

sm_status cycle_world_young_then_open(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                                      struct sm_cycle_record *record)
{
    (void)kind;
    (void)record;
    struct sm_cycle_record young = {
        .kind = SM_CYCLE_YOUNG, .trigger = trigger, .retired_objects = 8, .retired_bytes = 8192};
    sm_cycle_report(lists->base.mm, &young);
    assert_int_equal(young.index, 1);
    sm_cycle_open(lists->base.mm);
    return SM_OK;
}
