#include "json_sink.h"

#include "json_measures.h"
#include "json_values.h"
#include "json_workers.h"
#include "sapimem/policy.h"

#include <inttypes.h>
#include <string.h>

static json_t *fact_json(const struct hx_fact *fact)
{
    switch (fact->kind) {
    case HX_FACT_TEXT:
        return json_string(fact->text);
    case HX_FACT_COUNT:
        return hx_json_count(fact->count);
    case HX_FACT_REAL:
        return json_real(fact->real);
    case HX_FACT_BOOL:
        return json_boolean(fact->count != 0);
    case HX_FACT_UNKNOWN:
        break;
    }
    return json_null();
}

static json_t *context_json(const struct hx_context *context)
{
    json_t *object = json_object();
    for (size_t i = 0; i < context->count; i++) {
        const struct hx_fact *fact = &context->facts[i];
        json_t *place = object;
        if (fact->group != NULL) {
            place = json_object_get(object, fact->group);
            if (place == NULL) {
                place = json_object();
                json_object_set_new(object, fact->group, place);
            }
        }
        json_object_set_new(place, fact->name, fact_json(fact));
    }
    return object;
}

/* ---- config ---- */

static json_t *setting_json(json_t *value, const char *unit)
{
    return json_pack("{s:o, s:o}", "value", value, "unit", *unit != '\0' ? json_string(unit) : json_null());
}

static json_t *option_json(const struct hx_run_options *options, enum hx_option_id id)
{
    if (!options->has_value[id])
        return json_null();
    switch (hx_option(id)->kind) {
    case HX_KIND_SIZE:
    case HX_KIND_COUNT:
        return hx_json_count(options->value[id].count);
    case HX_KIND_REAL:
        return json_real(options->value[id].real);
    case HX_KIND_FLAG:
        return json_boolean(options->value[id].count != 0);
    case HX_KIND_CHOICE:
        return json_string(hx_option_choice(options, id));
    case HX_KIND_TEXT:
        break;
    }
    return hx_json_text(options->value[id].text);
}

static json_t *values_json(const struct sm_option_values *values)
{
    json_t *object = json_object();
    for (size_t i = 0; i < values->option_count; i++)
        json_object_set_new(object, values->table[i].key,
                            setting_json(hx_json_option_value(values, i), values->table[i].unit));
    return object;
}

static json_t *config_json(const struct hx_plan *plan)
{
    json_t *object = json_object();
    for (int id = 0; id < HX_OPTION_COUNT; id++) {
        const struct hx_option *option = hx_option((enum hx_option_id)id);
        char name[64];
        hx_json_key(option->name, name, sizeof(name));
        json_object_set_new(object, name,
                            setting_json(option_json(&plan->options, (enum hx_option_id)id), option->unit));
    }
    json_object_set_new(object, "policy_name", json_string(plan->policy_name));
    json_object_set_new(object, "policy_options", values_json(&plan->policy_options));
    json_object_set_new(object, "workload_name", json_string(plan->workload_name));
    json_object_set_new(object, "workload_options", values_json(&plan->workload_options));
    return object;
}

/* ---- what was measured ---- */

static json_t *metric_value_json(const struct hx_metrics *metrics, enum hx_metric_id id)
{
    if (!metrics->is_known[id])
        return json_null();
    if (hx_metric(id)->is_hexadecimal)
        return json_sprintf("%016" PRIx64, metrics->value[id]);
    return hx_json_count(metrics->value[id]);
}

static json_t *metrics_json(const struct hx_report *report)
{
    json_t *object = json_object();
    for (int i = 0; i < HX_METRIC_COUNT; i++) {
        enum hx_metric_id id = (enum hx_metric_id)i;
        const struct hx_metric *metric = hx_metric(id);
        json_object_set_new(object, metric->name,
                            json_pack("{s:o, s:s, s:s?, s:b}", "value", metric_value_json(&report->metrics, id), "unit",
                                      metric->unit, "better", metric->better, "exact",
                                      report->metrics.is_known[id] && hx_metric_is_exact(id, report->repeatability)));
    }
    return object;
}

static json_t *pauses_json(const struct hx_pauses *pauses)
{
    json_t *object = hx_json_histogram(&pauses->all);
    json_object_set_new(object, "max_undelayed_ns", hx_json_count(pauses->max_undelayed_ns));
    json_t *causes = json_object();
    for (int i = 0; i < SM_PAUSE_CAUSE_COUNT; i++) {
        const struct hx_pause_total *total = &pauses->by_cause[i];
        if (total->count == 0)
            continue;
        json_object_set_new(causes, sm_pause_cause_name((enum sm_pause_cause)i),
                            json_pack("{s:o, s:o, s:o}", "count", hx_json_count(total->count), "total_ns",
                                      hx_json_count(total->total_ns), "max_ns", hx_json_count(total->max_ns)));
    }
    json_object_set_new(object, "by_cause", causes);
    return object;
}

