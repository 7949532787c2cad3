/**
 * A record being read: the next event, the next yes, the live bytes around now.
 */
#ifndef SM_SCHEDULE_READER_H
#define SM_SCHEDULE_READER_H

#include "death_file.h"

struct sm_death_schedule {
    struct sm_death_reader events, sharing, live;
    struct sm_death_totals totals;
    bool has_event;
    enum sm_death_event event; /**< the next one */
    uint64_t event_births;     /**< when it happens */
    uint32_t event_slot;
    uint64_t marks_read;
    uint64_t question;                         /**< asked so far */
    uint64_t next_shared;                      /**< the next one answered yes */
    uint64_t live_count, live_bytes;           /**< the last sample not after now */
    uint64_t next_live_count, next_live_bytes; /**< the one after it */
};

/** Step to the next event. */
void sm_schedule_advance(struct sm_death_schedule *schedule);
/** The answer to the next question; yes, which is safe, past the end of the record. */
bool sm_schedule_answer(struct sm_death_schedule *schedule);

#endif
