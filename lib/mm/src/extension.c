/**
 * Raw bytes for extensions.
 */
#include "handles.h"

#include "manager_internal.h"

void *sm_alloc_bytes(struct sm_manager *mm, size_t size)
{
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    if (size > SM_PAYLOAD_MAX) {
        sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "%zu bytes asked for; one object holds at most %llu", size,
                       (unsigned long long)SM_PAYLOAD_MAX);
        return NULL;
    }
    struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, size);
    if (object == NULL)
        return NULL;
    if (!sm_autorelease_add(mm, object)) {
        sm_value_drop(mm, sm_value_from_object(object, 0));
        sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory to list %zu bytes for the next safepoint", size);
        return NULL;
    }
    return sm_payload(object);
}

void sm_root_hold(struct sm_manager *mm, struct sm_value value)
{
    sm_value_copy(mm, value);
}

void sm_root_release(struct sm_manager *mm, struct sm_value value)
{
    sm_value_drop(mm, value);
}

/** Whether `bytes` can have come from sm_alloc_bytes. Only a checked build can afford to be sure. */
static bool is_bytes(struct sm_manager *mm, void *bytes)
{
    if (bytes == NULL || (uintptr_t)bytes % SM_ALIGNMENT != 0)
        return false;
    const struct sm_object *object = sm_object_of_payload(bytes);
    if (SM_ASSERT_LEVEL >= 2 && !sm_is_valid(mm, object))
        return false;
    return object->type == SM_TYPE_BYTES && (sm_object_flags(object) & SM_OBJECT_BUFFER_BYTES) == 0;
}

sm_handle sm_bytes_handle(struct sm_manager *mm, void *bytes)
{
    if (sm_entry_check(mm) != SM_OK)
        return SM_HANDLE_NONE;
    if (!is_bytes(mm, bytes)) {
        sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "%p is not memory from sm_alloc_bytes", bytes);
        return SM_HANDLE_NONE;
    }
    return sm_alloc_value(mm, sm_value_from_object(sm_object_of_payload(bytes), 0));
}

sm_status sm_bytes_get(struct sm_manager *mm, sm_handle handle, void **bytes, size_t *size)
{
    struct sm_value value;
    sm_status status = sm_handle_get(mm, handle, &value);
    if (status != SM_OK)
        return status;
    struct sm_object *object = sm_value_is_heap(value) ? sm_value_object(value) : NULL;
    if (object == NULL || object->type != SM_TYPE_BYTES)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "the handle holds no memory from sm_alloc_bytes");
    *bytes = sm_payload(object);
    *size = (size_t)object->payload_bytes;
    return SM_OK;
}
