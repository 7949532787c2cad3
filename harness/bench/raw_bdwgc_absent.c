/* Stands in for raw_bdwgc.c where libgc is missing. */
#include "raw_allocator.h"

const struct raw_allocator raw_bdwgc = {.name = NULL};
