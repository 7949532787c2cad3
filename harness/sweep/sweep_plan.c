#include "sweep_plan.h"

#include "run_command.h"
#include "run_plan.h"
#include "sapimem/policy.h"
#include "spec_names.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What default work takes, by the rule that workloads are held to: 5 to 8 seconds under epoch. */
static const double default_work_seconds = 6.5;

static const uint64_t work_unit_bytes = 1048576;

/* Where a cell stands on the axes besides policy and pacing. */
struct place {
    const char *workload;
    const char *heap_factor;    /* NULL: none */
    const char *minheap_factor; /* NULL: none */
    uint64_t seed;
    unsigned invocation;
    unsigned block;
    unsigned limit_round;
};

static sm_status out_of_memory(struct sm_error *error)
{
    snprintf(error->detail, sizeof(error->detail), "out of memory");
    return error->status = SM_ERR_OUT_OF_MEMORY;
}

/* ---- Axes ---- */

static bool is_root_rule(const char *rule)
{
    return strncmp(rule, "zend", 4) == 0 && (rule[4] == ':' || rule[4] == '\0');
}

static bool takes_rule(const struct sm_policy_ops *policy, const char *rule)
{
    if ((policy->capabilities & SM_CAP_COLLECT) == 0)
        return false;
    return ((policy->capabilities & SM_CAP_COUNTS) != 0) == is_root_rule(rule);
}

static bool is_same_family(const char *rule, const char *other)
{
    size_t length = strcspn(rule, ":");
    return length == strcspn(other, ":") && memcmp(rule, other, length) == 0;
}

/* Rules of one name are a curve of their own: thresholds one, "proportional" another. */
static unsigned pacing_round(const struct hx_axis *pacings, size_t index)
{
    unsigned *rounds = (unsigned *)calloc(pacings->count, sizeof(*rounds));
    size_t family_count = 0, position = 0;
    if (rounds == NULL)
        return 0;
    for (size_t i = 0; i < pacings->count; i++) {
        if (!is_same_family(pacings->values[i], pacings->values[index]))
            continue;
        position = i == index ? family_count : position;
        family_count++;
    }
    hx_fill_in_rounds(family_count, rounds);
    unsigned found = rounds[position];
    free(rounds);
    return found;
}

static unsigned limit_round(const struct hx_axis *factors, size_t index)
{
    unsigned *rounds = (unsigned *)calloc(factors->count, sizeof(*rounds));
    if (rounds == NULL)
        return 0;
    hx_fill_in_rounds(factors->count, rounds);
    unsigned found = rounds[index];
    free(rounds);
    return found;
}

/* ---- One cell ---- */

static bool add_passed(struct hx_cell *cell, const struct hx_sweep_options *options)
{
    bool is_added = true;
    for (int id = 0; id < HX_OPTION_COUNT && is_added; id++)
        if (options->passed[id] != NULL)
            is_added =
                hx_cell_add_argument(cell, "--%s=%s", hx_option((enum hx_option_id)id)->name, options->passed[id]);
    return is_added;
}

/* The cell's arguments resolved, on the heap for its size; NULL with a line in `error`: refused. */
static struct hx_plan *resolve(const struct hx_cell *cell, struct sm_error *error)
{
    struct hx_plan *run = (struct hx_plan *)calloc(1, sizeof(*run));
    if (run == NULL) {
        out_of_memory(error);
        return NULL;
    }
    hx_run_options_init(&run->options);
    if (hx_run_options_parse(&run->options, (int)cell->argument_count, cell->arguments, error) == SM_OK &&
        hx_plan_resolve(run, error) == SM_OK)
        return run;
    free(run);
    return NULL;
}

