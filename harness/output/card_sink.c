/* The document of a workload card. */
#include "json_values.h"
#include "report.h"

#include <stdlib.h>

enum { CARD_SCHEMA_VERSION = 1 };

static const char *const end_names[SM_DEATH_CAUSE_COUNT] = {"counted", "cycle", "request", "never"};

/* [[upper edge, samples], ...] of the buckets that have any. */
static json_t *buckets_json(const struct hx_histogram *histogram)
{
    json_t *array = json_array();
    for (size_t i = 0; i < HX_HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        uint64_t high = hx_histogram_bucket_high(i);
        json_array_append_new(array, json_pack("[o, o]", hx_json_count(high), hx_json_count(histogram->buckets[i])));
    }
    return array;
}

static json_t *histogram_json(const struct hx_histogram *histogram)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "count", hx_json_count(histogram->count), "total",
                     hx_json_count(histogram->total), "maximum", hx_json_count(histogram->maximum), "buckets",
                     buckets_json(histogram));
}

/* [[bytes rounded up to words, objects], ...]; what is larger than any of them last, as [null, objects]. */
static json_t *sizes_json(const struct hx_card_part *part, enum hx_card_kind kind)
{
    json_t *array = json_array();
    for (size_t words = 0; words < HX_CARD_WORDS; words++)
        if (part->small_blocks[kind][words] != 0)
            json_array_append_new(array, json_pack("[o, o]", hx_json_count(words * HX_CARD_WORD_BYTES),
                                                   hx_json_count(part->small_blocks[kind][words])));
    if (part->large_blocks[kind] != 0)
        json_array_append_new(array, json_pack("[n, o]", hx_json_count(part->large_blocks[kind])));
    return array;
}

static json_t *kind_json(const struct hx_card_part *part, enum hx_card_kind kind)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "blocks", hx_json_count(part->kind_blocks[kind]), "bytes",
                     hx_json_count(part->kind_bytes[kind]), "survivors", hx_json_count(part->kind_survivors[kind]),
                     "sizes", sizes_json(part, kind), "lifetime", histogram_json(&part->kind_lifetime[kind]));
}

static json_t *ends_json(const struct hx_card_part *part)
{
    json_t *object = json_object();
    for (int cause = 0; cause < SM_DEATH_CAUSE_COUNT; cause++)
        json_object_set_new(object, end_names[cause], hx_json_count(part->ends[cause]));
    return object;
}

static json_t *part_json(const struct hx_card_part *part)
{
    json_t *object = json_object();
    const struct hx_json_field fields[] = {
        {"blocks", part->blocks},
        {"bytes", part->bytes},
        {"resizes", part->resizes},
        {"growth_bytes", part->growth_bytes},
    };
    hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
    json_object_set_new(object, "ends", ends_json(part));
    json_t *kinds = json_object();
    for (int kind = 0; kind < HX_CARD_KIND_COUNT; kind++)
        json_object_set_new(kinds, hx_card_kind_name((enum hx_card_kind)kind),
                            kind_json(part, (enum hx_card_kind)kind));
    json_object_set_new(object, "kinds", kinds);
    json_object_set_new(object, "size", histogram_json(&part->size));
    json_object_set_new(object, "lifetime", histogram_json(&part->lifetime));
    json_object_set_new(object, "degree", histogram_json(&part->degree));
    return object;
}

static json_t *totals_json(const struct hx_card *card)
{
    uint64_t work_bytes = card->clock_bytes - card->work_start_clock_bytes;
    json_t *object = json_object();
    const struct hx_json_field fields[] = {
        {"boot_clock_bytes", card->work_start_clock_bytes},
        {"work_clock_bytes", work_bytes},
        {"peak_live_bytes", card->peak_live_bytes},
        {"work_peak_live_bytes", card->work_peak_bytes},
        {"steps", card->steps.count},
        {"step_survivor_blocks", card->steps.survivor_blocks},
        {"step_survivor_bytes", card->steps.survivor_bytes},
    };
    hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
    json_object_set_new(object, "mean_live_bytes",
                        work_bytes == 0 ? json_null() : json_real(card->live_area / (double)work_bytes));
    return object;
}

bool hx_card_write(const struct hx_report *report, FILE *stream)
{
    const struct hx_plan *plan = report->plan;
    json_t *document = json_pack("{s:i, s:o, s:o, s:s, s:o, s:o}", "card_version", CARD_SCHEMA_VERSION, "workload",
                                 hx_json_text(plan->options.value[HX_OPT_WORKLOAD].text), "seed",
                                 hx_json_count(plan->options.value[HX_OPT_SEED].count), "step_unit", plan->step_unit,
                                 "policy", hx_json_text(plan->policy_text), "totals", totals_json(report->card));
    json_object_set_new(document, "boot", part_json(&report->card->parts[HX_CARD_BOOT]));
    json_object_set_new(document, "work", part_json(&report->card->parts[HX_CARD_WORK]));
    return hx_json_dump(document, stream);
}
