/**
 * Objects whose count of birth is given up at the next safepoint.
 *
 * Memory from sm_alloc_bytes lives until then whoever refers to it. Where nothing is counted, an emergency's
 * roots see to that and nothing is listed here.
 */
#ifndef SM_AUTORELEASE_H
#define SM_AUTORELEASE_H

#include "sapimem/object.h"

struct sm_autorelease {
    size_t count, capacity;
    struct sm_object **objects;
};

/** List `object`. False: no memory; nothing changed. */
bool sm_autorelease_add(struct sm_manager *mm, struct sm_object *object);
/** Give up what is listed. Threads: owner, at a safepoint or at a request's end. */
void sm_autorelease_drain(struct sm_manager *mm);
void sm_autorelease_finish(struct sm_autorelease *autorelease);

#endif
