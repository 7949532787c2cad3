/** The option table, its parser, and how options resolve against each other. */
#include "run_options.h"
#include "run_plan.h"

#include "sapimem/manager.h"
#include "sapimem/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 16 };

/* Splits a line at spaces and parses it. */
static sm_status parse(struct hx_run_options *options, char *line, struct sm_error *error)
{
    char *arguments[ARGUMENTS_MAX];
    int count = 0;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count < ARGUMENTS_MAX);
        arguments[count++] = word;
    }
    hx_run_options_init(options);
    return hx_run_options_parse(options, count, arguments, error);
}

/* A plan whose texts live in `line`; release with plan_free. */
static struct hx_plan *plan_make(const char *line, char **text, sm_status *status, struct sm_error *error)
{
    struct hx_plan *plan = calloc(1, sizeof(*plan));
    *text = strdup(line);
    assert_non_null(plan);
    assert_non_null(*text);
    *status = parse(&plan->options, *text, error);
    if (*status == SM_OK)
        *status = hx_plan_resolve(plan, error);
    return plan;
}

static void plan_free(struct hx_plan *plan, char *text)
{
    free(plan);
    free(text);
}

static void test_every_option_is_described(void **state)
{
    (void)state;
    for (int id = 0; id < HX_OPTION_COUNT; id++) {
        const struct hx_option *option = hx_option((enum hx_option_id)id);
        assert_non_null(option->name);
        assert_non_null(option->help);
        assert_non_null(option->unit);
        assert_non_null(option->placeholder);
        assert_int_equal(option->kind == HX_KIND_CHOICE, option->choices != NULL);
        for (int other = 0; other < id; other++)
            assert_string_not_equal(option->name, hx_option((enum hx_option_id)other)->name);
    }
}

static void test_both_grammars(void **state)
{
    (void)state;
    struct hx_run_options options;
    struct sm_error error = {SM_OK, ""};
    char line[] = "--threshold=4M --seed 7 --quiet --observers=2 --timeout 1.5 --sapi=fpm --json - --seed=9";
    assert_int_equal(parse(&options, line, &error), SM_OK);
    assert_int_equal(options.value[HX_OPT_THRESHOLD].count, 4u << 20);
    assert_int_equal(options.value[HX_OPT_SEED].count, 9);
    assert_int_equal(options.value[HX_OPT_QUIET].count, 1);
    assert_int_equal(options.value[HX_OPT_OBSERVERS].count, 2);
    assert_true(options.value[HX_OPT_TIMEOUT].real == 1.5);
    assert_string_equal(hx_option_choice(&options, HX_OPT_SAPI), "fpm");
    assert_string_equal(options.value[HX_OPT_JSON].text, "-");
    assert_false(options.given[HX_OPT_POLICY]);
    assert_false(options.has_value[HX_OPT_POLICY]);
    assert_true(options.has_value[HX_OPT_MUTATOR_WORK]);
    assert_false(options.given[HX_OPT_MUTATOR_WORK]);
}

/* A line, and the argument its refusal must name. */
struct refusal {
    const char *line;
    const char *named;
};

static void test_refused_by_the_parser(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"--polcy=epoch", "policy"},
        {"policy=epoch", "policy=epoch"},
        {"--", "--"},
        {"--threshold", "--threshold"},
        {"--threshold=", "--threshold="},
        {"--threshold=-1", "--threshold=-1"},
        {"--threshold=16Q", "--threshold=16Q"},
        {"--threshold=1K", "--threshold=1K"},
        {"--threshold=99999999999999999999", "--threshold="},
        {"--memory-limit=64K", "--memory-limit=64K"},
        {"--seed=1.5", "--seed=1.5"},
        {"--observers=65", "--observers=65"},
        {"--collector-threads=2", "--collector-threads=2"},
        {"--sapi=cgi", "--sapi=cgi"},
        {"--seconds=nan", "--seconds=nan"},
        {"--seconds=0", "--seconds=0"},
        {"--iterations=0", "--iterations=0"},
        {"--quiet=maybe", "--quiet=maybe"},
        {"--workers=0", "--workers=0"},
        {"--workers=65", "--workers=65"},
        {"--cold-every=0", "--cold-every=0"},
        {"--max-requests=none", "--max-requests=none"},
        {"--arena-limit=1K", "--arena-limit"},
        {"--progress=sometimes", "--progress=sometimes"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct hx_run_options options;
        struct sm_error error = {SM_OK, ""};
        char *line = strdup(refusals[i].line);
        assert_int_equal(parse(&options, line, &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, refusals[i].named));
        assert_non_null(strstr(error.detail, "expected"));
        free(line);
    }
}

