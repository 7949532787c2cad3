/** Runs every conformance test under every policy of the registry and each way it reclaims and collects, and every situation of PHP's own tests. */
#include "conformance.h"
#include "php_case.h"
#include "policy_variants.h"
#include "thread_coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct conformance_test *const suites[] = {allocation_tests, reachability_tests, handle_tests,
                                                        lifecycle_tests};

enum { SUITE_COUNT = sizeof(suites) / sizeof(suites[0]), CASES_MAX = 2048 };

/** One test under one policy. */
struct test_case {
    const struct conformance_test *test;
    const struct sm_policy_ops *ops;
    struct policy_variant variant;
    char name[160];
};

static void run_case(void **state)
{
    struct test_case *test_case = *state;
    struct fixture fixture = {.ops = test_case->ops, .variant = &test_case->variant};
    fixture_open(&fixture, &(struct sm_config){0});
    test_case->test->run(&fixture);
    fixture_close(&fixture);
}

static size_t add_cases(const struct sm_policy_ops *ops, const struct policy_variant *variant, struct test_case *cases,
                        size_t count)
{
    char name[96];
    uint32_t capabilities = policy_variant_capabilities(variant);
    policy_variant_name(variant, name, sizeof(name));
    for (size_t suite = 0; suite < SUITE_COUNT; suite++)
        for (const struct conformance_test *test = suites[suite]; test->name != NULL; test++) {
            if ((capabilities & test->needs) != test->needs)
                continue;
            if (count == CASES_MAX)
                abort();
            cases[count] = (struct test_case){.test = test, .ops = ops, .variant = *variant};
            snprintf(cases[count].name, sizeof(cases[count].name), "%s/%s", name, test->name);
            count++;
        }
    return count;
}

static size_t add_variants(const struct sm_policy_ops *ops, struct test_case *cases, size_t count)
{
    struct policy_variants variants = policy_variants_of(ops);
    for (size_t i = 0; i < variants.count; i++)
        count = add_cases(ops, &variants.variants[i], cases, count);
    return count;
}

int main(void)
{
    static struct test_case cases[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    size_t count = 0;
    for (size_t i = 0; sm_policy_table(i) != NULL; i++)
        if (sm_policy_table(i)->unavailable == NULL && is_run_in_this_build(sm_policy_table(i)->capabilities))
            count = add_variants(sm_policy_table(i), cases, count);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name, .test_func = run_case, .initial_state = &cases[i]};
    int failures = _cmocka_run_group_tests("conformance", tests, count, NULL, NULL);
    return failures + php_cases_run();
}
