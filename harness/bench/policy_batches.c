#include "policy_batches.h"

/** One way. */
struct batch_way {
    enum sm_sapi sapi;
    bool keeps_objects;
    bool has_own_manager; /**< for each batch; then neither begin nor end is timed */
    bool has_cycles;
    void (*begin)(struct sm_manager *mm);
    void (*end)(struct sm_manager *mm, struct sm_object **objects, size_t count);
};

static void begin_nothing(struct sm_manager *mm)
{
    (void)mm;
}

static void end_nothing(struct sm_manager *mm, struct sm_object **objects, size_t count)
{
    (void)mm;
    (void)objects;
    (void)count;
}

static void begin_request(struct sm_manager *mm)
{
    (void)sm_request_begin(mm);
}

static void end_request(struct sm_manager *mm, struct sm_object **objects, size_t count)
{
    (void)objects;
    (void)count;
    (void)sm_request_end(mm);
}

static void drop_each(struct sm_manager *mm, struct sm_object **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sm_value_drop(mm, sm_value_from_object(objects[i], SM_TAG_COUNTED));
}

static void free_each(struct sm_manager *mm, struct sm_object **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)sm_free(mm, objects[i]);
}

/* An iteration of a run loop: its guard, and the safepoint behind it where a cycle may be due. */
static void begin_iteration(struct sm_manager *mm)
{
    sm_pin(sm_owner_guard(mm), SM_HERE);
}

static void end_iteration(struct sm_manager *mm, struct sm_object **objects, size_t count)
{
    (void)objects;
    (void)count;
    sm_unpin(sm_owner_guard(mm));
    sm_safepoint(mm);
}

static const struct batch_way by_request = {.sapi = SM_SAPI_FPM, .begin = begin_request, .end = end_request};
static const struct batch_way by_drops = {
    .sapi = SM_SAPI_CLI, .keeps_objects = true, .begin = begin_nothing, .end = drop_each};
static const struct batch_way by_frees = {
    .sapi = SM_SAPI_CLI, .keeps_objects = true, .begin = begin_nothing, .end = free_each};
static const struct batch_way by_cycles = {
    .sapi = SM_SAPI_CLI, .has_cycles = true, .begin = begin_iteration, .end = end_iteration};
static const struct batch_way by_new_manager = {
    .sapi = SM_SAPI_CLI, .has_own_manager = true, .begin = begin_nothing, .end = end_nothing};

static const struct batch_way *choose_way(const struct sm_policy_ops *ops, enum batch_kind kind)
{
    bool has_requests = (ops->capabilities & SM_CAP_BULK_FREE) != 0;
    if (has_requests && kind == BATCH_OF_REQUEST)
        return &by_request;
    if ((ops->capabilities & SM_CAP_COUNTS) != 0)
        return &by_drops;
    if (has_requests)
        return &by_request;
    if ((ops->capabilities & SM_CAP_COLLECT) != 0)
        return &by_cycles;
    return (ops->capabilities & SM_CAP_FREE) != 0 ? &by_frees : &by_new_manager;
}

bool policy_batches_open(struct policy_batches *batches, struct bm_state *state, const struct sm_policy_ops *ops,
                         enum batch_kind kind)
{
    *batches = (struct policy_batches){.ops = ops, .way = choose_way(ops, kind)};
    if (batches->way->has_own_manager)
        return true;
    batches->mm = bench_manager(state, batches->way->sapi, ops->name, NULL);
    return batches->mm != NULL;
}

void policy_batches_close(struct policy_batches *batches)
{
    sm_manager_destroy(batches->mm);
    batches->mm = NULL;
}

bool policy_batch_begin(struct policy_batches *batches, struct bm_state *state)
{
    if (batches->way->has_own_manager)
        batches->mm = bench_manager(state, batches->way->sapi, batches->ops->name, NULL);
    if (batches->mm != NULL)
        batches->way->begin(batches->mm);
    return batches->mm != NULL;
}

void policy_batch_end(struct policy_batches *batches, struct sm_object **objects, size_t count)
{
    batches->way->end(batches->mm, objects, count);
    if (batches->way->has_own_manager)
        policy_batches_close(batches);
}

bool policy_batch_is_timed(const struct policy_batches *batches)
{
    return !batches->way->has_own_manager;
}

bool policy_batch_keeps_objects(const struct policy_batches *batches)
{
    return batches->way->keeps_objects;
}

bool policy_batch_has_cycles(const struct policy_batches *batches)
{
    return batches->way->has_cycles;
}
