/* The epoch policy: its table, options, beginning and end. */
#include "epoch/epoch_internal.h"

#include "finalizer_selection.h"
#include "guard.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const young_names[] = {"auto", "always", "never", NULL};
static const char *const marking_names[] = {"concurrent", "stop", NULL};
static const char *const debug_names[] = {"none", "poison", "never-reuse", NULL};

static const struct sm_option options[] = {
    {.key = "flavor",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = "memb",
     .choices = epoch_flavor_names,
     .help = "liburcu flavour that decides when memory is reusable"},
    {.key = "reclaim",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = "thread",
     .choices = epoch_backend_names,
     .help =
         "who waits for grace periods: our own thread, the owner at the end of a cycle (deterministic), or liburcu's "
         "threads"},
    {.key = "backlog-limit",
     .kind = SM_OPTION_SIZE,
     .unit = "bytes",
     .default_text = "0",
     .minimum = 0,
     .maximum = 1099511627776.0,
     .help = "memory retired and not yet reusable above which allocation is refused; one cycle may overshoot; 0: 8 "
             "times the threshold, at least 64M"},
    {.key = "stall-report",
     .kind = SM_OPTION_COUNT,
     .unit = "ms",
     .default_text = "100",
     .minimum = 1,
     .maximum = 3600000,
     .help = "age at which a guard that holds back a large backlog is reported"},
    {.key = "young",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = "auto",
     .choices = young_names,
     .help = "young cycles: while few of the young survive them, in any case, or none"},
    {.key = "nursery",
     .kind = SM_OPTION_SIZE,
     .unit = "bytes",
     .default_text = "4M",
     .minimum = 4096,
     .maximum = 1099511627776.0,
     .help = "largest amount allocated between young cycles, which wait for the end of the run-loop iteration up to "
             "twice as much; a quarter of the threshold when that is less"},
    {.key = "marking",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = "concurrent",
     .choices = marking_names,
     .help = "full cycles that the threshold asks for: beside the program (by the collector's thread, or in slices "
             "without one), or with the program stopped"},
    {.key = "region",
     .kind = SM_OPTION_SIZE,
     .unit = "bytes",
     .default_text = "0",
     .minimum = 0,
     .maximum = 1099511627776.0,
     .help = "under FPM: requests go as a whole, and have young cycles only once they have taken so much (with "
             "reclaim=inline "
             "and marking=stop, whatever those say); 0: requests are nothing special"},
    {.key = "debug",
     .kind = SM_OPTION_CHOICE,
     .unit = "",
     .default_text = SM_ASSERT_LEVEL >= 2 ? "poison" : "none",
     .choices = debug_names,
     .help = "what happens to reusable memory: overwritten and checked, or never used again"},
};

static const struct sm_policy_ops region_table;

/* Where no requests are served a region would never end. */
static uint64_t region_bytes_of(struct sm_manager *mm, const struct sm_option_values *values)
{
    return sm_manager_sapi(mm) == SM_SAPI_FPM ? sm_option_count(values, "region") : 0;
}

static void init_from_options(struct epoch_policy *epoch, struct sm_manager *mm, const struct sm_option_values *values)
{
    epoch->region.limit_bytes = region_bytes_of(mm, values);
    bool is_region = epoch->region.limit_bytes != 0;
    epoch->base.ops = is_region ? &region_table : &sm_policy_epoch;
    epoch->base.mm = mm;
    epoch->creator = getpid();
    epoch->flavor = epoch_flavor_get((size_t)sm_option_count(values, "flavor"));
    epoch->backlog_limit_bytes = sm_option_count(values, "backlog-limit");
    epoch->stall_report_ns = sm_option_count(values, "stall-report") * EPOCH_MILLISECOND_NS;
    epoch->young.choice = (enum epoch_young_choice)sm_option_count(values, "young");
    epoch->young.nursery_option_bytes = epoch->young.nursery_max_bytes = sm_option_count(values, "nursery");
    epoch->beside.is_allowed = sm_option_count(values, "marking") == 0 && !is_region;
    epoch_bounds_set(epoch, 0); /* the threshold is not known yet; each cycle sets them anew */
}

/* R9. */
static void shade_handed_out(struct sm_policy *policy, struct sm_object *object)
{
    epoch_shade(epoch_of_base(policy), object);
}

/* Where full cycles stop the program no thread is needed. */
static sm_status start_collector(struct epoch_policy *epoch)
{
    struct sm_manager *mm = epoch->base.mm;
    bool has_thread = epoch->beside.is_allowed && sm_collector_threads(mm) != 0;
    return epoch_collector_init(&epoch->collector, mm, &epoch->heap, &epoch->marker, has_thread);
}

