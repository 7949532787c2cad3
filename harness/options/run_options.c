#include "run_options.h"

#include "arrivals.h"
#include "sapimem/epoch.h"
#include "sapimem/manager.h"
#include "sapimem/option.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const sapi_choices[] = {"cli", "fpm", NULL};
static const char *const mutator_work_choices[] = {"real", "none", NULL};
static const char *const sharing_choices[] = {"counts", "bit", NULL};
static const char *const destructor_choices[] = {"cycle", "prompt", NULL};
static const char *const reclaim_choices[] = {"thread", "inline", "call_rcu", "defer_rcu", NULL};
static const char *const flavor_choices[] = {"memb", "qsbr", "mb", "bp", NULL};
static const char *const garbage_choices[] = {"off", "oracle", NULL};
static const char *const measures_choices[] = {"all", "totals", NULL};
static const char *const progress_choices[] = {"auto", "always", "never", NULL};

#define COUNT_MAX 9.2e18

#define THRESHOLD_TEXT SM_STRINGIFY(SM_THRESHOLD_DEFAULT_MIB) "M"

static const struct hx_option table[HX_OPTION_COUNT] = {
    [HX_OPT_POLICY] = {.name = "policy",
                       .kind = HX_KIND_TEXT,
                       .unit = "",
                       .placeholder = "NAME[:KEY=VALUE,...]",
                       .default_note = "by SAPI: epoch (cli), arena (fpm)",
                       .help = "memory policy and its own options; see harness list policies"},
    [HX_OPT_THRESHOLD] = {.name = "threshold",
                          .kind = HX_KIND_SIZE,
                          .unit = "bytes",
                          .placeholder = "SIZE",
                          .default_note = THRESHOLD_TEXT,
                          .minimum = (double)SM_THRESHOLD_MINIMUM_BYTES,
                          .maximum = COUNT_MAX,
                          .help = "bytes allocated between cycles; the same as --pacing=fixed:SIZE"},
    [HX_OPT_PACING] =
        {.name = "pacing",
         .kind = HX_KIND_TEXT,
         .unit = "",
         .placeholder = "RULE",
         .default_note = "fixed:" THRESHOLD_TEXT "; zend:10001 under a policy that counts",
         .help = "when cycles start: fixed:SIZE, proportional:K (of live), sqrt:C, limit:X (as late as the "
                 "memory limit allows, cycles at most this share of the CPU), never, always; zend:ROOTS under "
                 "a policy that counts"},
    [HX_OPT_SAPI] = {.name = "sapi",
                     .kind = HX_KIND_CHOICE,
                     .unit = "",
                     .placeholder = "cli|fpm",
                     .default_note = "the workload's",
                     .choices = sapi_choices,
                     .help = "PHP server API: chooses the default policy and workload"},
    [HX_OPT_WORKLOAD] = {.name = "workload",
                         .kind = HX_KIND_TEXT,
                         .unit = "",
                         .placeholder = "NAME[:KEY=VALUE,...]|trace:FILE",
                         .default_note = "by SAPI: cli-queue (cli), fpm-page (fpm)",
                         .help = "what drives the heap; see harness list workloads; trace:FILE,repeat=3 sets a trace's "
                                 "option, unless a file has that name"},
    [HX_OPT_MEMORY_LIMIT] = {.name = "memory-limit",
                             .kind = HX_KIND_SIZE,
                             .unit = "bytes",
                             .placeholder = "SIZE",
                             .minimum = (double)SM_MEMORY_LIMIT_MINIMUM_BYTES,
                             .maximum = COUNT_MAX,
                             .default_note = "none",
                             .help = "hard limit on committed heap, backlog included"},
    [HX_OPT_HEAP_FACTOR] = {.name = "heap-factor",
                            .kind = HX_KIND_REAL,
                            .unit = "",
                            .placeholder = "F",
                            .minimum = 1,
                            .maximum = 1e6,
                            .default_note = "none",
                            .help = "memory limit as F times the workload's analytic live size"},
    [HX_OPT_MINHEAP_FACTOR] = {.name = "minheap-factor",
                               .kind = HX_KIND_REAL,
                               .unit = "",
                               .placeholder = "F",
                               .minimum = 1,
                               .maximum = 1e6,
                               .default_note = "none",
                               .help = "memory limit as F times the workload's minheap under marksweep"},
    [HX_OPT_MINHEAP] = {.name = "minheap",
                        .kind = HX_KIND_SIZE,
                        .unit = "bytes",
                        .placeholder = "SIZE",
                        .minimum = (double)SM_MEMORY_LIMIT_MINIMUM_BYTES,
                        .maximum = COUNT_MAX,
                        .default_note = "measured first, in processes of their own",
                        .help = "the minheap that --minheap-factor multiplies, when it is known"},
    [HX_OPT_ALLOC] = {.name = "alloc",
                      .kind = HX_KIND_SIZE,
                      .unit = "bytes",
                      .placeholder = "SIZE",
                      .minimum = 1,
                      .maximum = COUNT_MAX,
                      .default_note = "the workload's: 5 to 10 seconds of work",
                      .help = "work until this much was allocated, boot included"},
    [HX_OPT_ITERATIONS] = {.name = "iterations",
                           .kind = HX_KIND_COUNT,
                           .unit = "steps",
                           .placeholder = "N",
                           .minimum = 1,
                           .maximum = COUNT_MAX,
                           .help = "work this many iterations (steps of a workload)"},
    [HX_OPT_REQUESTS] = {.name = "requests",
                         .kind = HX_KIND_COUNT,
                         .unit = "steps",
                         .placeholder = "N",
                         .minimum = 1,
                         .maximum = COUNT_MAX,
                         .help = "work this many requests (steps of a workload)"},
    [HX_OPT_SECONDS] = {.name = "seconds",
                        .kind = HX_KIND_REAL,
                        .unit = "seconds",
                        .placeholder = "S",
                        .minimum = 0.001,
                        .maximum = 1e7,
                        .help = "work this long; such a run cannot be repeated exactly"},
    [HX_OPT_SEED] = {.name = "seed",
                     .kind = HX_KIND_COUNT,
                     .unit = "",
                     .placeholder = "N",
                     .default_text = "1",
                     .maximum = COUNT_MAX,
                     .help = "of every random choice the workload makes"},
    [HX_OPT_WORKERS] = {.name = "workers",
                        .kind = HX_KIND_COUNT,
                        .unit = "processes",
                        .placeholder = "N",
                        .default_text = "1",
                        .minimum = 1,
                        .maximum = HX_WORKERS_MAX,
                        .help = "processes that serve the requests, the one due first by the one free longest"},
    [HX_OPT_ARRIVALS] = {.name = "arrivals",
                         .kind = HX_KIND_TEXT,
                         .unit = "",
                         .placeholder = "RATE[,burst=B]",
                         .default_note = "closed loop: a worker takes the next request when it is free",
                         .help = "requests due at RATE a second, in Poisson bursts of B on average, whoever is free; "
                                 "latency counts from then"},
    [HX_OPT_COLD_EVERY] = {.name = "cold-every",
                           .kind = HX_KIND_COUNT,
                           .unit = "requests",
                           .placeholder = "N",
                           .default_note = "none",
                           .minimum = 1,
                           .maximum = COUNT_MAX,
                           .help = "every Nth request compiles the program first"},
    [HX_OPT_MAX_REQUESTS] = {.name = "max-requests",
                             .kind = HX_KIND_COUNT,
                             .unit = "requests",
                             .placeholder = "N",
                             .default_note = "no recycling",
                             .minimum = 1,
                             .maximum = COUNT_MAX,
                             .help = "a worker ends after N requests, or when it fails, and a new one takes over"},
    [HX_OPT_MUTATOR_WORK] = {.name = "mutator-work",
                             .kind = HX_KIND_CHOICE,
                             .unit = "",
                             .placeholder = "real|none",
                             .default_text = "real",
                             .choices = mutator_work_choices,
                             .help = "opcode-sized work between allocations, or bare allocator traffic"},
    [HX_OPT_SHARING] = {.name = "sharing",
                        .kind = HX_KIND_CHOICE,
                        .unit = "",
                        .placeholder = "counts|bit",
                        .default_text = "counts",
                        .choices = sharing_choices,
                        .help = "what tells shared arrays beside tracing: counts, or a bit that stays"},
    [HX_OPT_DESTRUCTORS] = {.name = "destructors",
                            .kind = HX_KIND_CHOICE,
                            .unit = "",
                            .placeholder = "cycle|prompt",
                            .default_text = "cycle",
                            .choices = destructor_choices,
                            .help = "beside tracing: run after the cycle that finds them due, or at the last drop"},
    [HX_OPT_OBSERVERS] = {.name = "observers",
                          .kind = HX_KIND_COUNT,
                          .unit = "threads",
                          .placeholder = "N",
                          .default_text = "0",
                          .maximum = 64,
                          .help = "threads that read the heap under guards while the work runs"},
    [HX_OPT_STALL] = {.name = "stall",
                      .kind = HX_KIND_TEXT,
                      .unit = "",
                      .placeholder = "observer-N:AT:DURATION|forever",
                      .default_note = "none",
                      .help = "hold one observer's guard from AT allocated bytes on, for 100ms, 2s or forever"},
    [HX_OPT_COLLECTOR_THREADS] =
        {.name = "collector-threads",
         .kind = HX_KIND_COUNT,
         .unit = "threads",
         .placeholder = "0|1",
         .default_note = "1 where the process may use two CPUs or more, else 0",
         .maximum = 1,
         .help = "threads that mark beside the VM thread, under a policy that can; 0: in slices on it"},
    [HX_OPT_RECLAIM] = {.name = "reclaim",
                        .kind = HX_KIND_CHOICE,
                        .unit = "",
                        .placeholder = "thread|inline",
                        .default_note = "the policy's",
                        .choices = reclaim_choices,
                        .help = "who waits for grace periods; inline is deterministic (policy option reclaim)"},
    [HX_OPT_EPOCH_FLAVOR] = {.name = "epoch-flavor",
                             .kind = HX_KIND_CHOICE,
                             .unit = "",
                             .placeholder = "memb|qsbr|mb|bp",
                             .default_note = "the policy's",
                             .choices = flavor_choices,
                             .help = "flavour of liburcu (policy option flavor)"},
    [HX_OPT_ARENA_LIMIT] = {.name = "arena-limit",
                            .kind = HX_KIND_SIZE,
                            .unit = "bytes",
                            .placeholder = "SIZE",
                            .minimum = 4096,
                            .maximum = 1099511627776.0,
                            .default_note = "the policy's",
                            .help = "what a request takes before it goes on with young cycles (policy option limit)"},
    [HX_OPT_COLLECT_EVERY] = {.name = "collect-every",
                              .kind = HX_KIND_SIZE,
                              .unit = "bytes",
                              .placeholder = "SIZE",
                              .minimum = 1,
                              .maximum = COUNT_MAX,
                              .default_note = "never",
                              .help = "a cycle each so many allocated bytes, whatever the pacing"},
    [HX_OPT_COLLECT_EVERY_SAFEPOINT] = {.name = "collect-every-safepoint",
                                        .kind = HX_KIND_FLAG,
                                        .unit = "",
                                        .placeholder = "",
                                        .default_text = "off",
                                        .help = "a cycle at every safepoint; for tests"},
    [HX_OPT_INJECT] = {.name = "inject",
                       .kind = HX_KIND_TEXT,
                       .unit = "",
                       .placeholder = "FAULT",
                       .default_note = "none",
                       .help = "deliberate fault: leak:1/1000, flip-byte:STEP, flip-edge:STEP, fail-alloc:N"},
    [HX_OPT_CHECK_TRACE] = {.name = "check-trace",
                            .kind = HX_KIND_FLAG,
                            .unit = "",
                            .placeholder = "",
                            .default_text = "off",
                            .help = "verify that every object a trace names is reachable; slow"},
    [HX_OPT_GARBAGE] = {.name = "garbage",
                        .kind = HX_KIND_CHOICE,
                        .unit = "",
                        .placeholder = "off|oracle",
                        .default_text = "off",
                        .choices = garbage_choices,
                        .help = "record deaths under refcount first, and measure garbage outstanding against them"},
    [HX_OPT_TIMEOUT] = {.name = "timeout",
                        .kind = HX_KIND_REAL,
                        .unit = "seconds",
                        .placeholder = "S",
                        .minimum = 0.001,
                        .maximum = 1e7,
                        .default_note = "none",
                        .help = "give up after this long: status timeout"},
    [HX_OPT_JSON] = {.name = "json",
                     .kind = HX_KIND_TEXT,
                     .unit = "",
                     .placeholder = "FILE|-",
                     .default_note = "none",
                     .help = "write the result; - is standard output, without the summary"},
    [HX_OPT_CSV] = {.name = "csv",
                    .kind = HX_KIND_TEXT,
                    .unit = "",
                    .placeholder = "FILE|-",
                    .default_note = "none",
                    .help = "write the series"},
    [HX_OPT_EVENTS] = {.name = "events",
                       .kind = HX_KIND_TEXT,
                       .unit = "",
                       .placeholder = "FILE|-",
                       .default_note = "none",
                       .help = "write what happens inside cycles, one line of JSON an event"},
    [HX_OPT_CARD] = {.name = "card",
                     .kind = HX_KIND_TEXT,
                     .unit = "",
                     .placeholder = "FILE|-",
                     .default_note = "none",
                     .help = "write what the workload allocates and how long it lives; under a policy that counts"},
    [HX_OPT_CARD_WARMUP] = {.name = "card-warmup",
                            .kind = HX_KIND_COUNT,
                            .unit = "steps",
                            .placeholder = "N",
                            .default_text = "0",
                            .maximum = COUNT_MAX,
                            .help = "steps that the card counts as boot, not as work"},
    [HX_OPT_SERIES_EVERY] = {.name = "series-every",
                             .kind = HX_KIND_SIZE,
                             .unit = "bytes",
                             .placeholder = "SIZE",
                             .minimum = 4096,
                             .maximum = COUNT_MAX,
                             .default_note = "a 256th of the expected allocation, or less",
                             .help = "distance of the points of the series; doubled when there are too many"},
    [HX_OPT_MEASURES] = {.name = "measures",
                         .kind = HX_KIND_CHOICE,
                         .unit = "",
                         .placeholder = "all|totals",
                         .default_text = "all",
                         .choices = measures_choices,
                         .help =
                             "totals: no series, pauses, latencies or hiccups; what measuring costs is the difference"},
    [HX_OPT_PROGRESS] = {.name = "progress",
                         .kind = HX_KIND_CHOICE,
                         .unit = "",
                         .placeholder = "auto|always|never",
                         .default_text = "auto",
                         .choices = progress_choices,
                         .help = "a line on standard error; auto: when it is a terminal"},
    [HX_OPT_TRACE_GC] = {.name = "trace-gc",
                         .kind = HX_KIND_FLAG,
                         .unit = "",
                         .placeholder = "",
                         .default_text = "off",
                         .help = "one line a cycle on standard error"},
    [HX_OPT_QUIET] = {.name = "quiet",
                      .kind = HX_KIND_FLAG,
                      .unit = "",
                      .placeholder = "",
                      .default_text = "off",
                      .help = "no summary"},
};

