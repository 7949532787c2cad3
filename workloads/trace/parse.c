/** The grammar of trace lines, as a table. */
#include "trace/parse.h"

#include "trace/source.h"

#include "sapimem/object.h"

#include <stdio.h>
#include <string.h>

/* What a field is called in the format, which numbers it takes, and where they go. */
struct field {
    char letter;
    const char *name;
    uint64_t minimum, maximum;
    size_t offset;
};

#define FIELD(letter, name, minimum, maximum, member) \
    { \
        letter, name, minimum, maximum, offsetof(struct trace_fields, member) \
    }

static const struct field field_table[] = {
    FIELD('i', "ID", 1, INT32_MAX, id),
    FIELD('z', "ID or 0", 0, INT32_MAX, id),
    FIELD('o', "OWNER", 1, INT32_MAX, owner),
    FIELD('s', "SLOT", 0, UINT32_MAX - 1, slot),
    FIELD('N', "NAME", 0, TRACE_NAME_LIMIT - 1, slot),
    FIELD('S', "SLOTS", 0, UINT32_MAX - 1, slot_count),
    FIELD('b', "BYTES", 0, SM_PAYLOAD_MAX, bytes),
    /* An hour; a longer one is a slip of the pen. */
    FIELD('u', "US", 0, UINT64_C(3600000000), bytes),
};

/* Letters of the fields in order; after '?', the ones that are there together or not at all. 'k' is the kind. */
struct grammar {
    char letter;
    const char *fields;
};

static const struct grammar grammar_table[TRACE_OP_COUNT] = {
    [TRACE_ALLOCATE] = {'n', "ikbS?os"},
    [TRACE_RESIZE] = {'a', "ib"},
    [TRACE_STORE] = {'s', "osz"},
    [TRACE_WEAK] = {'w', "oi"},
    [TRACE_DROP_LOCAL] = {'l', "i"},
    [TRACE_GLOBAL] = {'g', "Nz"},
    [TRACE_CONTEXT] = {'c', "Nz"},
    [TRACE_ENTER] = {'(', ""},
    [TRACE_LEAVE] = {')', ""},
    [TRACE_DEATH] = {'d', "i?os"},
    [TRACE_CYCLIC_DEATH] = {'D', "i?os"},
    [TRACE_DESTRUCTOR] = {'t', "i"},
    [TRACE_ITERATION] = {'i', ""},
    [TRACE_BLOCK] = {'b', "u"},
    [TRACE_REQUEST_BEGIN] = {'[', ""},
    [TRACE_REQUEST_END] = {']', ""},
    [TRACE_COLLECT] = {'k', ""},
    [TRACE_VERIFY] = {'v', "i"},
};

struct cursor {
    const char *at, *end;
    char *reason;
};

char trace_op_letter(enum trace_op op)
{
    return grammar_table[op].letter;
}

static size_t word_length(const struct cursor *cursor)
{
    const char *space = memchr(cursor->at, ' ', (size_t)(cursor->end - cursor->at));
    return (size_t)((space != NULL ? space : cursor->end) - cursor->at);
}

static bool reject(struct cursor *cursor, const char *expected)
{
    char quoted[32];
    size_t length = word_length(cursor);
    trace_quote(cursor->at, length != 0 ? length : (size_t)(cursor->end - cursor->at), quoted);
    if (cursor->at == cursor->end)
        snprintf(cursor->reason, TRACE_REASON_BYTES, "the line ends, expected %s", expected);
    else
        snprintf(cursor->reason, TRACE_REASON_BYTES, "found \"%s\", expected %s", quoted, expected);
    return false;
}

static bool take_space(struct cursor *cursor, const char *next)
{
    char expected[64];
    if (cursor->at < cursor->end && *cursor->at == ' ') {
        cursor->at++;
        return true;
    }
    snprintf(expected, sizeof(expected), "one space and %s", next);
    return reject(cursor, expected);
}

static bool reject_number(struct cursor *cursor, const struct field *field)
{
    char expected[96];
    snprintf(expected, sizeof(expected), "%s, a decimal number %llu .. %llu", field->name,
             (unsigned long long)field->minimum, (unsigned long long)field->maximum);
    return reject(cursor, expected);
}

static bool take_number(struct cursor *cursor, const struct field *field, struct trace_fields *fields)
{
    const char *begin = cursor->at;
    uint64_t number = 0;
    size_t length = word_length(cursor);
    /* No maximum has more than 13 digits, so that nothing here can overflow. */
    bool fits = length >= 1 && length <= 18 && (length == 1 || begin[0] != '0');
    for (size_t i = 0; fits && i < length; i++) {
        fits = begin[i] >= '0' && begin[i] <= '9';
        number = number * 10 + (uint64_t)(begin[i] - '0');
    }
    if (!fits || number < field->minimum || number > field->maximum)
        return reject_number(cursor, field);
    memcpy((char *)fields + field->offset, &number, sizeof(number));
    cursor->at += length;
    return true;
}

static bool take_kind(struct cursor *cursor, struct trace_fields *fields)
{
    size_t length = word_length(cursor);
    for (int i = 0; i < TRACE_KIND_COUNT; i++) {
        const char *name = trace_kind_name((enum trace_kind)i);
        if (strlen(name) == length && memcmp(name, cursor->at, length) == 0) {
            fields->kind = (enum trace_kind)i;
            cursor->at += length;
            return true;
        }
    }
    return reject(cursor, "KIND, one of bytes string array object closure frame weak");
}

static const struct field *find_field(char letter)
{
    const struct field *field = field_table;
    while (field->letter != letter)
        field++;
    return field;
}

static bool take_field(struct cursor *cursor, char letter, struct trace_fields *fields)
{
    if (letter == 'k')
        return take_space(cursor, "KIND") && take_kind(cursor, fields);
    const struct field *field = find_field(letter);
    return take_space(cursor, field->name) && take_number(cursor, field, fields);
}

static const struct grammar *find_grammar(char letter)
{
    for (size_t i = 0; i < TRACE_OP_COUNT; i++)
        if (grammar_table[i].letter == letter)
            return &grammar_table[i];
    return NULL;
}

static bool take_fields(struct cursor *cursor, const char *letters, struct trace_fields *fields)
{
    for (; *letters != '\0'; letters++) {
        if (*letters == '?') {
            if (cursor->at == cursor->end)
                return true;
            fields->has_owner = true;
        } else if (!take_field(cursor, *letters, fields)) {
            return false;
        }
    }
    return cursor->at == cursor->end || reject(cursor, "the end of the line");
}

bool trace_parse(const char *line, size_t length, struct trace_fields *fields, char reason[TRACE_REASON_BYTES])
{
    struct cursor cursor = {line, line + length, reason};
    memset(fields, 0, sizeof(*fields));
    if (length != 0 && line[length - 1] == '\r') {
        snprintf(reason, TRACE_REASON_BYTES, "the line ends in CR LF, expected LF alone");
        return false;
    }
    const struct grammar *grammar = length != 0 ? find_grammar(line[0]) : NULL;
    if (grammar == NULL || (length > 1 && line[1] != ' '))
        return reject(&cursor, "an event, one of n a s w l g c ( ) d D t i b [ ] k v");
    fields->op = (enum trace_op)(grammar - grammar_table);
    cursor.at++;
    return take_fields(&cursor, grammar->fields, fields);
}
