/** What the header of any live object satisfies. */
#ifndef HX_OBJECT_SANITY_H
#define HX_OBJECT_SANITY_H

#include "sapimem/object.h"

/** False for an address or a header that no live object of `mm` can have. Threads: any, under a guard. */
static inline bool hx_object_is_sane(const struct sm_manager *mm, const struct sm_object *object)
{
    if ((uintptr_t)object % SM_ALIGNMENT != 0)
        return false;
    return sm_type_get(mm, object->type) != NULL && object->payload_bytes <= SM_PAYLOAD_MAX;
}

#endif
