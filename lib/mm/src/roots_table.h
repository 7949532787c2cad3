/**
 * The registered root providers, in order of registration.
 */
#ifndef SM_ROOTS_TABLE_H
#define SM_ROOTS_TABLE_H

#include "sapimem/roots.h"

struct sm_roots {
    size_t count, capacity;
    struct sm_root_provider *providers;
};

void sm_roots_finish(struct sm_roots *roots);

#endif
