/**
 * A manager for a test: opened by configuration, or by cmocka around each test.
 */
#ifndef MANAGER_FIXTURE_H
#define MANAGER_FIXTURE_H

#include "check.h"

#include "sapimem/manager.h"
#include "sapimem/object.h"

/** A manager as `config` says; fails the test, with the library's reason, when it is refused. */
struct sm_manager *manager_open(const struct sm_config *config);

/** A manager for `sapi` under policy text `policy` that may commit `limit_bytes`; 0: no limit. */
struct sm_manager *manager_open_for(enum sm_sapi sapi, const char *policy, uint64_t limit_bytes);

/** cmocka's setup and teardown: the state that comes in is a struct sm_config, the test gets the manager. */
int manager_setup(void **state);
int manager_teardown(void **state);

/** A test of one manager, which `config`, a struct sm_config *, describes. */
#define MANAGER_TEST(function, config) \
    cmocka_unit_test_prestate_setup_teardown(function, manager_setup, manager_teardown, config)

struct sm_stats manager_stats(const struct sm_manager *mm);
uint64_t manager_committed_bytes(const struct sm_manager *mm);

/** An object of bytes, without edges; fails the test when memory is refused. */
struct sm_object *leaf_new(struct sm_manager *mm, size_t payload_bytes);

#endif
