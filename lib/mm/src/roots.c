#include "manager_internal.h"

#include <string.h>

/* A stack that is unwound across the mark is reached in steps of so many roots at least, not at each return. */
enum { REACH_ROOTS = 256 };

static size_t find_provider(const struct sm_roots *roots, const char *name)
{
    size_t index = 0;
    while (index < roots->count && strcmp(roots->entries[index].stack.provider.name, name) != 0)
        index++;
    return index;
}

static bool grow(struct sm_roots *roots)
{
    size_t capacity = roots->capacity == 0 ? 8 : roots->capacity * 2;
    struct sm_root_entry *entries = realloc(roots->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return false;
    roots->entries = entries;
    roots->capacity = capacity;
    return true;
}

static bool is_stack(const struct sm_root_entry *entry)
{
    return entry->stack.enumerate_top != NULL;
}

static sm_status add(struct sm_manager *mm, const struct sm_root_stack *stack)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    struct sm_roots *roots = &mm->roots;
    const struct sm_root_provider *provider = &stack->provider;
    if (provider->name == NULL || provider->enumerate == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a root provider needs a name and an enumerate function");
    if (find_provider(roots, provider->name) < roots->count)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "root provider %s is registered already", provider->name);
    if (roots->count == roots->capacity && !grow(roots))
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory for root provider %s", provider->name);
    roots->entries[roots->count++] = (struct sm_root_entry){.stack = *stack};
    return SM_OK;
}

sm_status sm_roots_register(struct sm_manager *mm, const struct sm_root_provider *provider)
{
    const struct sm_root_stack plain = {.provider = *provider};
    return add(mm, &plain);
}

sm_status sm_roots_register_stack(struct sm_manager *mm, const struct sm_root_stack *stack)
{
    if (stack->enumerate_top == NULL || stack->enumerate_more == NULL || stack->enumerate_changed == NULL ||
        stack->forget == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a stack of roots needs all of its functions");
    return add(mm, stack);
}

/* Returns how many roots it has visited. */
static size_t visit_left(struct sm_roots *roots, struct sm_root_entry *entry, size_t budget)
{
    size_t before = entry->left;
    if (before != 0)
        entry->left = entry->stack.enumerate_more(entry->stack.provider.context, roots->visitor, budget);
    SM_ASSERT(entry->left <= before);
    return before - entry->left;
}

sm_status sm_roots_unregister(struct sm_manager *mm, const char *name)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    struct sm_roots *roots = &mm->roots;
    size_t index = name == NULL ? roots->count : find_provider(roots, name);
    if (index == roots->count)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "no root provider %s", name == NULL ? "(no name)" : name);
    struct sm_root_entry *hole = &roots->entries[index];
    visit_left(roots, hole, SIZE_MAX);
    roots->count--;
    memmove(hole, hole + 1, (roots->count - index) * sizeof(*hole));
    return SM_OK;
}

size_t sm_roots_count(const struct sm_manager *mm)
{
    return mm->roots.count;
}

const struct sm_root_provider *sm_roots_get(const struct sm_manager *mm, size_t index)
{
    return index < mm->roots.count ? &mm->roots.entries[index].stack.provider : NULL;
}

static void visit_all(const struct sm_root_entry *entry, struct sm_visitor *visitor)
{
    entry->stack.provider.enumerate(entry->stack.provider.context, visitor);
}

void sm_roots_enumerate(struct sm_manager *mm, struct sm_visitor *visitor)
{
    for (size_t i = 0; i < mm->roots.count; i++)
        visit_all(&mm->roots.entries[i], visitor);
}

/* ---- In pieces. ---- */

size_t sm_roots_enumerate_begin(struct sm_manager *mm, struct sm_visitor *visitor, size_t budget)
{
    struct sm_roots *roots = &mm->roots;
    size_t left = 0;
    SM_ASSERT(roots->visitor == NULL);
    roots->visitor = visitor;
    for (size_t i = 0; i < roots->count; i++) {
        struct sm_root_entry *entry = &roots->entries[i];
        if (is_stack(entry))
            entry->left = entry->stack.enumerate_top(entry->stack.provider.context, visitor, budget);
        else
            visit_all(entry, visitor);
        left += entry->left;
    }
    return left;
}

size_t sm_roots_enumerate_some(struct sm_manager *mm, size_t budget)
{
    struct sm_roots *roots = &mm->roots;
    size_t left = 0;
    for (size_t i = 0; i < roots->count; i++) {
        size_t visited = budget == 0 ? 0 : visit_left(roots, &roots->entries[i], budget);
        budget -= visited < budget ? visited : budget;
        left += roots->entries[i].left;
    }
    return left;
}

void sm_roots_enumerate_end(struct sm_manager *mm)
{
    struct sm_roots *roots = &mm->roots;
    roots->visitor = NULL;
    for (size_t i = 0; i < roots->count; i++) {
        struct sm_root_entry *entry = &roots->entries[i];
        if (entry->left != 0)
            entry->stack.forget(entry->stack.provider.context);
        entry->left = 0;
    }
}

void sm_roots_reach(struct sm_manager *mm, const void *context, size_t count)
{
    struct sm_roots *roots = &mm->roots;
    size_t index = 0;
    while (!is_stack(&roots->entries[index]) || roots->entries[index].stack.provider.context != context) {
        index++;
        SM_ASSERT(index < roots->count);
    }
    SM_ASSERT(roots->visitor != NULL);
    visit_left(roots, &roots->entries[index], count > REACH_ROOTS ? count : REACH_ROOTS);
}

/* ---- What changed. ---- */

size_t sm_roots_enumerate_young(struct sm_manager *mm, struct sm_visitor *visitor)
{
    const struct sm_roots *roots = &mm->roots;
    size_t visited = 0;
    SM_ASSERT(roots->visitor == NULL);
    for (size_t i = 0; i < roots->count; i++) {
        const struct sm_root_entry *entry = &roots->entries[i];
        if (is_stack(entry))
            visited += entry->stack.enumerate_changed(entry->stack.provider.context, visitor);
        else
            visit_all(entry, visitor);
    }
    return visited;
}

void sm_roots_forget_clean(struct sm_manager *mm)
{
    const struct sm_roots *roots = &mm->roots;
    SM_ASSERT(roots->visitor == NULL);
    for (size_t i = 0; i < roots->count; i++)
        if (is_stack(&roots->entries[i]))
            roots->entries[i].stack.forget(roots->entries[i].stack.provider.context);
}

/* ---- Edges. ---- */

void sm_trace(const struct sm_manager *mm, const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct sm_type *type = sm_type_get(mm, object->type);
    SM_ASSERT(type != NULL);
    if (type->trace != NULL)
        type->trace(object, visitor);
}

void sm_roots_finish(struct sm_roots *roots)
{
    free(roots->entries);
}
