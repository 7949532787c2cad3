#include "guard.h"

#include "background.h"
#include "event.h"
#include "manager_internal.h"

#include <string.h>

enum { ALLOW_WAIT_MS = 2000, READ_TRIES = 4 };

/* A guard read whole, as far as its thread lets us. */
struct guard_view {
    uint64_t epoch; /* 0: not pinned */
    uint64_t sequence;
    const char *site;
};

uint64_t sm_epoch_current(const struct sm_manager *mm)
{
    return sm_epoch_read(&mm->guards.epoch);
}

uint64_t sm_epoch_advance(struct sm_manager *mm)
{
    return sm_epoch_step(&mm->guards.epoch);
}

uint64_t sm_epoch_of(struct sm_manager *mm, const struct sm_object *object)
{
    return sm_has(mm, SM_CAP_EPOCH_TAGS) ? mm->ops->epoch_of(mm->policy, object) : 0;
}

struct sm_guard *sm_owner_guard(struct sm_manager *mm)
{
    return &mm->guards.owner;
}

static void publish(struct sm_guard *guard, const char *site)
{
    uint64_t epoch = guard->is_owner ? sm_epoch_step(guard->manager_epoch) : sm_epoch_read(guard->manager_epoch);
    sm_guard_publish(guard, epoch, site);
}

/* Under a policy without SM_CAP_PIN the slot is all there is. */
static void repin_slot(struct sm_guard *guard, const char *site)
{
    sm_guard_withdraw(guard);
    publish(guard, site);
}

static void pin_by_policy(struct sm_guard *guard, const char *site)
{
    guard->mm->ops->pin(guard->policy, guard);
    publish(guard, site);
}

static void unpin_by_policy(struct sm_guard *guard)
{
    sm_guard_withdraw(guard);
    guard->mm->ops->unpin(guard->policy, guard);
}

static void repin_by_policy(struct sm_guard *guard, const char *site)
{
    sm_guard_withdraw(guard);
    guard->mm->ops->repin(guard->policy, guard);
    publish(guard, site);
}

void sm_pin(struct sm_guard *guard, const char *site)
{
    SM_ASSERT_CHECKED(pthread_equal(guard->thread, pthread_self()));
    SM_ASSERT(guard->offline_depth == 0);
    if (guard->nesting != 0) {
        guard->nesting++;
        return;
    }
    /* Constants, here and in sm_unpin: counting would make each pin wait for the store of the one before. */
    guard->nesting = 1;
    guard->pin(guard, site);
}

void sm_unpin(struct sm_guard *guard)
{
    SM_ASSERT_CHECKED(pthread_equal(guard->thread, pthread_self()));
    SM_ASSERT(guard->nesting != 0 && guard->offline_depth == 0);
    if (guard->nesting != 1) {
        guard->nesting--;
        return;
    }
    guard->nesting = 0;
    guard->unpin(guard);
}

void sm_repin(struct sm_guard *guard, const char *site)
{
    if (guard->nesting == 1 && guard->offline_depth == 0)
        guard->repin(guard, site);
}

/*
 * An owner about to block would keep a waiting observer waiting as well. A forked child has no observers, and a
 * thread that did not survive may hold `lock` (R14).
 */
static void admit_waiting(struct sm_manager *mm)
{
    if ((__atomic_load_n(&mm->hot.attention, __ATOMIC_RELAXED) & SM_ATTENTION_OBSERVERS) != 0 &&
        !sm_fork_page_is_child(&mm->fork_page))
        sm_guards_allow(mm);
}

void sm_offline(struct sm_guard *guard)
{
    if (guard->is_owner)
        admit_waiting(guard->mm);
    /* A guard that is not pinned holds nothing back as it is. */
    if (guard->offline_depth++ != 0 || guard->nesting == 0)
        return;
    sm_guard_withdraw(guard);
    if (sm_has(guard->mm, SM_CAP_PIN))
        guard->mm->ops->offline(guard->policy, guard);
}

void sm_online(struct sm_guard *guard)
{
    SM_ASSERT(guard->offline_depth != 0);
    if (--guard->offline_depth != 0 || guard->nesting == 0)
        return;
    if (sm_has(guard->mm, SM_CAP_PIN))
        guard->mm->ops->online(guard->policy, guard);
    publish(guard, guard->site);
}

