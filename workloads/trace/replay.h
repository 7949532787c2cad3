/**
 * A running replay: one manager, one shadow, and how far the trace has come.
 */
#ifndef TRACE_REPLAY_H
#define TRACE_REPLAY_H

#include "trace/contents.h"
#include "trace/shadow.h"

#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "workloads/trace.h"
#include "workloads/workload.h"

/** Objects that a deliberate fault keeps reachable. */
struct trace_leaks {
    struct sm_object **objects;
    size_t count, capacity;
};

/** Objects that an explicit policy frees, or one that uses known deaths is told of, once the event that released them is done. */
struct trace_doomed {
    struct sm_object **objects;
    size_t count, capacity;
};

/** What went wrong where nothing can be said at once: at deaths and samples. */
struct trace_damage {
    uint64_t count;
    uint32_t first_line;
    enum trace_mismatch first;
};

struct trace_replay {
    struct wl_instance base;
    struct trace_program program;
    struct shadow shadow;
    struct trace_types types;
    /* Root tables are read by observers while the owner writes; entries are stored with release. */
    struct sm_object **globals, **context;
    struct trace_mapping global_table, context_table;
    struct trace_leaks leaks;
    struct trace_doomed doomed;
    uint32_t moved_count;      /**< holders that a resize by copy has moved */
    uint64_t self_kept_deaths; /**< objects of a `d` that only their own cycle kept: counts alone do not free them */
    struct trace_damage damage;
    struct wl_trace_destructors destructors;
    uint32_t next_event;
    uint64_t events_run; /**< over all passes */
    uint64_t pass_events;
    uint64_t passes_left, passes_done;
    uint64_t first_checksum;   /**< of the first pass; each must have it */
    uint64_t earlier_checksum; /**< of all passes before this one; 0: none */
    uint32_t sample_cursor;
    bool started, check_trace;
    bool may_free;     /**< deaths of the trace are frees: an explicit policy */
    bool tells_deaths; /**< those that a machine would know are retired: a policy that uses known deaths */
    bool counts;       /**< what the trace calls dead must be gone when its last count is */
    enum wl_fault fault;
    uint64_t fault_period, deaths;
    uint32_t fault_sequence; /**< object that carries the flipped byte or edge; 0: not planted yet */
};

static inline struct sm_manager *trace_manager(const struct trace_replay *replay)
{
    return replay->base.mm;
}

/* ---- roots.c ---- */

/** Make the tables and register "frames", "globals", "request-context" and "fault-leaks". Errors are in `error`. */
sm_status trace_roots_create(struct trace_replay *replay, struct sm_error *error);
void trace_roots_destroy(struct trace_replay *replay);

/** Put `object` (NULL clears) into a root table, counts included. */
void trace_root_set(struct trace_replay *replay, struct sm_object **table, uint32_t name, struct sm_object *object);
/** The object in a root table has moved: its count with it. */
void trace_root_move(struct trace_replay *replay, struct sm_object **table, uint32_t name, struct sm_object *object);
/** Empty a root table. */
void trace_root_clear(struct trace_replay *replay, struct sm_object **table, uint32_t limit);
/** Likewise, without dropping anything: the policy frees all of it at once. */
void trace_root_forget(struct sm_object **table, uint32_t limit);

/* ---- deaths.c ---- */

/**
 * An object was released by the event that runs: an explicit policy frees it, and its weak cell, afterwards.
 *
 * A policy that uses known deaths is told, if counts beside tracing would have shown this one: of an array, a string or bytes
 * that nothing holds and nothing held that died unseen, such as an object or a ring.
 */
void trace_doom(struct trace_replay *replay, uint32_t object);
/** Likewise all that are left when nothing is reachable: the cycles. */
void trace_doom_rest(struct trace_replay *replay);
/** Free what is doomed, destructors first, or retire it. */
void trace_free_doomed(struct trace_replay *replay);
/** Leave it: the policy is about to free all at once. */
void trace_spare_doomed(struct trace_replay *replay);
/** A `d` has dropped the last holder but `kept` of its own cycle: under counts the object is gone now. WL_STEP_INVALID when not. */
enum wl_step trace_assert_gone(struct trace_replay *replay, const struct trace_event *event,
                               const struct sm_object *memory, bool kept);
/** After a move, all `moved_count` holders that can be reached hold the new address: end the old object, or leave it to the garbage that holds it. */
void trace_end_moved(struct trace_replay *replay, struct sm_object *old, struct sm_object *memory,
                     uint32_t moved_count);

/* ---- events.c ---- */

/** Run one event on the shadow and the heap, safepoint included. */
enum wl_step trace_run_event(struct trace_replay *replay, const struct trace_event *event);
/** Let go of every root, as between two passes. */
void trace_drop_roots(struct trace_replay *replay);

/* ---- passes.c ---- */

/**
 * Decide how often the trace is replayed: as `repeat` says, else until the run has what it asks for.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT when the trace holds less than is asked for and cannot be replayed in a loop: a
 * program whose globals still hold objects at its end has not ended, and what follows is not its beginning.
 */
sm_status trace_passes_plan(struct trace_replay *replay, const struct wl_config *config,
                            const struct wl_trace_info *info, struct sm_error *error);
/** A pass has run its last event: its checksum must be the first one's. WL_STEP_INVALID when not. */
enum wl_step trace_pass_conclude(struct trace_replay *replay);
/** Let go of everything and begin with the first event again. */
void trace_pass_begin(struct trace_replay *replay);
/** The checksum of all passes, at the end. */
void trace_passes_fold(struct trace_replay *replay);

/* ---- inspect.c ---- */

/** Fold what memory holds of `object` into the checksum; a mismatch is noted as damage and returned. */
enum trace_mismatch trace_fold_object(struct trace_replay *replay, uint32_t object, uint32_t line);
void trace_fold_slot(struct trace_replay *replay, uint32_t owner, uint32_t slot, uint32_t line);
/** Fold a few reachable objects, chosen by the trace's progress alone. */
void trace_fold_sample(struct trace_replay *replay, uint32_t line);
/** Verify and fold one object; WL_STEP_INVALID with the error filled on a mismatch. */
enum wl_step trace_verify(struct trace_replay *replay, uint32_t object, uint32_t line);
/** With check_trace: verify what the event names, without folding. */
enum wl_step trace_check_named(struct trace_replay *replay, const struct trace_event *event);
/** Verify and fold everything that can be reached. */
enum wl_step trace_verify_all(struct trace_replay *replay);

/* ---- fault.c ---- */

/** Plant a flipped byte or edge when it is due; after the event ran. */
void trace_fault_plant(struct trace_replay *replay, const struct trace_event *event);
/** Whether this death is one that the leak fault prevents; then its object is kept. */
bool trace_fault_leaks(struct trace_replay *replay, uint32_t object);
/** An object went without being read: a fault that it carried is planted again. */
void trace_fault_unread(struct trace_replay *replay, uint32_t object);

/** `object` moved from `old`, which is no object any more: nothing that a fault made may refer to it. Returns how many holders moved. */
uint32_t trace_fault_moved(struct trace_replay *replay, uint32_t object, const struct sm_object *old);

#endif
