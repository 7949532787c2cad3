/**
 * Handles: values that C code holds across safepoints.
 *
 * Local handles are a stack cut into scopes; persistent ones sit in a table with a free list. Both
 * tables are ordinary C memory, not the policy's, and move when they grow: nobody keeps slot addresses
 * across a call.
 *
 * Invariants. A slot whose generation equals a handle's is that handle's: the generation steps whenever
 * the slot is emptied. Slots at and past `locals.count`, and free persistent slots, hold the zero
 * value. Every held value has been given to sm_value_copy once and is dropped once. Generations are 32
 * bits: a local slot repeats itself after 2^32 uses; a persistent slot that came so far is never used again.
 */
#ifndef SM_HANDLES_H
#define SM_HANDLES_H

#include "sapimem/extension.h"

/** The index bit that tells persistent handles from local ones. */
#define SM_HANDLE_PERSISTENT (UINT32_C(1) << 31)
/** Slots of either table, so that an index leaves room for the bit and for "no next". */
#define SM_HANDLES_MAX (SM_HANDLE_PERSISTENT - 1)

struct sm_handle_slot {
    struct sm_value value;
    uint32_t generation; /**< 0 only when it wrapped; handles never carry 0 */
    uint32_t next_free;  /**< persistent: index of the next free slot, SM_HANDLES_MAX for none; itself when in use */
};

struct sm_handle_table {
    uint32_t count, capacity;
    struct sm_handle_slot *slots;
};

/** A library's bit of the header: bytes that belong to a buffer, which retires them as it grows. They get no handle. */
#define SM_OBJECT_BUFFER_BYTES ((uint16_t)(1u << 4))

/** A scope that is open: what identifies it, and the number of locals when it was opened. */
struct sm_open_scope {
    uint64_t serial;
    uint32_t local_count;
};

struct sm_handles {
    struct sm_manager *mm;
    /** Memory of the tables; realloc, unless a test makes it fail. */
    void *(*reallocate)(void *memory, size_t bytes);
    struct sm_handle_table locals;     /**< a stack: `count` are in use */
    struct sm_handle_table persistent; /**< `count` were ever in use */
    uint32_t first_free;               /**< of `persistent`; SM_HANDLES_MAX: none */
    uint32_t scope_count, scope_capacity;
    struct sm_open_scope *scopes;
    uint64_t scope_serial; /**< of the scope opened last */
};

/** Nothing is allocated yet. */
void sm_handles_init(struct sm_handles *handles, struct sm_manager *mm);
/** Free the tables. The values were dropped by sm_handles_invalidate while the policy could still take them. */
void sm_handles_finish(struct sm_handles *handles);
/** Request end: every handle turns stale, every scope closes, what they held is dropped. */
void sm_handles_invalidate(struct sm_handles *handles);
/** Root provider "handles"; `context` is the `struct sm_handles`. */
void sm_handles_enumerate(void *context, struct sm_visitor *visitor);

/** Fill the descriptor of SM_TYPE_BUFFER (buffer.c). */
void sm_buffer_type(struct sm_type *type);

#endif