const struct hx_option *hx_option(enum hx_option_id id)
{
    assert(id >= 0 && id < HX_OPTION_COUNT);
    return &table[id];
}

sm_status hx_refuse(struct sm_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    error->status = SM_ERR_INVALID_ARGUMENT;
    return error->status;
}

/* The unit after the least value: "1 byte", "4096 bytes", or nothing. */
static sm_status refuse_small(const struct hx_option *option, const char *text, struct sm_error *error)
{
    size_t length = strlen(option->unit);
    if (option->minimum == 1 && length > 0 && option->unit[length - 1] == 's')
        length--;
    return hx_refuse(error, "--%s=%s: expected at least %.15g%s%.*s", option->name, text, option->minimum,
                     length > 0 ? " " : "", (int)length, option->unit);
}

static sm_status refuse_range(const struct hx_option *option, const char *text, struct sm_error *error)
{
    if (option->maximum >= COUNT_MAX)
        return refuse_small(option, text, error);
    return hx_refuse(error, "--%s=%s: expected %.15g to %.15g%s%s", option->name, text, option->minimum,
                     option->maximum, *option->unit ? " " : "", option->unit);
}

static sm_status parse_number(const struct hx_option *option, const char *text, union hx_option_value *value,
                              struct sm_error *error)
{
    double number = 0;
    if (option->kind == HX_KIND_SIZE) {
        if (sm_size_parse(text, &value->count) != SM_OK)
            return hx_refuse(error, "--%s=%s: expected a size such as 65536, 64K, 16M or 1G", option->name, text);
        number = (double)value->count;
    } else if (option->kind == HX_KIND_COUNT) {
        if (sm_count_parse(text, &value->count) != SM_OK)
            return hx_refuse(error, "--%s=%s: expected a count such as 1000, 10k or 5m", option->name, text);
        number = (double)value->count;
    } else {
        if (sm_real_parse(text, &value->real) != SM_OK)
            return hx_refuse(error, "--%s=%s: expected a number%s%s such as 2 or 1.5", option->name, text,
                             *option->unit ? " of " : "", option->unit);
        number = value->real;
    }
    if (number < option->minimum || number > option->maximum)
        return refuse_range(option, text, error);
    return SM_OK;
}

