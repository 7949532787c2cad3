/** The table behind wl_table and wl_find, made from workloads.def. */
#include "workloads/workload.h"

#include <string.h>

#define WL_WORKLOAD(symbol) extern const struct wl_ops wl_##symbol;
#include "workloads.def"
#undef WL_WORKLOAD

#define WL_WORKLOAD(symbol) &wl_##symbol,
static const struct wl_ops *const table[] = {
#include "workloads.def"
};
#undef WL_WORKLOAD

const struct wl_ops *wl_table(size_t index)
{
    return index < sizeof(table) / sizeof(table[0]) ? table[index] : NULL;
}

const struct wl_ops *wl_find(const char *name)
{
    for (size_t i = 0; wl_table(i) != NULL; i++)
        if (strcmp(wl_table(i)->name, name) == 0)
            return wl_table(i);
    return NULL;
}
