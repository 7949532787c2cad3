/**
 * What single operations cost under each policy, beside the raw calls below them and beside rivals.
 *
 * Usage: microbench [--large-heaps] [Google Benchmark's options]. scripts/microbench makes the table.
 */
#include "microbench.h"

#include "raw_allocator.h"

#include <stdio.h>
#include <string.h>

/** Take `option` out of the command line. Returns whether it was there. */
static bool take_option(int *count, char **arguments, const char *option)
{
    for (int i = 1; i < *count; i++) {
        if (strcmp(arguments[i], option) != 0)
            continue;
        memmove(&arguments[i], &arguments[i + 1], (size_t)(*count - i) * sizeof(*arguments));
        --*count;
        return true;
    }
    return false;
}

/** Every choice of policy that a reader of the report may wonder about. */
static void describe(void)
{
    char names[512] = "";
    for (size_t i = 0; sm_policy_table(i) != NULL; i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        size_t length = strlen(names);
        snprintf(names + length, sizeof(names) - length, "%s%s%s", i == 0 ? "" : " ", ops->name,
                 bench_available(ops) ? "" : "(absent)");
    }
    bm_context_add("policies", names);
    bm_context_add("malloc", raw_mimalloc_serves_malloc() ? "mimalloc's" : "the system's");
    bm_context_add("assertions", SM_ASSERT_LEVEL == 0 ? "none" : "on");
}

int main(int argument_count, char **arguments)
{
    raw_malloc_fix_thresholds();
    bool large = take_option(&argument_count, arguments, "--large-heaps");
    describe();
    bench_allocation_register();
    bench_fast_path_register();
    bench_request_register();
    bench_reset_register();
    bench_guards_register();
    bench_retire_register();
    bench_flush_register();
    bench_store_register();
    bench_mark_register(large);
    return bm_run(&argument_count, arguments);
}
