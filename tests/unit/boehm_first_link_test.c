/* Policy boehm: the first weak link of a process, in a heap without a free block. Alone, for there is one in a process. */
#include "check.h"
#include "sapimem/policy.h"
#include "workload_run.h"

/* What lives before the first link fills the heap to its last block. */
#define FULL "entries=300,lookups=10,resident=12000"

static void test_the_first_weak_link_finds_room(void **state)
{
    (void)state;
    const struct wl_ops *ops = workload_find("cli-cache");
    uint64_t expected = workload_checksum(ops, workload_run_of(SM_SAPI_CLI, "null", FULL, 1));
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "boehm", FULL, 1);
    assert_true(workload_checksum(ops, run) == expected);
}

int main(void)
{
    if (sm_policy_find("boehm")->unavailable != NULL) {
        print_message("skipped: %s\n", sm_policy_find("boehm")->unavailable);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_weak_link_finds_room),
    };
    return cmocka_run_group_tests_name("boehm_first_link", tests, NULL, NULL);
}
