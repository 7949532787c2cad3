/* The policy's table, its options and its operations. */
#include "boehm/boehm_internal.h"

#include <gc/gc.h>
#include <stdlib.h>

static const struct sm_option options[] = {
    {.key = "free-space-divisor",
     .kind = SM_OPTION_COUNT,
     .unit = "",
     .default_text = "0",
     .minimum = 0,
     .maximum = 1000,
     .help = "bdwgc's own trigger beside the pacing: it collects after about live/N bytes (its default is 3); 0: off"},
    {.key = "incremental",
     .kind = SM_OPTION_BOOL,
     .unit = "",
     .default_text = "off",
     .help = "collect in slices at safepoints, by pages written since"},
    {.key = "markers",
     .kind = SM_OPTION_COUNT,
     .unit = "threads",
     .default_text = "1",
     .minimum = 1,
     .maximum = 16,
     .help = "threads that mark, the owner's included"},
};

static sm_status create(struct sm_manager *mm, const struct sm_option_values *values, struct sm_policy **policy)
{
    struct boehm_policy *boehm = calloc(1, sizeof(*boehm));
    if (boehm == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy boehm: no memory for its state");
    struct boehm_settings settings = {.markers = sm_option_count(values, "markers"),
                                      .incremental = sm_option_count(values, "incremental") != 0,
                                      .free_space_divisor = sm_option_count(values, "free-space-divisor")};
    boehm->base = (struct sm_policy){&sm_policy_boehm, mm};
    boehm->own_trigger = settings.free_space_divisor != 0;
    boehm->incremental = settings.incremental;
    sm_status status = boehm_process_join(boehm, &settings);
    if (status != SM_OK) {
        free(boehm);
        return status;
    }
    *policy = &boehm->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct boehm_policy *boehm = boehm_of(policy);
    boehm_entries_finish(boehm);
    boehm_process_leave(boehm);
    boehm_charge_finish(boehm);
    boehm_young_finish(boehm);
    free(boehm);
}

/* A collection that no cycle of this manager was: its books are done here, outside of its pause. */
static void note_collection(struct boehm_policy *boehm)
{
    boehm_entries_sweep(boehm);
    struct boehm_figures dead = boehm_find_dead(boehm);
    sm_count_dead(boehm->base.mm, dead.objects, dead.bytes);
    boehm->dead_bytes += dead.bytes;
    if (GC_should_invoke_finalizers())
        sm_attention_request(boehm->base.mm);
}

/* Everything allocated between two safepoint operations counts as recent. Slices come as often as bdwgc's would. */
static void count_step(struct boehm_policy *boehm, size_t block_bytes)
{
    boehm->step_bytes += block_bytes;
    bool sliced = boehm->incremental && boehm_slicing();
    if (boehm->step_bytes < (sliced ? BOEHM_SLICE_STEP_BYTES : BOEHM_SAFEPOINT_STEP_BYTES))
        return;
    boehm->step_bytes = 0;
    sm_attention_request(boehm->base.mm);
}

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct boehm_policy *boehm = boehm_of(policy);
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (!boehm_young_reserve(boehm))
        return NULL;
    boehm_process_enter(boehm);
    void *block =
        boehm_block_alloc(boehm, block_bytes, sm_alloc_is_leaf(policy->mm) ? boehm->leaf_kind : boehm->traced_kind);
    boehm_process_exit();
    if (boehm->counted != boehm_collections())
        note_collection(boehm);
    if (block == NULL)
        return NULL;
    boehm_young_push(&boehm->young, block);
    count_step(boehm, block_bytes);
    sm_count_policy_bytes(policy->mm, block_bytes - payload_bytes);
    return block;
}

/* SM_FORM_NONE: there is no window to move. */
static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    (void)boehm_of(policy);
    SM_ASSERT(payload_bytes <= SM_INLINE_PAYLOAD_MAX);
    return false;
}

static void at_safepoint(struct boehm_policy *boehm)
{
    boehm->young.recent_index = boehm->young.count;
    boehm->step_bytes = 0;
    boehm->handed_out = false;
}

static void slice_if_due(struct boehm_policy *boehm)
{
    if (!boehm->incremental || !(boehm->own_trigger || boehm_slicing()))
        return;
    boehm_slice(boehm);
    if (boehm->counted != boehm_collections())
        note_collection(boehm);
}

static void safepoint(struct sm_policy *policy)
{
    struct boehm_policy *boehm = boehm_of(policy);
    at_safepoint(boehm);
    slice_if_due(boehm);
    boehm_finalizers_collect();
}

