/**
 * Growable buffers: a head that never moves, and bytes that do.
 *
 * The head is an object of SM_TYPE_BUFFER that refers to an object of SM_TYPE_BYTES; the handle holds
 * the head. The capacity is the payload of the bytes object, so there is no second figure to disagree.
 */
#include "handles.h"

#include "manager_internal.h"

/** Smallest capacity: the rounding of a block gives it away anyway. */
enum { CAPACITY_MIN = 16 };

struct buffer {
    struct sm_object header;
    uint64_t length;         /**< bytes in use, at most the payload of `bytes` */
    struct sm_object *bytes; /**< NULL only while the buffer is being made */
};

static void trace_buffer(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct buffer *buffer = (const struct buffer *)object;
    sm_visit_pointer(visitor, &buffer->bytes);
}

void sm_buffer_type(struct sm_type *type)
{
    *type = (struct sm_type){.name = "buffer", .trace = trace_buffer};
}

static size_t capacity_of(const struct buffer *buffer)
{
    return (size_t)buffer->bytes->payload_bytes;
}

static bool is_buffer(const struct buffer *buffer)
{
    return buffer->header.type == SM_TYPE_BUFFER && buffer->bytes != NULL && buffer->length <= capacity_of(buffer);
}

static sm_status fail_capacity(struct sm_manager *mm, size_t capacity)
{
    return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a buffer of %zu bytes asked for; one holds at most %llu",
                          capacity, (unsigned long long)SM_PAYLOAD_MAX);
}

static sm_status resolve(struct sm_manager *mm, sm_handle handle, struct buffer **buffer)
{
    struct sm_value value;
    sm_status status = sm_handle_get(mm, handle, &value);
    if (status != SM_OK)
        return status;
    struct sm_object *object = sm_value_is_heap(value) ? sm_value_object(value) : NULL;
    if (object == NULL || object->type != SM_TYPE_BUFFER)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "the handle holds no buffer");
    *buffer = (struct buffer *)object;
    SM_ASSERT(is_buffer(*buffer));
    return SM_OK;
}

/** Give up the count of birth, now that a handle holds the object, or nothing does. */
static void drop_birth_count(struct sm_manager *mm, struct sm_object *object)
{
    sm_value_drop(mm, sm_value_from_object(object, 0));
}

sm_handle sm_buffer_create(struct sm_manager *mm, size_t capacity_bytes)
{
    if (sm_entry_check(mm) != SM_OK)
        return SM_HANDLE_NONE;
    if (capacity_bytes > SM_PAYLOAD_MAX) {
        fail_capacity(mm, capacity_bytes);
        return SM_HANDLE_NONE;
    }
    size_t capacity = capacity_bytes < CAPACITY_MIN ? CAPACITY_MIN : capacity_bytes;
    /* No safepoint lies between the allocations and the handle, so an emergency cycle keeps all of it. */
    struct buffer *buffer = (struct buffer *)sm_alloc(mm, SM_TYPE_BUFFER, sizeof(*buffer) - SM_HEADER_BYTES);
    if (buffer == NULL)
        return SM_HANDLE_NONE;
    sm_handle handle = SM_HANDLE_NONE;
    struct sm_object *bytes = sm_alloc_leaf(mm, SM_TYPE_BYTES, capacity);
    if (bytes != NULL) {
        sm_object_set_flags(bytes, SM_OBJECT_BUFFER_BYTES);
        sm_store_pointer_take(mm, &buffer->header, &buffer->bytes, bytes);
        handle = sm_alloc_value(mm, sm_value_from_object(&buffer->header, 0));
    }
    drop_birth_count(mm, &buffer->header);
    return handle;
}

/** The old bytes are retired after the head has let go of them: an observer may come between. */
static bool grow(struct sm_manager *mm, struct buffer *buffer, size_t capacity)
{
    struct sm_object *old = buffer->bytes;
    struct sm_object *grown = sm_resize(mm, old, capacity);
    if (grown != NULL && grown != old) {
        sm_object_set_flags(grown, SM_OBJECT_BUFFER_BYTES);
        sm_store_pointer_move(mm, &buffer->header, &buffer->bytes, grown);
        sm_retire(mm, old);
    }
    return grown != NULL;
}

/** Give the buffer at least `capacity` bytes, at least doubling what it has. */
static sm_status ensure(struct sm_manager *mm, struct buffer *buffer, size_t capacity)
{
    size_t current = capacity_of(buffer);
    if (capacity <= current)
        return SM_OK;
    if (capacity > SM_PAYLOAD_MAX)
        return fail_capacity(mm, capacity);
    size_t doubled = current <= SM_PAYLOAD_MAX / 2 ? current * 2 : (size_t)SM_PAYLOAD_MAX;
    size_t wanted = doubled > capacity ? doubled : capacity;
    return grow(mm, buffer, wanted) ? SM_OK : sm_error_status(mm);
}

sm_status sm_buffer_reserve(struct sm_manager *mm, sm_handle buffer, size_t capacity_bytes)
{
    struct buffer *head = NULL;
    sm_status status = resolve(mm, buffer, &head);
    return status == SM_OK ? ensure(mm, head, capacity_bytes) : status;
}

/** Offset of `bytes` when they lie in the buffer's own memory; SIZE_MAX otherwise. */
static size_t own_offset(struct buffer *buffer, const void *bytes)
{
    uintptr_t start = (uintptr_t)sm_payload(buffer->bytes);
    uintptr_t address = (uintptr_t)bytes;
    return address >= start && address - start < capacity_of(buffer) ? address - start : SIZE_MAX;
}

sm_status sm_buffer_append(struct sm_manager *mm, sm_handle buffer, const void *bytes, size_t byte_count)
{
    struct buffer *head = NULL;
    sm_status status = resolve(mm, buffer, &head);
    if (status != SM_OK || byte_count == 0)
        return status;
    if (bytes == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "NULL appended to a buffer, with a count of %zu",
                              byte_count);
    if (byte_count > SIZE_MAX - head->length)
        return fail_capacity(mm, SIZE_MAX);
    /* A buffer may be appended to itself, and growing it takes the old bytes away. */
    size_t offset = own_offset(head, bytes);
    status = ensure(mm, head, head->length + byte_count);
    if (status != SM_OK)
        return status;
    char *start = sm_payload(head->bytes);
    memmove(start + head->length, offset == SIZE_MAX ? bytes : start + offset, byte_count);
    head->length += byte_count;
    return SM_OK;
}

sm_status sm_buffer_view(struct sm_manager *mm, sm_handle buffer, void **bytes, size_t *byte_count)
{
    struct buffer *head = NULL;
    sm_status status = resolve(mm, buffer, &head);
    if (status != SM_OK)
        return status;
    *bytes = sm_payload(head->bytes);
    *byte_count = (size_t)head->length;
    return SM_OK;
}

sm_status sm_buffer_truncate(struct sm_manager *mm, sm_handle buffer, size_t byte_count)
{
    struct buffer *head = NULL;
    sm_status status = resolve(mm, buffer, &head);
    if (status != SM_OK)
        return status;
    if (byte_count > capacity_of(head))
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "length %zu is above the buffer's capacity of %zu bytes",
                              byte_count, capacity_of(head));
    head->length = byte_count;
    return SM_OK;
}
