/** Decoding and checking traces: what is refused, where, and with which words; plain and compressed. */
#include "check.h"
#include "trace_files.h"

#include "workloads/trace.h"
#include "workloads/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

static char *compress(const void *bytes, size_t length, size_t *compressed_length)
{
    size_t bound = ZSTD_compressBound(length);
    char *compressed = malloc(bound);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_non_null(compressed);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    *compressed_length = ZSTD_compress2(context, compressed, bound, bytes, length);
    assert_false(ZSTD_isError(*compressed_length));
    ZSTD_freeCCtx(context);
    return compressed;
}

/* ---- What must be refused. ---- */

static void assert_refused(const char *path, long line, const char *text)
{
    struct sm_error error = {SM_OK, ""};
    char place[32];
    assert_int_equal(wl_trace_check(path, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
    snprintf(place, sizeof(place), ":%ld: ", line);
    if (strstr(error.detail, place) == NULL || strstr(error.detail, text) == NULL)
        fail_msg("%s: expected line %ld, \"%s\", got: %s", path, line, text, error.detail);
    assert_null(strchr(error.detail, '\n'));
}

/* The file says itself, in its second line, what is wrong with it. */
static void check_invalid(const char *path)
{
    char scratch[64], text[256];
    size_t length, compressed_length;
    char *bytes = read_whole(path, &length);
    const char *mark = strstr(bytes, "\n# error ");
    assert_non_null(mark);
    char *after;
    long line = strtol(mark + strlen("\n# error "), &after, 10);
    assert_memory_equal(after, ": ", 2);
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(after + 2, "\n"), after + 2);
    assert_refused(path, line, text);
    char *compressed = compress(bytes, length, &compressed_length);
    trace_scratch_path(scratch);
    write_whole(scratch, compressed, compressed_length);
    assert_refused(scratch, line, text);
    unlink(scratch);
    free(compressed);
    free(bytes);
}

static void test_each_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    assert_true(traces_visit("invalid", check_invalid) >= 50);
}

static void test_bad_magic(void **state)
{
    static const char *const firsts[] = {"",
                                         "\n(\n)\n",
                                         "# sapitrace 2\n(\n)\n",
                                         "# sapitrace 1 \n(\n)\n",
                                         "(\n)\n",
                                         "#sapitrace 1\n(\n)\n",
                                         "# sapitrace 1\r\n(\n)\n",
                                         "\x28\xb5\x2f"};
    char scratch[64];
    (void)state;
    trace_scratch_path(scratch);
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        struct sm_error error = {SM_OK, ""};
        write_whole(scratch, firsts[i], strlen(firsts[i]));
        assert_int_equal(wl_trace_check(scratch, NULL, &error), SM_ERR_INVALID_ARGUMENT);
        assert_true(strstr(error.detail, "# sapitrace 1") != NULL || strstr(error.detail, "truncated") != NULL);
    }
    unlink(scratch);
}

static void test_unreadable_files(void **state)
{
    struct sm_error error = {SM_OK, ""};
    (void)state;
    assert_int_equal(wl_trace_check("/nonexistent/trace", NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "/nonexistent/trace: cannot open"));
    assert_int_equal(wl_trace_check("/tmp", NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "/tmp: cannot read"));
    assert_int_equal(wl_trace_sapi("/nonexistent/trace"), SM_SAPI_CLI);
}

/* Refused at every length but the whole one. */
static void check_truncations(const char *bytes, size_t length)
{
    char scratch[64];
    trace_scratch_path(scratch);
    for (size_t kept = 0; kept < length; kept++) {
        struct sm_error error = {SM_OK, ""};
        write_whole(scratch, bytes, kept);
        if (wl_trace_check(scratch, NULL, &error) != SM_ERR_INVALID_ARGUMENT)
            fail_msg("%zu of %zu bytes were accepted", kept, length);
        assert_string_not_equal(error.detail, "");
    }
    write_whole(scratch, bytes, length);
    assert_int_equal(wl_trace_check(scratch, NULL, NULL), SM_OK);
    unlink(scratch);
}