void sm_owner_wait_begin(struct sm_manager *mm)
{
    sm_offline(&mm->guards.owner);
}

void sm_owner_wait_end(struct sm_manager *mm)
{
    sm_online(&mm->guards.owner);
}

uint32_t sm_guard_depth(const struct sm_guard *guard)
{
    return guard->nesting;
}

void sm_guard_restore(struct sm_guard *guard, uint32_t depth)
{
    SM_ASSERT(depth <= guard->nesting);
    /* No catch point is offline, since the heap is not touched there: who left from offline comes back. */
    while (guard->offline_depth != 0)
        sm_online(guard);
    while (guard->nesting > depth)
        sm_unpin(guard);
}

static void guard_fill(struct sm_guard *guard, struct sm_manager *mm, const char *name)
{
    *guard = (struct sm_guard){.mm = mm,
                               .pin = publish,
                               .unpin = sm_guard_withdraw,
                               .repin = repin_slot,
                               .manager_epoch = &mm->guards.epoch,
                               .thread = pthread_self()};
    snprintf(guard->name, sizeof(guard->name), "%s", name == NULL ? "" : name);
}

/* Tell the policy about a guard of the calling thread. */
static sm_status guard_attach(struct sm_guard *guard)
{
    struct sm_manager *mm = guard->mm;
    guard->policy = mm->policy;
    if (!sm_has(mm, SM_CAP_PIN))
        return SM_OK;
    guard->pin = pin_by_policy;
    guard->unpin = unpin_by_policy;
    guard->repin = repin_by_policy;
    return mm->ops->guard_register(mm->policy, guard);
}

static void guard_detach(struct sm_guard *guard)
{
    SM_ASSERT(guard->nesting == 0);
    if (sm_has(guard->mm, SM_CAP_PIN))
        guard->mm->ops->guard_unregister(guard->policy, guard);
}

sm_status sm_guards_init(struct sm_manager *mm)
{
    struct sm_guards *guards = &mm->guards;
    guards->epoch = 1;
    guards->allow_wait_ms = ALLOW_WAIT_MS;
    guard_fill(&guards->owner, mm, "owner");
    guards->owner.is_owner = true;
    if (!sm_condition_init(&guards->allowed_changed))
        return SM_ERR_SYSTEM;
    if (pthread_mutex_init(&guards->lock, NULL) != 0) {
        pthread_cond_destroy(&guards->allowed_changed);
        return SM_ERR_SYSTEM;
    }
    return SM_OK;
}

void sm_guards_finish(struct sm_manager *mm)
{
    SM_ASSERT(mm->guards.observer_count == 0);
    pthread_mutex_destroy(&mm->guards.lock);
    pthread_cond_destroy(&mm->guards.allowed_changed);
}

sm_status sm_guards_attach_owner(struct sm_manager *mm)
{
    return guard_attach(&mm->guards.owner);
}

void sm_guards_detach_owner(struct sm_manager *mm)
{
    sm_guard_restore(&mm->guards.owner, 0);
    guard_detach(&mm->guards.owner);
}

/*
 * Why an observer waits for the owner. Until the first observer exists the owner's stores are plain, and a
 * plain 16-byte store may be seen half done or before the object it refers to. So the owner itself turns
 * publication on, between two of its stores, under `lock`; an observer goes on only after it took `lock` and
 * found `allowed`. Every store before that point happened before the observer's first read, and every later
 * one is a whole store with release. The bit stays on when the last observer leaves: the next may come
 * without a wait.
 */
void sm_guards_allow(struct sm_manager *mm)
{
    struct sm_guards *guards = &mm->guards;
    pthread_mutex_lock(&guards->lock);
    mm->hot.barrier |= SM_BARRIER_PUBLISH;
    guards->allowed = true;
    pthread_cond_broadcast(&guards->allowed_changed);
    pthread_mutex_unlock(&guards->lock);
}

sm_status sm_observers_allow(struct sm_manager *mm)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (!sm_has(mm, SM_CAP_OBSERVERS))
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED, "policy %s has no observers: it may free what they read",
                              mm->ops->name);
    sm_guards_allow(mm);
    return SM_OK;
}

