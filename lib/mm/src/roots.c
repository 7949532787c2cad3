#include "manager_internal.h"

#include <string.h>

static size_t find_provider(const struct sm_roots *roots, const char *name)
{
    size_t index = 0;
    while (index < roots->count && strcmp(roots->providers[index].name, name) != 0)
        index++;
    return index;
}

static bool grow(struct sm_roots *roots)
{
    size_t capacity = roots->capacity == 0 ? 8 : roots->capacity * 2;
    struct sm_root_provider *providers = realloc(roots->providers, capacity * sizeof(*providers));
    if (providers == NULL)
        return false;
    roots->providers = providers;
    roots->capacity = capacity;
    return true;
}

sm_status sm_roots_register(struct sm_manager *mm, const struct sm_root_provider *provider)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    struct sm_roots *roots = &mm->roots;
    if (provider->name == NULL || provider->enumerate == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a root provider needs a name and an enumerate function");
    if (find_provider(roots, provider->name) < roots->count)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "root provider %s is registered already", provider->name);
    if (roots->count == roots->capacity && !grow(roots))
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory for root provider %s", provider->name);
    roots->providers[roots->count++] = *provider;
    return SM_OK;
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
    roots->count--;
    struct sm_root_provider *hole = &roots->providers[index];
    memmove(hole, hole + 1, (roots->count - index) * sizeof(*hole));
    return SM_OK;
}

size_t sm_roots_count(const struct sm_manager *mm)
{
    return mm->roots.count;
}

const struct sm_root_provider *sm_roots_get(const struct sm_manager *mm, size_t index)
{
    return index < mm->roots.count ? &mm->roots.providers[index] : NULL;
}

void sm_roots_enumerate(struct sm_manager *mm, struct sm_visitor *visitor)
{
    const struct sm_roots *roots = &mm->roots;
    for (size_t i = 0; i < roots->count; i++)
        roots->providers[i].enumerate(roots->providers[i].context, visitor);
}

void sm_trace(const struct sm_manager *mm, const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct sm_type *type = sm_type_get(mm, object->type);
    SM_ASSERT(type != NULL);
    if (type->trace != NULL)
        type->trace(object, visitor);
}

void sm_roots_finish(struct sm_roots *roots)
{
    free(roots->providers);
}
