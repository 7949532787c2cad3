/* A JSON decoder over a VM string. Arrays under construction sit in frames, for safepoints come between. */
#include "message.h"

#include <assert.h>

enum { NESTING_MAX = 64 };

struct decoder {
    struct vm *vm;
    struct mutator_work *work;
    const char *cursor;
    const char *end;
    unsigned nesting;
    bool failed;
};

static struct sm_value decode_value(struct decoder *decoder);

static struct sm_value fail(struct decoder *decoder)
{
    decoder->failed = true;
    return vm_undef();
}

static char peek(struct decoder *decoder)
{
    while (decoder->cursor < decoder->end && (*decoder->cursor == ' ' || *decoder->cursor == '\n'))
        decoder->cursor++;
    if (decoder->cursor == decoder->end)
        return '\0';
    return *decoder->cursor;
}

static bool accept(struct decoder *decoder, char wanted)
{
    if (peek(decoder) != wanted)
        return false;
    decoder->cursor++;
    return true;
}

static struct sm_value decode_word(struct decoder *decoder, const char *word, struct sm_value value)
{
    size_t length = strlen(word);
    if ((size_t)(decoder->end - decoder->cursor) < length || memcmp(decoder->cursor, word, length) != 0)
        return fail(decoder);
    decoder->cursor += length;
    return value;
}

static uint64_t decode_digits(struct decoder *decoder, unsigned *digit_count)
{
    uint64_t number = 0;
    for (*digit_count = 0; decoder->cursor < decoder->end; decoder->cursor++, (*digit_count)++) {
        unsigned digit = (unsigned)(unsigned char)*decoder->cursor - '0';
        if (digit > 9 || *digit_count == 18)
            break;
        number = number * 10 + digit;
    }
    return number;
}