static bool wait_until_allowed(struct sm_manager *mm)
{
    struct sm_guards *guards = &mm->guards;
    struct timespec deadline = sm_deadline_after((uint64_t)guards->allow_wait_ms * UINT64_C(1000000));
    int failed = 0;
    pthread_mutex_lock(&guards->lock);
    if (!guards->allowed)
        sm_attention_raise(mm, SM_ATTENTION_OBSERVERS);
    while (!guards->allowed && failed == 0)
        failed = pthread_cond_timedwait(&guards->allowed_changed, &guards->lock, &deadline);
    bool allowed = guards->allowed;
    pthread_mutex_unlock(&guards->lock);
    return allowed;
}

static void guard_link(struct sm_guards *guards, struct sm_guard *guard)
{
    pthread_mutex_lock(&guards->lock);
    guard->next = guards->owner.next;
    guards->owner.next = guard;
    guards->observer_count++;
    pthread_mutex_unlock(&guards->lock);
}

bool sm_guards_have_observers(struct sm_manager *mm)
{
    pthread_mutex_lock(&mm->guards.lock);
    bool have_observers = mm->guards.observer_count != 0;
    pthread_mutex_unlock(&mm->guards.lock);
    return have_observers;
}

static void guard_unlink(struct sm_guards *guards, struct sm_guard *guard)
{
    pthread_mutex_lock(&guards->lock);
    struct sm_guard *before = &guards->owner;
    while (before->next != guard)
        before = before->next;
    before->next = guard->next;
    guards->observer_count--;
    pthread_mutex_unlock(&guards->lock);
}

sm_status sm_observer_register(struct sm_manager *mm, const char *name, struct sm_guard **guard)
{
    if (sm_fork_page_is_child(&mm->fork_page))
        return SM_ERR_FORKED;
    if (!sm_has(mm, SM_CAP_OBSERVERS))
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED, "policy %s has no observers: it may free what they read",
                              mm->ops->name);
    if (sm_on_owner_thread(mm))
        return sm_policy_fail(mm, SM_ERR_WRONG_THREAD,
                              "the owner's thread cannot be an observer: it has its own guard");
    if (!wait_until_allowed(mm))
        return SM_ERR_SYSTEM;
    struct sm_guard *made = aligned_alloc(SM_CACHE_LINE_PAIR, sizeof(*made));
    if (made == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    guard_fill(made, mm, name);
    sm_status status = guard_attach(made);
    if (status != SM_OK) {
        free(made);
        return status;
    }
    guard_link(&mm->guards, made);
    *guard = made;
    return SM_OK;
}

void sm_observer_unregister(struct sm_guard *guard)
{
    if (guard == NULL)
        return;
    SM_ASSERT(!guard->is_owner && pthread_equal(guard->thread, pthread_self()));
    guard_detach(guard);
    guard_unlink(&guard->mm->guards, guard);
    free(guard);
}

void sm_guards_synchronized(struct sm_manager *mm)
{
    pthread_mutex_lock(&mm->guards.lock);
    for (const struct sm_guard *guard = &mm->guards.owner; guard != NULL; guard = guard->next) {
        /* Pairs with the release in sm_guard_withdraw, or with that of a later publish by the same thread. */
        (void)__atomic_load_n(&guard->epoch, __ATOMIC_ACQUIRE);
    }
    pthread_mutex_unlock(&mm->guards.lock);
}

/* A guard that keeps repinning may give the site of one pin with the epoch of the next; it is not the one a report is about. */
static struct guard_view read_guard(const struct sm_guard *guard)
{
    struct guard_view view;
    uint64_t after = 0;
    int tries = READ_TRIES;
    do {
        view.sequence = __atomic_load_n(&guard->sequence, __ATOMIC_ACQUIRE);
        /* Pairs with the release in sm_guard_publish. */
        view.epoch = __atomic_load_n(&guard->epoch, __ATOMIC_ACQUIRE);
        view.site = __atomic_load_n(&guard->site, __ATOMIC_ACQUIRE);
        after = __atomic_load_n(&guard->sequence, __ATOMIC_RELAXED);
    } while (view.sequence != after && --tries != 0);
    return view;
}