static void test_truncation_at_every_byte(void **state)
{
    char path[4096];
    size_t length, compressed_length;
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    char *bytes = read_whole(path, &length);
    check_truncations(bytes, length);
    char *compressed = compress(bytes, length, &compressed_length);
    check_truncations(compressed, compressed_length);
    free(compressed);
    free(bytes);
}

/* The frame carries a checksum, so a damaged one is either refused or (a bit without meaning) read as it was. */
static void test_damage_at_every_byte_of_a_frame(void **state)
{
    char path[4096], scratch[64];
    size_t length, compressed_length;
    struct wl_trace_info whole, damaged;
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    assert_int_equal(wl_trace_check(path, &whole, NULL), SM_OK);
    char *bytes = read_whole(path, &length);
    char *compressed = compress(bytes, length, &compressed_length);
    trace_scratch_path(scratch);
    size_t refused = 0;
    for (size_t i = 0; i < compressed_length; i++) {
        compressed[i] = (char)(compressed[i] ^ 0x10);
        write_whole(scratch, compressed, compressed_length);
        compressed[i] = (char)(compressed[i] ^ 0x10);
        memset(&damaged, 0, sizeof(damaged));
        if (wl_trace_check(scratch, &damaged, NULL) != SM_OK)
            refused++;
        else
            assert_memory_equal(&damaged, &whole, sizeof(whole));
    }
    assert_true(refused + 2 >= compressed_length);
    unlink(scratch);
    free(compressed);
    free(bytes);
}

static void test_frames_follow_each_other_and_nothing_else(void **state)
{
    char scratch[64];
    const char *first = "# sapitrace 1\n(\nn 1 byt", *second = "es 8 0\nd 1\n)\n";
    size_t first_length, second_length;
    char *one = compress(first, strlen(first), &first_length);
    char *two = compress(second, strlen(second), &second_length);
    char both[512];
    (void)state;
    assert_true(first_length + second_length + 4 <= sizeof(both));
    memcpy(both, one, first_length);
    memcpy(both + first_length, two, second_length);
    memset(both + first_length + second_length, 'x', 4);
    trace_scratch_path(scratch);
    write_whole(scratch, both, first_length + second_length);
    struct wl_trace_info info;
    assert_int_equal(wl_trace_check(scratch, &info, NULL), SM_OK);
    assert_int_equal(info.events, 4);
    write_whole(scratch, both, first_length + second_length + 4);
    struct sm_error error;
    assert_int_equal(wl_trace_check(scratch, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "compressed data is damaged"));
    unlink(scratch);
    free(one);
    free(two);
}

/* ---- What must be accepted, and what is told about it. ---- */

static uint64_t seen[WL_TRACE_OPS];

static void check_valid(const char *path)
{
    struct wl_trace_info info;
    struct sm_error error = {SM_OK, ""};
    if (wl_trace_check(path, &info, &error) != SM_OK)
        fail_msg("%s", error.detail);
    uint64_t sum = 0;
    for (size_t i = 0; i < WL_TRACE_OPS; i++) {
        sum += info.events_by_op[i];
        seen[i] += info.events_by_op[i];
    }
    assert_int_equal(sum, info.events);
    assert_true(info.peak_live_bytes >= info.end_live_bytes && info.bytes >= info.peak_live_bytes);
}

static void test_every_event_occurs_in_the_valid_traces(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    assert_true(traces_visit("valid", check_valid) >= 8);
    assert_int_equal(strlen(wl_trace_op_letters()), WL_TRACE_OPS);
    for (size_t i = 0; i < WL_TRACE_OPS; i++)
        if (seen[i] == 0)
            fail_msg("no valid trace has '%c'", wl_trace_op_letters()[i]);
}

