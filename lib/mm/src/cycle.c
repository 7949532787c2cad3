#include "cycle.h"

#include "manager_internal.h"

enum { QUIESCE_ROUNDS_MIN = 2, QUIESCE_ROUNDS_MAX = 16 };

static uint64_t add_saturating(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* The first multiple of `step` above `clock`; never when the step is 0. */
static uint64_t next_multiple(uint64_t clock_bytes, uint64_t step_bytes)
{
    return step_bytes == 0 ? UINT64_MAX : add_saturating(clock_bytes - clock_bytes % step_bytes, step_bytes);
}

/* Tell the inline safepoint when there is work again. */
static void set_event_clock(struct sm_manager *mm)
{
    const struct sm_cycles *cycles = &mm->cycles;
    uint64_t event = cycles->next_tick_bytes;
    if (sm_has(mm, SM_CAP_COLLECT)) {
        event = smaller(event, cycles->next_periodic_bytes);
        if (cycles->enabled && !cycles->open)
            event = smaller(event, cycles->next_clock_bytes);
    }
    mm->hot.event_clock_bytes = event;
}

static void set_periodic_deadline(struct sm_manager *mm)
{
    mm->cycles.next_periodic_bytes = next_multiple(mm->hot.alloc_bytes, mm->cycles.collect_every_bytes);
}

/* What headers and rounding make of a payload byte here; 1 under a policy that does not count them. */
static double overhead(const struct sm_stats *stats)
{
    uint64_t payload_bytes = stats->live_bytes + stats->retired_bytes;
    return payload_bytes == 0 ? 1 : 1 + (double)stats->policy_bytes / (double)payload_bytes;
}

/* `older_bytes` of backlog were there before the cycle that just ended. */
static uint64_t room(const struct sm_manager *mm, uint64_t older_bytes)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    const struct sm_pacing_memory memory = {.limit_bytes = mm->reserve.limit_bytes,
                                            .live_bytes = stats.live_bytes,
                                            .waiting_bytes = smaller(stats.backlog_bytes, older_bytes),
                                            .overhead = overhead(&stats)};
    return sm_pacing_room(&memory);
}

/* What the program holds by its objects, inside the heap and outside. */
static uint64_t held_bytes(const struct sm_manager *mm)
{
    return sm_live_bytes(mm) + mm->counters.external_bytes;
}

void sm_cycle_set_deadlines(struct sm_manager *mm, uint64_t older_backlog_bytes)
{
    struct sm_cycles *cycles = &mm->cycles;
    cycles->input.room_bytes = room(mm, older_backlog_bytes);
    uint64_t paced = sm_pacing_threshold(&cycles->pacing, &cycles->input);
    /* Roots pace a policy that counts, not bytes; "always" holds for it as well. */
    if (sm_has(mm, SM_CAP_COUNTS) && paced != 0)
        paced = UINT64_MAX;
    cycles->threshold_bytes = paced;
    cycles->next_clock_bytes = add_saturating(mm->hot.alloc_bytes, paced);
    cycles->goal_held_bytes = add_saturating(held_bytes(mm), paced);
    set_periodic_deadline(mm);
    set_event_clock(mm);
}

/*
 * By what lives, not by what was allocated and taken back: copies that a sharing scheme makes are on no clock, and what
 * the program gives up by hand lives no longer.
 */
void sm_cycle_put_off(struct sm_manager *mm)
{
    struct sm_cycles *cycles = &mm->cycles;
    uint64_t held = held_bytes(mm);
    uint64_t room_bytes = cycles->goal_held_bytes > held ? cycles->goal_held_bytes - held : 0;
    if (cycles->threshold_bytes != UINT64_MAX)
        cycles->next_clock_bytes = add_saturating(mm->hot.alloc_bytes, room_bytes);
    set_event_clock(mm);
}

