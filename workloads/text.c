/* Text: vocabulary, the outside world's buffer, and PHP's string functions on VM strings. */
#include "text.h"

#include <assert.h>
#include <stdlib.h>

static const char *const vocabulary[64] = {
    "account",  "amount",   "archive", "author", "balance",  "basket",  "branch",  "bridge",  "candle",   "carrier",
    "category", "change",   "channel", "city",   "client",   "comment", "content", "country", "customer", "delivery",
    "draft",    "editor",   "entry",   "event",  "field",    "filter",  "garden",  "harbour", "history",  "image",
    "invoice",  "journal",  "kitchen", "label",  "language", "letter",  "market",  "message", "minute",   "mountain",
    "network",  "number",   "office",  "order",  "package",  "parcel",  "payment", "people",  "picture",  "product",
    "quarter",  "question", "receipt", "region", "river",    "season",  "server",  "station", "summer",   "template",
    "ticket",   "travel",   "window",  "winter",
};

const char *text_word(uint64_t number)
{
    return vocabulary[number % (sizeof(vocabulary) / sizeof(vocabulary[0]))];
}

void text_buffer_free(struct text_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct text_buffer){0};
}

static bool reserve(struct text_buffer *buffer, size_t byte_count)
{
    if (buffer->failed || byte_count <= buffer->capacity - buffer->length)
        return !buffer->failed;
    size_t capacity = buffer->capacity < 1024 ? 1024 : buffer->capacity * 2;
    while (capacity - buffer->length < byte_count)
        capacity *= 2;
    char *bytes = (char *)realloc(buffer->bytes, capacity);
    buffer->failed = bytes == NULL;
    if (buffer->failed)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void text_buffer_put(struct text_buffer *buffer, const char *bytes, size_t byte_count)
{
    if (!reserve(buffer, byte_count))
        return;
    memcpy(buffer->bytes + buffer->length, bytes, byte_count);
    buffer->length += byte_count;
}

void text_buffer_put_text(struct text_buffer *buffer, const char *text)
{
    text_buffer_put(buffer, text, strlen(text));
}

void text_buffer_put_number(struct text_buffer *buffer, uint64_t number)
{
    char digits[24];
    text_buffer_put(buffer, digits, text_format_number(digits, (int64_t)number));
}

void text_buffer_put_words(struct text_buffer *buffer, struct wl_random *random, unsigned word_count)
{
    for (unsigned i = 0; i < word_count; i++) {
        if (i > 0)
            text_buffer_put(buffer, " ", 1);
        text_buffer_put_text(buffer, text_word(wl_random_next(random)));
    }
}

/* Write bytes; returns where the next ones go. */
static char *put(char *target, const char *bytes, size_t byte_count)
{
    memcpy(target, bytes, byte_count);
    return target + byte_count;
}

size_t text_format_number(char *text, int64_t number)
{
    char reversed[24];
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t digit_count = 0, length = 0;
    do {
        reversed[digit_count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        text[length++] = '-';
    while (digit_count > 0)
        text[length++] = reversed[--digit_count];
    return length;
}

struct vm_string *text_number(struct vm *vm, int64_t number)
{
    char digits[24];
    return vm_string_new(vm, digits, text_format_number(digits, number));
}

struct vm_string *text_prefix(struct vm *vm, const char *prefix, const struct vm_string *text)
{
    size_t prefix_length = strlen(prefix);
    struct vm_string *result = vm_string_new(vm, NULL, prefix_length + text->length);
    (void)put(put(result->data, prefix, prefix_length), text->data, text->length);
    return result;
}

struct vm_string *text_words(struct vm *vm, struct wl_random *random, unsigned word_count)
{
    char text[512];
    size_t length = 0;
    for (unsigned i = 0; i < word_count; i++) {
        const char *word = text_word(wl_random_next(random));
        size_t word_length = strlen(word);
        if (length + word_length + 1 > sizeof(text))
            break;
        if (i > 0)
            text[length++] = ' ';
        length = (size_t)(put(text + length, word, word_length) - text);
    }
    return vm_string_new(vm, text, length);
}

struct vm_string *text_capitalise(struct vm *vm, const struct vm_string *text, char separator)
{
    struct vm_string *result = vm_string_new(vm, text->data, (size_t)text->length);
    for (size_t i = 0; i < result->length; i++)
        if ((i == 0 || text->data[i - 1] == separator) && text->data[i] >= 'a' && text->data[i] <= 'z')
            result->data[i] = (char)(text->data[i] - 'a' + 'A');
    return result;
}

struct vm_string *text_slice(struct vm *vm, const struct vm_string *text, size_t start, size_t byte_count)
{
    assert(start <= text->length && byte_count <= text->length - start);
    return vm_string_new(vm, text->data + start, byte_count);
}

struct vm_array *text_split(struct vm *vm, const struct vm_string *text, char separator)
{
    struct vm_array *pieces = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    size_t start = 0;
    for (;;) {
        const char *found = (const char *)memchr(text->data + start, separator, text->length - start);
        size_t end = found == NULL ? text->length : (size_t)(found - text->data);
        vm_array_append(vm, pieces, vm_string_value(text_slice(vm, text, start, end - start)));
        if (found == NULL)
            return pieces;
        start = end + 1;
    }
}

static size_t joined_length(const struct vm_array *pieces, size_t glue_length)
{
    size_t length = 0, position = 0;
    struct vm_array_entry entry;
    while (vm_array_next(pieces, &position, &entry))
        length += vm_as_string(entry.value)->length + glue_length;
    return length == 0 ? 0 : length - glue_length;
}

struct vm_string *text_join(struct vm *vm, const struct vm_array *pieces, const char *glue)
{
    size_t glue_length = strlen(glue), position = 0;
    struct vm_string *result = vm_string_new(vm, NULL, joined_length(pieces, glue_length));
    char *target = result->data;
    struct vm_array_entry entry;
    for (bool first = true; vm_array_next(pieces, &position, &entry); first = false) {
        const struct vm_string *piece = vm_as_string(entry.value);
        if (!first) {
            target = put(target, glue, glue_length);
        }
        target = put(target, piece->data, piece->length);
    }
    assert(target == result->data + result->length);
    return result;
}

static size_t count_matches(const struct vm_string *text, const char *search, size_t search_length)
{
    size_t count = 0;
    const char *cursor = text->data, *end = text->data + text->length;
    while ((cursor = (const char *)memmem(cursor, (size_t)(end - cursor), search, search_length)) != NULL) {
        count++;
        cursor += search_length;
    }
    return count;
}

struct sm_value text_replace(struct vm *vm, struct vm_string *text, const char *search, const char *replacement)
{
    assert(*search != '\0');
    size_t search_length = strlen(search), replacement_length = strlen(replacement);
    size_t match_count = count_matches(text, search, search_length);
    if (match_count == 0)
        return vm_value_copy(vm, vm_string_value(text));
    size_t length = text->length - match_count * search_length + match_count * replacement_length;
    struct vm_string *result = vm_string_new(vm, NULL, length);
    const char *cursor = text->data, *end = text->data + text->length;
    char *target = result->data;
    for (size_t i = 0; i < match_count; i++) {
        const char *match = (const char *)memmem(cursor, (size_t)(end - cursor), search, search_length);
        target = put(target, cursor, (size_t)(match - cursor));
        target = put(target, replacement, replacement_length);
        cursor = match + search_length;
    }
    target = put(target, cursor, (size_t)(end - cursor));
    assert(target == result->data + length);
    return vm_string_value(result);
}

static const char *entity_of(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

static size_t escaped_length(const struct vm_string *text)
{
    size_t length = text->length;
    for (size_t i = 0; i < text->length; i++) {
        const char *entity = entity_of(text->data[i]);
        length += entity == NULL ? 0 : strlen(entity) - 1;
    }
    return length;
}

struct vm_string *text_escape(struct vm *vm, const struct vm_string *text)
{
    struct vm_string *result = vm_string_new(vm, NULL, escaped_length(text));
    char *target = result->data;
    for (size_t i = 0; i < text->length; i++) {
        const char *entity = entity_of(text->data[i]);
        size_t length = entity == NULL ? 1 : strlen(entity);
        target = put(target, entity == NULL ? &text->data[i] : entity, length);
    }
    assert(target == result->data + result->length);
    return result;
}

void text_append(struct vm *vm, struct vm_place place, const char *text)
{
    vm_string_append(vm, place, text, strlen(text));
}

void text_append_string(struct vm *vm, struct vm_place place, const struct vm_string *text)
{
    vm_string_append(vm, place, text->data, (size_t)text->length);
}
