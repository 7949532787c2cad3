/**
 * Strings: bytes with a length, a cached hash and spare capacity; interned ones are shared by content.
 *
 * Observers may trace strings and must not read their bytes: appends write in place.
 * Payload: 24 bytes of header, the capacity and one terminating zero. Errors: every function that
 * allocates bails out (vm.h) when memory is refused.
 */
#ifndef SAPIVM_STRING_H
#define SAPIVM_STRING_H

#include "sapivm/value.h"

/** A string object. `length` <= capacity; hash 0 means not computed. */
struct vm_string {
    struct sm_object header;
    uint64_t hash;
    uint64_t length;
    uint64_t reserved;
    char data[];
};

#define VM_STRING_HEADER_BYTES 24u

/** Bytes that fit without growing. */
static inline size_t vm_string_capacity(const struct vm_string *string)
{
    return (size_t)string->header.payload_bytes - VM_STRING_HEADER_BYTES - 1;
}

/** A new string of `length` bytes, copied from `bytes` (NULL: left uninitialised). Returns owned. */
struct vm_string *vm_string_new(struct vm *vm, const char *bytes, size_t length);

/** A new empty string with room for `capacity` bytes. Returns owned. */
struct vm_string *vm_string_with_capacity(struct vm *vm, size_t capacity);

/** Formatted text, cut at 4096 bytes. Returns owned. */
struct vm_string *vm_string_format(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * Append to the string in `place`, in place when it has room and one owner; otherwise it is grown (capacity doubles) or copied.
 *
 * The place must hold a string. `bytes` may not point into it.
 */
void vm_string_append(struct vm *vm, struct vm_place place, const char *bytes, size_t byte_count);

/** FNV-1a style 64-bit hash of the content, cached, never 0. */
uint64_t vm_string_hash(struct vm_string *string);

bool vm_string_equal(struct vm_string *left, struct vm_string *right);

/** The one interned string of this content, made on first use; alive until request end. Returns borrowed. */
struct vm_string *vm_intern(struct vm *vm, const char *bytes, size_t length);

#endif