static sm_status create(struct sm_manager *mm, const struct sm_option_values *values, struct sm_policy **policy)
{
    struct epoch_policy *epoch = calloc(1, sizeof(*epoch));
    if (epoch == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy epoch: no memory for its state");
    init_from_options(epoch, mm, values);
    epoch_heap_init(&epoch->heap, mm, (enum epoch_debug)sm_option_count(values, "debug"));
    enum epoch_backend backend = (enum epoch_backend)sm_option_count(values, "reclaim");
    if (epoch->region.limit_bytes != 0)
        backend = EPOCH_BACKEND_INLINE;
    sm_status status = epoch_reclaimer_create(mm, &epoch->heap, epoch->flavor, backend, &epoch->reclaimer);
    if (status == SM_OK && (status = start_collector(epoch)) != SM_OK)
        epoch_reclaimer_destroy(epoch->reclaimer);
    if (status != SM_OK) {
        epoch_heap_finish(&epoch->heap);
        free(epoch);
        return status;
    }
    epoch_young_init(epoch);
    sm_finalizers_watch(mm, shade_handed_out);
    *policy = &epoch->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (getpid() != epoch->creator)
        return; /* R14: the thread did not survive the fork, and its lock may be held for ever */
    epoch_collector_finish(&epoch->collector);
    epoch_batch_forget_list(&epoch->open);
    epoch_batch_forget_list(&epoch->held);
    epoch_batch_forget_list(&epoch->collector.swept);
    epoch_log_clear(&epoch->log);
    epoch_log_clear(&epoch->remembered);
    epoch_log_clear(&epoch->beside.unfiltered);
    epoch_marker_finish(&epoch->marker);
    epoch_reclaimer_destroy(epoch->reclaimer);
    epoch_heap_finish(&epoch->heap);
    free(epoch);
}

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (!epoch_may_allocate(epoch))
        return NULL;
    if (sm_collects_every_alloc(policy->mm) && payload_bytes <= SM_INLINE_PAYLOAD_MAX)
        return epoch_heap_alloc_alone(&epoch->heap, payload_bytes);
    return epoch_heap_alloc(&epoch->heap, payload_bytes);
}

/* A test that collects before every allocation must hear of every allocation, so it gets no window. */
static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    SM_ASSERT(payload_bytes <= SM_INLINE_PAYLOAD_MAX);
    return epoch_may_allocate(epoch) && !sm_collects_every_alloc(policy->mm) &&
           epoch_heap_refill(&epoch->heap, payload_bytes);
}

/* The operations below do for what is not the outermost pin, unpin or repin: going offline and coming back. */
static sm_status guard_register(struct sm_policy *policy, struct sm_guard *guard)
{
    const struct epoch_flavor *flavor = epoch_of_base(policy)->flavor;
    const struct epoch_guard_paths *paths = guard->is_owner ? &flavor->owner : &flavor->observer;
    epoch_thread_register(flavor);
    guard->policy_state = flavor->thread_record == NULL ? NULL : flavor->thread_record();
    guard->pin = paths->pin;
    guard->unpin = paths->unpin;
    guard->repin = paths->repin;
    return SM_OK;
}

static void guard_unregister(struct sm_policy *policy, struct sm_guard *guard)
{
    (void)guard;
    epoch_thread_unregister(epoch_of_base(policy)->flavor);
}

static void pin(struct sm_policy *policy, struct sm_guard *guard)
{
    (void)guard;
    epoch_of_base(policy)->flavor->lock();
}

/*
 * Nothing after the end of the owner's guard is sure to seal what it retired, so its end does. A child forked inside
 * an iteration only leaves it: the reclaimer's lock may be held by the thread that it lost (R14).
 */
void epoch_seal_at_guard_end(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (getpid() == epoch->creator)
        epoch_seal(epoch);
}

static void seal_if_owner(struct sm_policy *policy, const struct sm_guard *guard)
{
    if (guard->is_owner)
        epoch_seal_at_guard_end(policy);
}

static void unpin(struct sm_policy *policy, struct sm_guard *guard)
{
    seal_if_owner(policy, guard);
    epoch_of_base(policy)->flavor->unlock();
}

static void repin(struct sm_policy *policy, struct sm_guard *guard)
{
    seal_if_owner(policy, guard);
    epoch_of_base(policy)->flavor->quiescent();
}

static sm_status weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    SM_ASSERT((sm_object_flags(((struct sm_weak_cell *)cell)->target) & EPOCH_RETIRED) == 0);
    sm_weak_list_add(&epoch_of_base(policy)->weak, cell);
    return SM_OK;
}