static void test_refused_by_the_plan(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"--policy=epohc", "epoch"},
        {"--policy=epoch:flavour=mb", "--policy=epoch:flavour=mb"},
        {"--workload=cli-que", "cli-queue"},
        {"--workload=cli-queue:nonsense=1", "--workload=cli-queue:nonsense=1"},
        {"--workload=trace:/nonexistent/file", "--workload=trace:/nonexistent/file"},
        {"--threshold=4M --pacing=fixed:4M", "--pacing"},
        {"--pacing=fixed:lots", "--pacing=fixed:lots"},
        {"--memory-limit=64M --heap-factor=2", "--heap-factor"},
        {"--memory-limit=64M --minheap-factor=2", "--minheap-factor"},
        {"--heap-factor=2 --minheap-factor=2", "--minheap-factor"},
        {"--minheap-factor=2 --seconds=1", "--minheap-factor"},
        {"--minheap=4M", "--minheap"},
        {"--alloc=64M --iterations=5", "--iterations"},
        {"--policy=epoch:flavor=mb --epoch-flavor=qsbr", "--epoch-flavor=qsbr"},
        {"--policy=epoch:reclaim=thread --reclaim=inline", "--reclaim=inline"},
        {"--policy=arena:limit=1M --arena-limit=2M", "--arena-limit=2M"},
        {"--policy=arena:shape=bump --arena-limit=2M", "shape"},
        {"--policy=arena:limit=1K", "limit"},
        {"--policy=null --observers=1", "--observers"},
        {"--policy=arena --stall=observer-0:1M:forever", "--stall"},
        {"--observers=1 --stall=observer-1:1M:1s", "--stall=observer-1:1M:1s"},
        {"--stall=observer-0:1M", "--stall=observer-0:1M"},
        {"--inject=leak", "--inject=leak"},
        {"--check-trace", "--check-trace"},
        {"--sapi=fpm --workload=cli-queue", "--sapi=fpm"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct sm_error error = {SM_OK, ""};
        sm_status status;
        char *text;
        struct hx_plan *plan = plan_make(refusals[i].line, &text, &status, &error);
        assert_int_equal(status, SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, refusals[i].named));
        plan_free(plan, text);
    }
}

