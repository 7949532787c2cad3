#include "oracle.h"

#include "object_sanity.h"
#include "sapimem/roots.h"

#include <assert.h>
#include <stdlib.h>

/* Open addressing; the low bit of an entry says that the walk met the object. */
struct object_set {
    uintptr_t *entries;
    size_t capacity; /* a power of two */
    size_t count;
};

struct oracle {
    struct sm_visitor visitor;
    struct sm_manager *mm;
    struct hx_oracle_result *result;
    struct object_set reached;
    struct sm_object **pending; /* reached, not yet traced */
    size_t pending_count, pending_capacity;
    bool is_out_of_memory;
};

#define MET_BIT ((uintptr_t)1)

static size_t slot_of(const struct object_set *set, uintptr_t address)
{
    size_t slot = (size_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (set->capacity - 1);
    while (set->entries[slot] != 0 && (set->entries[slot] & ~MET_BIT) != address)
        slot = (slot + 1) & (set->capacity - 1);
    return slot;
}

static bool set_grow(struct object_set *set)
{
    struct object_set larger = {.capacity = set->capacity != 0 ? 2 * set->capacity : 4096};
    larger.entries = (uintptr_t *)calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL)
        return false;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->entries[i] != 0)
            larger.entries[slot_of(&larger, set->entries[i])] = set->entries[i];
    larger.count = set->count;
    free(set->entries);
    *set = larger;
    return true;
}

/* 1: inserted; 0: was there; -1: no room. */
static int set_insert(struct object_set *set, struct sm_object *object)
{
    if (set->count >= set->capacity / 2 && !set_grow(set))
        return -1;
    size_t slot = slot_of(set, (uintptr_t)object);
    if (set->entries[slot] != 0)
        return 0;
    set->entries[slot] = (uintptr_t)object;
    set->count++;
    return 1;
}

static bool push_pending(struct oracle *oracle, struct sm_object *object)
{
    if (oracle->pending_count == oracle->pending_capacity) {
        size_t capacity = oracle->pending_capacity != 0 ? 2 * oracle->pending_capacity : 1024;
        struct sm_object **grown = (struct sm_object **)realloc(oracle->pending, capacity * sizeof(struct sm_object *));
        if (grown == NULL)
            return false;
        oracle->pending = grown;
        oracle->pending_capacity = capacity;
    }
    oracle->pending[oracle->pending_count++] = object;
    return true;
}

static void reach(struct sm_visitor *visitor, struct sm_object *target)
{
    struct oracle *oracle = (struct oracle *)visitor;
    if (((uintptr_t)target & MET_BIT) != 0) {
        oracle->result->broken_objects++;
        return;
    }
    int inserted = set_insert(&oracle->reached, target);
    if (inserted < 0 || (inserted > 0 && !push_pending(oracle, target)))
        oracle->is_out_of_memory = true;
}

static void trace_pending(struct oracle *oracle)
{
    while (oracle->pending_count > 0 && !oracle->is_out_of_memory) {
        struct sm_object *object = oracle->pending[--oracle->pending_count];
        if (hx_object_is_sane(oracle->mm, object))
            sm_trace(oracle->mm, object, &oracle->visitor);
        else
            oracle->result->broken_objects++;
    }
}

static void meet(void *context, struct sm_object *object)
{
    struct oracle *oracle = (struct oracle *)context;
    struct hx_oracle_result *result = oracle->result;
    struct object_set *set = &oracle->reached;
    size_t slot = slot_of(set, (uintptr_t)object);
    if (set->entries[slot] == 0) {
        result->leaked_objects++;
        result->leaked_bytes += object->payload_bytes;
    } else if ((set->entries[slot] & MET_BIT) == 0) {
        set->entries[slot] |= MET_BIT;
        result->retained_objects++;
        result->retained_bytes += object->payload_bytes;
    }
}

sm_status hx_oracle_run(struct sm_manager *mm, struct hx_oracle_result *result)
{
    *result = (struct hx_oracle_result){0};
    struct oracle oracle = {.visitor = {.edge = reach}, .mm = mm, .result = result};
    if (!set_grow(&oracle.reached))
        return SM_ERR_OUT_OF_MEMORY;
    sm_roots_enumerate(mm, &oracle.visitor);
    trace_pending(&oracle);
    if (!oracle.is_out_of_memory) {
        sm_walk(mm, meet, &oracle);
        assert(result->retained_objects <= oracle.reached.count);
        result->missing_objects = oracle.reached.count - result->retained_objects;
    }
    free(oracle.pending);
    free(oracle.reached.entries);
    return oracle.is_out_of_memory ? SM_ERR_OUT_OF_MEMORY : SM_OK;
}
