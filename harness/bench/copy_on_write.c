/* Bytes copied and CPU time of the sharing scenarios, under counts, counts beside tracing and the sticky bit. */
#include "sapimem/policy.h"
#include "sharing_scenarios.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void measure(const struct sharing_scenario *scenario, const char *policy, bool counts, const char *scheme)
{
    struct sharing_figures figures;
    bool bears_all = counts || sm_policy_find(policy)->capabilities & SM_CAP_COUNTS;
    uint64_t operations = bears_all ? scenario->operations : scenario->operations_of_bit;
    double start = cpu_seconds();
    sharing_scenario_run(scenario, policy, counts, operations, &figures);
    double seconds = cpu_seconds() - start;
    printf("%-12s %-10s %-7s %10" PRIu64 " %12" PRIu64 " %14" PRIu64 " %11.0f %9.3f  %016" PRIx64 "\n", scenario->name,
           policy, scheme, operations, figures.copy_count, figures.copied_bytes,
           (double)figures.copied_bytes / (double)operations, seconds * 1e6 / (double)operations, figures.checksum);
}

int main(void)
{
    printf("%-12s %-10s %-7s %10s %12s %14s %11s %9s  %s\n", "scenario", "policy", "scheme", "operations", "copies",
           "bytes copied", "bytes/op", "us/op CPU", "checksum");
    for (size_t i = 0; sharing_scenario(i) != NULL; i++) {
        measure(sharing_scenario(i), "refcount", false, "exact");
        measure(sharing_scenario(i), "epoch", true, "counts");
        measure(sharing_scenario(i), "marksweep", true, "counts");
        measure(sharing_scenario(i), "epoch", false, "bit");
    }
    return 0;
}