void sm_cycles_start(struct sm_manager *mm, const struct sm_config *config)
{
    struct sm_cycles *cycles = &mm->cycles;
    cycles->enabled = true;
    cycles->every_safepoint = config->collect_every_safepoint;
    cycles->every_alloc = config->collect_every_alloc && sm_has(mm, SM_CAP_COLLECT);
    cycles->collect_every_bytes = config->collect_every_bytes;
    cycles->next_tick_bytes = next_multiple(0, mm->hooks.on_tick == NULL ? 0 : mm->hooks.tick_bytes);
    cycles->last_end_ns = sm_clock_ns();
    sm_cycle_set_deadlines(mm, 0);
    if (sm_has(mm, SM_CAP_COLLECT) && (cycles->every_safepoint || cycles->threshold_bytes == 0))
        sm_attention_raise(mm, SM_ATTENTION_ALWAYS);
}

void sm_attention_raise(struct sm_manager *mm, uint32_t bits)
{
    /* Pairs with the acquire in take_attention. */
    __atomic_fetch_or(&mm->hot.attention, bits, __ATOMIC_RELEASE);
}

static uint32_t take_attention(struct sm_manager *mm)
{
    /* Pairs with the release in sm_attention_raise: what the requester wrote before asking is seen. */
    return __atomic_fetch_and(&mm->hot.attention, (uint32_t)SM_ATTENTION_ALWAYS, __ATOMIC_ACQUIRE);
}

void sm_attention_request(struct sm_manager *mm)
{
    sm_attention_raise(mm, SM_ATTENTION_POLICY);
}

void sm_cycle_request(struct sm_manager *mm)
{
    mm->cycles.requested = true;
    if (mm->cycles.enabled)
        sm_attention_raise(mm, SM_ATTENTION_PACED);
}

uint32_t sm_root_threshold(const struct sm_manager *mm)
{
    return sm_pacing_roots(&mm->cycles.pacing);
}

void sm_collect_request(struct sm_manager *mm)
{
    sm_attention_raise(mm, SM_ATTENTION_COLLECT);
}

void sm_young_request(struct sm_manager *mm)
{
    SM_ASSERT(sm_has(mm, SM_CAP_COLLECT));
    struct sm_cycles *cycles = &mm->cycles;
    if (!cycles->enabled || cycles->open)
        return;
    cycles->young_requested = true;
    if (!cycles->asking)
        sm_attention_raise(mm, SM_ATTENTION_PACED);
}

/* The policy's part of a cycle, as one pause. */
static sm_status timed_collect(struct sm_manager *mm, enum sm_collect_kind kind, struct sm_cycle_record *record)
{
    struct sm_cycles *cycles = &mm->cycles;
    sm_pause_begin(mm, SM_PAUSE_CYCLE);
    sm_cycle_charge_from_now(mm);
    cycles->running = true;
    cycles->requested = false;
    cycles->young_requested = false;
    sm_status status = mm->ops->collect(mm->policy, kind, record->trigger, record);
    cycles->running = false;
    if (record->index == 0)
        sm_cycle_charge(mm, record);
    sm_pause_end(mm);
    return status;
}

/* A cycle that failed late may have retired something all the same; that it is not due again at once keeps it from spinning. */
static void give_up(struct sm_manager *mm, const struct sm_cycle_record *record)
{
    sm_count_dead(mm, record->retired_objects, record->retired_bytes);
    if (sm_finalizers_ready_count(&mm->finalizers) != 0)
        sm_attention_raise(mm, SM_ATTENTION_READY);
    if (record->trigger != SM_TRIGGER_BOUNDARY)
        sm_cycle_set_deadlines(mm, mm->cycles.backlog_before_bytes);
}

