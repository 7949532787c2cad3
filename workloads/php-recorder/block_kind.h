/**
 * What PHP keeps in a block, by the header that its values begin with.
 */
#ifndef RECORDER_BLOCK_KIND_H
#define RECORDER_BLOCK_KIND_H

#include "trace/event.h"

#include <stdbool.h>

/**
 * The kind of the block of `bytes` at `address`, whose contents are still there.
 *
 * Strings, array heads, closures and objects are known; all else is `bytes`: elements of arrays, references, buffers,
 * and objects of classes that keep something in front of the object. `is_collected`: the cycle collector frees it,
 * which has overwritten its type.
 */
enum trace_kind block_kind(const void *address, uint64_t bytes, bool is_collected);

#endif
