#include "heap_census.h"

#include "check.h"
#include "sapimem/roots.h"

#include <stdlib.h>

/* What an edge means in the pass under way. */
enum pass { PASS_MARK, PASS_COUNT, PASS_PEEL };

struct entry {
    const struct sm_object *object;
    uint64_t holders; /* edges from dead objects that are not peeled off */
    bool reachable;
};

struct survey {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    struct entry *entries;
    size_t count, capacity;
    size_t *stack;
    size_t stacked;
    enum pass pass;
    uint64_t dead_to_living_edges;
};

static void add_object(void *context, struct sm_object *object)
{
    struct survey *survey = (struct survey *)context;
    if (survey->count == survey->capacity) {
        survey->capacity = survey->capacity == 0 ? 4096 : survey->capacity * 2;
        survey->entries = (struct entry *)realloc(survey->entries, survey->capacity * sizeof(*survey->entries));
        assert_non_null(survey->entries);
    }
    survey->entries[survey->count++] = (struct entry){object, 0, false};
}

static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct entry *)left)->object;
    uintptr_t b = (uintptr_t)((const struct entry *)right)->object;
    return (a > b) - (a < b);
}

static struct entry *find(const struct survey *survey, const struct sm_object *object)
{
    struct entry key = {object, 0, false};
    if (survey->count == 0)
        return NULL;
    return (struct entry *)bsearch(&key, survey->entries, survey->count, sizeof(key), by_address);
}

static void push(struct survey *survey, const struct entry *entry)
{
    survey->stack[survey->stacked++] = (size_t)(entry - survey->entries);
}

static void see_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct survey *survey = (struct survey *)visitor;
    struct entry *entry = find(survey, target);
    if (entry == NULL)
        return;
    if (entry->reachable) {
        survey->dead_to_living_edges += survey->pass == PASS_COUNT;
        return;
    }
    if (survey->pass == PASS_MARK) {
        entry->reachable = true;
        push(survey, entry);
    } else if (survey->pass == PASS_COUNT) {
        entry->holders++;
    } else if (--entry->holders == 0) {
        push(survey, entry);
    }
}

static void follow_stack(struct survey *survey, struct sm_manager *mm)
{
    while (survey->stacked > 0)
        sm_trace(mm, survey->entries[survey->stack[--survey->stacked]].object, &survey->visitor);
}

static void count_holders(struct survey *survey, struct sm_manager *mm)
{
    survey->pass = PASS_COUNT;
    for (size_t i = 0; i < survey->count; i++)
        if (!survey->entries[i].reachable)
            sm_trace(mm, survey->entries[i].object, &survey->visitor);
}

/* What counting would free, from the objects that nobody holds downwards. */
static void peel(struct survey *survey, struct sm_manager *mm)
{
    survey->pass = PASS_PEEL;
    for (size_t i = 0; i < survey->count; i++)
        if (!survey->entries[i].reachable && survey->entries[i].holders == 0)
            push(survey, &survey->entries[i]);
    follow_stack(survey, mm);
}

static void add_up(const struct survey *survey, struct heap_census *census)
{
    *census = (struct heap_census){.object_count = survey->count, .dead_to_living_edges = survey->dead_to_living_edges};
    for (size_t i = 0; i < survey->count; i++) {
        const struct entry *entry = &survey->entries[i];
        if (entry->reachable) {
            census->reachable_count++;
            census->reachable_block_bytes += sm_block_bytes(entry->object->payload_bytes);
        } else {
            census->dead_count++;
            census->dead_in_cycles_count += entry->holders > 0;
        }
    }
}

void heap_census_take(struct sm_manager *mm, struct heap_census *census)
{
    struct survey survey = {.visitor = {.edge = see_edge}};
    sm_walk(mm, add_object, &survey);
    if (survey.count > 0)
        qsort(survey.entries, survey.count, sizeof(*survey.entries), by_address);
    survey.stack = (size_t *)malloc((survey.count + 1) * sizeof(*survey.stack));
    assert_non_null(survey.stack);
    sm_roots_enumerate(mm, &survey.visitor);
    follow_stack(&survey, mm);
    count_holders(&survey, mm);
    peel(&survey, mm);
    add_up(&survey, census);
    free(survey.stack);
    free(survey.entries);
}
