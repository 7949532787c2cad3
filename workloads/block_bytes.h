/**
 * Block bytes (header and rounding included) of the VM's shapes, for analytic live sizes: the sizes are Zend's (lib/DESIGN.md, "Objects and values").
 */
#ifndef BLOCK_BYTES_H
#define BLOCK_BYTES_H

#include "sapivm/vm.h"

/** Capacity of array storage that grew to hold `element_count`: 8, doubling. */
static inline uint64_t block_array_capacity(uint64_t element_count)
{
    uint64_t capacity = 8;
    while (capacity < element_count)
        capacity *= 2;
    return capacity;
}

static inline uint64_t block_bytes_string(uint64_t length)
{
    return sm_block_bytes(VM_STRING_HEADER_BYTES + length + 1);
}

static inline uint64_t block_bytes_object(uint64_t property_count)
{
    return sm_block_bytes(VM_OBJECT_HEADER_BYTES + 16 * property_count);
}

/** Head and storage. */
static inline uint64_t block_bytes_packed(uint64_t element_count)
{
    return sm_block_bytes(56) + sm_block_bytes(16 * block_array_capacity(element_count) + VM_PACKED_UNUSED_BYTES);
}

static inline uint64_t block_bytes_hash(uint64_t element_count)
{
    return sm_block_bytes(56) + sm_block_bytes(40 * block_array_capacity(element_count));
}

#endif