sm_status sm_cycle_run(struct sm_manager *mm, enum sm_collect_kind kind, enum sm_trigger trigger)
{
    SM_ASSERT(!mm->cycles.running && sm_has(mm, SM_CAP_COLLECT));
    sm_sample_live(mm);
    sm_guards_observe_ages(mm);
    struct sm_cycles *cycles = &mm->cycles;
    cycles->backlog_before_bytes = sm_backlog_bytes(mm);
    sm_cycle_tell_start(mm, kind == SM_COLLECT_YOUNG ? SM_CYCLE_YOUNG : SM_CYCLE_FULL);
    struct sm_cycle_record record = {.clock_bytes = mm->hot.alloc_bytes, .trigger = trigger};
    sm_status status = timed_collect(mm, kind, &record);
    bool is_counted = cycles->open || record.index != 0;
    if (!is_counted && status == SM_OK)
        sm_cycle_count(mm, &record, cycles->backlog_before_bytes);
    else if (!is_counted)
        give_up(mm, &record);
    if (!cycles->open && cycles->told_start)
        sm_cycle_tell_end(mm, &(struct sm_cycle_record){.kind = record.kind});
    /* Whatever became of it, this period's cycle was tried. */
    set_periodic_deadline(mm);
    set_event_clock(mm);
    return status;
}

/* Which reason there is for a cycle now; SM_TRIGGER_COUNT for none. */
static enum sm_trigger due_trigger(const struct sm_manager *mm, uint32_t attention)
{
    const struct sm_cycles *cycles = &mm->cycles;
    if (!sm_has(mm, SM_CAP_COLLECT))
        return SM_TRIGGER_COUNT;
    if ((attention & SM_ATTENTION_COLLECT) != 0)
        return SM_TRIGGER_MANUAL;
    if (cycles->every_safepoint || mm->hot.alloc_bytes >= cycles->next_periodic_bytes)
        return SM_TRIGGER_PERIODIC;
    if (!cycles->enabled || cycles->open)
        return SM_TRIGGER_COUNT;
    if (cycles->requested || mm->hot.alloc_bytes >= cycles->next_clock_bytes)
        return SM_TRIGGER_THRESHOLD;
    return cycles->young_requested ? SM_TRIGGER_BOUNDARY : SM_TRIGGER_COUNT;
}

static void tick_if_due(struct sm_manager *mm)
{
    if (mm->hot.alloc_bytes < mm->cycles.next_tick_bytes)
        return;
    mm->cycles.next_tick_bytes = next_multiple(mm->hot.alloc_bytes, mm->hooks.tick_bytes);
    mm->hooks.on_tick(mm->hooks.context, mm);
}

/* A cycle and the destructors it makes due: nothing of the program runs between, so it is one stop. */
static sm_status cycle_and_destructors(struct sm_manager *mm, enum sm_collect_kind kind, enum sm_trigger trigger)
{
    sm_pause_begin(mm, SM_PAUSE_CYCLE);
    sm_status status = sm_cycle_run(mm, kind, trigger);
    if (status == SM_OK)
        sm_finalizers_run_ready(mm);
    sm_pause_end(mm);
    return status;
}

void sm_safepoint_slow(struct sm_manager *mm)
{
    if (sm_entry_check(mm) != SM_OK)
        return;
    /* A destructor that a counting policy runs inside its cycle: everything waits for the safepoint after it. */
    if (mm->cycles.running)
        return;
    /* One that a drop has started: what the interrupted code has in its locals is rooted nowhere, and counted only there. */
    if (sm_finalizer_is_prompt(mm) && !sm_has(mm, SM_CAP_COUNTS))
        return;
    uint32_t attention = take_attention(mm);
    if ((attention & SM_ATTENTION_OBSERVERS) != 0)
        sm_guards_allow(mm);
    mm->cycles.asking = true;
    mm->ops->safepoint(mm->policy);
    mm->cycles.asking = false;
    if (mm->finalizers.running != NULL && !sm_has(mm, SM_CAP_COUNTS)) {
        /* A safepoint inside a destructor: cycles and further destructors wait for the one outside. */
        uint32_t paced = mm->cycles.young_requested ? SM_ATTENTION_PACED : 0;
        sm_attention_raise(mm, (attention & (SM_ATTENTION_COLLECT | SM_ATTENTION_READY)) | paced);
        return;
    }
    sm_autorelease_drain(mm);
    sm_sample_live(mm);
    enum sm_trigger trigger = due_trigger(mm, attention);
    if (trigger != SM_TRIGGER_COUNT)
        (void)cycle_and_destructors(mm, trigger == SM_TRIGGER_BOUNDARY ? SM_COLLECT_YOUNG : SM_COLLECT_FULL, trigger);
    sm_finalizers_run_ready(mm);
    tick_if_due(mm);
    set_event_clock(mm);
}