static bool find_word(const char *const *words, const char *text, uint64_t *index)
{
    for (uint64_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static sm_status parse_flag(const struct hx_option *option, const char *text, union hx_option_value *value,
                            struct sm_error *error)
{
    static const char *const words[] = {"off", "on", "false", "true", "0", "1", "no", "yes", NULL};
    uint64_t index = 0;
    if (!find_word(words, text, &index))
        return hx_refuse(error, "--%s=%s: expected on or off", option->name, text);
    value->count = index & 1;
    return SM_OK;
}

static sm_status parse_value(const struct hx_option *option, const char *text, union hx_option_value *value,
                             struct sm_error *error)
{
    switch (option->kind) {
    case HX_KIND_FLAG:
        return parse_flag(option, text, value, error);
    case HX_KIND_CHOICE:
        if (!find_word(option->choices, text, &value->count))
            return hx_refuse(error, "--%s=%s: expected %s", option->name, text, option->placeholder);
        return SM_OK;
    case HX_KIND_TEXT:
        if (*text == '\0')
            return hx_refuse(error, "--%s: expected %s, not an empty text", option->name, option->placeholder);
        value->text = text;
        return SM_OK;
    case HX_KIND_SIZE:
    case HX_KIND_COUNT:
    case HX_KIND_REAL:
        break;
    }
    return parse_number(option, text, value, error);
}

void hx_run_options_init(struct hx_run_options *options)
{
    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < HX_OPTION_COUNT; i++) {
        if (table[i].default_text == NULL)
            continue;
        struct sm_error error;
        sm_status status = parse_value(&table[i], table[i].default_text, &options->value[i], &error);
        assert(status == SM_OK);
        options->has_value[i] = status == SM_OK;
    }
}

static sm_status refuse_unknown(const char *name, size_t name_length, struct sm_error *error)
{
    char word[64];
    snprintf(word, sizeof(word), "%.*s", (int)(name_length < 63 ? name_length : 63), name);
    const char *names[HX_OPTION_COUNT];
    for (size_t i = 0; i < HX_OPTION_COUNT; i++)
        names[i] = table[i].name;
    char near[160];
    sm_near_names(word, names, HX_OPTION_COUNT, near, sizeof(near));
    if (near[0] != '\0')
        return hx_refuse(error, "--%s: unknown option; expected one such as %s", word, near);
    return hx_refuse(error, "--%s: unknown option; expected one of harness run --help", word);
}

static int find_option(const char *name, size_t name_length)
{
    for (int i = 0; i < HX_OPTION_COUNT; i++)
        if (strlen(table[i].name) == name_length && memcmp(table[i].name, name, name_length) == 0)
            return i;
    return -1;
}

/* Reads one option that starts at arguments[*position] and moves the position past it. */
static sm_status parse_one(struct hx_run_options *options, int argument_count, char *const arguments[], int *position,
                           struct sm_error *error)
{
    const char *argument = arguments[(*position)++];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
        return hx_refuse(error, "%s: expected an option, --NAME=VALUE", argument);
    const char *name = argument + 2;
    size_t name_length = strcspn(name, "=");
    int id = find_option(name, name_length);
    if (id < 0)
        return refuse_unknown(name, name_length, error);
    const char *text = NULL;
    if (name[name_length] == '=')
        text = name + name_length + 1;
    else if (table[id].kind == HX_KIND_FLAG)
        text = "on";
    else if (*position < argument_count)
        text = arguments[(*position)++];
    else
        return hx_refuse(error, "--%s: expected a value, %s", table[id].name, table[id].placeholder);
    sm_status status = parse_value(&table[id], text, &options->value[id], error);
    options->given[id] = options->has_value[id] = status == SM_OK;
    return status;
}

sm_status hx_run_options_parse(struct hx_run_options *options, int argument_count, char *const arguments[],
                               struct sm_error *error)
{
    sm_status status = SM_OK;
    for (int position = 0; position < argument_count && status == SM_OK;)
        status = parse_one(options, argument_count, arguments, &position, error);
    return status;
}

void hx_run_options_derive(struct hx_run_options *options, enum hx_option_id id, union hx_option_value value)
{
    options->value[id] = value;
    options->has_value[id] = true;
}

const char *hx_option_choice(const struct hx_run_options *options, enum hx_option_id id)
{
    assert(table[id].kind == HX_KIND_CHOICE && options->has_value[id]);
    return table[id].choices[options->value[id].count];
}
