#include "workload_card.h"

#include "sapimem/roots.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS_FIRST = 4096 };

/* What is known of a live object. */
struct hx_card_block {
    uint64_t birth_bytes; /* on the clock */
    uint32_t step;
    uint8_t kind;
    uint8_t part;
};

/* ---- Kinds. ---- */

/* Types of the VM, and of a replayed trace. */
static const struct {
    const char *type;
    enum hx_card_kind kind;
} type_kinds[] = {
    {"string", HX_CARD_STRING},     {"array", HX_CARD_ARRAY},           {"object", HX_CARD_OBJECT},
    {"closure", HX_CARD_OBJECT},    {"generator", HX_CARD_OBJECT},      {"weak-map", HX_CARD_OBJECT},
    {"weak-cell", HX_CARD_OBJECT},  {"weak", HX_CARD_OBJECT},           {"reference", HX_CARD_REFERENCE},
    {"hash-storage", HX_CARD_HASH}, {"packed-storage", HX_CARD_PACKED},
};

const char *hx_card_kind_name(enum hx_card_kind kind)
{
    static const char *const names[HX_CARD_KIND_COUNT] = {"string",       "array",          "object", "reference",
                                                          "hash-storage", "packed-storage", "other"};
    return names[kind];
}

static enum hx_card_kind kind_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof(type_kinds) / sizeof(type_kinds[0]); i++)
        if (strcmp(name, type_kinds[i].type) == 0)
            return type_kinds[i].kind;
    return HX_CARD_OTHER;
}

static enum hx_card_kind kind_of(struct hx_card *card, const struct sm_object *object)
{
    uint8_t *known = &card->kind_of_type[object->type];
    if (*known == 0)
        *known = (uint8_t)(kind_of_name(sm_type_get(card->mm, object->type)->name) + 1);
    return (enum hx_card_kind)(*known - 1);
}

/* ---- Clock and live bytes. ---- */

static void pass_clock(struct hx_card *card, uint64_t bytes)
{
    if (card->part == HX_CARD_WORK)
        card->live_area += (double)card->live_bytes * (double)bytes;
    card->clock_bytes += bytes;
}

/* `change` may be negative, in two's complement. */
static void change_live(struct hx_card *card, const struct hx_card_block *block, uint64_t change)
{
    card->live_bytes += change;
    if (card->live_bytes > card->peak_live_bytes)
        card->peak_live_bytes = card->live_bytes;
    if (block->part != HX_CARD_WORK)
        return;
    card->work_live_bytes += change;
    if (card->work_live_bytes > card->work_peak_bytes)
        card->work_peak_bytes = card->work_live_bytes;
    if (block->step == card->step)
        card->step_live_bytes += change;
}

/* ---- What the recorder tells. ---- */

static struct hx_card_block *block_at(struct hx_card *card, uint32_t slot)
{
    if (slot < card->block_capacity)
        return &card->blocks[slot];
    size_t capacity = card->block_capacity == 0 ? BLOCKS_FIRST : card->block_capacity;
    while (capacity <= slot)
        capacity *= 2;
    struct hx_card_block *grown = realloc(card->blocks, capacity * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    card->blocks = grown;
    card->block_capacity = capacity;
    return &grown[slot];
}

static void count_birth(struct hx_card_part *part, enum hx_card_kind kind, uint64_t bytes)
{
    part->blocks++;
    part->bytes += bytes;
    part->kind_blocks[kind]++;
    part->kind_bytes[kind] += bytes;
    if (bytes <= HX_CARD_SMALL_MAX)
        part->small_blocks[kind][(bytes + HX_CARD_WORD_BYTES - 1) / HX_CARD_WORD_BYTES]++;
    else
        part->large_blocks[kind]++;
    hx_histogram_add(&part->size, bytes);
}

static void on_attach(void *context, const struct sm_manager *mm)
{
    ((struct hx_card *)context)->mm = mm;
}

static void on_birth(void *context, uint32_t slot, const struct sm_object *object)
{
    struct hx_card *card = context;
    struct hx_card_block *block = block_at(card, slot);
    if (block == NULL)
        card->is_out_of_memory = true;
    if (card->is_out_of_memory)
        return;
    uint64_t bytes = object->payload_bytes;
    pass_clock(card, bytes);
    *block = (struct hx_card_block){.birth_bytes = card->clock_bytes,
                                    .step = card->step,
                                    .kind = (uint8_t)kind_of(card, object),
                                    .part = (uint8_t)card->part};
    count_birth(&card->parts[block->part], (enum hx_card_kind)block->kind, bytes);
    card->step_live_blocks++;
    change_live(card, block, bytes);
}

static void on_resize(void *context, uint32_t slot, const struct sm_object *object, uint64_t old_bytes)
{
    struct hx_card *card = context;
    if (card->is_out_of_memory)
        return;
    const struct hx_card_block *block = &card->blocks[slot];
    struct hx_card_part *part = &card->parts[block->part];
    part->resizes++;
    if (object->payload_bytes > old_bytes) {
        part->growth_bytes += object->payload_bytes - old_bytes;
        pass_clock(card, object->payload_bytes - old_bytes);
    }
    change_live(card, block, object->payload_bytes - old_bytes);
}

struct edge_counter {
    struct sm_visitor visitor;
    uint64_t count;
};

static void count_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    (void)target;
    ((struct edge_counter *)visitor)->count++;
}

