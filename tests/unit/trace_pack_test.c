/** Packing and unpacking traces, and files that never replace another. */
#include "check.h"
#include "trace_files.h"

#include "output_file.h"
#include "workloads/trace.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef sm_status copy_trace(const char *path, FILE *stream, struct sm_error *error);

static sm_status copy_to_file(const char *path, const char *target, copy_trace *copy, struct sm_error *error)
{
    FILE *stream = fopen(target, "wb");
    assert_non_null(stream);
    sm_status status = copy(path, stream, error);
    assert_int_equal(fclose(stream), 0);
    return status;
}

static void assert_same_file(const char *path, const char *other)
{
    size_t length, other_length;
    char *bytes = read_whole(path, &length), *other_bytes = read_whole(other, &other_length);
    assert_int_equal(length, other_length);
    assert_memory_equal(bytes, other_bytes, length);
    free(bytes);
    free(other_bytes);
}

static void round_trip(const char *path)
{
    char packed[64], text[64];
    trace_scratch_path(packed);
    trace_scratch_path(text);
    assert_int_equal(copy_to_file(path, packed, wl_trace_pack, NULL), SM_OK);
    assert_int_equal(copy_to_file(packed, text, wl_trace_unpack, NULL), SM_OK);
    assert_same_file(path, text);
    assert_int_equal(wl_trace_check(packed, NULL, NULL), SM_OK);
    unlink(packed);
    unlink(text);
}

static void test_packed_and_unpacked_is_the_same(void **state)
{
    char path[4096], text[64];
    (void)state;
    assert_true(traces_visit("valid", round_trip) >= 8);
    /* Far larger than any buffer on the way. */
    traces_path(path, "symfony-blog.sapitrace.zst");
    trace_scratch_path(text);
    assert_int_equal(copy_to_file(path, text, wl_trace_unpack, NULL), SM_OK);
    round_trip(text);
    unlink(text);
}

static void test_what_is_packed_already_is_refused(void **state)
{
    char path[4096], target[64];
    struct sm_error error = {SM_OK, ""};
    (void)state;
    trace_scratch_path(target);
    traces_path(path, "symfony-blog.sapitrace.zst");
    assert_int_equal(copy_to_file(path, target, wl_trace_pack, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "compressed already"));
    traces_path(path, "valid/cycles.sapitrace");
    assert_int_equal(copy_to_file(path, target, wl_trace_unpack, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "not compressed"));
    traces_path(path, "absent");
    assert_int_equal(copy_to_file(path, target, wl_trace_unpack, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "cannot open"));
    unlink(target);
}

/* Cut anywhere, or with any byte changed, a packed trace is noticed: by its frame or by its checksum. */
static void test_damage_is_noticed(void **state)
{
    char path[4096], packed[64], damaged[64], target[64];
    size_t length;
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    trace_scratch_path(packed);
    trace_scratch_path(damaged);
    trace_scratch_path(target);
    assert_int_equal(copy_to_file(path, packed, wl_trace_pack, NULL), SM_OK);
    char *bytes = read_whole(packed, &length);
    for (size_t i = 0; i < length; i++) {
        write_whole(damaged, bytes, i);
        assert_int_equal(copy_to_file(damaged, target, wl_trace_unpack, NULL), SM_ERR_INVALID_ARGUMENT);
        bytes[i] ^= 0x11;
        write_whole(damaged, bytes, length);
        bool is_same = copy_to_file(damaged, target, wl_trace_unpack, NULL) == SM_OK;
        /* Some bits of a header say nothing; then the text is whole. */
        if (is_same)
            assert_same_file(path, target);
        bytes[i] ^= 0x11;
    }
    free(bytes);
    unlink(packed);
    unlink(damaged);
    unlink(target);
}

static void test_a_full_place_is_an_error(void **state)
{
    char path[4096];
    struct sm_error error = {SM_OK, ""};
    (void)state;
    traces_path(path, "react-http.sapitrace.zst");
    FILE *full = fopen("/dev/full", "wb");
    assert_non_null(full);
    assert_int_equal(wl_trace_unpack(path, full, &error), SM_ERR_SYSTEM);
    assert_non_null(strstr(error.detail, "No space left"));
    fclose(full);
}

/* ---- Outputs that replace nothing. ---- */

static int count_files(const char *folder)
{
    int count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(stream);
    return count;
}

static void test_a_new_output_replaces_nothing(void **state)
{
    char folder[] = "/tmp/output-test-XXXXXX", path[64];
    struct hx_output output;
    struct sm_error error = {SM_OK, ""};
    size_t length;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);

    assert_int_equal(hx_output_open_new(&output, path, &error), SM_OK);
    fputs("dropped", output.stream);
    hx_output_discard(&output);
    assert_int_equal(count_files(folder), 0);

    /* Somebody else makes the file between the opening and the commit: it is theirs. */
    assert_int_equal(hx_output_open_new(&output, path, &error), SM_OK);
    fputs("mine", output.stream);
    write_whole(path, "theirs", 6);
    assert_int_equal(hx_output_commit(&output, &error), SM_ERR_SYSTEM);
    assert_non_null(strstr(error.detail, "File exists"));
    char *bytes = read_whole(path, &length);
    assert_string_equal(bytes, "theirs");
    free(bytes);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(hx_output_open_new(&output, path, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "exists already"));
    assert_int_equal(count_files(folder), 1);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(hx_output_open_new(&output, path, &error), SM_OK);
    fputs("mine", output.stream);
    assert_int_equal(hx_output_commit(&output, &error), SM_OK);
    bytes = read_whole(path, &length);
    assert_string_equal(bytes, "mine");
    free(bytes);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_and_unpacked_is_the_same),
        cmocka_unit_test(test_what_is_packed_already_is_refused),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_a_full_place_is_an_error),
        cmocka_unit_test(test_a_new_output_replaces_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
