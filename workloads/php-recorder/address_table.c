#include "address_table.h"

#include <assert.h>
#include <string.h>

enum { FIRST_PLACES = 1 << 12 };

/* `number` 0: an empty place. */
struct place {
    const void *address;
    uint32_t number;
};

static struct place *places_of(const struct address_table *table)
{
    return table->places.base;
}

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4); blocks are aligned to 8. */
static size_t home_of(const struct address_table *table, const void *address)
{
    uint64_t hash = ((uint64_t)(uintptr_t)address >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 20) & (table->place_count - 1);
}

static size_t next_of(const struct address_table *table, size_t index)
{
    return (index + 1) & (table->place_count - 1);
}

/* The place of `address`, or the empty one where it would go. */
static size_t locate(const struct address_table *table, const void *address)
{
    size_t index = home_of(table, address);
    while (places_of(table)[index].number != 0 && places_of(table)[index].address != address)
        index = next_of(table, index);
    return index;
}

static bool create_places(struct address_table *table, size_t place_count)
{
    table->place_count = place_count;
    table->used = 0;
    return trace_mapping_create(&table->places, place_count * sizeof(struct place));
}

bool address_table_create(struct address_table *table)
{
    return create_places(table, FIRST_PLACES);
}

void address_table_destroy(struct address_table *table)
{
    trace_mapping_destroy(&table->places);
}

uint32_t address_table_find(const struct address_table *table, const void *address)
{
    return places_of(table)[locate(table, address)].number;
}

static void put(struct address_table *table, const void *address, uint32_t number)
{
    struct place *place = &places_of(table)[locate(table, address)];
    assert(place->number == 0 && number != 0);
    *place = (struct place){address, number};
    table->used++;
}

static void put_again(void *context, const void *address, uint32_t number)
{
    put(context, address, number);
}

static bool grow(struct address_table *table)
{
    struct address_table grown;
    if (!create_places(&grown, table->place_count * 2))
        return false;
    address_table_visit(table, put_again, &grown);
    address_table_destroy(table);
    *table = grown;
    return true;
}

bool address_table_add(struct address_table *table, const void *address, uint32_t number)
{
    if (table->used * 2 >= table->place_count && !grow(table))
        return false;
    put(table, address, number);
    return true;
}

/* Whether an entry at home `home` may stay behind a hole at `hole` when it is at `index`: its home lies in between. */
static bool may_stay(size_t hole, size_t home, size_t index)
{
    return hole <= index ? hole < home && home <= index : hole < home || home <= index;
}

/* Entries behind it move up, so that no mark of a removal is needed and searches stay short. */
void address_table_remove(struct address_table *table, const void *address)
{
    struct place *places = places_of(table);
    size_t hole = locate(table, address);
    if (places[hole].number == 0)
        return;
    for (size_t index = next_of(table, hole); places[index].number != 0; index = next_of(table, index))
        if (!may_stay(hole, home_of(table, places[index].address), index)) {
            places[hole] = places[index];
            hole = index;
        }
    places[hole] = (struct place){NULL, 0};
    table->used--;
}

void address_table_visit(const struct address_table *table, address_visit *visit, void *context)
{
    for (size_t i = 0; i < table->place_count; i++)
        if (places_of(table)[i].number != 0)
            visit(context, places_of(table)[i].address, places_of(table)[i].number);
}

void address_table_clear(struct address_table *table)
{
    memset(table->places.base, 0, table->place_count * sizeof(struct place));
    table->used = 0;
}