static json_t *cycle_json(const struct sm_cycle_record *cycle)
{
    json_t *object = json_object();
    const struct hx_json_field fields[] = {
        {"index", cycle->index},
        {"clock_bytes", cycle->clock_bytes},
        {"traced_objects", cycle->traced_objects},
        {"live_objects", cycle->live_objects},
        {"live_bytes", cycle->live_bytes},
        {"retired_objects", cycle->retired_objects},
        {"retired_bytes", cycle->retired_bytes},
        {"reclaimed_bytes_total", cycle->reclaimed_bytes_total},
        {"backlog_bytes", cycle->backlog_bytes},
        {"occupied_bytes", cycle->occupied_bytes},
        {"hole_bytes", cycle->hole_bytes},
        {"heap_bytes", cycle->heap_bytes},
        {"goal_bytes", cycle->goal_bytes != 0 ? cycle->goal_bytes : HX_UNKNOWN},
        {"logged_objects", cycle->logged_objects},
        {"pause_ns", cycle->pause_ns},
        {"max_pause_ns", cycle->max_pause_ns},
        {"mark_ns", cycle->mark_ns},
        {"cpu_ns", cycle->cpu_ns},
        {"collector_cpu_ns", cycle->collector_cpu_ns},
        {"slice_count", cycle->slice_count},
        {"assist_count", cycle->assist_count},
    };
    hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
    json_object_set_new(object, "trigger", json_string(sm_trigger_name(cycle->trigger)));
    json_object_set_new(object, "kind", json_string(sm_cycle_kind_name(cycle->kind)));
    json_object_set_new(object, "is_concurrent", json_boolean(cycle->is_concurrent));
    json_object_set_new(object, "is_fallback", json_boolean(cycle->is_fallback));
    return object;
}

static json_t *cycles_json(const struct hx_cycle_log *log)
{
    json_t *array = json_array();
    for (size_t i = 0; i < log->count; i++)
        json_array_append_new(array, cycle_json(&log->records[i]));
    return array;
}

static json_t *series_json(const struct hx_report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->sampler.count; i++) {
        const struct hx_sample *sample = &report->sampler.points[i];
        json_t *object = json_object();
        const struct hx_json_field fields[] = {
            {"clock_bytes", sample->clock_bytes},
            {"t_ns", sample->t_ns},
            {"live_bytes", sample->live_bytes},
            {"committed_bytes", sample->committed_bytes},
            {"limit_bytes", report->plan->memory_limit_bytes != 0 ? report->plan->memory_limit_bytes : HX_UNKNOWN},
            {"garbage_bytes", sample->garbage_bytes},
            {"backlog_bytes", sample->backlog_bytes},
            {"rss_bytes", sample->rss_bytes},
            {"rss_anon_bytes", sample->rss_anon_bytes},
            {"cycles_full", sample->cycles_full},
            {"cycles_young", sample->cycles_young},
        };
        hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *guards_json(const struct hx_guard_log *log)
{
    json_t *array = json_array();
    for (size_t i = 0; i < log->count; i++) {
        const struct hx_guard_entry *entry = &log->entries[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "thread", entry->report.thread, "site",
                                        entry->report.site, "pinned_epoch", hx_json_count(entry->report.pinned_epoch),
                                        "age_ns", hx_json_count(entry->report.age_ns), "backlog_bytes",
                                        hx_json_count(entry->report.backlog_bytes), "reports",
                                        hx_json_count(entry->report_count)));
    }
    return array;
}

static json_t *notes_json(const struct hx_report *report)
{
    const struct hx_notes *const all[] = {&report->plan->told, &report->plan->notes, &report->notes};
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t j = 0; j < all[i]->count; j++)
            json_array_append_new(array, json_string(all[i]->lines[j]));
    return array;
}

static json_t *latency_json(const struct hx_report *report)
{
    json_t *object =
        json_pack("{s:s, s:o}", "unit", report->plan->step_unit, "service", hx_json_histogram(&report->service_ns));
    hx_json_add_metered(object, &report->metered);
    if (report->burst != NULL)
        hx_json_add_responses(object, report->burst);
    return object;
}

bool hx_json_write(const struct hx_report *report, FILE *stream)
{
    json_t *document = json_pack("{s:i, s:o, s:o, s:s}", "schema_version", HX_SCHEMA_VERSION, "context",
                                 context_json(&report->context), "config", config_json(report->plan), "status",
                                 hx_run_status_name(report->status));
    if (report->status != HX_STATUS_OK)
        json_object_set_new(document, "error", hx_json_text(report->error));
    json_object_set_new(json_object_get(document, "context"), "noisy", hx_json_lines(&report->noisy));
    json_object_set_new(document, "metrics", metrics_json(report));
    json_object_set_new(document, "pauses", pauses_json(&report->pauses));
    json_object_set_new(document, "utilization", hx_json_utilization(&report->utilization));
    json_object_set_new(document, "hiccups", hx_json_hiccups(&report->hiccups_ns));
    json_object_set_new(document, "latency", latency_json(report));
    if (report->burst != NULL)
        json_object_set_new(document, "workers", hx_json_workers(report->burst));
    json_object_set_new(document, "cycles", cycles_json(&report->cycles));
    json_object_set_new(document, "series", series_json(report));
    json_object_set_new(document, "memory_checkpoints", hx_json_checkpoints(report));
    json_object_set_new(document, "guards", guards_json(&report->guards));
    json_object_set_new(document, "notes", notes_json(report));
    return hx_json_dump(document, stream);
}
