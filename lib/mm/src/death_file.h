/**
 * The files of a record: numbers of variable length, seven bits a byte, and a trailer that says it is whole.
 *
 * File 0, deaths: for each event (births since the last one) * 4 + kind, then its number: a slot, or for a mark nothing.
 * File 1, sharing: for each yes the questions that were answered no since the last.
 * File 2, live bytes: for each sample the step of the allocation count, and that of the bytes, sign folded into bit 0.
 */
#ifndef SM_DEATH_FILE_H
#define SM_DEATH_FILE_H

#include "sapimem/death_schedule.h"

enum sm_death_file { SM_DEATH_FILE_EVENTS, SM_DEATH_FILE_SHARING, SM_DEATH_FILE_LIVE };

enum sm_death_event {
    SM_DEATH_EVENT_DEATH,
    SM_DEATH_EVENT_DESTRUCTOR,
    SM_DEATH_EVENT_MARK, /**< a point at which the replay may have caught up: sm_quiesce, the end of a request */
};

struct sm_death_writer {
    int file;
    int failure; /**< errno of the first write that failed; 0: none */
    size_t used;
    unsigned char block[1 << 16];
};

/** Reads what is mapped, and lets go of the pages behind. */
struct sm_death_reader {
    const unsigned char *base, *cursor, *end; /**< `end`: of the numbers; the trailer follows */
    size_t mapped_bytes, dropped_bytes;
};

void sm_death_writer_begin(struct sm_death_writer *writer, int file);
void sm_death_write(struct sm_death_writer *writer, uint64_t number);
/** Write the trailer and what is still in the block. False: a write failed, now or before. */
bool sm_death_writer_end(struct sm_death_writer *writer, const struct sm_death_totals *totals);

/** Map `file`; SM_ERR_INVALID_ARGUMENT when it has no trailer. */
sm_status sm_death_reader_open(struct sm_death_reader *reader, int file, struct sm_death_totals *totals,
                               struct sm_error *error);
void sm_death_reader_close(struct sm_death_reader *reader);
/** The next number. False: there is none; `*number` is untouched. */
bool sm_death_read(struct sm_death_reader *reader, uint64_t *number);

#endif
