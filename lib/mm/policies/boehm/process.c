#include "boehm/boehm_internal.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <string.h>
#include <unistd.h>

/* More places than managers: those that a manager could not leave clean stay out of use. Bdwgc has 24 kinds in all. */
enum { PUSH_BATCH = 256, STACK_WIPED_BYTES = 16384, KINDS_MAX = 2 * BOEHM_MANAGERS_MAX, LEAVE_ROUNDS_MAX = 4 };

/** Kinds are for ever, so a manager takes over those of one that ended and left nothing. */
struct kinds {
    bool made, taken;
    int leaf, traced;
};

struct process {
    bool started;
    unsigned markers; /**< as started */
    bool incremental;
    struct boehm_policy *managers;
    struct boehm_policy *active; /**< whose operation runs: the pauses are its */
    bool pause_open;             /**< a collection began and has not ended */
    bool commanded;              /**< inside boehm_collect_now */
    bool slicing;                /**< an incremental collection that a manager began has not ended */
    bool slice_left;             /**< by the last slice: bdwgc is inside a collection */
    enum boehm_stack stack;      /**< of the collection that runs */
    uint64_t collections;
    GC_push_other_roots_proc push_stacks; /**< bdwgc's own: thread stacks */
    struct boehm_account account;
    unsigned manager_count;
    struct kinds kinds[KINDS_MAX];
};

static struct process process;

struct boehm_account *boehm_account(void)
{
    return &process.account;
}

struct boehm_policy *boehm_managers(void)
{
    return process.managers;
}

uint64_t boehm_collections(void)
{
    return process.collections;
}

/* ---- Roots. ---- */

/** Hands addresses to bdwgc by the batch; it looks at memory, so that is what it gets. */
struct pusher {
    struct sm_visitor visitor; /**< first: visitors are downcast to pushers */
    size_t count;
    struct sm_object *batch[PUSH_BATCH];
};

static void push_batch(struct pusher *pusher)
{
    GC_push_all_eager(pusher->batch, pusher->batch + pusher->count);
    pusher->count = 0;
}

static void push_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct pusher *pusher = (struct pusher *)visitor;
    pusher->batch[pusher->count++] = target;
    if (pusher->count == PUSH_BATCH)
        push_batch(pusher);
}

static void push_recent(const struct boehm_young *young)
{
    if (young->recent_index < young->count)
        GC_push_all_eager(young->objects + young->recent_index, young->objects + young->count);
}

/* Bdwgc asks for roots, with its lock held and the world stopped. */
static void push_roots(void)
{
    struct pusher pusher = {.visitor = {.edge = push_edge}};
    for (struct boehm_policy *boehm = process.managers; boehm != NULL; boehm = boehm->next) {
        sm_roots_enumerate(boehm->base.mm, &pusher.visitor);
        push_recent(&boehm->young);
    }
    push_batch(&pusher);
    if (process.stack == BOEHM_STACK_SCANNED)
        process.push_stacks();
}

/* ---- Events. ---- */

static void open_pause(void)
{
    if (process.pause_open)
        return;
    process.pause_open = true;
    sm_pause_begin(process.active->base.mm, SM_PAUSE_CYCLE);
}

static void close_pause(void)
{
    if (process.pause_open)
        sm_pause_end(process.active->base.mm);
    process.pause_open = false;
}

/* From here on unmarked is dead, so the young logs shrink to the recent. */
static void collection_ends(void)
{
    process.collections++;
    if (!process.commanded && !process.slicing)
        process.active->own_collections++;
    process.slicing = false;
    for (struct boehm_policy *boehm = process.managers; boehm != NULL; boehm = boehm->next)
        boehm_young_collected(&boehm->young);
}

/*
 * A whole collection lies between START and END; in incremental mode there is neither, but a stop of the world
 * and then the end's work, told as RECLAIM. An aborted one has no END: the next exit closes its pause.
 */
static void on_event(GC_EventType event)
{
    switch (event) {
    case GC_EVENT_START:
    case GC_EVENT_PRE_STOP_WORLD:
        open_pause();
        break;
    case GC_EVENT_RECLAIM_START:
        open_pause();
        collection_ends();
        break;
    case GC_EVENT_RECLAIM_END:
    case GC_EVENT_END:
        close_pause();
        break;
    default:
        break;
    }
}

