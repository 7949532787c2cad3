#include "cell.h"

#include "build_info.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool hx_cell_add_argument(struct hx_cell *cell, const char *format, ...)
{
    assert(cell->argument_count < HX_CELL_ARGUMENTS_MAX);
    va_list values;
    va_start(values, format);
    int length = vasprintf(&cell->arguments[cell->argument_count], format, values);
    va_end(values);
    if (length < 0)
        return false;
    cell->argument_count++;
    return true;
}

/* FNV-1a (Fowler, Noll, Vo); the end of the text counts, so that "ab","c" is not "a","bc". */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    do {
        hash ^= *byte;
        hash *= UINT64_C(0x100000001b3);
    } while (*byte++ != '\0');
    return hash;
}

/* FNV leaves the high bits of short texts alike, and ids are also an order: the finisher of MurmurHash3 (Appleby). */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

void hx_cell_set_id(struct hx_cell *cell)
{
    const struct hx_build_info *build = &hx_build_info;
    const char *const facts[] = {build->git_commit, build->git_dirty ? "changed" : "",
                                 build->compiler,   build->c_flags,
                                 build->build_type, build->sanitizers,
                                 build->assertions};
    char invocation[16];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        hash = hash_text(hash, facts[i]);
    for (size_t i = 0; i < cell->argument_count; i++)
        hash = hash_text(hash, cell->arguments[i]);
    snprintf(invocation, sizeof(invocation), "%u", cell->invocation);
    snprintf(cell->id, sizeof(cell->id), "%016" PRIx64, mix(hash_text(hash, invocation)));
}

const char *hx_cell_describe(const struct hx_cell *cell, char *text, size_t text_bytes)
{
    char limit[48] = "";
    if (cell->heap_factor != 0)
        snprintf(limit, sizeof(limit), " heap x%g", cell->heap_factor);
    else if (cell->minheap_factor != 0)
        snprintf(limit, sizeof(limit), " minheap x%g", cell->minheap_factor);
    snprintf(text, text_bytes, "%s %s%s%s%s seed %" PRIu64 " #%u", cell->policy, cell->workload,
             cell->pacing != NULL ? " " : "", cell->pacing != NULL ? cell->pacing : "", limit, cell->seed,
             cell->invocation);
    return text;
}

void hx_cell_finish(struct hx_cell *cell)
{
    for (size_t i = 0; i < cell->argument_count; i++)
        free(cell->arguments[i]);
    cell->argument_count = 0;
}
