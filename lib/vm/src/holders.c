#include "holders.h"

enum { CAPACITY_FIRST = 1024 };

/* One trace: the objects whose edges are still to be followed are on the stack. */
struct count_trace {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    struct vm_holders *holders;
    struct sm_object **stack;
    size_t stacked, capacity;
    bool failed;
};

static struct vm_holder_count *find(const struct vm_holders *holders, const struct sm_object *object)
{
    size_t mask = holders->capacity - 1;
    size_t slot = (size_t)((((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & mask;
    while (holders->entries[slot].object != NULL && holders->entries[slot].object != object)
        slot = (slot + 1) & mask;
    return &holders->entries[slot];
}

static bool grow_table(struct vm_holders *holders)
{
    struct vm_holders grown = {holders->count, holders->capacity == 0 ? CAPACITY_FIRST : holders->capacity * 2, NULL};
    grown.entries = (struct vm_holder_count *)calloc(grown.capacity, sizeof(*grown.entries));
    if (grown.entries == NULL)
        return false;
    for (size_t i = 0; i < holders->capacity; i++) {
        if (holders->entries[i].object != NULL)
            *find(&grown, holders->entries[i].object) = holders->entries[i];
    }
    free(holders->entries);
    *holders = grown;
    return true;
}

static bool push(struct count_trace *trace, struct sm_object *object)
{
    if (trace->stacked == trace->capacity) {
        size_t capacity = trace->capacity == 0 ? CAPACITY_FIRST : trace->capacity * 2;
        struct sm_object **stack = (struct sm_object **)realloc(trace->stack, capacity * sizeof(struct sm_object *));
        if (stack == NULL)
            return false;
        trace->stack = stack;
        trace->capacity = capacity;
    }
    trace->stack[trace->stacked++] = object;
    return true;
}

static bool add_holder(struct count_trace *trace, struct sm_object *target)
{
    struct vm_holders *holders = trace->holders;
    if ((holders->count + 1) * 2 > holders->capacity && !grow_table(holders))
        return false;
    struct vm_holder_count *entry = find(holders, target);
    if (entry->object != NULL) {
        entry->count++;
        return true;
    }
    *entry = (struct vm_holder_count){target, 1};
    holders->count++;
    return push(trace, target);
}

static void see_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct count_trace *trace = (struct count_trace *)visitor;
    trace->failed = trace->failed || !add_holder(trace, target);
}

bool vm_holders_count(struct vm *vm, struct vm_holders *holders)
{
    struct count_trace trace = {.visitor = {.edge = see_edge}, .holders = holders};
    struct sm_manager *mm = vm_manager(vm);
    sm_roots_enumerate(mm, &trace.visitor);
    while (trace.stacked > 0 && !trace.failed)
        sm_trace(mm, trace.stack[--trace.stacked], &trace.visitor);
    free(trace.stack);
    if (trace.failed)
        vm_holders_finish(holders);
    return !trace.failed;
}

void vm_holders_finish(struct vm_holders *holders)
{
    free(holders->entries);
    *holders = (struct vm_holders){0};
}

uint64_t *vm_holders_of(const struct vm_holders *holders, const struct sm_object *object)
{
    struct vm_holder_count *entry = holders->capacity == 0 ? NULL : find(holders, object);
    return entry == NULL || entry->object == NULL ? NULL : &entry->count;
}
