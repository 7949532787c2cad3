/**
 * The shapes of garbage of workloads/php/collector_shapes.php, performed on the VM under a policy: one line of JSON
 * with the same names, to be compared with PHP's.
 *
 * Usage: bench_collector_shapes POLICY [SHAPE] [--graphs=N] [--cyclic=SHARE] [--live=N] [--linked=0|1] [--touch=N];
 * POLICY as in --policy ("refcount", "epoch:reclaim=inline"); without a shape, "cyclic". Pauses are those that the
 * manager reports, of collections only.
 */
#include "collector_shapes.h"
#include "sapivm/gc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Pauses past this number are in the total and the maximum, not in the median. */
enum { PAUSES_KEPT = 100000 };

/** What the manager's hooks saw. */
struct watcher {
    bool watching; /**< the rounds are under way */
    uint64_t pause_count;
    uint64_t pause_total_ns;
    uint64_t durations[PAUSES_KEPT];
};

struct arguments {
    const char *policy;
    struct collector_shape shape;
};

static void on_pause(void *context, const struct sm_pause_record *pause)
{
    struct watcher *watcher = context;
    if (!watcher->watching || pause->cause != SM_PAUSE_CYCLE)
        return;
    if (watcher->pause_count < PAUSES_KEPT)
        watcher->durations[watcher->pause_count] = pause->duration_ns;
    watcher->pause_count++;
    watcher->pause_total_ns += pause->duration_ns;
}

/** The first reading is at the start of the rounds, the second at their end. */
static void read_figures(struct vm *vm, void *context, struct collector_figures *figures)
{
    struct watcher *watcher = context;
    struct vm_gc_status status = vm_gc_status(vm);
    watcher->watching = !watcher->watching;
    *figures = (struct collector_figures){status.runs, status.collected, status.threshold, status.roots};
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void print_shape(const struct arguments *arguments)
{
    const struct collector_shape *shape = &arguments->shape;
    printf("{\"engine\":\"%s\",\"shape\":\"%s\",\"graphs\":%" PRIu64 ",\"cyclic\":%g,\"live\":%" PRIu64
           ",\"linked\":%d,\"touch\":%" PRIu64,
           arguments->policy, shape->name, shape->graph_count, shape->cyclic, shape->live_count, shape->linked,
           shape->touch_count);
}

static void print_result(const struct arguments *arguments, const struct collector_shape_result *result,
                         struct watcher *watcher)
{
    uint64_t kept = watcher->pause_count < PAUSES_KEPT ? watcher->pause_count : PAUSES_KEPT;
    qsort(watcher->durations, kept, sizeof(watcher->durations[0]), compare_numbers);
    print_shape(arguments);
    printf(",\"runs\":%" PRIu64 ",\"collected\":%" PRIu64 ",\"threshold\":%" PRIu64 ",\"roots\":%" PRIu64
           ",\"final_collected\":%" PRIu64 ",\"final_ns\":%" PRIu64 ",\"pauses_seen\":%" PRIu64,
           result->rounds.runs - result->start.runs, result->rounds.collected - result->start.collected,
           result->rounds.threshold, result->rounds.roots, result->end.collected - result->rounds.collected,
           result->final_ns, watcher->pause_count);
    printf(",\"pause_p50_ns\":%" PRIu64 ",\"pause_max_ns\":%" PRIu64 ",\"pause_total_ns\":%" PRIu64
           ",\"wall_ns\":%" PRIu64 ",\"collector_share\":%.4f}\n",
           kept == 0 ? 0 : watcher->durations[kept / 2], kept == 0 ? 0 : watcher->durations[kept - 1],
           watcher->pause_total_ns, result->wall_ns,
           (double)watcher->pause_total_ns / (double)(result->wall_ns == 0 ? 1 : result->wall_ns));
}

static bool read_option(struct collector_shape *shape, const char *argument)
{
    const char *equals = strchr(argument, '=');
    char *end = NULL;
    if (equals == NULL || equals[1] < '0' || equals[1] > '9')
        return false;
    size_t name_length = (size_t)(equals - argument);
    double number = strtod(equals + 1, &end);
    if (*end != '\0' || number > 1e12)
        return false;
    if (strncmp(argument, "--graphs", name_length) == 0 && name_length == 8)
        shape->graph_count = (uint64_t)number;
    else if (strncmp(argument, "--cyclic", name_length) == 0 && name_length == 8 && number <= 1)
        shape->cyclic = number;
    else if (strncmp(argument, "--live", name_length) == 0 && name_length == 6)
        shape->live_count = (uint64_t)number;
    else if (strncmp(argument, "--linked", name_length) == 0 && name_length == 8 && number <= 1)
        shape->linked = number > 0;
    else if (strncmp(argument, "--touch", name_length) == 0 && name_length == 7)
        shape->touch_count = (uint64_t)number;
    else
        return false;
    return true;
}

static bool read_arguments(int count, char **values, struct arguments *arguments)
{
    if (count < 2 || values[1][0] == '-')
        return false;
    arguments->policy = values[1];
    const struct collector_shape *shape = collector_shape_find(count > 2 && values[2][0] != '-' ? values[2] : "cyclic");
    if (shape == NULL)
        return false;
    arguments->shape = *shape;
    for (int i = count > 2 && values[2][0] != '-' ? 3 : 2; i < count; i++)
        if (!read_option(&arguments->shape, values[i]))
            return false;
    return arguments->shape.touch_count == 0 || arguments->shape.live_count > 0;
}

static int run(const struct arguments *arguments, struct watcher *watcher)
{
    struct vm_config config = {.manager = {.sapi = SM_SAPI_CLI,
                                           .policy = arguments->policy,
                                           .hooks = {.context = watcher, .on_pause = on_pause}}};
    struct collector_shape_result result = {0};
    struct sm_error error = {0};
    struct vm *vm = NULL;
    if (vm_create(&config, &vm, &error) != SM_OK) {
        fprintf(stderr, "bench_collector_shapes: %s\n", error.detail);
        return 2;
    }
    sm_status status = collector_shape_run(vm, &arguments->shape, read_figures, watcher, &result);
    if (status == SM_OK)
        print_result(arguments, &result, watcher);
    else
        fprintf(stderr, "bench_collector_shapes: %s\n", sm_error_detail(vm_manager(vm)));
    vm_destroy(vm);
    return status == SM_OK ? 0 : 3;
}

int main(int argument_count, char **argument_values)
{
    struct arguments arguments = {0};
    if (!read_arguments(argument_count, argument_values, &arguments)) {
        fputs("usage: bench_collector_shapes POLICY [SHAPE] [--graphs=N] [--cyclic=SHARE] [--live=N] [--linked=0|1] "
              "[--touch=N]\nshapes:",
              stderr);
        for (size_t i = 0; collector_shape_at(i) != NULL; i++)
            fprintf(stderr, " %s", collector_shape_at(i)->name);
        fputs("\n--touch needs --live of at least 1\n", stderr);
        return 2;
    }
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    int code = watcher == NULL ? 3 : run(&arguments, watcher);
    free(watcher);
    return code;
}