static struct sm_value decode_number(struct decoder *decoder)
{
    bool negative = accept(decoder, '-');
    unsigned digit_count;
    int64_t whole = (int64_t)decode_digits(decoder, &digit_count);
    if (digit_count == 0)
        return fail(decoder);
    if (decoder->cursor >= decoder->end || *decoder->cursor != '.')
        return vm_int(negative ? -whole : whole);
    decoder->cursor++;
    double fraction = (double)decode_digits(decoder, &digit_count);
    for (; digit_count > 0; digit_count--)
        fraction /= 10;
    double number = (double)whole + fraction;
    return vm_float(negative ? -number : number);
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* Four hex digits that name an ASCII character; this broker sends no others. -1 otherwise. */
static int decode_code_point(const char *digits, const char *end)
{
    int code = 0;
    if (end - digits < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(digits[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code < 128 ? code : -1;
}

/* One character at `*cursor`, escaped or not. -1 when malformed. */
static int decode_character(const char **cursor, const char *end)
{
    static const char escapes[] = "\"\\/nrt";
    static const char meanings[] = "\"\\/\n\r\t";
    char byte = *(*cursor)++;
    if (byte != '\\')
        return (unsigned char)byte;
    if (*cursor == end)
        return -1;
    byte = *(*cursor)++;
    if (byte == 'u') {
        int code = decode_code_point(*cursor, end);
        *cursor += code < 0 ? 0 : 4;
        return code;
    }
    const char *escape = byte == '\0' ? NULL : strchr(escapes, byte);
    return escape == NULL ? -1 : meanings[escape - escapes];
}

static const char *find_closing_quote(const struct decoder *decoder, bool *escaped)
{
    *escaped = false;
    for (const char *cursor = decoder->cursor; cursor < decoder->end; cursor++) {
        if (*cursor == '"')
            return cursor;
        if (*cursor == '\\') {
            *escaped = true;
            cursor++;
        }
    }
    return NULL;
}

/* The decoded text is shorter, so the string is made as long as the text and filled up to what it needs. */
static struct vm_string *unescape(struct decoder *decoder, const char *quote)
{
    struct vm_string *string = vm_string_with_capacity(decoder->vm, (size_t)(quote - decoder->cursor));
    size_t length = 0;
    while (decoder->cursor < quote) {
        int character = decode_character(&decoder->cursor, quote);
        if (character < 0)
            decoder->failed = true;
        string->data[length++] = (char)character;
    }
    assert(length <= vm_string_capacity(string));
    string->data[length] = '\0';
    string->length = length;
    return string;
}

/* The cursor is behind the opening quote. NULL when malformed; otherwise owned. */
static struct vm_string *decode_string(struct decoder *decoder)
{
    bool escaped;
    const char *quote = find_closing_quote(decoder, &escaped);
    if (quote == NULL) {
        decoder->failed = true;
        return NULL;
    }
    struct vm_string *string = escaped ? unescape(decoder, quote)
                                       : vm_string_new(decoder->vm, decoder->cursor, (size_t)(quote - decoder->cursor));
    decoder->cursor = quote + 1;
    return string;
}

/* Locals of a container's frame. */
enum { CONTAINER, KEY, CONTAINER_LOCALS };

static bool decode_element(struct decoder *decoder)
{
    struct sm_value element = decode_value(decoder);
    if (decoder->failed) {
        vm_value_drop(decoder->vm, element);
        return false;
    }
    vm_array_append(decoder->vm, vm_as_array(vm_local_get(decoder->vm, CONTAINER)), element);
    return true;
}

static bool decode_member(struct decoder *decoder)
{
    struct vm *vm = decoder->vm;
    if (!accept(decoder, '"'))
        return false;
    struct vm_string *key = decode_string(decoder);
    if (key == NULL)
        return false;
    vm_local_set(vm, KEY, vm_string_value(key));
    if (!accept(decoder, ':'))
        return false;
    struct sm_value value = decode_value(decoder);
    if (decoder->failed) {
        vm_value_drop(vm, value);
        return false;
    }
    vm_array_set_key(vm, vm_as_array(vm_local_get(vm, CONTAINER)), vm_as_string(vm_local_get(vm, KEY)), value);
    return true;
}

static void decode_members(struct decoder *decoder, char closing, bool (*decode_one)(struct decoder *))
{
    if (accept(decoder, closing))
        return;
    do {
        if (!decode_one(decoder)) {
            decoder->failed = true;
            return;
        }
        mutator_work_charge(decoder->work, 1);
        vm_safepoint(decoder->vm);
    } while (accept(decoder, ','));
    if (!accept(decoder, closing))
        decoder->failed = true;
}

static struct sm_value decode_container(struct decoder *decoder, enum vm_array_kind kind, char closing,
                                        bool (*decode_one)(struct decoder *))
{
    struct vm *vm = decoder->vm;
    if (decoder->nesting == NESTING_MAX)
        return fail(decoder);
    decoder->nesting++;
    vm_frame_enter(vm, CONTAINER_LOCALS);
    vm_local_set(vm, CONTAINER, vm_array_value(vm_array_new(vm, kind, 0)));
    decode_members(decoder, closing, decode_one);
    struct sm_value container = vm_local_take(vm, CONTAINER);
    vm_frame_leave(vm);
    assert(decoder->nesting > 0);
    decoder->nesting--;
    return container;
}

static struct sm_value decode_value(struct decoder *decoder)
{
    switch (peek(decoder)) {
    case '{':
        decoder->cursor++;
        return decode_container(decoder, VM_ARRAY_HASH, '}', decode_member);
    case '[':
        decoder->cursor++;
        return decode_container(decoder, VM_ARRAY_PACKED, ']', decode_element);
    case '"': {
        decoder->cursor++;
        struct vm_string *string = decode_string(decoder);
        return string == NULL ? vm_undef() : vm_string_value(string);
    }
    case 't':
        return decode_word(decoder, "true", vm_bool(true));
    case 'f':
        return decode_word(decoder, "false", vm_bool(false));
    case 'n':
        return decode_word(decoder, "null", vm_null());
    default:
        return decode_number(decoder);
    }
}

struct sm_value message_decode(struct vm *vm, struct mutator_work *work, const struct vm_string *text)
{
    struct decoder decoder = {.vm = vm, .work = work, .cursor = text->data, .end = text->data + text->length};
    struct sm_value value = decode_value(&decoder);
    if (peek(&decoder) != '\0' || decoder.cursor != decoder.end)
        decoder.failed = true;
    if (!decoder.failed)
        return value;
    vm_value_drop(vm, value);
    return vm_undef();
}
