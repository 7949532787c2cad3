#include "type.h"

#include "manager_internal.h"

static void trace_values(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, sm_payload_const(object), (size_t)(object->payload_bytes / sizeof(struct sm_value)));
}

/* Returns the place of the next descriptor, or NULL when no page could be made. */
static struct sm_type *next_entry(struct sm_types *types)
{
    struct sm_type **page = &types->pages[types->count >> SM_TYPE_PAGE_BITS];
    if (*page == NULL)
        *page = calloc(SM_TYPE_PAGE_ENTRIES, sizeof(**page));
    return *page == NULL ? NULL : &(*page)[types->count & (SM_TYPE_PAGE_ENTRIES - 1)];
}

sm_status sm_type_register(struct sm_manager *mm, const struct sm_type *type, sm_type_id *id)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    struct sm_types *types = &mm->types;
    if (type->name == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a type needs a name");
    /* The last index stays free: policies write it into headers of what is no object. */
    if (types->count >= UINT16_MAX)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "type %s: 65535 types exist already", type->name);
    struct sm_type *entry = next_entry(types);
    if (entry == NULL)
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "type %s: no memory for its descriptor", type->name);
    *entry = *type;
    *id = (sm_type_id)types->count;
    types->count++;
    return SM_OK;
}

const struct sm_type *sm_type_get(const struct sm_manager *mm, sm_type_id id)
{
    if (id >= mm->types.count)
        return NULL;
    return &mm->types.pages[id >> SM_TYPE_PAGE_BITS][id & (SM_TYPE_PAGE_ENTRIES - 1)];
}

sm_status sm_types_init(struct sm_manager *mm)
{
    struct sm_type builtin[SM_TYPE_BUILTIN_COUNT] = {
        [SM_TYPE_BYTES] = {.name = "bytes"},
        [SM_TYPE_VALUES] = {.name = "values",
                            .trace = trace_values,
                            .layout = {.kind = SM_LAYOUT_SLOTS, .stride = 16, .element_bytes = 16}},
        [SM_TYPE_WEAK_CELL] = {.name = "weak-cell"},
    };
    sm_buffer_type(&builtin[SM_TYPE_BUFFER]);
    sm_weak_entry_type(&builtin[SM_TYPE_WEAK_ENTRY]);
    for (unsigned i = 0; i < SM_TYPE_BUILTIN_COUNT; i++) {
        sm_type_id id = 0;
        sm_status status = sm_type_register(mm, &builtin[i], &id);
        if (status != SM_OK)
            return status;
        SM_ASSERT(id == i);
    }
    return SM_OK;
}

void sm_types_finish(struct sm_types *types)
{
    for (size_t i = 0; i < SM_TYPE_PAGES; i++)
        free(types->pages[i]);
}
