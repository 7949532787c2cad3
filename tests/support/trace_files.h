/**
 * The traces in tests/traces, and files that a test makes.
 */
#ifndef TRACE_FILES_H
#define TRACE_FILES_H

#include <stddef.h>

/** The path of file or folder `name` in tests/traces. */
void traces_path(char path[4096], const char *name);

/** Call `visit` with each file of a folder in tests/traces; returns how many there were. */
typedef void trace_visit(const char *path);
int traces_visit(const char *name, trace_visit *visit);

/** The whole file, and a NUL behind it; to be freed. */
char *read_whole(const char *path, size_t *length);
void write_whole(const char *path, const void *bytes, size_t length);

/** A new, empty file, to be unlinked. */
void trace_scratch_path(char path[64]);

/** Call `visit` with recorded trace `name`, or a trace of its first `line_count` lines; 0: all of them. */
void trace_visit_prefix(const char *name, size_t line_count, trace_visit *visit);

#endif
