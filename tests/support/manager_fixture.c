#include "manager_fixture.h"

#include "sapimem/alloc.h"

struct sm_manager *manager_open(const struct sm_config *config)
{
    struct sm_manager *mm = NULL;
    struct sm_error error = {0};
    if (sm_manager_create(config, &mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    return mm;
}

struct sm_manager *manager_open_for(enum sm_sapi sapi, const char *policy, uint64_t limit_bytes)
{
    return manager_open(&(struct sm_config){.sapi = sapi, .policy = policy, .memory_limit_bytes = limit_bytes});
}

int manager_setup(void **state)
{
    *state = manager_open(*state);
    return 0;
}

int manager_teardown(void **state)
{
    sm_manager_destroy(*state);
    return 0;
}

struct sm_stats manager_stats(const struct sm_manager *mm)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    return stats;
}

uint64_t manager_committed_bytes(const struct sm_manager *mm)
{
    return manager_stats(mm).committed_bytes;
}

struct sm_object *leaf_new(struct sm_manager *mm, size_t payload_bytes)
{
    struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, payload_bytes);
    assert_non_null(object);
    return object;
}
