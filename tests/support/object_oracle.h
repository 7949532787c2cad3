/**
 * A plain list of the objects that ought to exist, to compare a policy's walk with.
 *
 * Every object's payload is filled with a byte of its own, so that an overlap shows as an overwritten byte.
 */
#ifndef OBJECT_ORACLE_H
#define OBJECT_ORACLE_H

#include "sapimem/object.h"

enum { ORACLE_OBJECTS_MAX = 8192 };

struct object_oracle {
    size_t count;
    struct sm_object *objects[ORACLE_OBJECTS_MAX];
    unsigned char marks[ORACLE_OBJECTS_MAX];
};

/** Enter `object` and fill its payload with its mark. */
void oracle_add(struct object_oracle *oracle, struct sm_object *object);

/** Enter `object` as it is, with the mark of object `index`: what a resize that moved left behind. */
void oracle_add_copy(struct object_oracle *oracle, struct sm_object *object, size_t index);

/** The walk shows exactly these objects, aligned and apart from each other. Fails the test otherwise. */
void oracle_assert_walk(const struct object_oracle *oracle, struct sm_manager *mm);

/** Every payload still holds its mark. Fails the test otherwise. */
void oracle_assert_contents(const struct object_oracle *oracle);

#endif
