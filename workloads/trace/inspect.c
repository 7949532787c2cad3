/** Reading the heap back: into the checksum, and against the shadow. */
#include "trace/replay.h"

#include "trace/parse.h"
#include "trace/source.h"

#include "workloads/checksum.h"

enum { SAMPLE_ROOTS = 4, SAMPLE_NAMES = 256 };

static void note_damage(struct trace_replay *replay, enum trace_mismatch mismatch, uint32_t line)
{
    if (mismatch == TRACE_SAME)
        return;
    if (replay->damage.count++ == 0) {
        replay->damage.first = mismatch;
        replay->damage.first_line = line;
    }
}

static void fold(struct trace_replay *replay, uint64_t word)
{
    replay->base.checksum = wl_checksum_fold(replay->base.checksum, word);
}

enum trace_mismatch trace_fold_object(struct trace_replay *replay, uint32_t object, uint32_t line)
{
    enum trace_mismatch mismatch = TRACE_SAME;
    fold(replay, trace_read_object(&replay->shadow, &replay->types, object, &mismatch));
    note_damage(replay, mismatch, line);
    return mismatch;
}

void trace_fold_slot(struct trace_replay *replay, uint32_t owner, uint32_t slot, uint32_t line)
{
    enum trace_mismatch mismatch = TRACE_SAME;
    fold(replay, trace_read_slot(&replay->shadow, &replay->shadow.objects[owner], slot, &mismatch));
    note_damage(replay, mismatch, line);
}

/* A root and one object that it holds: both are reachable, so their memory must be there. */
static void fold_root(struct trace_replay *replay, uint32_t root, uint32_t line)
{
    const struct shadow *shadow = &replay->shadow;
    const struct shadow_object *record = &shadow->objects[root];
    trace_fold_object(replay, root, line);
    if (record->slot_count == 0)
        return;
    uint32_t slot = (uint32_t)(replay->pass_events % record->slot_count);
    uint32_t target = shadow->edges[record->first_edge + slot].target;
    if (target != 0 && target != SHADOW_STALE)
        trace_fold_object(replay, target, line);
}

static void fold_roots(struct trace_replay *replay, const uint32_t *table, uint32_t limit, uint32_t line)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < SAMPLE_NAMES && i < limit && found < SAMPLE_ROOTS; i++) {
        uint32_t root = table[replay->sample_cursor++ % limit];
        if (root != 0) {
            fold_root(replay, root, line);
            found++;
        }
    }
}

void trace_fold_sample(struct trace_replay *replay, uint32_t line)
{
    const struct shadow *shadow = &replay->shadow;
    fold_roots(replay, shadow->globals, replay->program.global_limit, line);
    fold_roots(replay, shadow->context, replay->program.context_limit, line);
    if (shadow->depth != 0 && shadow->frames[shadow->depth] != 0)
        fold_root(replay, shadow->frames[shadow->depth], line);
    fold(replay, shadow->live_bytes);
}

static enum wl_step invalid(struct trace_replay *replay, uint32_t object, enum trace_mismatch mismatch, uint32_t line)
{
    const struct shadow_object *record = &replay->shadow.objects[object];
    trace_fail(&replay->base.error, SM_ERR_INVALID_ARGUMENT, replay->program.path, line,
               "the object of line %u (%s, %llu bytes, %u slots) %s", record->line,
               trace_kind_name((enum trace_kind)record->kind), (unsigned long long)record->bytes, record->slot_count,
               trace_mismatch_name(mismatch));
    return WL_STEP_INVALID;
}

/* A weak cell may be empty once its target is unreachable; a target that is a root's never is. */
static enum trace_mismatch read_weak(const struct trace_replay *replay, uint32_t object)
{
    const struct shadow *shadow = &replay->shadow;
    const struct shadow_object *record = &shadow->objects[object];
    if (record->kind != TRACE_KIND_WEAK)
        return TRACE_SAME;
    uint32_t target = shadow->edges[record->first_edge + record->slot_count].target;
    if (target == 0 || target == SHADOW_STALE || shadow->objects[target].state != SHADOW_LIVE)
        return TRACE_SAME;
    struct sm_value cell = *trace_slot(record->memory, record->flags, record->slot_count);
    struct sm_object *found = sm_weak_get(trace_manager(replay), sm_value_object(cell));
    if (found == NULL && shadow->objects[target].root_count == 0)
        return TRACE_SAME;
    return found == shadow->objects[target].memory ? TRACE_SAME : TRACE_OTHER_EDGE;
}

enum wl_step trace_verify(struct trace_replay *replay, uint32_t object, uint32_t line)
{
    enum trace_mismatch mismatch = trace_fold_object(replay, object, line);
    if (mismatch == TRACE_SAME)
        mismatch = read_weak(replay, object);
    return mismatch == TRACE_SAME ? WL_STEP_MORE : invalid(replay, object, mismatch, line);
}

static enum wl_step check_object(struct trace_replay *replay, uint32_t object, uint32_t line)
{
    enum trace_mismatch mismatch = TRACE_SAME;
    if (object == 0 || replay->shadow.objects[object].state != SHADOW_LIVE)
        return WL_STEP_MORE;
    trace_read_object(&replay->shadow, &replay->types, object, &mismatch);
    return mismatch == TRACE_SAME ? WL_STEP_MORE : invalid(replay, object, mismatch, line);
}

enum wl_step trace_check_named(struct trace_replay *replay, const struct trace_event *event)
{
    if (event->op == TRACE_CYCLIC_DEATH)
        return WL_STEP_MORE;
    enum wl_step step = check_object(replay, event->owner, event->line);
    return step != WL_STEP_MORE || event->op == TRACE_ALLOCATE ? step
                                                               : check_object(replay, event->object, event->line);
}

enum wl_step trace_verify_all(struct trace_replay *replay)
{
    struct shadow *shadow = &replay->shadow;
    uint32_t line = trace_program_event(&replay->program, replay->program.event_count - 1)->line;
    shadow_stamp_reachable(shadow);
    for (uint32_t i = 1; i < replay->program.entry_limit; i++) {
        if (shadow->objects[i].state != SHADOW_LIVE || !shadow_is_stamped(shadow, i))
            continue;
        trace_fold_object(replay, i, line);
    }
    if (replay->damage.count == 0)
        return WL_STEP_DONE;
    trace_fail(&replay->base.error, SM_ERR_INVALID_ARGUMENT, replay->program.path, replay->damage.first_line,
               "an object read back %s; %llu differed in all", trace_mismatch_name(replay->damage.first),
               (unsigned long long)replay->damage.count);
    return WL_STEP_INVALID;
}
