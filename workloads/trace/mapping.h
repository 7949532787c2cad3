/**
 * Growable memory in an unlinked file.
 *
 * What a trace needs beside the measured heap lives here, so that the kernel counts it as file-backed
 * (RssFile) and not among the anonymous pages that a policy is judged by.
 */
#ifndef TRACE_MAPPING_H
#define TRACE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

struct trace_mapping {
    void *base; /**< moves when the mapping grows */
    size_t bytes;
    int file;
};

/** An unmapped one, safe to destroy. */
#define TRACE_MAPPING_NONE ((struct trace_mapping){NULL, 0, -1})

/**
 * Map `bytes` zeroed bytes of a fresh file in $TMPDIR, or /tmp.
 *
 * The file's blocks are reserved, so that a full disk is an error here and not a SIGBUS later.
 * Returns false with errno set; the mapping is TRACE_MAPPING_NONE then.
 */
bool trace_mapping_create(struct trace_mapping *mapping, size_t bytes);

/** Grow to at least `bytes`; new bytes are zero. Returns false with errno set and the mapping unchanged. */
bool trace_mapping_grow(struct trace_mapping *mapping, size_t bytes);

void trace_mapping_destroy(struct trace_mapping *mapping);

#endif
