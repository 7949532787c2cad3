#include "sharing.h"
#include "vm_internal.h"

#include <stdarg.h>

enum { FORMAT_BYTES_MAX = 4096 };

/* Eight bytes a step in FNV-1a's manner; the shift brings high bits down, where the next multiplication needs them. */
uint64_t vm_bytes_hash(const char *bytes, size_t byte_count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ byte_count;
    for (; byte_count >= 8; bytes += 8, byte_count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    uint64_t tail = 0;
    for (size_t i = 0; i < byte_count; i++)
        tail |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    hash = (hash ^ tail) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 32;
    return hash != 0 ? hash : 1;
}

uint64_t vm_string_hash(struct vm_string *string)
{
    if (string->hash == 0)
        string->hash = vm_bytes_hash(string->data, string->length);
    return string->hash;
}

bool vm_string_equal(struct vm_string *left, struct vm_string *right)
{
    if (left == right)
        return true;
    if (left->length != right->length || (left->hash != 0 && right->hash != 0 && left->hash != right->hash))
        return false;
    return memcmp(left->data, right->data, left->length) == 0;
}

static size_t payload_for(struct vm *vm, size_t capacity)
{
    if (SM_UNLIKELY(capacity > SM_PAYLOAD_MAX - VM_STRING_HEADER_BYTES - 1))
        vm_fail(vm, SM_ERR_OUT_OF_MEMORY, "a string of %zu bytes: expected at most 1 TiB", capacity);
    return VM_STRING_HEADER_BYTES + capacity + 1;
}

static inline struct vm_string *string_of_room(struct vm *vm, size_t capacity, size_t length)
{
    struct sm_object *object = sm_alloc_leaf(vm_manager(vm), vm->types.string, payload_for(vm, capacity));
    if (SM_UNLIKELY(object == NULL))
        vm_fail_allocation(vm);
    struct vm_string *string = (struct vm_string *)object;
    string->hash = 0;
    string->length = length;
    string->reserved = 0;
    string->data[length] = '\0';
    return string;
}

struct vm_string *vm_string_new(struct vm *vm, const char *bytes, size_t length)
{
    struct vm_string *string = string_of_room(vm, length, length);
    if (bytes != NULL)
        memcpy(string->data, bytes, length);
    return string;
}

struct vm_string *vm_string_with_capacity(struct vm *vm, size_t capacity)
{
    return string_of_room(vm, capacity, 0);
}

struct vm_string *vm_string_format(struct vm *vm, const char *format, ...)
{
    char text[FORMAT_BYTES_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (wanted < 0)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "vm_string_format: the C library refused the format");
    return vm_string_new(vm, text, wanted > FORMAT_BYTES_MAX ? (size_t)FORMAT_BYTES_MAX : (size_t)wanted);
}

/* ---- Appending ---- */

static inline void append_in_room(struct vm_string *string, const char *bytes, size_t byte_count)
{
    memcpy(string->data + string->length, bytes, byte_count);
    string->length += byte_count;
    string->data[string->length] = '\0';
    string->hash = 0;
}

/* Checked here, since the sum could wrap. */
static size_t length_with(struct vm *vm, const struct vm_string *string, size_t byte_count)
{
    if (SM_UNLIKELY(byte_count > SM_PAYLOAD_MAX))
        vm_fail(vm, SM_ERR_OUT_OF_MEMORY, "a string of %zu bytes: expected at most 1 TiB", byte_count);
    return string->length + byte_count;
}

/* At least double when it grows, so that a string grown by pieces is copied a logarithmic number of times. */
static size_t grown_capacity(struct vm *vm, const struct vm_string *string, size_t byte_count)
{
    size_t capacity = vm_string_capacity(string);
    size_t needed = length_with(vm, string, byte_count);
    if (needed <= capacity)
        return capacity;
    return capacity * 2 > needed ? capacity * 2 : needed;
}

/* A resized object keeps its count, and the one count of an unshared string is its place's. */
static struct vm_string *grow(struct vm *vm, struct vm_place place, struct vm_string *string, size_t byte_count)
{
    size_t payload_bytes = payload_for(vm, grown_capacity(vm, string, byte_count));
    struct sm_object *resized = sm_resize(vm_manager(vm), &string->header, payload_bytes);
    if (resized == NULL)
        vm_fail_allocation(vm);
    struct sm_value value = sm_value_from_object(resized, VM_STRING);
    if (resized == &string->header)
        return string;
    vm_place_move(vm, place, value);
    /* Where nothing counts, a handle may hold the old string unbeknown to the sharing bit: it is left to a cycle. */
    if (vm_sharing_is_exact(vm, value))
        sm_retire(vm_manager(vm), &string->header);
    return (struct vm_string *)resized;
}

/* The copy has the room that the string itself would have now, were it unshared: the clock sees no difference. */
static struct vm_string *separate(struct vm *vm, struct vm_place place, struct vm_string *string, size_t byte_count)
{
    struct vm_string *copy = string_of_room(vm, grown_capacity(vm, string, byte_count), string->length);
    memcpy(copy->data, string->data, string->length);
    sm_count_copy_object(vm_manager(vm), &copy->header, string->header.payload_bytes);
    vm_place_set(vm, place, vm_string_value(copy));
    return copy;
}

void vm_string_append(struct vm *vm, struct vm_place place, const char *bytes, size_t byte_count)
{
    VM_ASSERT(place.slot != NULL && place.slot->tag == VM_STRING);
    struct vm_string *string = vm_as_string(*place.slot);
    if (byte_count == 0)
        return;
    bool shared = vm_sharing_ask(vm, &string->header);
    if (SM_UNLIKELY(shared || byte_count > vm_string_capacity(string) - string->length)) {
        uint32_t held_count = vm->held_count;
        vm_hold_object(vm, string);
        vm_hold_object(vm, place.owner);
        string = shared ? separate(vm, place, string, byte_count) : grow(vm, place, string, byte_count);
        vm->held_count = held_count;
    }
    append_in_room(string, bytes, byte_count);
}