sm_status sm_collect(struct sm_manager *mm, enum sm_collect_kind kind)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (!sm_has(mm, SM_CAP_COLLECT))
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED, "policy %s has no cycles", mm->ops->name);
    /* A destructor that a run of a counting policy calls: PHP ignores the call. */
    if (mm->cycles.running && sm_has(mm, SM_CAP_COUNTS))
        return SM_OK;
    if (mm->cycles.running || (mm->finalizers.running != NULL && !sm_has(mm, SM_CAP_COUNTS))) {
        /* Inside a destructor the objects of the interrupted code may be in its locals: do it at the next safepoint. */
        sm_collect_request(mm);
        return SM_OK;
    }
    return cycle_and_destructors(mm, kind, SM_TRIGGER_MANUAL);
}

static sm_status collect_until_quiet(struct sm_manager *mm)
{
    size_t ran = 0;
    for (int round = 0; round < QUIESCE_ROUNDS_MIN || (ran != 0 && round < QUIESCE_ROUNDS_MAX); round++) {
        sm_status status = sm_cycle_run(mm, SM_COLLECT_FULL, SM_TRIGGER_QUIESCE);
        if (status != SM_OK)
            return status;
        ran = sm_finalizers_run_ready(mm);
    }
    return SM_OK;
}

sm_status sm_quiesce(struct sm_manager *mm)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (mm->finalizers.running != NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "sm_quiesce inside a destructor would wait for itself");
    if (sm_has(mm, SM_CAP_COLLECT))
        status = collect_until_quiet(mm);
    if (status != SM_OK)
        return status;
    if (mm->recorder != NULL) {
        sm_death_record_trace(mm);
        sm_record_mark(mm);
    }
    sm_pause_begin(mm, SM_PAUSE_GRACE);
    status = mm->ops->quiesce(mm->policy);
    sm_pause_end(mm);
    sm_cycle_set_deadlines(mm, UINT64_MAX);
    return status;
}

/* As often as a test can bear: the cost of an allocation stays bounded as the heap grows. */
void sm_cycle_before_alloc(struct sm_manager *mm)
{
    if (++mm->cycles.allocs_since_cycle < sm_live_objects(mm) / 64)
        return;
    mm->cycles.allocs_since_cycle = 0;
    (void)sm_cycle_run(mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
}

bool sm_collects_every_alloc(const struct sm_manager *mm)
{
    return mm->cycles.every_alloc;
}

void sm_cycle_bring_forward(struct sm_manager *mm, uint64_t bytes)
{
    struct sm_cycles *cycles = &mm->cycles;
    if (cycles->next_clock_bytes == UINT64_MAX)
        return;
    cycles->next_clock_bytes = cycles->next_clock_bytes > bytes ? cycles->next_clock_bytes - bytes : 0;
    set_event_clock(mm);
}

void sm_cycles_enable(struct sm_manager *mm, bool enabled)
{
    mm->cycles.enabled = enabled;
    if (!enabled) {
        mm->cycles.young_requested = false;
        sm_attention_raise(mm, SM_ATTENTION_POLICY); /* whose young cycles end */
    }
    if (enabled && mm->cycles.requested)
        sm_attention_raise(mm, SM_ATTENTION_PACED);
    set_event_clock(mm);
}
