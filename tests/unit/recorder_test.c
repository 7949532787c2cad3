/**
 * The recorder of real PHP without PHP: what is told to a recording comes out as a valid trace with the same totals.
 */
#include "check.h"
#include "trace_files.h"

#include "recording.h"
#include "trace_text.h"
#include "workloads/random.h"
#include "workloads/trace.h"
#include "workloads/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- The address table, beside a plain array. ---- */

enum { ADDRESS_COUNT = 20000 };

/* Addresses in whole pages, so that many have their home nearby. */
static const void *address_of(uint32_t index)
{
    return (const void *)((uintptr_t)0x7f0000000000 + (uintptr_t)index * 4096);
}

static void count_address(void *context, const void *address, uint32_t number)
{
    const uint32_t *numbers = ((const void **)context)[0];
    size_t index = ((uintptr_t)address - (uintptr_t)0x7f0000000000) / 4096;
    assert_int_equal(numbers[index], number);
    ++*(uint32_t *)((void **)context)[1];
}

static void test_addresses_are_found_as_long_as_they_are_there(void **state)
{
    static uint32_t numbers[ADDRESS_COUNT];
    struct address_table table;
    struct wl_random random;
    uint32_t used = 0, found = 0;
    (void)state;
    memset(numbers, 0, sizeof(numbers));
    random = wl_random_seeded(1);
    assert_true(address_table_create(&table));
    for (uint32_t i = 1; i < 200000; i++) {
        uint32_t index = (uint32_t)wl_random_below(&random, ADDRESS_COUNT);
        assert_int_equal(address_table_find(&table, address_of(index)), numbers[index]);
        if (numbers[index] != 0)
            address_table_remove(&table, address_of(index));
        else
            assert_true(address_table_add(&table, address_of(index), i));
        used += numbers[index] == 0 ? 1 : UINT32_MAX;
        numbers[index] = numbers[index] == 0 ? i : 0;
    }
    for (uint32_t i = 0; i < ADDRESS_COUNT; i++)
        assert_int_equal(address_table_find(&table, address_of(i)), numbers[i]);
    void *counting[] = {numbers, &found};
    address_table_visit(&table, count_address, counting);
    assert_int_equal(found, used);
    address_table_remove(&table, address_of(ADDRESS_COUNT));
    address_table_clear(&table);
    for (uint32_t i = 0; i < ADDRESS_COUNT; i++)
        assert_int_equal(address_table_find(&table, address_of(i)), 0);
    address_table_destroy(&table);
}

/* ---- Traces. ---- */

static struct trace_text_totals write_trace(struct recording *recording, const char *path)
{
    struct trace_text_totals totals;
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(trace_text_write(recording, "a test", false, stream, &totals), 0);
    assert_int_equal(fclose(stream), 0);
    return totals;
}

