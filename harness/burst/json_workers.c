#include "json_workers.h"

void hx_json_add_responses(json_t *latency, const struct hx_burst_report *burst)
{
    if (burst->has_arrivals) {
        json_object_set_new(latency, "response", hx_json_histogram(&burst->response_ns));
        json_object_set_new(latency, "modelled_response", hx_json_histogram(&burst->modelled_ns));
    }
    if (burst->cold_service_ns.count != 0)
        json_object_set_new(latency, "cold_service", hx_json_histogram(&burst->cold_service_ns));
}

/* Those that are known; units are those of the whole run's. */
static json_t *metrics_json(const struct hx_metrics *metrics)
{
    json_t *object = json_object();
    for (int id = 0; id < HX_METRIC_COUNT; id++)
        if (metrics->is_known[id])
            json_object_set_new(object, hx_metric((enum hx_metric_id)id)->name, hx_json_count(metrics->value[id]));
    return object;
}

static json_t *pauses_json(const struct hx_histogram *pauses)
{
    json_t *object = json_object();
    const struct hx_json_field fields[] = {
        {"count", pauses->count},
        {"total_ns", pauses->total},
        {"p50_ns", hx_histogram_quantile(pauses, 0.5)},
        {"p99_ns", hx_histogram_quantile(pauses, 0.99)},
        {"max_ns", pauses->maximum},
    };
    hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
    return object;
}

static json_t *worker_json(const struct hx_worker_entry *entry)
{
    json_t *object = json_object();
    const struct hx_json_field fields[] = {
        {"processes", entry->process_count},
        {"requests", entry->requests},
        {"cold_requests", entry->cold_requests},
        {"failed_requests", entry->failed_requests},
    };
    hx_json_set_fields(object, fields, sizeof(fields) / sizeof(fields[0]));
    json_object_set_new(object, "metrics", metrics_json(&entry->metrics));
    json_object_set_new(object, "pauses", pauses_json(&entry->pauses.all));
    return object;
}

json_t *hx_json_workers(const struct hx_burst_report *burst)
{
    json_t *array = json_array();
    for (unsigned place = 0; place < burst->worker_count; place++)
        json_array_append_new(array, worker_json(&burst->workers[place]));
    return array;
}
