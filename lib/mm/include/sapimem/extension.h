/**
 * The extension interface: all that an extension or package includes.
 *
 * The same calls work under every policy and SAPI mode; an extension never learns which runs.
 * Memory is reached through handles (valid until released, their scope closes or the request ends)
 * or plain addresses, which never move while the object is reachable. Misuse is an error code with a
 * line in sm_error_detail, never undefined behaviour. Threads: owner.
 */
#ifndef SAPIMEM_EXTENSION_H
#define SAPIMEM_EXTENSION_H

#include "sapimem/object.h"
#include "sapimem/roots.h"
#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Refers to a value that is a root as long as the handle is valid. Zeroed: no handle. */
typedef struct sm_handle {
    struct sm_manager *owner;
    uint32_t index;
    uint32_t generation;
} sm_handle;

/** An open scope. Zeroed: none. */
typedef struct sm_scope {
    uint32_t depth;
    uint64_t serial; /**< no two scopes of a manager share one */
} sm_scope;

#define SM_HANDLE_NONE ((sm_handle){0, 0, 0})

static inline bool sm_handle_is_none(sm_handle handle)
{
    return handle.owner == NULL;
}

/**
 * Allocate `size` raw bytes; the address is stable.
 *
 * The bytes live as long as something refers to their object: a handle from sm_bytes_handle, an
 * extension root, a slot. Until the next safepoint they live in any case; one inside a destructor that a drop
 * has started in the middle is none.
 * Returns:     16-byte aligned memory, uninitialised; NULL when out of memory (sm_error_detail says why).
 */
void *sm_alloc_bytes(struct sm_manager *mm, size_t size);

/** A local handle on memory from sm_alloc_bytes. */
sm_handle sm_bytes_handle(struct sm_manager *mm, void *bytes);

/** The memory behind a handle made by sm_bytes_handle. Errors: as sm_handle_get. */
sm_status sm_bytes_get(struct sm_manager *mm, sm_handle handle, void **bytes, size_t *size);

/**
 * Make a local handle on `value` in the innermost scope.
 *
 * Returns:     the handle; SM_HANDLE_NONE on failure: out of memory, or called by a thread other than
 *              the owner (an observer's handle would resurrect retired memory, R1).
 */
sm_handle sm_alloc_value(struct sm_manager *mm, struct sm_value value);

/** Read or replace the value. Errors: SM_ERR_STALE_HANDLE, SM_ERR_FOREIGN_HANDLE, SM_ERR_WRONG_THREAD; `*value` is untouched then. */
sm_status sm_handle_get(struct sm_manager *mm, sm_handle handle, struct sm_value *value);
sm_status sm_handle_set(struct sm_manager *mm, sm_handle handle, struct sm_value value);

/** A persistent handle on the same value: a root until released or the request ends. SM_HANDLE_NONE on failure. */
sm_handle sm_handle_persist(struct sm_manager *mm, sm_handle handle);

/** Release a persistent handle. Errors: as sm_handle_get; SM_ERR_INVALID_ARGUMENT for a local one. */
sm_status sm_handle_release(struct sm_manager *mm, sm_handle handle);

/**
 * A table that an extension enumerates by its own root provider now holds `value`, or gives it up.
 *
 * Enumerating tells a tracing policy; these two tell a counting one. Releasing may free the object and run destructors.
 */
void sm_root_hold(struct sm_manager *mm, struct sm_value value);
void sm_root_release(struct sm_manager *mm, struct sm_value value);

/** Open a scope; local handles made from here on end with it. */
sm_scope sm_scope_open(struct sm_manager *mm);

/** Close it and any scope opened after it. Errors: SM_ERR_INVALID_ARGUMENT when it is not open. */
sm_status sm_scope_close(struct sm_manager *mm, sm_scope scope);

/**
 * Growable buffer: the handle is always stable, the address until the buffer grows.
 *
 * A local handle in the innermost scope; persist it to keep it. SM_HANDLE_NONE when out of memory.
 */
sm_handle sm_buffer_create(struct sm_manager *mm, size_t capacity_bytes);
/** Room for at least `capacity_bytes`; doubles. Errors: as sm_handle_get, SM_ERR_OUT_OF_MEMORY with the buffer unchanged. */
sm_status sm_buffer_reserve(struct sm_manager *mm, sm_handle buffer, size_t capacity_bytes);
sm_status sm_buffer_append(struct sm_manager *mm, sm_handle buffer, const void *bytes, size_t byte_count);
/** The bytes and their count; the address holds until the next append or reserve that grows. */
sm_status sm_buffer_view(struct sm_manager *mm, sm_handle buffer, void **bytes, size_t *byte_count);
/** Set the length to at most the capacity. */
sm_status sm_buffer_truncate(struct sm_manager *mm, sm_handle buffer, size_t byte_count);

#ifdef __cplusplus
}
#endif
#endif
