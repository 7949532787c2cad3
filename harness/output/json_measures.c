#include "json_measures.h"

void hx_json_add_metered(json_t *latency, const struct hx_metered *metered)
{
    if (!metered->is_known)
        return;
    json_object_set_new(latency, "metered_100ms", hx_json_histogram(&metered->window_100ms));
    json_object_set_new(latency, "metered_full", hx_json_histogram(&metered->full));
}

static json_t *shares_json(const double *shares, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_real(shares[i]));
    return array;
}

json_t *hx_json_utilization(const struct hx_utilization *utilization)
{
    size_t count = utilization->count;
    if (count == 0)
        return json_null();
    json_t *windows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(windows, hx_json_count(utilization->window_ns[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "windows_ns", windows, "mmu",
                     shares_json(utilization->mmu, count), "bmu", shares_json(utilization->bmu, count),
                     "worst_thread_mmu", shares_json(utilization->worst_thread_mmu, count), "worst_thread_bmu",
                     shares_json(utilization->worst_thread_bmu, count), "resolution_ns",
                     hx_json_count(utilization->resolution_ns));
}

json_t *hx_json_hiccups(const struct hx_histogram *hiccups)
{
    return hiccups->count != 0 ? hx_json_histogram(hiccups) : json_null();
}

json_t *hx_json_checkpoints(const struct hx_report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->checkpoint_count; i++) {
        const struct hx_checkpoint *checkpoint = &report->checkpoints[i];
        json_t *object = json_pack("{s:s}", "at", checkpoint->name);
        const struct hx_json_field fields[] = {
            {"clock_bytes", checkpoint->clock_bytes},    {"rss_bytes", checkpoint->rss_bytes},
            {"pss_bytes", checkpoint->pss_bytes},        {"rss_anon_bytes", checkpoint->anonymous_bytes},
            {"anon_huge_bytes", checkpoint->huge_bytes},
        };
        hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
        json_array_append_new(array, object);
    }
    return array;
}

json_t *hx_json_lines(const struct hx_notes *notes)
{
    json_t *array = json_array();
    for (size_t i = 0; i < notes->count; i++)
        json_array_append_new(array, json_string(notes->lines[i]));
    return array;
}