/* Work as a share of the workload's default, the same under each policy; a trace that has no default is left whole. */
static sm_status add_work(struct hx_cell *cell, double seconds, struct sm_error *error)
{
    struct hx_plan *run = resolve(cell, error);
    if (run == NULL)
        return error->status;
    double share = seconds / default_work_seconds;
    uint64_t bytes = run->workload->default_alloc_bytes, steps = run->workload->default_steps;
    const char *step_unit = run->step_unit;
    bool is_burst = run->burst.is_on;
    free(run);
    if (is_burst)
        return hx_refuse(error, "--cell-seconds: expected no burst, whose work is a number of --requests");
    bool is_added = true;
    if (bytes != 0)
        is_added = hx_cell_add_argument(cell, "--alloc=%.0fM", ceil((double)bytes * share / (double)work_unit_bytes));
    else if (steps != 0)
        is_added = hx_cell_add_argument(cell, "--%ss=%.0f", step_unit, ceil((double)steps * share));
    return is_added ? SM_OK : out_of_memory(error);
}

static sm_status fill_arguments(struct hx_cell *cell, const struct place *place, const struct hx_sweep_options *options,
                                struct sm_error *error)
{
    bool is_added = hx_cell_add_argument(cell, "--policy=%s", cell->policy) &&
                    hx_cell_add_argument(cell, "--workload=%s", cell->workload);
    if (cell->pacing != NULL)
        is_added = is_added && hx_cell_add_argument(cell, "--pacing=%s", cell->pacing);
    if (place->heap_factor != NULL)
        is_added = is_added && hx_cell_add_argument(cell, "--heap-factor=%s", place->heap_factor);
    if (place->minheap_factor != NULL)
        is_added = is_added && hx_cell_add_argument(cell, "--minheap-factor=%s", place->minheap_factor);
    is_added = is_added && hx_cell_add_argument(cell, "--seed=%" PRIu64, cell->seed) && add_passed(cell, options);
    if (!is_added)
        return out_of_memory(error);
    return options->cell_seconds != 0 ? add_work(cell, options->cell_seconds, error) : SM_OK;
}

/* A repetition differs in nothing that could be refused. */
static sm_status check_arguments(const struct hx_cell *cell, struct sm_error *error)
{
    if (cell->invocation > 0)
        return SM_OK;
    return hx_run_check((int)cell->argument_count, cell->arguments, error);
}

static sm_status add_cell(struct hx_sweep_plan *plan, const struct place *place, const char *policy, const char *pacing,
                          unsigned round, struct sm_error *error)
{
    static const char fixed_prefix[] = "fixed:";
    struct hx_cell *cells = (struct hx_cell *)realloc(plan->cells, (plan->count + 1) * sizeof(*cells));
    if (cells == NULL)
        return out_of_memory(error);
    plan->cells = cells;
    struct hx_cell *cell = &cells[plan->count++];
    *cell = (struct hx_cell){.policy = policy,
                             .workload = place->workload,
                             .pacing = pacing,
                             .seed = place->seed,
                             .invocation = place->invocation,
                             .block = place->block,
                             .round = round > place->limit_round ? round : place->limit_round};
    if (pacing != NULL && strncmp(pacing, fixed_prefix, sizeof(fixed_prefix) - 1) == 0)
        cell->threshold = pacing + sizeof(fixed_prefix) - 1;
    if (place->heap_factor != NULL)
        cell->heap_factor = strtod(place->heap_factor, NULL);
    if (place->minheap_factor != NULL)
        cell->minheap_factor = strtod(place->minheap_factor, NULL);
    sm_status status = fill_arguments(cell, place, plan->options, error);
    if (status == SM_OK)
        status = check_arguments(cell, error);
    hx_cell_set_id(cell);
    return status;
}

/* ---- The grid ---- */

static sm_status add_policy(struct hx_sweep_plan *plan, const struct place *place, const char *spec,
                            struct sm_error *error)
{
    const struct hx_axis *pacings = &plan->options->pacings;
    char name[HX_SPEC_BYTES];
    hx_spec_split(spec, name, sizeof(name));
    const struct sm_policy_ops *policy = sm_policy_find(name);
    if (policy == NULL)
        return hx_refuse_policy(name, error);
    bool is_paced = false;
    for (size_t i = 0; i < pacings->count; i++) {
        if (!takes_rule(policy, pacings->values[i]))
            continue;
        is_paced = true;
        if (add_cell(plan, place, spec, pacings->values[i], pacing_round(pacings, i), error) != SM_OK)
            return error->status;
    }
    return is_paced ? SM_OK : add_cell(plan, place, spec, NULL, 0, error);
}

