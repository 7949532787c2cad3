#include "block_kind.h"

#include <php.h>

#include <zend_closures.h>

static bool is_string(const void *address, uint64_t bytes)
{
    const zend_string *string = address;
    return bytes > _ZSTR_HEADER_SIZE && string->len < bytes - _ZSTR_HEADER_SIZE && string->val[string->len] == '\0';
}

static bool is_array(const void *address, uint64_t bytes)
{
    const zend_array *array = address;
    return bytes == sizeof(*array) && (array->nTableMask & 1) == 0 && array->nNumUsed <= array->nTableSize;
}

/* Its handle leads to the bucket that has its address, until it has been freed. */
static bool is_in_store(const zend_object *object)
{
    const zend_objects_store *store = &EG(objects_store);
    if (object->handle == 0 || object->handle >= store->top)
        return false;
    return ((uintptr_t)store->object_buckets[object->handle] & ~(uintptr_t)OBJ_BUCKET_INVALID) == (uintptr_t)object;
}

static enum trace_kind object_kind(const zend_object *object)
{
    return object->ce == zend_ce_closure ? TRACE_KIND_CLOSURE : TRACE_KIND_OBJECT;
}

/* The collector makes arrays and objects null before it frees them, and objects leave the store. */
static enum trace_kind collected_kind(const void *address, uint64_t bytes, uint32_t type_info)
{
    const zend_array *array = address;
    if (bytes == sizeof(*array) && array->pDestructor == ZVAL_PTR_DTOR)
        return TRACE_KIND_ARRAY;
    bool is_freed_object =
        (type_info & (IS_OBJ_FREE_CALLED << GC_FLAGS_SHIFT)) != 0 && bytes >= sizeof(zend_object) - sizeof(zval);
    return is_freed_object ? object_kind(address) : TRACE_KIND_BYTES;
}

enum trace_kind block_kind(const void *address, uint64_t bytes, bool is_collected)
{
    const zend_refcounted *value = address;
    if (bytes < sizeof(*value))
        return TRACE_KIND_BYTES;
    uint32_t type_info = GC_TYPE_INFO(value);
    switch (type_info & GC_TYPE_MASK) {
    case IS_STRING:
        return is_string(address, bytes) ? TRACE_KIND_STRING : TRACE_KIND_BYTES;
    case IS_ARRAY:
        return is_array(address, bytes) ? TRACE_KIND_ARRAY : TRACE_KIND_BYTES;
    case IS_OBJECT:
        if (bytes < sizeof(zend_object) - sizeof(zval) || !is_in_store(address))
            return TRACE_KIND_BYTES;
        return object_kind(address);
    case IS_NULL:
        return is_collected ? collected_kind(address, bytes, type_info) : TRACE_KIND_BYTES;
    default:
        return TRACE_KIND_BYTES;
    }
}
