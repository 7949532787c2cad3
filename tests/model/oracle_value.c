#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *oracle_memory(void *memory, size_t bytes)
{
    void *fresh = realloc(memory, bytes == 0 ? 1 : bytes);
    if (fresh == NULL)
        abort();
    return fresh;
}

struct oracle_value oracle_null(void)
{
    return (struct oracle_value){.kind = ORACLE_NULL};
}

struct oracle_value oracle_int(int64_t number)
{
    return (struct oracle_value){.kind = ORACLE_INT, .number = number};
}

struct oracle_value oracle_string(const char *bytes, size_t byte_count)
{
    struct oracle_value value = {.kind = ORACLE_STRING, .number = (int64_t)byte_count};
    value.bytes = (char *)oracle_memory(NULL, byte_count);
    memcpy(value.bytes, bytes, byte_count);
    return value;
}

struct oracle_value oracle_array_new(void)
{
    struct oracle_value value = {.kind = ORACLE_ARRAY};
    value.array = (struct oracle_array *)oracle_memory(NULL, sizeof(*value.array));
    *value.array = (struct oracle_array){0};
    return value;
}

struct oracle_value oracle_of_node(enum oracle_kind kind, struct oracle_node *node)
{
    struct oracle_value value = {.kind = kind};
    value.node = node;
    return value;
}

static struct oracle_value copy_array(const struct oracle_array *array)
{
    struct oracle_value copy = oracle_array_new();
    copy.array->count = array->count;
    copy.array->capacity = array->count;
    copy.array->next_index = array->next_index;
    copy.array->elements = (struct oracle_element *)oracle_memory(NULL, array->count * sizeof(*copy.array->elements));
    for (uint32_t i = 0; i < array->count; i++) {
        copy.array->elements[i] = array->elements[i];
        copy.array->elements[i].value = oracle_copy(&array->elements[i].value);
    }
    return copy;
}

struct oracle_value oracle_copy(const struct oracle_value *value)
{
    if (value->kind == ORACLE_STRING)
        return oracle_string(value->bytes, (size_t)value->number);
    return value->kind == ORACLE_ARRAY ? copy_array(value->array) : *value;
}

void oracle_clear(struct oracle_value *value)
{
    struct oracle_value old = *value;
    *value = oracle_null();
    if (old.kind == ORACLE_STRING)
        free(old.bytes);
    if (old.kind != ORACLE_ARRAY)
        return;
    for (uint32_t i = 0; i < old.array->count; i++)
        oracle_clear(&old.array->elements[i].value);
    free(old.array->elements);
    free(old.array);
}

void oracle_set(struct oracle_value *slot, struct oracle_value value)
{
    oracle_clear(slot);
    *slot = value;
}

void oracle_string_append(struct oracle_value *string, const char *bytes, size_t byte_count)
{
    size_t length = (size_t)string->number;
    string->bytes = (char *)oracle_memory(string->bytes, length + byte_count);
    memcpy(string->bytes + length, bytes, byte_count);
    string->number += (int64_t)byte_count;
}

bool oracle_is_edge(const struct oracle_value *value)
{
    return value->kind >= ORACLE_OBJECT && value->kind <= ORACLE_MAP;
}

size_t oracle_weight(const struct oracle_value *value)
{
    size_t weight = 1;
    if (value->kind != ORACLE_ARRAY)
        return weight;
    for (uint32_t i = 0; i < value->array->count; i++)
        weight += oracle_weight(&value->array->elements[i].value);
    return weight;
}

void oracle_each(struct oracle_value *value, oracle_visit *visit, void *context)
{
    visit(context, value);
    if (value->kind != ORACLE_ARRAY)
        return;
    for (uint32_t i = 0; i < value->array->count; i++)
        oracle_each(&value->array->elements[i].value, visit, context);
}

struct oracle_element *oracle_array_find(const struct oracle_array *array, bool is_text, int64_t key)
{
    for (uint32_t i = 0; i < array->count; i++)
        if (array->elements[i].is_text == is_text && array->elements[i].key == key)
            return &array->elements[i];
    return NULL;
}

void oracle_array_set(struct oracle_array *array, bool is_text, int64_t key, struct oracle_value value)
{
    struct oracle_element *element = oracle_array_find(array, is_text, key);
    if (element != NULL) {
        oracle_set(&element->value, value);
        return;
    }
    if (array->count == array->capacity) {
        array->capacity = array->capacity * 2 + 4;
        array->elements =
            (struct oracle_element *)oracle_memory(array->elements, array->capacity * sizeof(*array->elements));
    }
    array->elements[array->count++] = (struct oracle_element){is_text, key, value};
    if (!is_text && key >= array->next_index)
        array->next_index = key + 1;
}

void oracle_array_remove(struct oracle_array *array, uint32_t position)
{
    oracle_clear(&array->elements[position].value);
    array->count--;
    memmove(&array->elements[position], &array->elements[position + 1],
            (array->count - position) * sizeof(*array->elements));
}

void oracle_key_text(int64_t key, char text[ORACLE_KEY_BYTES])
{
    /* Every third spells a number, which must stay a string. */
    snprintf(text, ORACLE_KEY_BYTES, key % 3 == 0 ? "%lld" : "key%lld", (long long)key);
}

struct oracle_value *oracle_deref(struct oracle_value *value)
{
    return value->kind == ORACLE_REFERENCE ? &value->node->values[0] : value;
}
