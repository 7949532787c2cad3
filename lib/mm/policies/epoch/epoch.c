/* The epoch policy: its table, options, beginning and end. */
#include "epoch/epoch_internal.h"

#include <stdlib.h>
#include <unistd.h>

enum epoch_reclaim_choice {
    RECLAIM_THREAD,
    RECLAIM_INLINE,
};

static const char *const reclaim_names[] = {"thread", "inline", NULL};

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
     .choices = reclaim_names,
     .help = "where grace periods are waited for: our own thread, or the owner at the end of a cycle (deterministic)"},
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
};

static void init_from_options(struct epoch_policy *epoch, struct sm_manager *mm, const struct sm_option_values *values)
{
    epoch->base.ops = &sm_policy_epoch;
    epoch->base.mm = mm;
    epoch->creator = getpid();
    epoch->flavor = epoch_flavor_get((size_t)sm_option_count(values, "flavor"));
    epoch->backlog_limit_bytes = sm_option_count(values, "backlog-limit");
    epoch->stall_report_ns = sm_option_count(values, "stall-report") * EPOCH_MILLISECOND_NS;
    epoch_bounds_set(epoch, 0); /* the threshold is not known yet; each cycle sets them anew */
}

static sm_status create(struct sm_manager *mm, const struct sm_option_values *values, struct sm_policy **policy)
{
    struct epoch_policy *epoch = calloc(1, sizeof(*epoch));
    if (epoch == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "policy epoch: no memory for its state");
    init_from_options(epoch, mm, values);
    bool threaded = sm_option_count(values, "reclaim") == RECLAIM_THREAD;
    sm_status status = epoch_reclaimer_create(mm, epoch->flavor, threaded, &epoch->reclaimer);
    if (status != SM_OK) {
        free(epoch);
        return status;
    }
    epoch_heap_init(&epoch->heap, mm);
    *policy = &epoch->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (getpid() != epoch->creator)
        return; /* R14: the thread did not survive the fork, and its lock may be held for ever */
    epoch_seal(epoch);
    epoch_heap_finish(&epoch->heap);
    epoch_reclaimer_destroy(epoch->reclaimer);
    free(epoch);
}

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (!epoch_may_allocate(epoch))
        return NULL;
    return epoch_heap_alloc(&epoch->heap, payload_bytes);
}

/* SM_FORM_NONE: there is no window to move. */
static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    (void)epoch_of_base(policy);
    SM_ASSERT(payload_bytes <= SM_INLINE_PAYLOAD_MAX);
    return false;
}

static sm_status guard_register(struct sm_policy *policy, struct sm_guard *guard)
{
    (void)guard;
    epoch_thread_register(epoch_of_base(policy)->flavor);
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
    epoch_thread_lock(epoch_of_base(policy)->flavor);
}

/*
 * Nothing after the end of the owner's guard is sure to seal what it retired, so its end does. A child forked inside
 * an iteration only leaves it: the reclaimer's lock may be held by the thread that it lost (R14).
 */
static void seal_if_owner(struct sm_policy *policy, const struct sm_guard *guard)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    if (guard == sm_owner_guard(policy->mm) && epoch->open.object_count != 0 && getpid() == epoch->creator)
        epoch_seal(epoch);
}

static void unpin(struct sm_policy *policy, struct sm_guard *guard)
{
    seal_if_owner(policy, guard);
    epoch_thread_unlock(epoch_of_base(policy)->flavor);
}

static void repin(struct sm_policy *policy, struct sm_guard *guard)
{
    seal_if_owner(policy, guard);
    epoch_thread_quiescent(epoch_of_base(policy)->flavor);
}

static sm_status weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    SM_ASSERT((sm_object_flags(((struct sm_weak_cell *)cell)->target) & EPOCH_RETIRED) == 0);
    sm_weak_list_add(&epoch_of_base(policy)->weak, cell);
    return SM_OK;
}

static struct sm_object *weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct sm_object *target = sm_weak_list_get(&epoch_of_base(policy)->weak, cell);
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
    sm_object_table_walk(&epoch_of_base(policy)->heap.objects, visit, context);
}

static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct epoch_policy *epoch = epoch_of_base(policy);
    const struct epoch_reclaimed *reclaimed = &epoch->reclaimer->reclaimed;
    snapshot->reclaimed_bytes = atomic_load_explicit(&reclaimed->payload_bytes, memory_order_relaxed);
    snapshot->reclaimed_objects = atomic_load_explicit(&reclaimed->objects, memory_order_relaxed);
    snapshot->backlog_bytes = epoch_backlog_bytes(epoch->reclaimer);
    snapshot->peak_backlog_bytes = epoch->peak_backlog_bytes;
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    return sm_object_table_has(&epoch_of_base(policy)->heap.objects, object);
}

static uint64_t epoch_of(struct sm_policy *policy, const struct sm_object *object)
{
    (void)epoch_of_base(policy);
    return epoch_prefix_of(object)->birth_epoch;
}

const struct sm_policy_ops sm_policy_epoch = {
    .name = "epoch",
    .summary = "guards, tracing and deferred reclamation on liburcu",
    .capabilities = SM_CAP_OBSERVERS | SM_CAP_PIN | SM_CAP_COLLECT | SM_CAP_RETIRE | SM_CAP_WEAK | SM_CAP_EPOCH_TAGS,
    .form = SM_FORM_NONE,
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .guard_register = guard_register,
    .guard_unregister = guard_unregister,
    .pin = pin,
    .unpin = unpin,
    .repin = repin,
    .offline = unpin, /* to liburcu, offline is the guard ended, and online a new one */
    .online = pin,
    .safepoint = epoch_safepoint,
    .collect = epoch_collect,
    .retire = epoch_retire,
    .weak_make = weak_make,
    .weak_get = weak_get,
    .finalizer_register = finalizer_register,
    .request_begin = request_begin,
    .request_end = request_end,
    .quiesce = quiesce,
    .walk = walk,
    .stats = stats,
    .is_valid = is_valid,
    .epoch_of = epoch_of,
};
