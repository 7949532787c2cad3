#include "handles.h"

#include "manager_internal.h"

#include <stdlib.h>

/** First size of a table, in entries; it doubles from there. */
enum { FIRST_CAPACITY = 16 };

/* ---- Tables. ---- */

/** Make room for one more entry. Returns the array, perhaps moved; NULL on failure, with nothing changed. */
static void *grow(const struct sm_handles *handles, void *entries, uint32_t count, uint32_t *capacity,
                  size_t entry_bytes)
{
    if (count < *capacity)
        return entries;
    if (*capacity >= SM_HANDLES_MAX)
        return NULL;
    /* Capacities stay below 2^31 and entries are small, so neither product can overflow 64 bits. */
    uint64_t wanted = *capacity == 0 ? FIRST_CAPACITY : (uint64_t)*capacity * 2;
    if (wanted > SM_HANDLES_MAX)
        wanted = SM_HANDLES_MAX;
    if (wanted > SIZE_MAX / entry_bytes)
        return NULL;
    void *grown = handles->reallocate(entries, (size_t)wanted * entry_bytes);
    if (grown != NULL)
        *capacity = (uint32_t)wanted;
    return grown;
}

static bool table_grow(const struct sm_handles *handles, struct sm_handle_table *table)
{
    uint32_t capacity = table->capacity;
    struct sm_handle_slot *slots = grow(handles, table->slots, table->count, &capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint32_t i = table->capacity; i < capacity; i++)
        slots[i] = (struct sm_handle_slot){.generation = 1};
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

void sm_handles_init(struct sm_handles *handles, struct sm_manager *mm)
{
    *handles = (struct sm_handles){.mm = mm, .reallocate = realloc, .first_free = SM_HANDLES_MAX};
}

void sm_handles_finish(struct sm_handles *handles)
{
    free(handles->locals.slots);
    free(handles->persistent.slots);
    free(handles->scopes);
    sm_handles_init(handles, handles->mm);
}

/** Empty a slot. The drop comes last: it may run code that makes handles and moves the table. */
static void slot_clear(struct sm_handles *handles, struct sm_handle_slot *slot)
{
    struct sm_value value = slot->value;
    slot->value = (struct sm_value){0, 0};
    slot->generation++;
    sm_value_drop(handles->mm, value);
}

static void pop_locals(struct sm_handles *handles, uint32_t count)
{
    while (handles->locals.count > count) {
        handles->locals.count--;
        slot_clear(handles, &handles->locals.slots[handles->locals.count]);
    }
}

static bool persistent_in_use(const struct sm_handles *handles, uint32_t index)
{
    return index < handles->persistent.count && handles->persistent.slots[index].next_free == index;
}

static void release_persistent(struct sm_handles *handles, uint32_t index)
{
    struct sm_handle_slot *slot = &handles->persistent.slots[index];
    SM_ASSERT(persistent_in_use(handles, index));
    slot->next_free = SM_HANDLES_MAX;
    /* The last generation is spent: from here on an old handle could be taken for a new one. */
    if (slot->generation != UINT32_MAX) {
        slot->next_free = handles->first_free;
        handles->first_free = index;
    }
    slot_clear(handles, slot);
}

void sm_handles_invalidate(struct sm_handles *handles)
{
    handles->scope_count = 0;
    pop_locals(handles, 0);
    for (uint32_t i = 0; i < handles->persistent.count; i++) {
        if (persistent_in_use(handles, i))
            release_persistent(handles, i);
    }
}

void sm_handles_enumerate(void *context, struct sm_visitor *visitor)
{
    const struct sm_handles *handles = context;
    for (uint32_t i = 0; i < handles->locals.count; i++)
        sm_visit_value(visitor, &handles->locals.slots[i].value);
    for (uint32_t i = 0; i < handles->persistent.count; i++)
        sm_visit_value(visitor, &handles->persistent.slots[i].value);
}

/* ---- Making handles. ---- */

static sm_handle fail_table(struct sm_handles *handles, const char *kind, uint32_t count)
{
    sm_policy_fail(handles->mm, SM_ERR_OUT_OF_MEMORY, "no memory for another %s handle beside %u", kind, count);
    return SM_HANDLE_NONE;
}

sm_handle sm_alloc_value(struct sm_manager *mm, struct sm_value value)
{
    if (sm_entry_check(mm) != SM_OK)
        return SM_HANDLE_NONE;
    struct sm_handles *handles = &mm->handles;
    if (!table_grow(handles, &handles->locals))
        return fail_table(handles, "local", handles->locals.count);
    uint32_t index = handles->locals.count++;
    struct sm_handle_slot *slot = &handles->locals.slots[index];
    /* A wrapped generation is skipped: handles never carry 0, so that a zeroed one matches nothing. */
    slot->generation += slot->generation == 0;
    slot->value = value;
    sm_value_copy(mm, value);
    return (sm_handle){mm, index, slot->generation};
}

/** A slot for a persistent handle, marked as in use; SM_HANDLES_MAX when there is no memory for one. */
static uint32_t take_persistent(struct sm_handles *handles)
{
    uint32_t index = handles->first_free;
    if (index != SM_HANDLES_MAX) {
        handles->first_free = handles->persistent.slots[index].next_free;
    } else {
        if (!table_grow(handles, &handles->persistent))
            return SM_HANDLES_MAX;
        index = handles->persistent.count++;
    }
    handles->persistent.slots[index].next_free = index;
    return index;
}

/* ---- Using handles. ---- */

static struct sm_handle_slot *find_slot(struct sm_handles *handles, sm_handle handle)
{
    uint32_t index = handle.index & ~SM_HANDLE_PERSISTENT;
    bool is_persistent = (handle.index & SM_HANDLE_PERSISTENT) != 0;
    bool in_use = is_persistent ? persistent_in_use(handles, index) : index < handles->locals.count;
    if (!in_use)
        return NULL;
    struct sm_handle_slot *slot = is_persistent ? &handles->persistent.slots[index] : &handles->locals.slots[index];
    return slot->generation == handle.generation ? slot : NULL;
}

static sm_status fail_stale(struct sm_manager *mm, sm_handle handle)
{
    if (sm_handle_is_none(handle))
        return sm_policy_fail(mm, SM_ERR_STALE_HANDLE,
                              "the handle is SM_HANDLE_NONE: it was never made, or its making failed");
    if ((handle.index & SM_HANDLE_PERSISTENT) != 0)
        return sm_policy_fail(mm, SM_ERR_STALE_HANDLE, "persistent handle %u.%u was released, or its request ended",
                              handle.index & ~SM_HANDLE_PERSISTENT, handle.generation);
    return sm_policy_fail(mm, SM_ERR_STALE_HANDLE, "local handle %u.%u: its scope was closed, or its request ended",
                          handle.index, handle.generation);
}

/** The slot of `handle`, after every check that each call makes. */
static sm_status resolve(struct sm_manager *mm, sm_handle handle, struct sm_handle_slot **slot)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (handle.owner != mm && !sm_handle_is_none(handle))
        return sm_policy_fail(mm, SM_ERR_FOREIGN_HANDLE, "handle %u.%u was made by another manager (%p, this is %p)",
                              handle.index & ~SM_HANDLE_PERSISTENT, handle.generation, (void *)handle.owner,
                              (void *)mm);
    *slot = sm_handle_is_none(handle) ? NULL : find_slot(&mm->handles, handle);
    return *slot != NULL ? SM_OK : fail_stale(mm, handle);
}