/* The whole of it, and what it leaves to do. */
static struct boehm_figures collect_whole(struct boehm_policy *boehm, enum sm_trigger trigger)
{
    bool emergency = trigger == SM_TRIGGER_EMERGENCY;
    enum boehm_stack stack = emergency && boehm->handed_out ? BOEHM_STACK_SCANNED : BOEHM_STACK_LEFT_OUT;
    if (emergency)
        sm_attention_request(
            boehm->base.mm); /* the next one need not keep the recent: let the next safepoint be heard of */
    else
        at_safepoint(boehm);
    boehm_collect_now(boehm, stack, emergency);
    boehm_entries_sweep(boehm);
    boehm_finalizers_collect();
    (void)boehm_settle_charge(boehm); /* a collection gives back or keeps */
    return boehm_find_dead(boehm);
}

/* Slices follow at safepoints; what dies is counted when the last of them has run. */
static struct boehm_figures begin_slices(struct boehm_policy *boehm)
{
    at_safepoint(boehm);
    boehm_slices_begin(boehm);
    return (struct boehm_figures){0, 0};
}

static sm_status collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record)
{
    struct boehm_policy *boehm = boehm_of(policy);
    (void)kind; /* bdwgc decides for itself when a generational one will do */
    bool sliced = boehm->incremental && trigger == SM_TRIGGER_THRESHOLD;
    struct boehm_figures dead = sliced ? begin_slices(boehm) : collect_whole(boehm, trigger);
    record->retired_objects = dead.objects;
    record->retired_bytes = dead.bytes;
    record->live_objects = sm_live_objects(policy->mm) - dead.objects;
    record->live_bytes = sm_live_bytes(policy->mm) - dead.bytes;
    record->traced_objects = sliced ? 0 : record->live_objects;
    boehm->dead_bytes += dead.bytes;
    record->reclaimed_bytes_total = boehm->dead_bytes;
    return SM_OK;
}

static void no_finalizer_yet(void *object, void *context)
{
    (void)object;
    (void)context;
}

/* Runs inside GC_invoke_finalizers, never in a collection; the destructor is the manager's to run. */
static void finalizer_due(void *object, void *context)
{
    (void)context;
    sm_object_set_flags(object, BOEHM_DUE);
}

/* Bdwgc tells a refusal only by what it does not write. */
static bool register_with_bdwgc(struct sm_object *object)
{
    GC_finalization_proc previous = no_finalizer_yet;
    GC_register_finalizer_no_order(object, finalizer_due, NULL, &previous, NULL);
    return previous != no_finalizer_yet;
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    struct boehm_policy *boehm = boehm_of(policy);
    boehm_process_enter(boehm);
    bool registered = register_with_bdwgc(object) || (boehm_grow_for_books(boehm) && register_with_bdwgc(object));
    boehm_process_exit();
    if (!registered)
        return sm_policy_fail(policy->mm, SM_ERR_OUT_OF_MEMORY, "policy boehm: no memory for a finalizer");
    boehm->finalizers_registered = true;
    return SM_OK;
}

static void request_begin(struct sm_policy *policy)
{
    (void)boehm_of(policy);
}

/* What the request left unreachable is found by cycles. */
static void request_end(struct sm_policy *policy)
{
    (void)boehm_of(policy);
}

/* Nothing is retired, so there is no backlog. */
static sm_status quiesce(struct sm_policy *policy)
{
    (void)boehm_of(policy);
    return SM_OK;
}

/* Marks say what exists only between collections; incremental mode may be inside one. */
static void finish_slices(struct boehm_policy *boehm)
{
    if (!boehm->incremental)
        return;
    boehm_collect_now(boehm, BOEHM_STACK_SCANNED, false);
    note_collection(boehm);
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    finish_slices(boehm_of(policy));
    boehm_walk(boehm_of(policy), visit, context);
}

/* Every death is a reclamation: bdwgc keeps no backlog. */
static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct boehm_policy *boehm = boehm_of(policy);
    snapshot->reclaimed_bytes = snapshot->retired_bytes;
    snapshot->reclaimed_objects = snapshot->retired_objects;
    snapshot->cycles += boehm->own_collections;
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    finish_slices(boehm_of(policy));
    return boehm_has(boehm_of(policy), object);
}

const struct sm_policy_ops sm_policy_boehm = {
    .name = "boehm",
    .summary = "bdwgc: conservative marking, what a C programmer would pick",
    .capabilities = SM_CAP_COLLECT | SM_CAP_WEAK,
    .form = SM_FORM_NONE,
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .safepoint = safepoint,
    .collect = collect,
    .weak_make = boehm_weak_make,
    .weak_get = boehm_weak_get,
    .finalizer_register = finalizer_register,
    .request_begin = request_begin,
    .request_end = request_end,
    .quiesce = quiesce,
    .walk = walk,
    .stats = stats,
    .is_valid = is_valid,
};
