#include "card_run.h"

#include "check.h"

struct hx_card *card_run(const struct wl_ops *ops, const char *options, uint64_t warmup, uint64_t steps)
{
    struct sm_error error = {0};
    struct hx_card *card = NULL;
    if (hx_card_create(warmup, &card, &error) != SM_OK)
        fail_msg("%s", error.detail);
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options, steps);
    run.manager.death_recorder = card->recorder;
    struct wl_instance *instance = workload_create(ops, &run);
    hx_card_begin_steps(card);
    for (uint64_t i = 0; i < warmup + steps; i++) {
        workload_steps(instance, 1);
        hx_card_end_step(card);
    }
    if (hx_card_end_work(card, &error) != SM_OK)
        fail_msg("%s", error.detail);
    ops->destroy(instance);
    return card;
}

double card_kind_share(const struct hx_card *card, enum hx_card_kind kind)
{
    const struct hx_card_part *work = &card->parts[HX_CARD_WORK];
    return (double)work->kind_blocks[kind] / (double)work->blocks;
}

double card_survivor_share(const struct hx_card *card)
{
    return (double)card->steps.survivor_blocks / (double)card->parts[HX_CARD_WORK].blocks;
}

double card_cycle_share(const struct hx_card *card)
{
    const struct hx_card_part *work = &card->parts[HX_CARD_WORK];
    return (double)work->ends[SM_DEATH_CYCLE] / (double)work->blocks;
}
