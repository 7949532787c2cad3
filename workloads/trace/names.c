/** The ids of a trace while it is decoded: a hash table with open addressing, in a file. */
#include "trace/names.h"

enum { FIRST_PLACES = 1 << 12 };

static struct trace_name *places(const struct trace_names *names)
{
    return (struct trace_name *)names->places.base;
}

/* The place that holds `id`, or the empty one where it belongs. At least a quarter of the places are empty. */
static struct trace_name *probe(const struct trace_names *names, uint32_t id)
{
    uint32_t mask = names->place_count - 1;
    /* Fibonacci hashing: neighbours among ids, the usual case, spread evenly. */
    uint32_t at = (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (places(names)[at].state != TRACE_NAME_EMPTY && places(names)[at].id != id)
        at = (at + 1) & mask;
    return &places(names)[at];
}

static bool create_places(struct trace_names *names, uint32_t place_count)
{
    *names = (struct trace_names){TRACE_MAPPING_NONE, place_count, 0};
    return trace_mapping_create(&names->places, (size_t)place_count * sizeof(struct trace_name));
}

bool trace_names_create(struct trace_names *names)
{
    return create_places(names, FIRST_PLACES);
}

void trace_names_destroy(struct trace_names *names)
{
    trace_mapping_destroy(&names->places);
}

struct trace_name *trace_names_find(const struct trace_names *names, uint32_t id)
{
    struct trace_name *name = probe(names, id);
    return name->state == TRACE_NAME_EMPTY ? NULL : name;
}

static bool double_places(struct trace_names *names)
{
    struct trace_names larger;
    if (!create_places(&larger, names->place_count * 2))
        return false;
    for (uint32_t i = 0; i < names->place_count; i++) {
        const struct trace_name *name = &places(names)[i];
        if (name->state != TRACE_NAME_EMPTY)
            *probe(&larger, name->id) = *name;
    }
    larger.used = names->used;
    trace_names_destroy(names);
    *names = larger;
    return true;
}

struct trace_name *trace_names_add(struct trace_names *names, uint32_t id)
{
    struct trace_name *name = probe(names, id);
    if (name->state != TRACE_NAME_EMPTY)
        return name;
    if (names->used >= names->place_count / 4 * 3) {
        if (!double_places(names))
            return NULL;
        name = probe(names, id);
    }
    names->used++;
    name->id = id;
    return name;
}
