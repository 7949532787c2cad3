/**
 * Programs whose cost is the copies that a sharing scheme makes: big arrays written in place after they were shared.
 *
 * Each runs on a fresh VM and reports the bytes it copied, which depend on the scheme alone. Failures abort.
 */
#ifndef SHARING_SCENARIOS_H
#define SHARING_SCENARIOS_H

#include "sapivm/vm.h"

struct sharing_figures {
    uint64_t copied_bytes;
    uint64_t copy_count;
    uint64_t checksum; /**< of what the program computed: equal under every scheme */
};

struct sharing_scenario {
    const char *name;
    const char *summary;        /**< one line */
    uint64_t array_bytes;       /**< payload of the big array, head and storage */
    uint64_t operations;        /**< of a whole run */
    uint64_t operations_of_bit; /**< as many as a scheme that copies each time can bear */
    void (*run)(struct vm *vm, uint64_t operations, struct sharing_figures *figures);
};

/** The scenarios; NULL past the end. */
const struct sharing_scenario *sharing_scenario(size_t index);

/** Run one on a VM of its own, under `policy` ("NAME[:options]") with or without counts beside tracing. */
void sharing_scenario_run(const struct sharing_scenario *scenario, const char *policy, bool counts, uint64_t operations,
                          struct sharing_figures *figures);

#endif
