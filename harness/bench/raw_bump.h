/**
 * The least an allocator can do: one comparison and one addition.
 */
#ifndef RAW_BUMP_H
#define RAW_BUMP_H

#include "allocation_loops.h"

struct bump {
    char *cursor, *limit;
};

/** A block_source; `source` is a struct bump, whose fields stay in registers where it is a local variable. */
static inline struct sm_object *bump_take(void *source, bool is_leaf, size_t payload_bytes)
{
    struct bump *bump = (struct bump *)source;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (__builtin_expect(block_bytes > (size_t)(bump->limit - bump->cursor), 0))
        return NULL;
    void *block = bump->cursor;
    bump->cursor += block_bytes;
    return initialize_block(block, is_leaf, payload_bytes);
}

#endif