static void test_defaults_follow_the_sapi(void **state)
{
    (void)state;
    static const struct {
        const char *line, *policy, *workload;
    } cases[] = {
        {"", "epoch", "cli-queue"},
        {"--sapi=cli", "epoch", "cli-queue"},
        {"--sapi=fpm", "arena", "fpm-page"},
        {"--workload=fpm-page", "arena", "fpm-page"},
        {"--workload=fpm-page --policy=epoch", "epoch", "fpm-page"},
        {"--policy=null", "null", "cli-queue"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sm_error error = {SM_OK, ""};
        sm_status status;
        char *text;
        struct hx_plan *plan = plan_make(cases[i].line, &text, &status, &error);
        assert_int_equal(status, SM_OK);
        assert_string_equal(plan->policy_name, cases[i].policy);
        assert_string_equal(plan->workload_name, cases[i].workload);
        assert_true(plan->alloc_bytes != 0 || plan->steps != 0);
        plan_free(plan, text);
    }
}

static void test_threshold_is_pacing(void **state)
{
    (void)state;
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text;
    struct hx_plan *plan = plan_make("--policy=epoch --threshold=4M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_string_equal(plan->options.value[HX_OPT_PACING].text, "fixed:4M");
    plan_free(plan, text);
    plan = plan_make("--policy=epoch --pacing=fixed:4M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_true(plan->options.has_value[HX_OPT_THRESHOLD]);
    assert_int_equal(plan->options.value[HX_OPT_THRESHOLD].count, 4u << 20);
    plan_free(plan, text);
}

/* Without cycles a threshold means nothing: a remark, and null in the result. */
static void test_threshold_without_cycles(void **state)
{
    (void)state;
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text;
    struct hx_plan *plan = plan_make("--policy=null --threshold=4M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_false(plan->options.has_value[HX_OPT_THRESHOLD]);
    assert_false(plan->options.has_value[HX_OPT_PACING]);
    assert_true(plan->told.count >= 1);
    assert_non_null(strstr(plan->told.lines[0], "--threshold"));
    plan_free(plan, text);
}

/* Where nothing marks beside the program there is nothing to choose; where something does, the result says what. */
static void test_collector_threads_are_those_of_policies_that_mark_beside_the_program(void **state)
{
    (void)state;
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++) {
        if (ops->unavailable != NULL)
            continue;
        bool is_concurrent = (ops->capabilities & SM_CAP_CONCURRENT) != 0;
        for (unsigned asked = 0; asked <= 2; asked++) {
            char line[96];
            char *text;
            struct sm_error error = {SM_OK, ""};
            sm_status status;
            snprintf(line, sizeof(line), asked < 2 ? "--policy=%s --collector-threads=%u" : "--policy=%s", ops->name,
                     asked);
            struct hx_plan *plan = plan_make(line, &text, &status, &error);
            assert_int_equal(status, SM_OK);
            assert_int_equal(plan->options.has_value[HX_OPT_COLLECTOR_THREADS], is_concurrent);
            uint64_t threads = asked < 2 ? asked : sm_collector_threads_auto();
            bool is_one = is_concurrent && threads == 1;
            assert_true(!is_concurrent || plan->options.value[HX_OPT_COLLECTOR_THREADS].count == threads);
            assert_int_equal(hx_plan_workload_config(plan).manager.collector_threads,
                             is_one ? SM_COLLECTOR_THREADS_ONE : SM_COLLECTOR_THREADS_NONE);
            assert_true(!is_one || !plan->runs_inline);
            plan_free(plan, text);
        }
    }
}

static void test_shorthands_reach_the_policy(void **state)
{
    (void)state;
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text;
    struct hx_plan *plan =
        plan_make("--policy=epoch --reclaim=inline --epoch-flavor=qsbr --collector-threads=0", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_non_null(strstr(plan->policy_text, "reclaim=inline"));
    assert_non_null(strstr(plan->policy_text, "flavor=qsbr"));
    assert_true(plan->runs_inline);
    plan_free(plan, text);
    plan = plan_make("--policy=epoch:reclaim=inline --collector-threads=0", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_string_equal(hx_option_choice(&plan->options, HX_OPT_RECLAIM), "inline");
    assert_true(plan->runs_inline);
    plan_free(plan, text);
    plan = plan_make("--policy=epoch:reclaim=inline --observers=1", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_false(plan->runs_inline);
    plan_free(plan, text);
    plan = plan_make("--sapi=fpm --arena-limit=2M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_string_equal(plan->policy_text, "arena:limit=2M");
    assert_true(hx_plan_has_cycles(plan));
    plan_free(plan, text);
    plan = plan_make("--sapi=fpm --policy=arena:limit=3M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_int_equal(plan->options.value[HX_OPT_ARENA_LIMIT].count, 3 << 20);
    plan_free(plan, text);
    plan = plan_make("--sapi=fpm --policy=epoch --arena-limit=2M", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_false(plan->options.has_value[HX_OPT_ARENA_LIMIT]);
    plan_free(plan, text);
}

static void write_trace(const char *path, const char *bracket)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "# sapitrace 1\n%s\n", bracket);
    assert_int_equal(fclose(file), 0);
}

/* Resolves --workload=trace:DIRECTORY/NAME and compares the file found, its option and its unit. */
static void expect_trace(const char *directory, const char *name, const char *file, uint64_t repeat, const char *unit)
{
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text, line[256], path[256];
    snprintf(line, sizeof(line), "--workload=trace:%s/%s", directory, name);
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    struct hx_plan *plan = plan_make(line, &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_string_equal(plan->trace_path, path);
    assert_int_equal(sm_option_count(&plan->workload_options, "repeat"), repeat);
    assert_string_equal(plan->step_unit, unit);
    plan_free(plan, text);
}

static void expect_trace_refused(const char *directory, const char *name, const char *named)
{
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text, line[256];
    snprintf(line, sizeof(line), "--workload=trace:%s/%s", directory, name);
    struct hx_plan *plan = plan_make(line, &text, &status, &error);
    assert_int_equal(status, SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "--workload=trace:"));
    assert_non_null(strstr(error.detail, named));
    plan_free(plan, text);
}

/* Pairs after a trace's name are options, unless a file has the name with them. */
static void test_trace_options(void **state)
{
    (void)state;
    static const char *const names[] = {"cli", "cli,repeat=5", "fpm"};
    char directory[] = "/tmp/run_options_XXXXXX", path[256];
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        write_trace(path, strcmp(names[i], "fpm") == 0 ? "[\n]" : "(\n)");
    }
    expect_trace(directory, "cli", "cli", 1, "iteration");
    expect_trace(directory, "cli,repeat=3", "cli", 3, "iteration");
    expect_trace(directory, "cli,repeat=5", "cli,repeat=5", 1, "iteration");
    expect_trace(directory, "cli,repeat=5,repeat=2", "cli,repeat=5", 2, "iteration");
    expect_trace(directory, "fpm,repeat=2", "fpm", 2, "request");
    expect_trace_refused(directory, "cli,repeat=0", "repeat");
    expect_trace_refused(directory, "cli,again=2", "again");
    expect_trace_refused(directory, "none,repeat=2", "none: expected a readable trace");
    expect_trace_refused(directory, "cli,repeat", "cli,repeat: expected a readable trace");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

/* The least value stands with the unit of its number. */
static void test_unit_of_the_least_value(void **state)
{
    (void)state;
    struct hx_run_options options;
    struct sm_error error = {SM_OK, ""};
    char one[] = "--alloc=0", many[] = "--series-every=1";
    assert_int_equal(parse(&options, one, &error), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, "--alloc=0: expected at least 1 byte");
    assert_int_equal(parse(&options, many, &error), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, "--series-every=1: expected at least 4096 bytes");
}

static void test_stall_starts_its_observer(void **state)
{
    (void)state;
    struct sm_error error = {SM_OK, ""};
    sm_status status;
    char *text;
    struct hx_plan *plan = plan_make("--stall=observer-0:16M:forever", &text, &status, &error);
    assert_int_equal(status, SM_OK);
    assert_int_equal(plan->observer_count, 1);
    assert_int_equal(plan->options.value[HX_OPT_OBSERVERS].count, 1);
    plan_free(plan, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_is_described),
        cmocka_unit_test(test_both_grammars),
        cmocka_unit_test(test_refused_by_the_parser),
        cmocka_unit_test(test_refused_by_the_plan),
        cmocka_unit_test(test_defaults_follow_the_sapi),
        cmocka_unit_test(test_threshold_is_pacing),
        cmocka_unit_test(test_threshold_without_cycles),
        cmocka_unit_test(test_collector_threads_are_those_of_policies_that_mark_beside_the_program),
        cmocka_unit_test(test_shorthands_reach_the_policy),
        cmocka_unit_test(test_stall_starts_its_observer),
        cmocka_unit_test(test_trace_options),
        cmocka_unit_test(test_unit_of_the_least_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
