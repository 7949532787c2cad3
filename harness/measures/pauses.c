#include "pauses.h"

#include <assert.h>

void hx_pauses_add(struct hx_pauses *pauses, const struct sm_pause_record *record)
{
    assert(record->cause < SM_PAUSE_CAUSE_COUNT);
    hx_histogram_add(&pauses->all, record->duration_ns);
    uint64_t delay_ns = record->run_delay_ns < record->duration_ns ? record->run_delay_ns : record->duration_ns;
    if (record->duration_ns - delay_ns > pauses->max_undelayed_ns)
        pauses->max_undelayed_ns = record->duration_ns - delay_ns;
    struct hx_pause_total *cause = &pauses->by_cause[record->cause];
    cause->count++;
    cause->total_ns += record->duration_ns;
    cause->delay_ns += delay_ns;
    if (record->duration_ns > cause->max_ns)
        cause->max_ns = record->duration_ns;
}

uint64_t hx_pauses_reclamation_wall_ns(const struct hx_pauses *pauses)
{
    return pauses->all.total - pauses->by_cause[SM_PAUSE_DESTRUCTORS].total_ns;
}

uint64_t hx_pauses_reclamation_cpu_ns(const struct hx_pauses *pauses, bool has_collector)
{
    uint64_t cpu_ns = 0;
    for (int i = 0; i < SM_PAUSE_CAUSE_COUNT; i++)
        if (i != SM_PAUSE_DESTRUCTORS && i != SM_PAUSE_GRACE && !(i == SM_PAUSE_ASSIST && has_collector))
            cpu_ns += pauses->by_cause[i].total_ns - pauses->by_cause[i].delay_ns;
    return cpu_ns;
}

void hx_pauses_merge(struct hx_pauses *pauses, const struct hx_pauses *from)
{
    hx_histogram_merge(&pauses->all, &from->all);
    if (from->max_undelayed_ns > pauses->max_undelayed_ns)
        pauses->max_undelayed_ns = from->max_undelayed_ns;
    for (int i = 0; i < SM_PAUSE_CAUSE_COUNT; i++) {
        struct hx_pause_total *cause = &pauses->by_cause[i];
        cause->count += from->by_cause[i].count;
        cause->total_ns += from->by_cause[i].total_ns;
        cause->delay_ns += from->by_cause[i].delay_ns;
        if (from->by_cause[i].max_ns > cause->max_ns)
            cause->max_ns = from->by_cause[i].max_ns;
    }
}
