/** What the model of Zend's allocator traps: blocks freed twice, elsewhere, or with a size that is not theirs. */
#include "zend_heap_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child. Returns whether an assertion ended it. */
static bool dies(void (*misuse)(struct heap_fixture *fixture))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fclose(stderr);
        struct heap_fixture fixture;
        heap_open(&fixture);
        misuse(&fixture);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void free_twice(struct heap_fixture *fixture)
{
    struct sm_object *block = block_new(fixture, 40);
    block_new(fixture, 40);
    zend_heap_free(&fixture->heap, block, 40);
    zend_heap_free(&fixture->heap, block, 40);
}

static void free_with_another_size(struct heap_fixture *fixture)
{
    zend_heap_free(&fixture->heap, block_new(fixture, 40), 64);
}

static void free_inside_a_block(struct heap_fixture *fixture)
{
    zend_heap_free(&fixture->heap, block_new(fixture, 40) + 1, 40);
}

static void free_large_twice(struct heap_fixture *fixture)
{
    struct sm_object *block = block_new(fixture, 5000);
    zend_heap_free(&fixture->heap, block, 5000);
    zend_heap_free(&fixture->heap, block, 5000);
}

static void free_large_with_another_size(struct heap_fixture *fixture)
{
    zend_heap_free(&fixture->heap, block_new(fixture, 5000), 15000);
}

static void misuse_of_large_blocks_is_trapped(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 1)
        skip();
    assert_true(dies(free_large_twice));
    assert_true(dies(free_large_with_another_size));
}

static void misuse_of_small_blocks_is_trapped_in_checked_builds(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2)
        skip();
    assert_true(dies(free_twice));
    assert_true(dies(free_with_another_size));
    assert_true(dies(free_inside_a_block));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_of_large_blocks_is_trapped),
        cmocka_unit_test(misuse_of_small_blocks_is_trapped_in_checked_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