static sm_status add_policies(struct hx_sweep_plan *plan, const struct place *place, struct sm_error *error)
{
    const struct hx_axis *policies = &plan->options->policies;
    sm_status status = SM_OK;
    for (size_t i = 0; i < policies->count && status == SM_OK; i++)
        status = add_policy(plan, place, policies->values[i], error);
    return status;
}

/* Without factors there is no limit; both kinds of factor are curves. */
static sm_status add_limits(struct hx_sweep_plan *plan, struct place *place, struct sm_error *error)
{
    const struct hx_axis *heap = &plan->options->heap_factors, *minheap = &plan->options->minheap_factors;
    sm_status status = SM_OK;
    place->heap_factor = place->minheap_factor = NULL;
    place->limit_round = 0;
    if (heap->count + minheap->count == 0)
        return add_policies(plan, place, error);
    for (size_t i = 0; i < heap->count && status == SM_OK; i++) {
        place->heap_factor = heap->values[i];
        place->limit_round = limit_round(heap, i);
        status = add_policies(plan, place, error);
    }
    place->heap_factor = NULL;
    for (size_t i = 0; i < minheap->count && status == SM_OK; i++) {
        place->minheap_factor = minheap->values[i];
        place->limit_round = limit_round(minheap, i);
        status = add_policies(plan, place, error);
    }
    return status;
}

static sm_status add_invocation(struct hx_sweep_plan *plan, unsigned invocation, struct sm_error *error)
{
    const struct hx_axis *workloads = &plan->options->workloads, *seeds = &plan->options->seeds;
    for (size_t i = 0; i < workloads->count; i++) {
        for (size_t j = 0; j < seeds->count; j++) {
            struct place place = {
                .workload = workloads->values[i], .invocation = invocation, .block = plan->block_count++};
            if (sm_count_parse(seeds->values[j], &place.seed) != SM_OK)
                return hx_refuse(error, "--seeds=%.200s: expected counts such as 1 or 10k", seeds->values[j]);
            if (add_limits(plan, &place, error) != SM_OK)
                return error->status;
        }
    }
    return SM_OK;
}

/* ---- Order ---- */

static int compare_ids(const struct hx_cell *cell, const struct hx_cell *other)
{
    return memcmp(cell->id, other->id, sizeof(cell->id));
}

static int by_round(const void *left, const void *right)
{
    const struct hx_cell *cell = (const struct hx_cell *)left, *other = (const struct hx_cell *)right;
    if (cell->block != other->block)
        return cell->block < other->block ? -1 : 1;
    if (cell->round != other->round)
        return cell->round < other->round ? -1 : 1;
    return compare_ids(cell, other);
}

static int by_id(const void *left, const void *right)
{
    const struct hx_cell *cell = (const struct hx_cell *)left, *other = (const struct hx_cell *)right;
    return cell->block != other->block ? (cell->block < other->block ? -1 : 1) : compare_ids(cell, other);
}

/* Of a shuffled invocation the block with the least id comes first. */
struct shuffled_block {
    unsigned block;
    unsigned invocation;
    const char *least_id;
};

static int by_least_id(const void *left, const void *right)
{
    const struct shuffled_block *block = (const struct shuffled_block *)left;
    const struct shuffled_block *other = (const struct shuffled_block *)right;
    if (block->invocation != other->invocation)
        return block->invocation < other->invocation ? -1 : 1;
    return strcmp(block->least_id, other->least_id);
}

