/* One plain program on one side: options, the clocks around the work, one line of JSON. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct heap_settings settings;
    double heap_factor; /* 0: not given */
    struct run *run;
};

struct times {
    uint64_t wall_ns, cpu_ns;
};

_Noreturn static void usage(FILE *stream, int status)
{
    fprintf(stream, "usage: %s-%s [--OPTION=VALUE]...\n\nRuns the program and prints one line of JSON.\n", program.name,
            heap_side);
    fprintf(stream, "  --seed=N             default 1\n");
    fprintf(stream, "  --heap-factor=F      the heap is F times what lives, and is to be used; default: no limit\n");
    fprintf(stream, "  --policy=SPEC        of sapimem, default epoch; on that side alone\n");
    fprintf(stream, "  --pacing=SPEC        likewise; default fixed:16M, or by the limit alone with --heap-factor\n");
    for (const struct program_option *option = program.options; option->key != NULL; option++)
        fprintf(stream, "  --%-18s %s (default %" PRIu64 ")\n", option->key, option->help, option->standard);
    exit(status);
}

_Noreturn static void refuse(const char *argument, const char *expected)
{
    fprintf(stderr, "%s-%s: '%s': expected %s\n", program.name, heap_side, argument, expected);
    exit(2);
}

/* The text after "--KEY=", or NULL. */
static const char *value_of(const char *argument, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, key, length) != 0 || argument[2 + length] != '=')
        return NULL;
    return argument + 3 + length;
}

/* Counts take k and m, as the harness's do. */
static bool read_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *count)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t unit = *end == 'k' ? 1000 : *end == 'm' ? 1000000 : 1;
    end += unit != 1 ? 1 : 0;
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > UINT64_MAX / unit)
        return false;
    *count = number * unit;
    return *count >= minimum && *count <= maximum;
}

static void read_program_option(struct run *run, const char *argument)
{
    for (size_t i = 0; program.options[i].key != NULL; i++) {
        const struct program_option *option = &program.options[i];
        const char *text = value_of(argument, option->key);
        char expected[96];
        if (text == NULL)
            continue;
        snprintf(expected, sizeof(expected), "a whole number from %" PRIu64 " to %" PRIu64, option->minimum,
                 option->maximum);
        if (!read_count(text, option->minimum, option->maximum, &run->options[i]))
            refuse(argument, expected);
        return;
    }
    refuse(argument, "an option, see --help");
}

static void read_argument(struct arguments *arguments, const char *argument)
{
    const char *text;
    char *end;
    if ((text = value_of(argument, "seed")) != NULL) {
        if (!read_count(text, 0, UINT64_MAX, &arguments->run->seed))
            refuse(argument, "a whole number");
    } else if ((text = value_of(argument, "heap-factor")) != NULL) {
        arguments->heap_factor = strtod(text, &end);
        if (end == text || *end != '\0' || !(arguments->heap_factor >= 1 && arguments->heap_factor <= 1000))
            refuse(argument, "a number from 1 to 1000");
    } else if ((text = value_of(argument, "policy")) != NULL) {
        arguments->settings.policy = text;
    } else if ((text = value_of(argument, "pacing")) != NULL) {
        arguments->settings.pacing = text;
    } else {
        read_program_option(arguments->run, argument);
    }
}

static void read_arguments(struct arguments *arguments, int count, char **texts)
{
    for (size_t i = 0; program.options[i].key != NULL; i++)
        arguments->run->options[i] = program.options[i].standard;
    arguments->run->seed = 1;
    for (int i = 1; i < count; i++) {
        if (strcmp(texts[i], "--help") == 0 || strcmp(texts[i], "-h") == 0)
            usage(stdout, 0);
        read_argument(arguments, texts[i]);
    }
    double live_bytes = (double)program.live_bytes(arguments->run->options);
    arguments->settings.limit_bytes = (uint64_t)(arguments->heap_factor * live_bytes);
}

static struct times work(struct run *run)
{
    struct times start = {clock_wall_ns(), clock_cpu_ns()};
    program.work(run);
    uint64_t cpu_ns = clock_cpu_ns();
    return (struct times){clock_wall_ns() - start.wall_ns, cpu_ns - start.cpu_ns};
}

static void print_number(const char *key, uint64_t value)
{
    printf(", \"%s\": %" PRIu64, key, value);
}

static void print(const struct arguments *arguments, struct times times, const struct heap_totals *before,
                  const struct heap_totals *after)
{
    const struct run *run = arguments->run;
    const struct heap_figures *figures = &run->heap.figures;
    const char *policy = arguments->settings.policy;
    printf("{\"program\": \"%s\", \"side\": \"%s\", \"policy\": \"%s\", \"checksum\": \"%016" PRIx64 "\"", program.name,
           heap_side, policy != NULL ? policy : "", run->checksum);
    print_number("seed", run->seed);
    print_number("live_bytes", program.live_bytes(run->options));
    print_number("limit_bytes", arguments->settings.limit_bytes);
    print_number("wall_ns", times.wall_ns);
    print_number("cpu_ns", times.cpu_ns);
    print_number("allocations", figures->allocations);
    print_number("bytes", figures->bytes);
    print_number("peak_committed_bytes", after->peak_committed_bytes);
    print_number("collections", after->collections - before->collections);
    print_number("pauses", figures->stops.count);
    print_number("pause_total_ns", figures->stops.total_ns);
    print_number("pause_max_ns", figures->stops.max_ns);
    print_number("pause_max_undelayed_ns", figures->stops.max_undelayed_ns);
    puts("}");
}

int main(int argument_count, char **argument_texts)
{
    struct run run = {.checksum = WL_CHECKSUM_START};
    struct arguments arguments = {.run = &run};
    struct heap_totals before, after;
    read_arguments(&arguments, argument_count, argument_texts);
    heap_open(&run.heap, &arguments.settings);
    if (program.build != NULL)
        program.build(&run);
    heap_measure(&run.heap, &before);
    run.heap.figures.stops = (struct stops){0};
    struct times times = work(&run);
    heap_measure(&run.heap, &after);
    program.finish(&run);
    /* The harness folds the sum of what destructors did; there are none here. */
    fold(&run, 0);
    print(&arguments, times, &before, &after);
    heap_close(&run.heap);
    return fflush(stdout) == 0 ? 0 : 1;
}
