/* Objects younger than the last collection. */
#include "boehm/boehm_internal.h"

#include <string.h>
#include <sys/mman.h>

enum { FIRST_BYTES = 64 * 1024, ENTRY_BYTES = sizeof(struct sm_object *) };

/* Mapped apart from malloc, so that growing moves pages and not bytes. */
static void *map_log(void *old, size_t old_bytes, size_t bytes)
{
    void *mapped = old == NULL ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                               : mremap(old, old_bytes, bytes, MREMAP_MAYMOVE);
    return mapped == MAP_FAILED ? NULL : mapped;
}

static bool grow(struct boehm_policy *boehm)
{
    struct boehm_young *young = &boehm->young;
    size_t old_bytes = young->capacity * ENTRY_BYTES;
    size_t bytes = old_bytes == 0 ? FIRST_BYTES : 2 * old_bytes;
    if (!sm_reserve(boehm->base.mm, bytes - old_bytes))
        return false;
    void *mapped = map_log(young->objects, old_bytes, bytes);
    if (mapped == NULL) {
        sm_unreserve(boehm->base.mm, bytes - old_bytes);
        return false;
    }
    young->objects = mapped;
    young->capacity = bytes / ENTRY_BYTES;
    return true;
}

bool boehm_young_reserve(struct boehm_policy *boehm)
{
    return boehm->young.count < boehm->young.capacity || grow(boehm);
}

void boehm_young_collected(struct boehm_young *young)
{
    SM_ASSERT(young->recent_index <= young->count);
    size_t recent_count = young->count - young->recent_index;
    if (young->recent_index != 0 && recent_count != 0)
        memmove(young->objects, young->objects + young->recent_index, recent_count * ENTRY_BYTES);
    young->count = recent_count;
    young->recent_index = 0;
}

void boehm_young_finish(struct boehm_policy *boehm)
{
    struct boehm_young *young = &boehm->young;
    if (young->objects != NULL) {
        munmap(young->objects, young->capacity * ENTRY_BYTES);
        sm_unreserve(boehm->base.mm, young->capacity * ENTRY_BYTES);
    }
    *young = (struct boehm_young){0};
}
