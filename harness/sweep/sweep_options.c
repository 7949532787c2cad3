#include "sweep_options.h"

#include "sapimem/option.h"

#include <stdio.h>
#include <string.h>

enum sweep_option {
    OPT_POLICIES,
    OPT_WORKLOADS,
    OPT_THRESHOLDS,
    OPT_PACING,
    OPT_HEAP_FACTORS,
    OPT_MINHEAP_FACTORS,
    OPT_SEEDS,
    OPT_INVOCATIONS,
    OPT_CELL_SECONDS,
    OPT_OUT,
    OPT_RESUME,
    OPT_PLAN,
    OPT_JSON,
    OPT_SLICE,
    OPT_ORDER,
    OPT_QUIET,
    SWEEP_OPTION_COUNT,
};

static const struct {
    const char *name;
    const char *placeholder; /* "": a flag */
    const char *help;
} table[SWEEP_OPTION_COUNT] = {
    [OPT_POLICIES] = {"policies", "'A;B'", "memory policies, with their own options"},
    [OPT_WORKLOADS] = {"workloads", "'A;B'", "workloads, with their own options; trace:FILE"},
    [OPT_THRESHOLDS] = {"thresholds", "LO:HI:xF|'A;B'", "pacing fixed:SIZE for each, LO times powers of F up to HI"},
    [OPT_PACING] = {"pacing", "'A;B'",
                    "more rules on the same axis; zend:ROOTS for policies that count, others for "
                    "those paced by bytes"},
    [OPT_HEAP_FACTORS] = {"heap-factors", "'2;3'", "memory limits as multiples of the analytic live size"},
    [OPT_MINHEAP_FACTORS] = {"minheap-factors", "'1.5;2'", "more limits, as multiples of the workload's minheap"},
    [OPT_SEEDS] = {"seeds", "'1;2'", "of the workload [1]"},
    [OPT_INVOCATIONS] = {"invocations", "N", "fresh processes for each cell of the grid [1]"},
    [OPT_CELL_SECONDS] = {"cell-seconds", "S", "scale the workload's default work, which takes about 6.5 s, to S"},
    [OPT_OUT] = {"out", "DIR", "where plan.json and runs/ go"},
    [OPT_RESUME] = {"resume", "", "go on in DIR: cells whose result is there are left out"},
    [OPT_PLAN] = {"plan", "", "print the cells and how long they take; run nothing"},
    [OPT_JSON] = {"json", "", "with --plan: print it as JSON"},
    [OPT_SLICE] = {"slice", "I/N", "only the blocks of share I of N, from 1 [1/1]"},
    [OPT_ORDER] = {"order", "fill-in|random|grid", "of the cells in a block [fill-in]"},
    [OPT_QUIET] = {"quiet", "", "no progress"},
};

/* Options of a run that a sweep sets itself or that name one file for all cells. */
static const enum hx_option_id reserved[] = {
    HX_OPT_POLICY,      HX_OPT_THRESHOLD, HX_OPT_WORKLOAD, HX_OPT_HEAP_FACTOR, HX_OPT_MINHEAP_FACTOR,
    HX_OPT_MINHEAP,     HX_OPT_SEED,      HX_OPT_CSV,      HX_OPT_EVENTS,      HX_OPT_CARD,
    HX_OPT_CARD_WARMUP, HX_OPT_PROGRESS,  HX_OPT_TRACE_GC};

static const char *const order_names[] = {
    [HX_ORDER_FILL_IN] = "fill-in", [HX_ORDER_RANDOM] = "random", [HX_ORDER_GRID] = "grid"};

const char *hx_sweep_order_name(enum hx_sweep_order order)
{
    return order_names[order];
}

/* ---- one value ---- */

static sm_status parse_count(const char *name, const char *text, uint64_t maximum, unsigned *count,
                             struct sm_error *error)
{
    uint64_t number = 0;
    if (sm_count_parse(text, &number) != SM_OK || number < 1 || number > maximum)
        return hx_refuse(error, "--%s=%s: expected a number from 1 to %llu", name, text, (unsigned long long)maximum);
    *count = (unsigned)number;
    return SM_OK;
}

static sm_status parse_slice(struct hx_sweep_options *options, const char *text, struct sm_error *error)
{
    uint64_t index = 0, count = 0;
    char first[16];
    size_t length = strcspn(text, "/");
    snprintf(first, sizeof(first), "%.*s", length < sizeof(first) ? (int)length : 0, text);
    if (text[length] != '/' || sm_count_parse(first, &index) != SM_OK ||
        sm_count_parse(text + length + 1, &count) != SM_OK || index < 1 || index > count || count > HX_SLICES_MAX)
        return hx_refuse(error, "--slice=%s: expected I/N with I from 1 to N, such as 2/8", text);
    options->slice_index = (unsigned)index - 1;
    options->slice_count = (unsigned)count;
    return SM_OK;
}

