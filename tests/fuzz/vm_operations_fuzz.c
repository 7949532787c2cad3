/* The model test's operations from bytes: the first two choose the policy, its way and the modes, each six more are an operation. */
#include "target.h"

#include "model.h"

#include <stdlib.h>

enum { HEAD_BYTES = 2, OPERATIONS_MAX = 3000, CHECK_EVERY = 24 };

/* What a thread does cannot be replayed: the owner reclaims, marks and sweeps. Small inputs allocate little. */
static const struct way {
    const char *policy;
    uint64_t threshold_bytes;
} ways[] = {{"epoch:reclaim=inline", 0},
            {"epoch:reclaim=inline,young=always,nursery=4K", 16384},
            {"epoch:reclaim=inline,young=never", 4096},
            {"epoch:reclaim=inline,young=always,marking=stop", 16384}};

/* bdwgc's heap is the process's and grows from input to input, so that a finding would hang on those before it. */
static struct way way_of(uint8_t choice)
{
    const struct sm_policy_ops *candidates[16];
    size_t count = 0;
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL && count < 16; i++)
        if (ops->unavailable == NULL && strcmp(ops->name, "boehm") != 0)
            candidates[count++] = ops;
    if (count == 0)
        abort();
    ops = candidates[choice % count];
    if (strcmp(ops->name, "epoch") != 0)
        return (struct way){ops->name, 0};
    return ways[choice / count % (sizeof(ways) / sizeof(ways[0]))];
}

_Noreturn static void stop(const char *line)
{
    fprintf(stderr, "model: %s\n", line);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    struct sm_error error = {0};
    if (byte_count < HEAD_BYTES)
        return 0;
    struct way way = way_of(bytes[0]);
    struct model_config config = {.policy = way.policy,
                                  .modes = bytes[1] & MODEL_MODE_MASK,
                                  .collector_threads = SM_COLLECTOR_THREADS_NONE,
                                  .threshold_bytes = way.threshold_bytes,
                                  .check_every = CHECK_EVERY,
                                  .on_finding = stop};
    struct model *model = (struct model *)oracle_memory(NULL, sizeof(*model));
    if (model_open(model, &config, &error) != SM_OK)
        stop(error.detail);
    size_t operation_count = (byte_count - HEAD_BYTES) / MODEL_OPERATION_BYTES;
    for (size_t i = 0; i < operation_count && i < OPERATIONS_MAX; i++)
        model_run(model, model_operation_decode(bytes + HEAD_BYTES + i * MODEL_OPERATION_BYTES));
    model_close(model);
    free(model);
    return 0;
}
