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
#include <sys/wait.h>
#include <unistd.h>

enum { LIVE_BYTES = 48 << 20, TOLERANCE_PERCENT = 5, UNTOUCHED_PERCENT = 10, AHEAD_PERCENT = 20, ROOTS = 1 << 20 };

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

struct figures {
    uint64_t own_bytes, kernel_bytes;
};

static struct figures measure(const struct sm_policy_ops *ops)
{
    const struct sm_root_provider provider = {"roots", enumerate_roots, NULL};
    memset(roots, 0, sizeof(roots)); /* its pages are the test's own */
    uint64_t before_bytes = anonymous_bytes();
    /* A policy that counts would never collect the garbage here, whose births nobody gives up: it is all kept. */
    struct sm_manager *mm = manager_open(&(struct sm_config){
        .policy = ops->name, .threshold_bytes = (ops->capabilities & SM_CAP_COUNTS) != 0 ? 0 : 4 << 20});
    assert_int_equal(sm_roots_register(mm, &provider), SM_OK);
    fill(mm);
    struct figures figures = {manager_committed_bytes(mm), anonymous_bytes() - before_bytes};
    sm_manager_destroy(mm);
    return figures;
}

/* In a process of its own: allocators keep what one policy freed, and the next would find it there. */
static struct figures measure_apart(const struct sm_policy_ops *ops)
{
    int ends[2];
    struct figures figures = {0, 0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        figures = measure(ops);
        _exit(write(ends[1], &figures, sizeof(figures)) == sizeof(figures) ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &figures, sizeof(figures)), sizeof(figures));
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return figures;
}

static uint64_t tolerance_percent(const struct sm_policy_ops *ops)
{
    /* Bdwgc asks for its heap ahead, in large steps, and touches it later. */
    if (strcmp(ops->name, "boehm") == 0)
        return AHEAD_PERCENT;
    /* mimalloc's classes round objects of 70,000 bytes, most of the bytes here, to 80 KiB, and nobody touches the rest. */
    if (strcmp(ops->name, "marksweep") == 0)
        return UNTOUCHED_PERCENT;
    return TOLERANCE_PERCENT;
}

static void committed_agrees_with_the_kernel(void **state)
{
    const struct sm_policy_ops *ops = *state;
    if (IS_SANITIZED)
        skip();
    struct figures figures = measure_apart(ops);
    print_message("%s: committed %lu, kernel %lu\n", ops->name, (unsigned long)figures.own_bytes,
                  (unsigned long)figures.kernel_bytes);
    uint64_t percent = tolerance_percent(ops);
    uint64_t tolerance_bytes = figures.kernel_bytes * percent / 100;
    assert_in_range(figures.own_bytes, figures.kernel_bytes - tolerance_bytes, figures.kernel_bytes + tolerance_bytes);
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
