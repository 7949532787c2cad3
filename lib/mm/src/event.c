#include "event.h"

static const char *const kind_names[SM_EVENT_KIND_COUNT] = {
    [SM_EVENT_PIN_STALL] = "pin_stall", [SM_EVENT_CYCLE_START] = "cycle_start", [SM_EVENT_CYCLE_END] = "cycle_end",
    [SM_EVENT_SLICE] = "slice",         [SM_EVENT_ASSIST] = "assist",           [SM_EVENT_HANDSHAKE] = "handshake",
    [SM_EVENT_SWEEP] = "sweep",         [SM_EVENT_BACKLOG] = "backlog",         [SM_EVENT_RESIZE] = "resize",
};

const char *sm_event_kind_name(enum sm_event_kind kind)
{
    return (unsigned)kind < SM_EVENT_KIND_COUNT ? kind_names[kind] : "unknown event";
}

void sm_event_tell(struct sm_manager *mm, const struct sm_event *event)
{
    SM_ASSERT(sm_on_owner_thread(mm));
    struct sm_event told = *event;
    told.clock_bytes = mm->hot.alloc_bytes;
    const struct sm_hooks *hooks = &mm->hooks;
    hooks->on_event(hooks->event_context != NULL ? hooks->event_context : hooks->context, &told);
}