/* The figures of the recorded files' own headers, holders added. */
static void test_recorded_traces(void **state)
{
    char path[4096];
    struct wl_trace_info info;
    (void)state;
    traces_path(path, "symfony-blog.sapitrace.zst");
    assert_int_equal(wl_trace_sapi(path), SM_SAPI_FPM);
    assert_int_equal(wl_trace_check(path, &info, NULL), SM_OK);
    assert_int_equal(info.sapi, SM_SAPI_FPM);
    assert_int_equal(info.objects, 22272 + 348);
    assert_int_equal(info.requests, 1);
    assert_int_equal(info.resizes, 2248);
    assert_int_equal(info.deaths, 18986);
    traces_path(path, "react-http.sapitrace.zst");
    assert_int_equal(wl_trace_sapi(path), SM_SAPI_CLI);
    assert_int_equal(wl_trace_check(path, &info, NULL), SM_OK);
    assert_int_equal(info.objects, 98875 + 1545);
    assert_int_equal(info.iterations, 15);
    assert_int_equal(info.slots, 1545 * 64);
}

static void test_oracle_counts_bytes_and_deaths(void **state)
{
    static const char text[] = "# sapitrace 1\n(\nn 1 array 10 2\nn 2 weak 5 1 1 0\nn 3 object 7 0 1 1\nt 3\n"
                               "a 2 25\nd 3 1 1\nn 4 bytes 1 0\n)\n";
    char scratch[64];
    struct wl_trace_info info;
    (void)state;
    trace_scratch_path(scratch);
    write_whole(scratch, text, strlen(text));
    assert_int_equal(wl_trace_check(scratch, &info, NULL), SM_OK);
    /* A weak object has a hidden slot, and so has one with a destructor. */
    assert_int_equal(info.bytes, (10 + 32) + (5 + 16 + 16) + (7 + 16) + 20 + 1);
    assert_int_equal(info.slots, 3);
    assert_int_equal(info.peak_live_bytes, (10 + 32) + (25 + 16 + 16) + (7 + 16));
    assert_int_equal(info.peak_live_objects, 3);
    assert_int_equal(info.end_live_bytes, 0);
    unlink(scratch);
}

/* Longer than every buffer, with lines and frames across their ends. */
static void test_large_file_of_long_lines(void **state)
{
    enum { ROUNDS = 2000 };
    char scratch[64];
    char *text = malloc(ROUNDS * 4200 + 64);
    size_t length = (size_t)sprintf(text, "# sapitrace 1\n(\n"), compressed_length;
    struct wl_trace_info info;
    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t comment = 4095 - i % 1999;
        text[length] = '#';
        memset(text + length + 1, 'a' + (int)(i % 26), comment - 1);
        length += comment;
        length += (size_t)sprintf(text + length, "\nn %zu bytes %zu 0\nd %zu\n", i % 7 + 1, i, i % 7 + 1);
    }
    length += (size_t)sprintf(text + length, ")\n");
    trace_scratch_path(scratch);
    write_whole(scratch, text, length);
    assert_int_equal(wl_trace_check(scratch, &info, NULL), SM_OK);
    assert_int_equal(info.events, 2 + 2 * ROUNDS);
    char *compressed = compress(text, length, &compressed_length);
    write_whole(scratch, compressed, compressed_length);
    assert_int_equal(wl_trace_check(scratch, &info, NULL), SM_OK);
    assert_int_equal(info.events, 2 + 2 * ROUNDS);
    unlink(scratch);
    free(compressed);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_mistake_is_named_with_its_line),
        cmocka_unit_test(test_bad_magic),
        cmocka_unit_test(test_unreadable_files),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_damage_at_every_byte_of_a_frame),
        cmocka_unit_test(test_frames_follow_each_other_and_nothing_else),
        cmocka_unit_test(test_every_event_occurs_in_the_valid_traces),
        cmocka_unit_test(test_recorded_traces),
        cmocka_unit_test(test_oracle_counts_bytes_and_deaths),
        cmocka_unit_test(test_large_file_of_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
