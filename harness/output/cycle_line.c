#include "cycle_line.h"

#include "quantities.h"

#include <inttypes.h>

static const char *manner(const struct sm_cycle_record *cycle)
{
    if (cycle->is_fallback)
        return "fallback";
    return cycle->is_concurrent ? "concurrent" : "stop";
}

static void print_heap(const struct sm_cycle_record *cycle, FILE *stream)
{
    char before[HX_QUANTITY_BYTES], after[HX_QUANTITY_BYTES], goal[HX_QUANTITY_BYTES];
    fprintf(stream, "%s -> %s -> goal %s", hx_format_bytes(cycle->heap_bytes + cycle->retired_bytes, before),
            hx_format_bytes(cycle->heap_bytes, after),
            cycle->goal_bytes != 0 ? hx_format_bytes(cycle->goal_bytes, goal) : "none");
}

static void print_times(const struct sm_cycle_record *cycle, FILE *stream)
{
    char sum[HX_QUANTITY_BYTES], max[HX_QUANTITY_BYTES], mark[HX_QUANTITY_BYTES], owner[HX_QUANTITY_BYTES],
        collector[HX_QUANTITY_BYTES];
    fprintf(stream, ", pause %s max %s, mark %s, cpu %s + %s", hx_format_ns(cycle->pause_ns, sum),
            hx_format_ns(cycle->max_pause_ns, max), hx_format_ns(cycle->mark_ns, mark),
            hx_format_ns(cycle->cpu_ns, owner), hx_format_ns(cycle->collector_cpu_ns, collector));
}

static void print_work(const struct sm_cycle_record *cycle, FILE *stream)
{
    char traced[HX_QUANTITY_BYTES], logged[HX_QUANTITY_BYTES], backlog[HX_QUANTITY_BYTES];
    fprintf(stream, ", %" PRIu64 " slice%s, %" PRIu64 " assist%s, %s traced, %s logged, backlog %s\n",
            cycle->slice_count, hx_plural_s(cycle->slice_count), cycle->assist_count, hx_plural_s(cycle->assist_count),
            hx_format_count(cycle->traced_objects, traced), hx_format_count(cycle->logged_objects, logged),
            hx_format_bytes(cycle->backlog_bytes, backlog));
}

void hx_cycle_line_print(const struct sm_cycle_record *cycle, uint64_t elapsed_ns, FILE *stream)
{
    fprintf(stream, "gc %" PRIu64 " @%.3fs %s %s %s: ", cycle->index, (double)elapsed_ns / 1e9,
            sm_cycle_kind_name(cycle->kind), sm_trigger_name(cycle->trigger), manner(cycle));
    print_heap(cycle, stream);
    print_times(cycle, stream);
    print_work(cycle, stream);
}