static sm_status parse_order(struct hx_sweep_options *options, const char *text, struct sm_error *error)
{
    for (size_t i = 0; i < sizeof(order_names) / sizeof(order_names[0]); i++) {
        if (strcmp(order_names[i], text) == 0) {
            options->order = (enum hx_sweep_order)i;
            return SM_OK;
        }
    }
    return hx_refuse(error, "--order=%s: expected %s", text, table[OPT_ORDER].placeholder);
}

static sm_status parse_seconds(struct hx_sweep_options *options, const char *text, struct sm_error *error)
{
    if (sm_real_parse(text, &options->cell_seconds) != SM_OK || options->cell_seconds < 0.001 ||
        options->cell_seconds > 1e6)
        return hx_refuse(error, "--cell-seconds=%s: expected a number of seconds such as 3 or 0.5", text);
    return SM_OK;
}

static struct hx_axis *axis_of(struct hx_sweep_options *options, enum sweep_option id)
{
    switch (id) {
    case OPT_POLICIES:
        return &options->policies;
    case OPT_WORKLOADS:
        return &options->workloads;
    case OPT_PACING:
        return &options->pacings;
    case OPT_HEAP_FACTORS:
        return &options->heap_factors;
    case OPT_MINHEAP_FACTORS:
        return &options->minheap_factors;
    case OPT_SEEDS:
        return &options->seeds;
    default:
        return NULL;
    }
}

static sm_status take_flag(struct hx_sweep_options *options, enum sweep_option id, const char *text,
                           struct sm_error *error)
{
    if (text != NULL)
        return hx_refuse(error, "--%s=%s: expected --%s without a value", table[id].name, text, table[id].name);
    if (id == OPT_RESUME)
        options->resumes = true;
    else if (id == OPT_PLAN)
        options->is_plan_only = true;
    else if (id == OPT_JSON)
        options->as_json = true;
    else
        options->is_quiet = true;
    return SM_OK;
}

static sm_status take_value(struct hx_sweep_options *options, enum sweep_option id, const char *text,
                            struct sm_error *error)
{
    struct hx_axis *axis = axis_of(options, id);
    if (*text == '\0')
        return hx_refuse(error, "--%s: expected %s, not an empty text", table[id].name, table[id].placeholder);
    if (axis != NULL)
        return hx_axis_add_list(axis, table[id].name, text, error);
    switch (id) {
    case OPT_THRESHOLDS:
        return hx_axis_add_thresholds(&options->pacings, text, error);
    case OPT_INVOCATIONS:
        return parse_count(table[id].name, text, HX_INVOCATIONS_MAX, &options->invocations, error);
    case OPT_CELL_SECONDS:
        return parse_seconds(options, text, error);
    case OPT_SLICE:
        return parse_slice(options, text, error);
    case OPT_ORDER:
        return parse_order(options, text, error);
    default:
        options->out = text;
        return SM_OK;
    }
}

/* ---- the command line ---- */

/* One argument taken apart. */
struct argument {
    const char *name; /* behind the dashes; NULL: none, "--" alone */
    size_t name_length;
    const char *value; /* behind the =; NULL: none */
};

static struct argument take_apart(const char *text)
{
    struct argument argument = {0};
    if (strncmp(text, "--", 2) != 0 || text[2] == '\0')
        return argument;
    argument.name = text + 2;
    argument.name_length = strcspn(argument.name, "=");
    if (argument.name[argument.name_length] == '=')
        argument.value = argument.name + argument.name_length + 1;
    return argument;
}

static bool is_called(const struct argument *argument, const char *name)
{
    return strlen(name) == argument->name_length && memcmp(name, argument->name, argument->name_length) == 0;
}

static sm_status refuse_unknown(const struct argument *argument, struct sm_error *error)
{
    const char *names[SWEEP_OPTION_COUNT + HX_OPTION_COUNT];
    char word[64], near[160];
    for (size_t i = 0; i < SWEEP_OPTION_COUNT; i++)
        names[i] = table[i].name;
    for (size_t i = 0; i < HX_OPTION_COUNT; i++)
        names[SWEEP_OPTION_COUNT + i] = hx_option((enum hx_option_id)i)->name;
    snprintf(word, sizeof(word), "%.*s", (int)(argument->name_length < 63 ? argument->name_length : 63),
             argument->name);
    sm_near_names(word, names, sizeof(names) / sizeof(names[0]), near, sizeof(near));
    return hx_refuse(error, "--%s: unknown option; expected one %s%s", word,
                     near[0] != '\0' ? "such as " : "of harness sweep --help or harness run --help", near);
}

