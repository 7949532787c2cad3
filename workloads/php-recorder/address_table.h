/**
 * Which block lies at an address: a hash table from addresses to numbers.
 *
 * Its memory is a mapping of its own and never the heap that is recorded.
 */
#ifndef RECORDER_ADDRESS_TABLE_H
#define RECORDER_ADDRESS_TABLE_H

#include "trace/mapping.h"

#include <stdint.h>

struct address_table {
    struct trace_mapping places;
    size_t place_count; /**< a power of two */
    size_t used;
};

/** Make an empty table. Returns false with errno set; it is safe to destroy in any case. */
bool address_table_create(struct address_table *table);
void address_table_destroy(struct address_table *table);

/** The number at `address`, or 0. */
uint32_t address_table_find(const struct address_table *table, const void *address);

/**
 * Put `number`, which is not 0, at `address`, where there was none. Returns false with errno set, the table
 * unchanged.
 */
bool address_table_add(struct address_table *table, const void *address, uint32_t number);

/** Take out what is at `address`, if anything. */
void address_table_remove(struct address_table *table, const void *address);

/** Call `visit` with each address and number, in no order. */
typedef void address_visit(void *context, const void *address, uint32_t number);
void address_table_visit(const struct address_table *table, address_visit *visit, void *context);

/** Forget all addresses. */
void address_table_clear(struct address_table *table);

#endif
