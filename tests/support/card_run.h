/**
 * A workload's card, for tests that hold it against what was measured of PHP: blocks, kinds, deaths.
 */
#ifndef CARD_RUN_H
#define CARD_RUN_H

#include "workload_run.h"

#include "../../harness/measures/workload_card.h"

/**
 * Run `steps` steps under refcount, after `warmup` that count as boot, and return the card.
 *
 * Fails the test when a step does.
 *
 * Owner: the caller, with hx_card_destroy.
 */
struct hx_card *card_run(const struct wl_ops *ops, const char *options, uint64_t warmup, uint64_t steps);

/** Share of the work's blocks that are of that kind. */
double card_kind_share(const struct hx_card *card, enum hx_card_kind kind);

/** Share of a step's blocks that outlive it. */
double card_survivor_share(const struct hx_card *card);

/** Share of the work's blocks that only a collection of cycles freed. */
double card_cycle_share(const struct hx_card *card);

#endif
