#include "raw_allocator.h"

const struct raw_allocator *raw_allocator_at(size_t index)
{
    static const struct raw_allocator *const allocators[] = {&raw_bump, &raw_malloc, &raw_mimalloc, &raw_bdwgc};
    bool exists = index < sizeof(allocators) / sizeof(allocators[0]) && allocators[index]->name != NULL;
    return exists ? allocators[index] : NULL;
}
