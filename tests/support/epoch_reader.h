/**
 * A second thread that does one thing to its guard at a time, and graphs of the epoch policy watched through it.
 */
#ifndef EPOCH_READER_H
#define EPOCH_READER_H

#include "epoch_graph.h"

#include "epoch/flavor.h"

#include <pthread.h>
#include <semaphore.h>

/** The flavors of option `flavor`. */
extern const char *const epoch_flavors[EPOCH_FLAVOR_COUNT];

enum reader_step {
    READER_PIN,
    READER_UNPIN,
    READER_REPIN,
    READER_OFFLINE,
    READER_ONLINE,
    READER_END,
};

struct reader {
    struct sm_manager *mm;
    pthread_t thread;
    sem_t go, done;
    enum reader_step step;
};

/** What reports of the reader's guard name. */
#define READER_NAME "slow-reader"
#define READER_SITE "epoch_reader.c:reader"

/** Start the thread and wait until it is registered as an observer of `mm`. */
void reader_start(struct reader *reader, struct sm_manager *mm);
/** Let the reader do `step`; returns when it has. */
void reader_do(struct reader *reader, enum reader_step step);
void reader_stop(struct reader *reader);

/** A graph and a reader of it, for as long as `body` runs. */
typedef void reader_body(struct graph *graph, struct reader *reader);
void with_reader(const char *policy, reader_body *body);
/** The same, once for each flavor. */
void with_reader_in_every_flavor(reader_body *body);

/** A graph under the epoch policy of `flavor`; `more`: further options, each behind a comma. */
void graph_open_flavor(struct graph *graph, const char *flavor, const char *more);

/** Retire one unreachable node by hand. */
void graph_retire_one(struct graph *graph);

/** Whether `object_count` objects in all are reclaimed while the owner is idle: this only looks, and never helps. */
bool graph_reclaims_while_idle(struct graph *graph, uint64_t object_count);

/** Objects reclaimed in all, after time enough to do what must not be done yet. */
uint64_t graph_reclaimed_after_a_while(struct graph *graph);

#endif