void boehm_process_enter(struct boehm_policy *boehm)
{
    process.active = boehm;
}

void boehm_process_exit(void)
{
    close_pause();
}

/* ---- Collecting. ---- */

/* Bdwgc looks at its own frames even then. They will lie where earlier calls left addresses: wipe that. */
static __attribute__((noinline)) void wipe_stack_below(void)
{
    char dead[STACK_WIPED_BYTES];
    memset(dead, 0, sizeof(dead));
    __asm__ volatile("" ::"r"(dead) : "memory");
}

/*
 * And its frames hold its callers' locals, in registers that calls preserve: those are made to hold something else. More
 * values than there are such registers live across the call; the surplus goes to this frame.
 */
static __attribute__((noinline)) void collect_without_registers(void (*collect)(void))
{
    uintptr_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, j = 0, k = 0, l = 0;
    wipe_stack_below();
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    __asm__ volatile("" : "+r"(g), "+r"(h), "+r"(i), "+r"(j), "+r"(k), "+r"(l));
    collect();
    __asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f));
    __asm__ volatile("" ::"r"(g), "r"(h), "r"(i), "r"(j), "r"(k), "r"(l));
}

/* In incremental mode bdwgc is disabled but for these calls, or it would do slices inside allocations, untimed. */
static void run_collector(struct boehm_policy *boehm, enum boehm_stack stack, void (*collect)(void))
{
    boehm_process_enter(boehm);
    process.stack = stack;
    if (process.incremental)
        GC_enable();
    if (stack == BOEHM_STACK_LEFT_OUT)
        collect_without_registers(collect);
    else
        collect();
    if (process.incremental)
        GC_disable();
    process.stack = BOEHM_STACK_SCANNED;
    boehm_process_exit();
}

void boehm_collect_now(struct boehm_policy *boehm, enum boehm_stack stack, bool unmap)
{
    process.commanded = true;
    run_collector(boehm, stack, unmap ? GC_gcollect_and_unmap : GC_gcollect);
    process.commanded = false;
}

void boehm_slices_begin(struct boehm_policy *boehm)
{
    process.slicing = true;
    run_collector(boehm, BOEHM_STACK_LEFT_OUT, GC_start_incremental_collection);
}

bool boehm_slicing(void)
{
    return process.slicing || process.slice_left;
}

static void slice(void)
{
    process.slice_left = GC_collect_a_little() != 0;
}

void boehm_slice(struct boehm_policy *boehm)
{
    boehm_process_enter(boehm);
    if (boehm_slicing()) /* else bdwgc only looks whether to begin, and events tell if it does */
        open_pause();
    run_collector(boehm, BOEHM_STACK_LEFT_OUT, slice);
}

static bool not_due(void *context, const struct sm_object *object)
{
    (void)context;
    return (sm_object_flags(object) & BOEHM_DUE) == 0;
}

void boehm_finalizers_collect(void)
{
    if (!GC_should_invoke_finalizers())
        return;
    (void)GC_invoke_finalizers();
    for (struct boehm_policy *boehm = process.managers; boehm != NULL; boehm = boehm->next) {
        if (boehm->finalizers_registered && sm_finalizers_select(boehm->base.mm, not_due, NULL) != 0)
            sm_attention_request(boehm->base.mm);
    }
}

/* ---- Beginning and end. ---- */

/* Before GC_INIT: what it reads once. */
static void configure(const struct boehm_settings *settings)
{
    GC_set_all_interior_pointers(0);
    GC_set_no_dls(1);
    GC_set_finalize_on_demand(1);
    GC_set_java_finalization(1); /* unordered finalizers mark what they reach only in this mode */
    GC_set_markers_count((unsigned)settings->markers);
    GC_set_warn_proc(GC_ignore_warn_proc); /* refusals are ours to report */
}

static void start(const struct boehm_settings *settings)
{
    configure(settings);
    GC_INIT();
    if (settings->markers > 1)
        GC_start_mark_threads();
    if (settings->incremental) {
        GC_enable_incremental();
        GC_disable();
    }
    GC_clear_roots();
    GC_register_displacement(SM_HEADER_BYTES);
    GC_set_max_heap_size(GC_get_heap_size() + GC_get_unmapped_bytes());
    process.push_stacks = GC_get_push_other_roots();
    GC_set_push_other_roots(push_roots);
    GC_set_on_collection_event(on_event);
    process.started = true;
    process.markers = (unsigned)settings->markers;
    process.incremental = settings->incremental;
}