static void observe_age(struct sm_guard *guard, const struct guard_view *view, uint64_t now_ns)
{
    if (view->epoch == 0)
        guard->seen_sequence = 0;
    else if (view->sequence != guard->seen_sequence) {
        guard->seen_sequence = view->sequence;
        guard->seen_since_ns = now_ns;
    }
}

void sm_guards_observe_ages(struct sm_manager *mm)
{
    uint64_t now_ns = sm_clock_ns();
    pthread_mutex_lock(&mm->guards.lock);
    for (struct sm_guard *guard = &mm->guards.owner; guard != NULL; guard = guard->next) {
        struct guard_view view = read_guard(guard);
        observe_age(guard, &view, now_ns);
    }
    pthread_mutex_unlock(&mm->guards.lock);
}

/* The end of a long path says more than its beginning. */
static void copy_site(char *text, size_t text_bytes, const char *site)
{
    const char *source = site == NULL ? "" : site;
    size_t length = strlen(source);
    if (length >= text_bytes)
        source += length - (text_bytes - 1);
    snprintf(text, text_bytes, "%s", source);
}

static void report_fill(struct sm_guard_report *report, const struct sm_guard *guard, const struct guard_view *view,
                        uint64_t now_ns)
{
    *report = (struct sm_guard_report){.pinned_epoch = view->epoch, .age_ns = now_ns - guard->seen_since_ns};
    memcpy(report->thread, guard->name, sizeof(report->thread));
    copy_site(report->site, sizeof(report->site), view->site);
}

static bool is_older(const struct sm_guard_report *left, const struct sm_guard_report *right)
{
    if (left->age_ns != right->age_ns)
        return left->age_ns > right->age_ns;
    return sm_epoch_is_before(left->pinned_epoch, right->pinned_epoch);
}

/* Insert into the `count` oldest so far, dropping the youngest when there is no room. */
static void report_insert(struct sm_guard_report *reports, size_t count, size_t capacity,
                          const struct sm_guard_report *report)
{
    size_t place = count < capacity ? count : capacity;
    while (place > 0 && is_older(report, &reports[place - 1])) {
        if (place < capacity)
            reports[place] = reports[place - 1];
        place--;
    }
    if (place < capacity)
        reports[place] = *report;
}

/* Reports of pinned guards from `first` on, oldest first; returns how many there are. */
static size_t collect_reports(struct sm_manager *mm, bool with_owner, struct sm_guard_report *reports, size_t capacity)
{
    if (sm_fork_page_is_child(&mm->fork_page))
        return 0; /* R14: a thread that did not survive may hold `lock` */
    uint64_t backlog_bytes = sm_backlog_bytes(mm);
    uint64_t now_ns = sm_clock_ns();
    size_t count = 0;
    pthread_mutex_lock(&mm->guards.lock);
    struct sm_guard *first = with_owner ? &mm->guards.owner : mm->guards.owner.next;
    for (struct sm_guard *guard = first; guard != NULL; guard = guard->next) {
        struct guard_view view = read_guard(guard);
        observe_age(guard, &view, now_ns);
        if (view.epoch == 0)
            continue;
        struct sm_guard_report report;
        report_fill(&report, guard, &view, now_ns);
        report.backlog_bytes = backlog_bytes;
        report_insert(reports, count++, capacity, &report);
    }
    pthread_mutex_unlock(&mm->guards.lock);
    return count;
}

size_t sm_guard_reports(struct sm_manager *mm, struct sm_guard_report *reports, size_t capacity)
{
    return collect_reports(mm, true, reports, capacity);
}

bool sm_guards_oldest_observer(struct sm_manager *mm, struct sm_guard_report *report)
{
    return collect_reports(mm, false, report, 1) != 0;
}

bool sm_guard_stall_report(struct sm_manager *mm, struct sm_guard_report *report)
{
    if (!sm_guards_oldest_observer(mm, report))
        return false;
    mm->guards.stall_count++;
    sm_event(mm, SM_EVENT_PIN_STALL, SM_CYCLE_FULL, report->backlog_bytes, report->age_ns);
    if (mm->hooks.on_guard_stall != NULL)
        mm->hooks.on_guard_stall(mm->hooks.context, report);
    return true;
}
