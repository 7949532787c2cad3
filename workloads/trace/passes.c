/** Passes: a trace replayed again from its first line, as often as the run asks for. */
#include "trace/replay.h"

#include "trace/source.h"

#include "workloads/checksum.h"

/* ---- Whether it may be replayed in a loop. ---- */

static sm_status refuse_loop(const struct trace_replay *replay, const struct wl_trace_info *info, uint64_t wanted,
                             uint64_t held, const char *unit, struct sm_error *error)
{
    const char *path = replay->program.path;
    unsigned long long asked = wanted, there = held, roots = info->end_roots;
    if (held == 0)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, path, 0,
                          "%llu %s asked for, and no number of passes reaches them: it has none", asked, unit);
    return trace_fail(
        error, SM_ERR_INVALID_ARGUMENT, path, 0,
        "%llu %s asked for, it has %llu and cannot be replayed in a loop: at its end %llu globals hold objects; "
        "expected at most %llu, or repeat=N, which lets go of them",
        asked, unit, there, roots, there);
}

sm_status trace_passes_plan(struct trace_replay *replay, const struct wl_config *config,
                            const struct wl_trace_info *info, struct sm_error *error)
{
    bool is_repeated = config->options != NULL && sm_option_given(config->options, "repeat");
    uint64_t steps = info->iterations + info->requests;
    replay->passes_left = is_repeated ? sm_option_count(config->options, "repeat") : 1;
    if (is_repeated)
        return SM_OK;
    bool may_loop = info->end_roots == 0;
    if (config->wanted_steps > steps && (!may_loop || steps == 0))
        return refuse_loop(replay, info, config->wanted_steps, steps, "iterations or requests", error);
    if (config->wanted_bytes > info->bytes && (!may_loop || info->bytes == 0))
        return refuse_loop(replay, info, config->wanted_bytes, info->bytes, "bytes", error);
    bool wants_more = config->wanted_steps > steps || config->wanted_bytes > info->bytes || config->wants_time;
    if (wants_more && may_loop)
        replay->passes_left = UINT64_MAX;
    return SM_OK;
}

/* ---- From one pass to the next. ---- */

enum wl_step trace_pass_conclude(struct trace_replay *replay)
{
    uint64_t checksum = replay->base.checksum;
    if (replay->passes_done++ == 0)
        replay->first_checksum = checksum;
    /* Damage that was noticed is reported as such, at the end. */
    if (checksum == replay->first_checksum || replay->damage.count != 0)
        return WL_STEP_MORE;
    trace_fail(&replay->base.error, SM_ERR_INVALID_ARGUMENT, replay->program.path, 0,
               "pass %llu read back other contents than the first: checksum %016llx, expected %016llx",
               (unsigned long long)replay->passes_done, (unsigned long long)checksum,
               (unsigned long long)replay->first_checksum);
    return WL_STEP_INVALID;
}

/* Nothing carries over but the heap: its garbage is the policy's to find. */
void trace_pass_begin(struct trace_replay *replay)
{
    /* What is let go of is read back as well, as a part of the pass that ends. */
    trace_drop_roots(replay);
    replay->passes_left--;
    replay->next_event = 0;
    replay->pass_events = 0;
    replay->sample_cursor = 0;
    replay->earlier_checksum = wl_checksum_fold(replay->earlier_checksum, replay->base.checksum);
    replay->base.checksum = WL_CHECKSUM_START;
    shadow_reset(&replay->shadow);
    sm_safepoint(trace_manager(replay));
}

void trace_passes_fold(struct trace_replay *replay)
{
    /* A single pass has the checksum that it has without a loop. */
    if (replay->earlier_checksum != 0)
        replay->base.checksum = wl_checksum_fold(replay->earlier_checksum, replay->base.checksum);
}