static sm_status check_join(const struct boehm_policy *boehm, const struct boehm_settings *settings)
{
    struct sm_manager *mm = boehm->base.mm;
    if (gettid() != getpid())
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED,
                              "policy boehm: only the main thread of a process can own its managers");
    if (process.started && (process.markers != settings->markers || process.incremental != settings->incremental))
        return sm_policy_fail(
            mm, SM_ERR_UNSUPPORTED,
            "policy boehm: bdwgc runs in this process with markers=%u, incremental=%s, and cannot change them",
            process.markers, process.incremental ? "on" : "off");
    return SM_OK;
}

static bool take_kinds(struct boehm_policy *boehm)
{
    for (unsigned slot = 0; slot < KINDS_MAX; slot++) {
        struct kinds *kinds = &process.kinds[slot];
        if (kinds->taken)
            continue;
        if (!kinds->made) {
            /* Free cells that are scanned must be clear, or one taken for an object keeps what it once pointed to. */
            kinds->leaf = (int)GC_new_kind(GC_new_free_list(), GC_DS_LENGTH, 0, 0);
            kinds->traced = (int)GC_new_kind(GC_new_free_list(), GC_DS_LENGTH, 1, 1);
            kinds->made = true;
        }
        kinds->taken = true;
        boehm->slot = slot;
        boehm->leaf_kind = kinds->leaf;
        boehm->traced_kind = kinds->traced;
        return true;
    }
    return false;
}

/* Its own trigger is on as soon as one manager wants it. */
static void set_trigger(const struct boehm_settings *settings)
{
    bool wanted = settings->free_space_divisor != 0;
    if (wanted)
        GC_set_free_space_divisor(settings->free_space_divisor);
    if (wanted || process.managers == NULL)
        GC_set_disable_automatic_collection(wanted ? 0 : 1);
}

sm_status boehm_process_join(struct boehm_policy *boehm, const struct boehm_settings *settings)
{
    sm_status status = check_join(boehm, settings);
    if (status != SM_OK)
        return status;
    if (!process.started)
        start(settings);
    if (process.manager_count == BOEHM_MANAGERS_MAX)
        return sm_policy_fail(boehm->base.mm, SM_ERR_UNSUPPORTED,
                              "policy boehm: %d managers exist in this process, no more can share its heap",
                              BOEHM_MANAGERS_MAX);
    if (!take_kinds(boehm))
        return sm_policy_fail(boehm->base.mm, SM_ERR_UNSUPPORTED,
                              "policy boehm: earlier managers left objects that bdwgc keeps; no kind is free of them");
    set_trigger(settings);
    boehm->counted = process.collections;
    boehm->next = process.managers;
    process.managers = boehm;
    process.manager_count++;
    return SM_OK;
}

static void unlink_manager(struct boehm_policy *boehm)
{
    struct boehm_policy **link = &process.managers;
    while (*link != boehm)
        link = &(*link)->next;
    *link = boehm->next;
    process.manager_count--;
}

/*
 * One round frees whatever is found, the next finds nothing: what was freed is on free lists by then, and bdwgc takes
 * marks off those. The bound is for what we do not know of.
 */
static bool free_all(struct boehm_policy *boehm)
{
    for (unsigned round = 0; round < LEAVE_ROUNDS_MAX; round++) {
        boehm_collect_now(boehm, BOEHM_STACK_LEFT_OUT, false);
        boehm_finalizers_collect();
        size_t found_count = 0;
        if (!boehm_free_marked(boehm, &found_count))
            return false;
        if (found_count == 0)
            return true;
    }
    return false;
}

/*
 * Without its roots nothing keeps its objects but what bdwgc takes for pointers (in another manager's objects or in
 * its own frames), and finalizers that never ran. The next manager with these kinds must not meet any of them.
 */
void boehm_process_leave(struct boehm_policy *boehm)
{
    unlink_manager(boehm);
    process.kinds[boehm->slot].taken = !free_all(boehm);
    process.active = NULL;
}