static struct sm_object *weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct sm_object *target = sm_weak_list_target(cell);
    if (target == NULL || (epoch->heap.marking == EPOCH_COLOUR_NONE && epoch_heap_is_dead(&epoch->heap, target)))
        return NULL; /* dead, and the cell is still to be cleared */
    target = sm_weak_list_get(&epoch->weak, cell);
    epoch_shade(epoch, target); /* R9 */
    SM_ASSERT(target == NULL || (sm_object_flags(target) & EPOCH_RETIRED) == 0);
    return target;
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)epoch_of_base(policy);
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    return SM_OK; /* the shared table is asked in each cycle; nothing to keep here */
}

static void request_begin(struct sm_policy *policy)
{
    (void)epoch_of_base(policy);
}

static void request_end(struct sm_policy *policy)
{
    epoch_seal(epoch_of_base(policy));
}

/* A stalled guard keeps this waiting for as long as it lasts; another manager's guard on this thread makes it return (R3). */
static sm_status quiesce(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (epoch_drain(epoch, SM_PAUSE_GRACE, EPOCH_FOREVER))
        return SM_OK;
    return sm_policy_fail(policy->mm, SM_ERR_GUARD_HELD,
                          "policy epoch: another manager's guard on this thread holds back a backlog of %llu bytes",
                          (unsigned long long)epoch_backlog_bytes(epoch->reclaimer));
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    epoch_heap_walk(&epoch_of_base(policy)->heap, visit, context);
}

static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct epoch_policy *epoch = epoch_of_base(policy);
    const struct epoch_reclaimed *reclaimed = &epoch->reclaimer->reclaimed;
    /* First: what is read after it counts these objects too (`count_released`). */
    snapshot->reclaimed_objects = atomic_load_explicit(&reclaimed->objects, memory_order_acquire);
    snapshot->reclaimed_bytes = atomic_load_explicit(&reclaimed->payload_bytes, memory_order_relaxed);
    snapshot->reclaimed_room_bytes = atomic_load_explicit(&reclaimed->room_bytes, memory_order_relaxed);
    snapshot->reclaimed_batches = atomic_load_explicit(&reclaimed->batches, memory_order_relaxed);
    snapshot->reclaim_delay_total_ns = atomic_load_explicit(&reclaimed->delay_total_ns, memory_order_relaxed);
    snapshot->reclaim_delay_max_ns = atomic_load_explicit(&reclaimed->delay_max_ns, memory_order_relaxed);
    epoch_heap_occupancy(&epoch->heap, &snapshot->occupied_bytes, &snapshot->hole_bytes);
    snapshot->backlog_bytes = epoch_backlog_bytes(epoch->reclaimer);
    snapshot->peak_backlog_bytes = epoch->peak_backlog_bytes;
    /* All that was ever allocated is live or was retired. */
    snapshot->policy_bytes += epoch_heap_room_bytes(&epoch->heap) - (snapshot->live_bytes + snapshot->retired_bytes);
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    return epoch_heap_has(&epoch_of_base(policy)->heap, object);
}

static uint64_t epoch_of(struct sm_policy *policy, const struct sm_object *object)
{
    (void)epoch_of_base(policy);
    return epoch_heap_epoch_of(object);
}

/* What all its tables have in common. */
#define EPOCH_CAPABILITIES \
    (SM_CAP_BARRIER | SM_CAP_CONCURRENT | SM_CAP_OBSERVERS | SM_CAP_PIN | SM_CAP_COLLECT | SM_CAP_RETIRE | \
     SM_CAP_WEAK | SM_CAP_EPOCH_TAGS)
/* To liburcu, offline is the guard ended, and online a new one. */
#define EPOCH_TABLE \
    .name = "epoch", .summary = "guards, young and concurrent tracing, deferred reclamation on liburcu", \
    .form = SM_FORM_WINDOW, .options = options, .option_count = sizeof(options) / sizeof(options[0]), \
    .create = create, .destroy = destroy, .alloc_slow = alloc_slow, .refill = refill, .store_slow = epoch_store_slow, \
    .guard_register = guard_register, .guard_unregister = guard_unregister, .pin = pin, .unpin = unpin, \
    .repin = repin, .offline = unpin, .online = pin, .safepoint = epoch_safepoint, .collect = epoch_collect, \
    .retire = epoch_retire, .weak_make = weak_make, .weak_get = weak_get, .finalizer_register = finalizer_register, \
    .quiesce = quiesce, .walk = walk, .stats = stats, .is_valid = is_valid, .epoch_of = epoch_of

const struct sm_policy_ops sm_policy_epoch = {
    EPOCH_TABLE,
    .capabilities = EPOCH_CAPABILITIES,
    .request_begin = request_begin,
    .request_end = request_end,
};

/* Option `region`. Nothing marks beside the program. */
static const struct sm_policy_ops region_table = {
    EPOCH_TABLE,
    .capabilities = (EPOCH_CAPABILITIES & ~SM_CAP_CONCURRENT) | SM_CAP_BULK_FREE,
    .request_begin = epoch_region_begin,
    .request_end = epoch_region_end,
};