sm_status sm_handle_get(struct sm_manager *mm, sm_handle handle, struct sm_value *value)
{
    struct sm_handle_slot *slot = NULL;
    sm_status status = resolve(mm, handle, &slot);
    if (status == SM_OK)
        *value = slot->value;
    return status;
}

sm_status sm_handle_set(struct sm_manager *mm, sm_handle handle, struct sm_value value)
{
    struct sm_handle_slot *slot = NULL;
    sm_status status = resolve(mm, handle, &slot);
    if (status != SM_OK)
        return status;
    struct sm_value previous = slot->value;
    sm_value_copy(mm, value);
    slot->value = value;
    /* Dropped last: it may be the last count of the object, and `value` may live inside it. */
    sm_value_drop(mm, previous);
    return SM_OK;
}

sm_handle sm_handle_persist(struct sm_manager *mm, sm_handle handle)
{
    struct sm_handle_slot *slot = NULL;
    if (resolve(mm, handle, &slot) != SM_OK)
        return SM_HANDLE_NONE;
    struct sm_value value = slot->value;
    struct sm_handles *handles = &mm->handles;
    uint32_t index = take_persistent(handles);
    if (index == SM_HANDLES_MAX)
        return fail_table(handles, "persistent", handles->persistent.count);
    struct sm_handle_slot *kept = &handles->persistent.slots[index];
    kept->value = value;
    sm_value_copy(mm, value);
    return (sm_handle){mm, index | SM_HANDLE_PERSISTENT, kept->generation};
}

sm_status sm_handle_release(struct sm_manager *mm, sm_handle handle)
{
    struct sm_handle_slot *slot = NULL;
    sm_status status = resolve(mm, handle, &slot);
    if (status != SM_OK)
        return status;
    if ((handle.index & SM_HANDLE_PERSISTENT) == 0)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT,
                              "local handle %u.%u cannot be released: it ends with its scope", handle.index,
                              handle.generation);
    release_persistent(&mm->handles, handle.index & ~SM_HANDLE_PERSISTENT);
    return SM_OK;
}

/* ---- Scopes. ---- */

sm_scope sm_scope_open(struct sm_manager *mm)
{
    const sm_scope none = {0, 0};
    if (sm_entry_check(mm) != SM_OK)
        return none;
    struct sm_handles *handles = &mm->handles;
    struct sm_open_scope *scopes =
        grow(handles, handles->scopes, handles->scope_count, &handles->scope_capacity, sizeof(*scopes));
    if (scopes == NULL) {
        sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory for another scope inside %u", handles->scope_count);
        return none;
    }
    handles->scopes = scopes;
    scopes[handles->scope_count++] = (struct sm_open_scope){++handles->scope_serial, handles->locals.count};
    return (sm_scope){handles->scope_count, handles->scope_serial};
}

sm_status sm_scope_close(struct sm_manager *mm, sm_scope scope)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    struct sm_handles *handles = &mm->handles;
    bool is_open = scope.depth >= 1 && scope.depth <= handles->scope_count &&
                   handles->scopes[scope.depth - 1].serial == scope.serial;
    if (!is_open)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "scope %llu at depth %u is not open; %u are",
                              (unsigned long long)scope.serial, scope.depth, handles->scope_count);
    handles->scope_count = scope.depth - 1;
    pop_locals(handles, handles->scopes[scope.depth - 1].local_count);
    return SM_OK;
}