static void count_end(struct hx_card *card, const struct hx_card_block *block, const struct sm_object *object,
                      enum sm_death_cause cause)
{
    struct hx_card_part *part = &card->parts[block->part];
    part->ends[cause]++;
    if (sm_type_get(card->mm, object->type)->trace != NULL) {
        struct edge_counter edges = {.visitor = {.edge = count_edge}};
        sm_trace(card->mm, object, &edges.visitor);
        hx_histogram_add(&part->degree, edges.count);
    }
    if (cause == SM_DEATH_REQUEST || cause == SM_DEATH_NEVER) {
        part->kind_survivors[block->kind]++;
        return;
    }
    hx_histogram_add(&part->lifetime, card->clock_bytes - block->birth_bytes);
    hx_histogram_add(&part->kind_lifetime[block->kind], card->clock_bytes - block->birth_bytes);
}

/* What a request leaves has outlived the step; its end takes it off the live bytes all the same. */
static void on_death(void *context, uint32_t slot, const struct sm_object *object, enum sm_death_cause cause)
{
    struct hx_card *card = context;
    if (card->is_out_of_memory)
        return;
    struct hx_card_block *block = &card->blocks[slot];
    count_end(card, block, object, cause);
    bool outlives_step = cause == SM_DEATH_REQUEST && block->step == card->step;
    if (block->step == card->step && !outlives_step)
        card->step_live_blocks--;
    change_live(card, block, 0 - object->payload_bytes);
    if (outlives_step && block->part == HX_CARD_WORK)
        card->step_live_bytes += object->payload_bytes;
}

/* ---- Life. ---- */

sm_status hx_card_create(uint64_t warmup_steps, struct hx_card **card, struct sm_error *error)
{
    struct hx_card *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        snprintf(error->detail, sizeof(error->detail), "no memory for a workload card");
        return error->status = SM_ERR_OUT_OF_MEMORY;
    }
    const struct sm_death_watch watch = {made, on_attach, on_birth, on_resize, on_death};
    sm_status status = sm_death_recorder_create_watch(&watch, &made->recorder, error);
    if (status != SM_OK) {
        free(made);
        return status;
    }
    made->warmup_steps = warmup_steps;
    *card = made;
    return SM_OK;
}

void hx_card_destroy(struct hx_card *card)
{
    if (card == NULL)
        return;
    sm_death_recorder_destroy(card->recorder);
    free(card->blocks);
    free(card);
}

static void begin_step(struct hx_card *card)
{
    card->step++;
    card->step_live_blocks = 0;
    card->step_live_bytes = 0;
}

static void begin_work(struct hx_card *card)
{
    card->part = HX_CARD_WORK;
    card->work_start_clock_bytes = card->clock_bytes;
    begin_step(card);
}

void hx_card_begin_steps(struct hx_card *card)
{
    if (card->warmup_steps == 0)
        begin_work(card);
}

void hx_card_end_step(struct hx_card *card)
{
    if (card->part == HX_CARD_BOOT) {
        if (--card->warmup_steps == 0)
            begin_work(card);
        return;
    }
    card->steps.count++;
    card->steps.survivor_blocks += card->step_live_blocks;
    card->steps.survivor_bytes += card->step_live_bytes;
    begin_step(card);
}

sm_status hx_card_end_work(struct hx_card *card, struct sm_error *error)
{
    sm_status status = sm_death_recorder_finish(card->recorder, error);
    if (status != SM_OK || !card->is_out_of_memory)
        return status;
    snprintf(error->detail, sizeof(error->detail), "no memory for the workload card");
    return error->status = SM_ERR_OUT_OF_MEMORY;
}
