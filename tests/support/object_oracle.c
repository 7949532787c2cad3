#include "object_oracle.h"

#include "sapimem/manager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void oracle_add_copy(struct object_oracle *oracle, struct sm_object *object, size_t index)
{
    assert_in_range(oracle->count, 0, ORACLE_OBJECTS_MAX - 1);
    oracle->marks[oracle->count] = oracle->marks[index];
    oracle->objects[oracle->count++] = object;
}

void oracle_add(struct object_oracle *oracle, struct sm_object *object)
{
    assert_in_range(oracle->count, 0, ORACLE_OBJECTS_MAX - 1);
    oracle->marks[oracle->count] = (unsigned char)(oracle->count * 31 + 7);
    memset(sm_payload(object), oracle->marks[oracle->count], (size_t)object->payload_bytes);
    oracle->objects[oracle->count++] = object;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t) * (struct sm_object *const *)a;
    uintptr_t right = (uintptr_t) * (struct sm_object *const *)b;
    return (left > right) - (left < right);
}

/** The objects by address, and how many of them a walk has shown. */
struct sighting {
    size_t count, seen;
    struct sm_object *objects[ORACLE_OBJECTS_MAX];
    bool shown[ORACLE_OBJECTS_MAX];
};

static void see(void *context, struct sm_object *object)
{
    struct sighting *sighting = context;
    struct sm_object **place =
        bsearch(&object, sighting->objects, sighting->count, sizeof(struct sm_object *), by_address);
    if (place == NULL)
        fail_msg("walk shows %p, which nobody allocated", (void *)object);
    bool *shown = &sighting->shown[place - sighting->objects];
    if (*shown)
        fail_msg("walk shows %p twice", (void *)object);
    *shown = true;
    sighting->seen++;
}

static void assert_apart(const struct sighting *sighting)
{
    for (size_t i = 0; i < sighting->count; i++) {
        const struct sm_object *object = sighting->objects[i];
        assert_int_equal((uintptr_t)object % SM_ALIGNMENT, 0);
        const char *end = (const char *)object + sm_block_bytes((size_t)object->payload_bytes);
        assert_true(i + 1 == sighting->count || end <= (const char *)sighting->objects[i + 1]);
    }
}

void oracle_assert_walk(const struct object_oracle *oracle, struct sm_manager *mm)
{
    struct sighting *sighting = calloc(1, sizeof(*sighting));
    assert_non_null(sighting);
    sighting->count = oracle->count;
    memcpy(sighting->objects, oracle->objects, oracle->count * sizeof(struct sm_object *));
    qsort(sighting->objects, sighting->count, sizeof(struct sm_object *), by_address);
    assert_apart(sighting);
    sm_walk(mm, see, sighting);
    assert_int_equal(sighting->seen, sighting->count);
    free(sighting);
}

void oracle_assert_contents(const struct object_oracle *oracle)
{
    for (size_t i = 0; i < oracle->count; i++) {
        const unsigned char *bytes = sm_payload(oracle->objects[i]);
        for (size_t j = 0; j < oracle->objects[i]->payload_bytes; j++)
            if (bytes[j] != oracle->marks[i])
                fail_msg("object %zu, byte %zu was overwritten", i, j);
    }
}
