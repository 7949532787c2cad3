/**
 * Each policy's committed bytes against the kernel's count of anonymous memory.
 *
 * The policy says what it holds by its own books; if it forgot a block, or counted one twice, the kernel
 * would disagree. Sanitizers keep shadow memory and quarantines of their own, so there it cannot be asked.
 */
#include "manager_fixture.h"
#include "test_scale.h"

#include "sapimem/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE_BYTES = 48 << 20, TOLERANCE_PERCENT = 10, ROOTS = 1 << 20 };

static struct sm_object *roots[ROOTS];
static size_t root_count;

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    (void)context;
    for (size_t i = 0; i < root_count; i++)
        sm_visit_pointer(visitor, &roots[i]);
}

static uint64_t anonymous_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    static const char label[] = "Anonymous:";
    char line[256];
    unsigned long kilobytes = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, label, strlen(label)) == 0) {
            kilobytes = strtoul(line + strlen(label), NULL, 10);
            break;
        }
    }
    fclose(file);
    assert_true(kilobytes > 0);
    return (uint64_t)kilobytes * 1024;
}

/* A mix of the sizes that pages and workers ask for, every byte written; garbage among it, so that cycles run. */
static void fill(struct sm_manager *mm)
{
    static const size_t sizes[] = {24, 40, 56, 56, 160, 320, 96, 640, 32, 2000, 56, 160, 9000, 48, 320, 70000};
    uint64_t kept_bytes = 0;
    for (size_t i = 0; kept_bytes < LIVE_BYTES; i++) {
        size_t payload_bytes = sizes[i * 7 % (sizeof(sizes) / sizeof(sizes[0]))];
        struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, payload_bytes);
        assert_non_null(object);
        memset(sm_payload(object), (int)i, payload_bytes);
        if (i % 4 != 0) {
            assert_true(root_count < ROOTS);
            roots[root_count++] = object;
            kept_bytes += payload_bytes;
        }
        sm_safepoint(mm);
    }
}

static void committed_agrees_with_the_kernel(void **state)
{
    const struct sm_policy_ops *ops = *state;
    const struct sm_root_provider provider = {"roots", enumerate_roots, NULL};
    if (IS_SANITIZED)
        skip();
    memset(roots, 0, sizeof(roots)); /* its pages are the test's own */
    root_count = 0;
    uint64_t before_bytes = anonymous_bytes();
    struct sm_manager *mm = manager_open(&(struct sm_config){.policy = ops->name, .threshold_bytes = 4 << 20});
    assert_int_equal(sm_roots_register(mm, &provider), SM_OK);
    fill(mm);
    uint64_t kernel_bytes = anonymous_bytes() - before_bytes;
    uint64_t own_bytes = manager_committed_bytes(mm);
    print_message("%s: committed %lu, kernel %lu\n", ops->name, (unsigned long)own_bytes, (unsigned long)kernel_bytes);
    assert_in_range(own_bytes, kernel_bytes - kernel_bytes * TOLERANCE_PERCENT / 100,
                    kernel_bytes + kernel_bytes * TOLERANCE_PERCENT / 100);
    sm_manager_destroy(mm);
}

int main(void)
{
    static struct CMUnitTest tests[16];
    size_t count = 0;
    for (size_t i = 0; sm_policy_table(i) != NULL && count < sizeof(tests) / sizeof(tests[0]); i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        if (ops->unavailable == NULL)
            tests[count++] = (struct CMUnitTest){.name = ops->name,
                                                 .test_func = committed_agrees_with_the_kernel,
                                                 .initial_state = (void *)(uintptr_t)ops};
    }
    return _cmocka_run_group_tests("committed", tests, count, NULL, NULL);
}