static uint64_t replay(const char *path, const char *policy)
{
    struct wl_instance *instance;
    struct sm_error error = {SM_OK, ""};
    struct wl_config config = {.trace_path = path, .check_trace = true};
    config.manager.policy = policy;
    config.manager.sapi = wl_trace_sapi(path);
    enum wl_step step;
    if (wl_trace.create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    while ((step = wl_trace.step(instance)) == WL_STEP_MORE)
        continue;
    if (step != WL_STEP_DONE || wl_trace.finish(instance) != WL_STEP_DONE)
        fail_msg("%s: %s", policy, instance->error.detail);
    uint64_t checksum = instance->checksum;
    wl_trace.destroy(instance);
    return checksum;
}

/* The trace is valid, a replay counts what the recorder counted, and reads the same under every policy. */
static struct wl_trace_info check_trace(struct recording *recording)
{
    static const char *const policies[] = {"arena", "malloc", "epoch:reclaim=inline", "refcount", "marksweep"};
    char path[64];
    struct wl_trace_info info;
    struct sm_error error = {SM_OK, ""};
    const struct recording_totals *recorded = &recording->totals;
    trace_scratch_path(path);
    struct trace_text_totals totals = write_trace(recording, path);
    if (wl_trace_check(path, &info, &error) != SM_OK)
        fail_msg("%s", error.detail);
    assert_int_equal(info.objects, totals.objects);
    assert_int_equal(info.bytes, totals.bytes);
    assert_int_equal(info.peak_live_bytes, totals.peak_live_bytes);
    assert_int_equal(totals.objects - totals.holders, recorded->allocations);
    assert_int_equal(totals.bytes - totals.holder_bytes, recorded->bytes);
    assert_int_equal(info.deaths + info.cyclic_deaths, recorded->frees);
    assert_int_equal(info.cyclic_deaths, recorded->cyclic_frees);
    assert_int_equal(info.resizes, recorded->resizes);
    assert_int_equal(info.iterations, recorded->iterations);
    assert_int_equal(info.requests, recorded->requests);
    assert_int_equal(info.end_live_objects, 0);
    assert_int_equal(info.end_roots, 0);
    uint64_t checksum = replay(path, "null");
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
        assert_int_equal(replay(path, policies[i]), checksum);
    unlink(path);
    return info;
}

static enum trace_kind living_kind(const void *address, uint64_t bytes)
{
    (void)address;
    return bytes % 2 == 0 ? TRACE_KIND_STRING : TRACE_KIND_BYTES;
}

static void finish(struct recording *recording)
{
    recording_name_living(recording, living_kind);
    recording_end(recording);
}

static void test_a_small_program(void **state)
{
    struct recording recording;
    (void)state;
    recording_create(&recording, false);
    recording_begin(&recording);
    recording_allocate(&recording, address_of(1), 56);
    recording_allocate(&recording, address_of(2), 320);
    recording_allocate(&recording, address_of(3), 0);
    recording_resize(&recording, recording_find(&recording, address_of(2)), address_of(2), address_of(4), 640);
    recording_iteration(&recording);
    assert_int_equal(recording_find(&recording, address_of(2)), 0);
    assert_int_equal(recording_find(&recording, address_of(9)), 0);
    recording_free(&recording, recording_find(&recording, address_of(1)), address_of(1), TRACE_KIND_ARRAY, false);
    recording_allocate(&recording, address_of(1), 24);
    finish(&recording);
    assert_int_equal(recording.totals.allocations, 4);
    assert_int_equal(recording.totals.bytes, 56 + 320 + 320 + 24);
    assert_int_equal(recording.totals.peak_live_bytes, 56 + 640);
    struct wl_trace_info info = check_trace(&recording);
    assert_int_equal(info.sapi, SM_SAPI_CLI);
    recording_destroy(&recording);
}

/*
 * A collector's garbage: a ring that ended with an iteration, one of the collector's own iteration, a block too small
 * for one.
 */
static void test_garbage_of_the_collector(void **state)
{
    struct recording recording;
    (void)state;
    recording_create(&recording, false);
    recording_begin(&recording);
    for (uint32_t i = 0; i < 40; i++)
        recording_allocate(&recording, address_of(i), i == 7 ? 8 : 64);
    recording_iteration(&recording);
    for (uint32_t i = 40; i < 50; i++)
        recording_allocate(&recording, address_of(i), 64);
    /* Named again, so that it is no garbage before this iteration's end. */
    recording_resize(&recording, recording_find(&recording, address_of(5)), address_of(5), address_of(5), 96);
    recording_collection(&recording);
    for (uint32_t i = 0; i < 49; i++) {
        recording_free(&recording, recording_find(&recording, address_of(i)), address_of(i), TRACE_KIND_OBJECT, true);
        /* A destructor in between resizes what dies last. */
        if (i == 20)
            recording_resize(&recording, recording_find(&recording, address_of(48)), address_of(48), address_of(48),
                             80);
    }
    recording_iteration(&recording);
    finish(&recording);
    struct wl_trace_info info = check_trace(&recording);
    assert_int_equal(info.cyclic_deaths, 49);
    /* 38 of the first iteration in three rings, 10 of the second in one; the small one and the last in none. */
    assert_int_equal(info.slots, 64 + 38 + 9);
    recording_destroy(&recording);
}

/* Whatever a program does, in whatever order. */
static void act(struct recording *recording, struct wl_random *random, bool has_requests)
{
    const void *address = address_of((uint32_t)wl_random_below(random, 500));
    uint32_t number = recording_find(recording, address);
    uint64_t action = wl_random_below(random, 1000), bytes = wl_random_below(random, 600);
    if (action < 3 && !has_requests)
        recording_iteration(recording);
    else if (action < 3) {
        finish(recording);
        recording_begin(recording);
    } else if (action < 6) {
        recording_collection(recording);
        for (uint32_t i = (uint32_t)wl_random_below(random, 300), count = 0; i < 500 && count < 60; i++, count++)
            if ((number = recording_find(recording, address_of(i))) != 0)
                recording_free(recording, number, address_of(i), TRACE_KIND_CLOSURE, true);
    } else if (number == 0)
        recording_allocate(recording, address, bytes);
    else if (action < 300)
        recording_resize(recording, number, address, address, bytes);
    else if (action < 800)
        recording_free(recording, number, address, TRACE_KIND_STRING, false);
}

static void random_program(uint64_t seed, bool has_requests)
{
    struct recording recording;
    struct wl_random random;
    random = wl_random_seeded(seed);
    recording_create(&recording, has_requests);
    recording_begin(&recording);
    for (uint32_t i = 0; i < 8000; i++)
        act(&recording, &random, has_requests);
    finish(&recording);
    struct wl_trace_info info = check_trace(&recording);
    assert_int_equal(info.sapi, has_requests ? SM_SAPI_FPM : SM_SAPI_CLI);
    assert_true(info.cyclic_deaths > 50 && info.resizes > 500);
    recording_destroy(&recording);
}

static void test_random_programs_and_requests(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        random_program(seed, seed % 2 == 0);
}

/* ---- Failures. ---- */

static void test_a_recording_without_room_fails_as_a_whole(void **state)
{
    struct recording recording;
    struct trace_text_totals totals;
    struct rlimit limit, small;
    FILE *stream = fopen("/dev/null", "w");
    (void)state;
    assert_non_null(stream);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 2 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    recording_create(&recording, false);
    recording_begin(&recording);
    for (uint32_t i = 0; i < 1000000; i++)
        recording_allocate(&recording, address_of(i), 64);
    finish(&recording);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(recording.failure, EFBIG);
    assert_int_equal(recording_find(&recording, address_of(1)), 0);
    assert_int_equal(trace_text_write(&recording, "a test", false, stream, &totals), EFBIG);
    recording_destroy(&recording);
    fclose(stream);
}

static void test_a_full_disk_fails_the_writing(void **state)
{
    struct recording recording;
    struct trace_text_totals totals;
    FILE *stream = fopen("/dev/full", "w");
    (void)state;
    assert_non_null(stream);
    recording_create(&recording, false);
    recording_begin(&recording);
    for (uint32_t i = 0; i < 10000; i++)
        recording_allocate(&recording, address_of(i), 64);
    finish(&recording);
    assert_int_equal(trace_text_write(&recording, "a test", false, stream, &totals), ENOSPC);
    recording_destroy(&recording);
    fclose(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_found_as_long_as_they_are_there),
        cmocka_unit_test(test_a_small_program),
        cmocka_unit_test(test_garbage_of_the_collector),
        cmocka_unit_test(test_random_programs_and_requests),
        cmocka_unit_test(test_a_recording_without_room_fails_as_a_whole),
        cmocka_unit_test(test_a_full_disk_fails_the_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
