#include "schedule_reader.h"

#include "assertion.h"
#include "error.h"

static void next_shared(struct sm_death_schedule *schedule, uint64_t from)
{
    uint64_t distance;
    /* Past its end the record knows nothing: everything is shared then, and a write copies. */
    schedule->next_shared = schedule->totals.questions;
    if (sm_death_read(&schedule->sharing, &distance))
        schedule->next_shared = from + distance;
}

static void next_live(struct sm_death_schedule *schedule)
{
    uint64_t count, bytes;
    schedule->live_count = schedule->next_live_count;
    schedule->live_bytes = schedule->next_live_bytes;
    if (!sm_death_read(&schedule->live, &count) || !sm_death_read(&schedule->live, &bytes)) {
        schedule->next_live_count = UINT64_MAX;
        return;
    }
    schedule->next_live_count += count;
    schedule->next_live_bytes += (bytes & 1) == 0 ? bytes >> 1 : 0 - (bytes >> 1);
}

void sm_schedule_advance(struct sm_death_schedule *schedule)
{
    uint64_t head, slot = 0;
    schedule->has_event = sm_death_read(&schedule->events, &head);
    if (!schedule->has_event)
        return;
    schedule->event = (enum sm_death_event)(head & 3);
    schedule->event_births += head >> 2;
    if (schedule->event != SM_DEATH_EVENT_MARK)
        schedule->has_event = sm_death_read(&schedule->events, &slot);
    schedule->event_slot = (uint32_t)slot;
}

bool sm_schedule_answer(struct sm_death_schedule *schedule)
{
    uint64_t question = schedule->question++;
    if (question < schedule->next_shared)
        return false;
    if (question < schedule->totals.questions)
        next_shared(schedule, question + 1);
    return true;
}

static sm_status open_readers(struct sm_death_schedule *schedule, const struct sm_death_tape *tape,
                              struct sm_error *error)
{
    struct sm_death_reader *readers[] = {&schedule->events, &schedule->sharing, &schedule->live};
    sm_status status = SM_OK;
    for (int i = 0; i < SM_DEATH_FILES && status == SM_OK; i++)
        status = sm_death_reader_open(readers[i], tape->files[i], &schedule->totals, error);
    return status;
}

sm_status sm_death_schedule_open(const struct sm_death_tape *tape, struct sm_death_schedule **schedule,
                                 struct sm_error *error)
{
    struct sm_death_schedule *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_error_set(error, SM_ERR_OUT_OF_MEMORY, "no memory to read the record of deaths");
    sm_status status = open_readers(made, tape, error);
    if (status != SM_OK) {
        sm_death_schedule_close(made);
        return status;
    }
    sm_schedule_advance(made);
    next_shared(made, 0);
    next_live(made);
    *schedule = made;
    return sm_error_set(error, SM_OK, "%s", "");
}

void sm_death_schedule_close(struct sm_death_schedule *schedule)
{
    if (schedule == NULL)
        return;
    sm_death_reader_close(&schedule->events);
    sm_death_reader_close(&schedule->sharing);
    sm_death_reader_close(&schedule->live);
    free(schedule);
}

struct sm_death_totals sm_death_schedule_totals(const struct sm_death_schedule *schedule)
{
    return schedule->totals;
}

uint64_t sm_death_schedule_live_bytes(struct sm_death_schedule *schedule, uint64_t alloc_count)
{
    SM_ASSERT(schedule->live_count <= alloc_count);
    while (schedule->next_live_count <= alloc_count)
        next_live(schedule);
    return schedule->live_bytes;
}