/* Renumbers blocks in a shuffled order, so that the number is again the order of running. Cells are sorted by id. */
static sm_status shuffle_blocks(struct hx_sweep_plan *plan, struct sm_error *error)
{
    struct shuffled_block *blocks = (struct shuffled_block *)calloc(plan->block_count, sizeof(*blocks));
    unsigned *numbers = (unsigned *)calloc(plan->block_count, sizeof(*numbers));
    if (blocks == NULL || numbers == NULL) {
        free(blocks);
        free(numbers);
        return out_of_memory(error);
    }
    for (size_t i = plan->count; i-- > 0;) {
        const struct hx_cell *cell = &plan->cells[i];
        blocks[cell->block] = (struct shuffled_block){cell->block, cell->invocation, cell->id};
    }
    qsort(blocks, plan->block_count, sizeof(*blocks), by_least_id);
    for (unsigned i = 0; i < plan->block_count; i++)
        numbers[blocks[i].block] = i;
    for (size_t i = 0; i < plan->count; i++)
        plan->cells[i].block = numbers[plan->cells[i].block];
    free(blocks);
    free(numbers);
    return SM_OK;
}

static sm_status put_in_order(struct hx_sweep_plan *plan, struct sm_error *error)
{
    if (plan->options->order == HX_ORDER_GRID)
        return SM_OK;
    if (plan->options->order == HX_ORDER_FILL_IN) {
        qsort(plan->cells, plan->count, sizeof(*plan->cells), by_round);
        return SM_OK;
    }
    qsort(plan->cells, plan->count, sizeof(*plan->cells), by_id);
    sm_status status = shuffle_blocks(plan, error);
    qsort(plan->cells, plan->count, sizeof(*plan->cells), by_id);
    return status;
}

/* Values given twice would run under one name. Invocations are all alike; those of the first come first. */
static sm_status refuse_doubles(const struct hx_sweep_plan *plan, struct sm_error *error)
{
    for (size_t i = 0; i < plan->count && plan->cells[i].invocation == 0; i++) {
        for (size_t j = 0; j < i; j++) {
            char text[256];
            if (compare_ids(&plan->cells[i], &plan->cells[j]) == 0)
                return hx_refuse(error, "sweep: %.200s is there twice; expected each value of an axis once",
                                 hx_cell_describe(&plan->cells[i], text, sizeof(text)));
        }
    }
    return SM_OK;
}

/* The place of an option's name in a line, NULL when it is not there: --policy is none in --policies. */
static char *find_option(char *line, const char *name)
{
    size_t length = strlen(name);
    char *found = strstr(line, name);
    while (found != NULL && (found[length] == '-' || (found[length] >= 'a' && found[length] <= 'z')))
        found = strstr(found + length, name);
    return found;
}

/* A cell is refused by its own option, such as --policy=NAME; the user wrote the sweep's, --policies. */
static void name_sweep_options(struct sm_error *error)
{
    static const struct {
        const char *of_cell, *of_sweep;
    } names[] = {{"--policy", "--policies"},
                 {"--workload", "--workloads"},
                 {"--heap-factor", "--heap-factors"},
                 {"--minheap-factor", "--minheap-factors"},
                 {"--seed", "--seeds"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct sm_error told = *error;
        char *found = find_option(told.detail, names[i].of_cell);
        if (found != NULL)
            snprintf(error->detail, sizeof(error->detail), "%.*s%s%s", (int)(found - told.detail), told.detail,
                     names[i].of_sweep, found + strlen(names[i].of_cell));
    }
}

sm_status hx_sweep_plan_make(struct hx_sweep_plan *plan, const struct hx_sweep_options *options, struct sm_error *error)
{
    *plan = (struct hx_sweep_plan){.options = options};
    sm_status status = SM_OK;
    for (unsigned i = 0; i < options->invocations && status == SM_OK; i++)
        status = add_invocation(plan, i, error);
    if (status == SM_OK)
        status = refuse_doubles(plan, error);
    if (status == SM_OK)
        status = put_in_order(plan, error);
    if (status != SM_OK)
        name_sweep_options(error);
    return status;
}

bool hx_sweep_plan_has(const struct hx_sweep_plan *plan, const struct hx_cell *cell)
{
    return cell->block % plan->options->slice_count == plan->options->slice_index;
}

void hx_sweep_plan_finish(struct hx_sweep_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        hx_cell_finish(&plan->cells[i]);
    free(plan->cells);
    *plan = (struct hx_sweep_plan){0};
}
