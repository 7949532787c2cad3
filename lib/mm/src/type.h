/**
 * The table of type descriptors.
 *
 * Descriptors live in pages that never move, so that sm_type_get may be called by any thread while
 * the owner registers further types before observers exist.
 */
#ifndef SM_TYPE_H
#define SM_TYPE_H

#include "sapimem/object.h"
#include "sapimem/status.h"

enum {
    SM_TYPE_PAGE_BITS = 8,
    SM_TYPE_PAGE_ENTRIES = 1 << SM_TYPE_PAGE_BITS,
    SM_TYPE_PAGES = 65536 >> SM_TYPE_PAGE_BITS
};

struct sm_types {
    uint32_t count;
    struct sm_type *pages[SM_TYPE_PAGES];
};

/** Register the built-in types. */
sm_status sm_types_init(struct sm_manager *mm);
void sm_types_finish(struct sm_types *types);

#endif
