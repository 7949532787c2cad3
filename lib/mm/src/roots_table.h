/**
 * The registered root providers, in order of registration, and the enumeration in pieces that is open.
 */
#ifndef SM_ROOTS_TABLE_H
#define SM_ROOTS_TABLE_H

#include "sapimem/roots.h"

struct sm_root_entry {
    struct sm_root_stack stack; /**< of a plain provider only `provider` is set */
    size_t left;                /**< roots that the open enumeration has not come to */
};

struct sm_roots {
    size_t count, capacity;
    struct sm_root_entry *entries;
    struct sm_visitor *visitor; /**< of the open enumeration; NULL: none is open */
};

void sm_roots_finish(struct sm_roots *roots);

#endif
