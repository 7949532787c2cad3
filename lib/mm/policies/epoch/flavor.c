/* The flavours' table, and each thread's use of them. */
#include "epoch/flavor.h"

#include "assertion.h"

static const struct epoch_flavor *const flavors[EPOCH_FLAVOR_COUNT] = {
    &epoch_flavor_memb,
    &epoch_flavor_qsbr,
    &epoch_flavor_mb,
    &epoch_flavor_bp,
};

const char *const epoch_flavor_names[EPOCH_FLAVOR_COUNT + 1] = {"memb", "qsbr", "mb", "bp", NULL};

/*
 * The one exception to "no globals", with the depth of qsbr's guards. liburcu's own state is per thread and per
 * process, so what several managers on one thread share of it cannot hang off any one of them.
 */
static _Thread_local struct {
    uint32_t registrations;
    uint32_t defer_registrations;
    bool had_ring; /* liburcu 0.13.2 aborts when a thread takes a second one */
} thread_use[EPOCH_FLAVOR_COUNT];

const struct epoch_flavor *epoch_flavor_get(size_t index)
{
    SM_ASSERT(index < EPOCH_FLAVOR_COUNT);
    SM_ASSERT(flavors[index]->index == index);
    return flavors[index];
}

void epoch_thread_register(const struct epoch_flavor *flavor)
{
    if (thread_use[flavor->index].registrations++ == 0)
        flavor->register_thread();
}

void epoch_thread_unregister(const struct epoch_flavor *flavor)
{
    SM_ASSERT(thread_use[flavor->index].registrations > 0);
    if (--thread_use[flavor->index].registrations == 0)
        flavor->unregister_thread();
}

bool epoch_thread_defer_register(const struct epoch_flavor *flavor)
{
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    if (thread_use[flavor->index].defer_registrations == 0) {
        if (thread_use[flavor->index].had_ring || flavor->defer_register() != 0)
            return false;
        thread_use[flavor->index].had_ring = true;
    }
    thread_use[flavor->index].defer_registrations++;
    return true;
}

void epoch_thread_defer_unregister(const struct epoch_flavor *flavor)
{
    SM_ASSERT(!epoch_thread_in_guard()); /* R3 */
    SM_ASSERT(thread_use[flavor->index].defer_registrations > 0);
    if (--thread_use[flavor->index].defer_registrations == 0)
        flavor->defer_unregister();
}

bool epoch_thread_in_guard(void)
{
    /* Asking liburcu also sees guards that the embedder took from it. */
    for (size_t i = 0; i < EPOCH_FLAVOR_COUNT; i++) {
        if (thread_use[i].registrations > 0 && flavors[i]->read_ongoing())
            return true;
    }
    return false;
}