static sm_status pass_through(struct hx_sweep_options *options, enum hx_option_id id, const char *text,
                              struct sm_error *error)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (reserved[i] == id)
            return hx_refuse(error,
                             "--%s: not for a sweep; expected one of harness sweep --help, or another one of "
                             "harness run",
                             hx_option(id)->name);
    options->passed[id] = text;
    return SM_OK;
}

/* The value behind the = or, moving on to it, the next argument; NULL: there is none. */
static const char *value_of(const struct argument *argument, int argument_count, char *const arguments[], int *position)
{
    if (argument->value != NULL || *position == argument_count)
        return argument->value;
    return arguments[(*position)++];
}

static sm_status take_one(struct hx_sweep_options *options, int argument_count, char *const arguments[], int *position,
                          struct sm_error *error)
{
    const char *text = arguments[(*position)++];
    struct argument argument = take_apart(text);
    if (argument.name == NULL)
        return hx_refuse(error, "%.200s: expected an option, --NAME=VALUE", text);
    for (int id = 0; id < SWEEP_OPTION_COUNT; id++) {
        if (!is_called(&argument, table[id].name))
            continue;
        if (*table[id].placeholder == '\0')
            return take_flag(options, (enum sweep_option)id, argument.value, error);
        const char *value = value_of(&argument, argument_count, arguments, position);
        if (value == NULL)
            return hx_refuse(error, "--%s: expected a value, %s", table[id].name, table[id].placeholder);
        return take_value(options, (enum sweep_option)id, value, error);
    }
    for (int id = 0; id < HX_OPTION_COUNT; id++) {
        const struct hx_option *option = hx_option((enum hx_option_id)id);
        if (!is_called(&argument, option->name))
            continue;
        const char *value = option->kind == HX_KIND_FLAG && argument.value == NULL
                                ? "on"
                                : value_of(&argument, argument_count, arguments, position);
        if (value == NULL)
            return hx_refuse(error, "--%s: expected a value, %s", option->name, option->placeholder);
        return pass_through(options, (enum hx_option_id)id, value, error);
    }
    return refuse_unknown(&argument, error);
}

static sm_status check(const struct hx_sweep_options *options, struct sm_error *error)
{
    static const enum hx_option_id lengths[] = {HX_OPT_ALLOC, HX_OPT_ITERATIONS, HX_OPT_REQUESTS, HX_OPT_SECONDS};
    if (options->policies.count == 0 || options->workloads.count == 0)
        return hx_refuse(error, "sweep: expected --policies='A;B' and --workloads='A;B'");
    if (options->out == NULL && !options->is_plan_only)
        return hx_refuse(error, "sweep: expected --out=DIR, or --plan");
    if (options->as_json && !options->is_plan_only)
        return hx_refuse(error, "--json: expected --plan beside it; a sweep writes its documents to --out=DIR");
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        if (options->cell_seconds != 0 && options->passed[lengths[i]] != NULL)
            return hx_refuse(error, "--cell-seconds and --%s: expected one of them", hx_option(lengths[i])->name);
    return SM_OK;
}

sm_status hx_sweep_options_parse(struct hx_sweep_options *options, int argument_count, char *const arguments[],
                                 struct sm_error *error)
{
    *options = (struct hx_sweep_options){.invocations = 1, .slice_count = 1};
    sm_status status = SM_OK;
    for (int position = 0; position < argument_count && status == SM_OK;)
        status = take_one(options, argument_count, arguments, &position, error);
    if (status == SM_OK && options->seeds.count == 0)
        status = hx_axis_add(&options->seeds, "1", error);
    return status == SM_OK ? check(options, error) : status;
}

void hx_sweep_options_finish(struct hx_sweep_options *options)
{
    struct hx_axis *const axes[] = {&options->policies,     &options->workloads,       &options->pacings,
                                    &options->heap_factors, &options->minheap_factors, &options->seeds};
    for (size_t i = 0; i < sizeof(axes) / sizeof(axes[0]); i++)
        hx_axis_free(axes[i]);
}

void hx_sweep_options_print(void)
{
    for (int id = 0; id < SWEEP_OPTION_COUNT; id++) {
        char usage[96];
        snprintf(usage, sizeof(usage), "--%s%s%s", table[id].name, *table[id].placeholder != '\0' ? "=" : "",
                 table[id].placeholder);
        printf("  %-40s %s\n", usage, table[id].help);
    }
}
