#include "trace_files.h"

#include "check.h"
#include "trace/source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void traces_path(char path[4096], const char *name)
{
    const char *root = getenv("SAPIMEM_SOURCE_DIR");
    assert_non_null(root);
    snprintf(path, 4096, "%s/tests/traces/%s", root, name);
}

char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *length, file), *length);
    bytes[*length] = '\0';
    fclose(file);
    return bytes;
}

void write_whole(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

void trace_scratch_path(char path[64])
{
    strcpy(path, "/tmp/trace-test-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
}

int traces_visit(const char *name, trace_visit *visit)
{
    char folder[4096], path[8192];
    int count = 0;
    traces_path(folder, name);
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        visit(path);
        count++;
    }
    closedir(stream);
    return count;
}

/* A recorded trace is one request, or one run of the main loop's turns, in a single pair of brackets. */
static void copy_prefix(const char *whole_path, FILE *prefix, size_t line_count)
{
    struct trace_source *source = NULL;
    struct sm_error error = {SM_OK, ""};
    const char *line;
    size_t length;
    char opening = '\0';
    assert_int_equal(trace_source_open(whole_path, &source, &error), SM_OK);
    for (size_t i = 0; i < line_count; i++) {
        assert_int_equal(trace_source_next(source, &line, &length, &error), TRACE_LINE);
        fprintf(prefix, "%.*s\n", (int)length, line);
        if (opening == '\0' && line[0] != '#')
            opening = line[0];
    }
    trace_source_close(source);
    assert_true(opening == '[' || opening == '(');
    fputs(opening == '[' ? "]\n" : ")\n", prefix);
}

void trace_visit_prefix(const char *name, size_t line_count, trace_visit *visit)
{
    char whole_path[4096], path[64];
    traces_path(whole_path, name);
    if (line_count == 0) {
        visit(whole_path);
        return;
    }
    trace_scratch_path(path);
    FILE *prefix = fopen(path, "w");
    assert_non_null(prefix);
    copy_prefix(whole_path, prefix, line_count);
    assert_int_equal(fclose(prefix), 0);
    visit(path);
    unlink(path);
}
