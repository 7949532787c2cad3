/* Parsing as league/commonmark does it: a cursor a line, cloned for every parser that may begin a block there. */
#include "batch.h"

#include <ctype.h>

/* ---- Cursors and nodes ---- */

struct vm_object *batch_cursor(struct batch *batch, struct vm_string *line, size_t position)
{
    struct vm *vm = batch_vm(batch);
    struct vm_object *cursor = batch_new(batch, BATCH_CURSOR);
    batch_refer(batch, cursor, CURSOR_LINE, vm_string_value(line));
    vm_object_set(vm, cursor, CURSOR_LENGTH, vm_int((int64_t)line->length));
    vm_object_set(vm, cursor, CURSOR_POSITION, vm_int((int64_t)position));
    vm_object_set(vm, cursor, CURSOR_COLUMN, vm_int((int64_t)position));
    vm_object_set(vm, cursor, CURSOR_INDENT, vm_int(0));
    return cursor;
}

/* clone $cursor. */
static struct vm_object *clone_cursor(struct batch *batch, const struct vm_object *cursor)
{
    struct vm_object *clone = batch_new(batch, BATCH_CURSOR);
    for (uint32_t i = 0; i < CURSOR_PROPERTIES; i++)
        batch_refer(batch, clone, i, vm_object_get(cursor, i));
    return clone;
}

struct vm_array *batch_save_state(struct batch *batch, const struct vm_object *cursor)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *state = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (uint32_t i = CURSOR_LENGTH; i < CURSOR_LENGTH + 7; i++)
        vm_array_append(vm, state, vm_value_copy(vm, vm_object_get(cursor, i)));
    batch_charge(batch);
    return state;
}

static void link_last(struct batch *batch, struct vm_object *parent, struct vm_object *node)
{
    struct sm_value last = vm_object_get(parent, NODE_LAST);
    struct sm_value value = vm_object_value(node);
    batch_refer(batch, node, NODE_PARENT, vm_object_value(parent));
    if (vm_tag_of(last) == VM_OBJECT) {
        batch_refer(batch, node, NODE_PREVIOUS, last);
        batch_refer(batch, vm_as_object(last), NODE_NEXT, value);
    } else {
        batch_refer(batch, parent, NODE_FIRST, value);
    }
    vm_object_set(batch_vm(batch), parent, NODE_LAST, value);
}

struct vm_object *batch_node_append(struct batch *batch, struct vm_object *parent, enum batch_node kind,
                                    struct sm_value literal)
{
    struct vm *vm = batch_vm(batch);
    vm_temporary_push(vm, literal);
    struct vm_object *node = batch_new(batch, BATCH_NODE);
    vm_object_set(vm, node, NODE_KIND, vm_int(kind));
    vm_object_set(vm, node, NODE_LITERAL, vm_temporary_pop(vm));
    link_last(batch, parent, node);
    return node;
}

/* ---- Blocks ---- */

struct block_parser {
    const char *marker; /* NULL: looks at the indent alone */
    enum batch_node kind;
    bool saves_state, is_kept, uses_pattern;
};

static const struct block_parser parsers[] = {
    {"> ", NODE_QUOTE, true, true, false},    {"# ", NODE_HEADING, true, true, true},
    {"~~~", NODE_CODE, true, false, true},    {"<", NODE_CODE, false, true, false},
    {"===", NODE_HEADING, true, false, true}, {"***", NODE_CODE, false, false, false},
    {"- ", NODE_ITEM, true, true, false},     {NULL, NODE_CODE, false, false, false},
};
enum { PARSERS = sizeof(parsers) / sizeof(parsers[0]) };

/* Locals of a line's frame. */
enum { LINE, CURSOR, TRIED, CLONE, STATE, SAVED, MATCHES, RESULT, OPEN, LINE_LOCALS };

static bool starts_with(const struct vm_string *line, const char *marker)
{
    size_t length = strlen(marker);
    return line->length >= length && memcmp(line->data, marker, length) == 0;
}

/* preg_match($pattern, $line, $matches): an array by reference, empty where nothing matches. */
static void match_pattern(struct batch *batch, const struct vm_string *line, const char *marker)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *matches = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, MATCHES, vm_array_value(matches));
    if (starts_with(line, marker)) {
        vm_array_append(vm, matches, vm_string_value(text_slice(vm, line, 0, line->length)));
        vm_array_append(vm, matches, vm_string_value(vm_string_new(vm, marker, strlen(marker))));
    }
    struct vm_reference *reference = vm_reference_new(vm, vm_local_take(vm, MATCHES));
    vm_local_set(vm, MATCHES, vm_heap_value(reference, VM_REFERENCE));
    batch_charge(batch);
}

/* BlockStart::of(...$parsers) with the cursor and its state: a list of arguments, in an object that is kept until the next block. */
static void keep_start(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, RESULT, vm_array_value(arguments));
    vm_array_append(vm, arguments, vm_value_copy(vm, vm_local_get(vm, CLONE)));
    if (vm_tag_of(vm_local_get(vm, SAVED)) == VM_ARRAY)
        vm_array_append(vm, arguments, vm_value_copy(vm, vm_local_get(vm, SAVED)));
    struct vm_object *start = batch_new(batch, BATCH_START);
    vm_object_set(vm, start, START_ARGUMENTS, vm_local_take(vm, RESULT));
    vm_array_append(vm, vm_as_array(vm_local_get(vm, TRIED)), vm_object_value(start));
}

static void keep_state(struct batch *batch, struct vm_object *document)
{
    struct vm *vm = batch_vm(batch);
    struct vm_object *state = batch_new(batch, BATCH_STATE);
    vm_local_set(vm, STATE, vm_object_value(state));
    batch_refer(batch, state, STATE_CURSOR, vm_local_get(vm, CLONE));
    batch_refer(batch, state, STATE_BLOCK, vm_object_value(document));
}

/* array_filter($this->open, ...): which open blocks the parser may interrupt. None, in an array that is asked for its count. */
static void filter_open(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *found = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_session_fold(&batch->session, vm_array_count(found));
    vm_value_drop(vm, vm_array_value(found));
    batch_charge(batch);
}

/* $parser->tryStart(clone $cursor, $state). */
static bool try_start(struct batch *batch, const struct block_parser *parser, struct vm_object *document)
{
    struct vm *vm = batch_vm(batch);
    const struct vm_string *line = vm_as_string(vm_local_get(vm, LINE));
    vm_local_set(vm, CLONE, vm_object_value(clone_cursor(batch, vm_as_object(vm_local_get(vm, CURSOR)))));
    if (parser->saves_state) {
        keep_state(batch, document);
        struct vm_array *saved = batch_save_state(batch, vm_as_object(vm_local_get(vm, CLONE)));
        vm_local_set(vm, SAVED, vm_array_value(saved));
    }
    if (parser->uses_pattern)
        match_pattern(batch, line, parser->marker);
    if (parser->is_kept)
        keep_start(batch);
    else
        vm_local_set(vm, RESULT, vm_object_value(batch_new(batch, BATCH_START)));
    filter_open(batch);
    /* It asks for the indent, the next character, and compares. */
    mutator_work_charge(&batch->session.work, 3);
    for (uint32_t local = CLONE; local <= RESULT; local++)
        vm_local_set(vm, local, vm_undef());
    vm_safepoint(vm);
    return parser->marker != NULL && starts_with(line, parser->marker);
}

static void append_text(struct batch *batch, const char *bytes, size_t length)
{
    struct vm *vm = batch_vm(batch);
    struct vm_object *block = vm_as_object(vm_local_get(vm, OPEN));
    text_append(vm, vm_object_place(block, NODE_LITERAL), " ");
    vm_string_append(vm, vm_object_place(block, NODE_LITERAL), bytes, length);
}

static void open_block(struct batch *batch, struct vm_object *document, enum batch_node kind, size_t skipped)
{
    struct vm *vm = batch_vm(batch);
    const struct vm_string *line = vm_as_string(vm_local_get(vm, LINE));
    struct sm_value text = vm_string_value(text_slice(vm, line, skipped, line->length - skipped));
    struct vm_object *block = batch_node_append(batch, document, kind, text);
    vm_local_set(vm, OPEN, vm_value_copy(vm, vm_object_value(block)));
}

/* A line begins a block, goes on with the paragraph that is open, or, blank, ends it. `open` says whether one is. */
static bool parse_line(struct batch *batch, struct vm_object *document, bool open)
{
    struct vm *vm = batch_vm(batch);
    struct vm_string *line = vm_as_string(vm_local_get(vm, LINE));
    vm_local_set(vm, CURSOR, vm_object_value(batch_cursor(batch, line, 0)));
    if (line->length == 0)
        return false;
    if (!open)
        vm_local_set(vm, TRIED, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (unsigned i = 0; i < PARSERS; i++)
        if (try_start(batch, &parsers[i], document)) {
            open_block(batch, document, parsers[i].kind, strlen(parsers[i].marker));
            return false;
        }
    if (open)
        append_text(batch, line->data, line->length);
    else
        open_block(batch, document, NODE_PARAGRAPH, 0);
    return true;
}

/* ---- Documents ---- */

static void parse_all_inlines(struct batch *batch, const struct vm_object *document)
{
    struct vm *vm = batch_vm(batch);
    enum { BLOCK, BLOCK_TEXT, BLOCK_LOCALS };
    vm_frame_enter(vm, BLOCK_LOCALS);
    vm_local_set(vm, BLOCK, vm_value_copy(vm, vm_object_get(document, NODE_FIRST)));
    while (vm_tag_of(vm_local_get(vm, BLOCK)) == VM_OBJECT) {
        struct vm_object *block = vm_as_object(vm_local_get(vm, BLOCK));
        vm_local_set(vm, BLOCK_TEXT, vm_value_copy(vm, vm_object_get(block, NODE_LITERAL)));
        vm_object_set(vm, block, NODE_LITERAL, vm_null());
        batch_parse_inlines(batch, block, vm_as_string(vm_local_get(vm, BLOCK_TEXT)));
        vm_local_set(vm, BLOCK, vm_value_copy(vm, vm_object_get(block, NODE_NEXT)));
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
}

void batch_parse(struct batch *batch, const struct vm_array *lines, struct vm_object *document)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array_entry entry;
    bool open = false;
    vm_frame_enter(vm, LINE_LOCALS);
    for (size_t position = 0; vm_array_next(lines, &position, &entry);) {
        vm_local_set(vm, LINE, vm_value_copy(vm, entry.value));
        open = parse_line(batch, document, open);
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
    parse_all_inlines(batch, document);
}

/* ---- Inlines ---- */

/* Locals of a text's frame. */
enum { TEXT, INLINE_CURSOR, CONTEXT, INLINE_MATCHES, DELIMITER, INLINE_LOCALS };

static enum batch_node inline_kind(char byte)
{
    switch (byte) {
    case '*':
        return NODE_EMPHASIS;
    case '`':
        return NODE_CODE;
    case '[':
        return NODE_LINK;
    default:
        return NODE_TEXT;
    }
}

static size_t piece_length(const struct vm_string *text, size_t start, enum batch_node kind)
{
    static const char closings[] = {[NODE_EMPHASIS] = '*', [NODE_CODE] = '`', [NODE_LINK] = ']'};
    size_t end = start + 1;
    if (kind == NODE_TEXT) {
        while (end < text->length && inline_kind(text->data[end]) == NODE_TEXT)
            end++;
        return end - start;
    }
    while (end < text->length && text->data[end] != closings[kind])
        end++;
    return (end < text->length ? end + 1 : end) - start;
}

/* An inline parser's context: the cursor, what its pattern matched, the container. */
static void make_context(struct batch *batch, struct vm_object *block, size_t start, size_t length)
{
    struct vm *vm = batch_vm(batch);
    const struct vm_string *text = vm_as_string(vm_local_get(vm, TEXT));
    struct vm_array *matches = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, INLINE_MATCHES, vm_array_value(matches));
    vm_array_append(vm, matches, vm_string_value(text_slice(vm, text, start, length)));
    vm_local_set(vm, CONTEXT, vm_object_value(batch_new(batch, BATCH_CONTEXT)));
    struct vm_object *context = vm_as_object(vm_local_get(vm, CONTEXT));
    batch_refer(batch, context, CONTEXT_CURSOR, vm_local_get(vm, INLINE_CURSOR));
    batch_refer(batch, context, CONTEXT_MATCHES, vm_local_get(vm, INLINE_MATCHES));
    batch_refer(batch, context, CONTEXT_CONTAINER, vm_object_value(block));
    struct vm_array *saved = batch_save_state(batch, vm_as_object(vm_local_get(vm, INLINE_CURSOR)));
    vm_session_fold(&batch->session, vm_array_count(saved));
    vm_value_drop(vm, vm_array_value(saved));
    vm_safepoint(vm);
}

/* Delimiters form a list, whose end the frame holds. */
static void push_delimiter(struct batch *batch, const struct vm_object *node)
{
    struct vm *vm = batch_vm(batch);
    struct vm_object *delimiter = batch_new(batch, BATCH_DELIMITER);
    vm_object_set(vm, delimiter, DELIMITER_PREVIOUS, vm_local_take(vm, DELIMITER));
    vm_local_set(vm, DELIMITER, vm_object_value(delimiter));
    batch_refer(batch, delimiter, DELIMITER_NODE, vm_object_get(node, NODE_LITERAL));
    vm_object_set(vm, delimiter, DELIMITER_LENGTH, vm_int(1));
}

static struct sm_value matched(const struct batch *batch)
{
    return vm_array_get_index(vm_as_array(vm_local_get(batch_vm(batch), INLINE_MATCHES)), 0);
}

static void parse_piece(struct batch *batch, struct vm_object *block, enum batch_node kind, size_t start, size_t length)
{
    struct vm *vm = batch_vm(batch);
    make_context(batch, block, start, length);
    if (kind == NODE_TEXT || length < 3) {
        (void)batch_node_append(batch, block, NODE_TEXT, vm_value_copy(vm, matched(batch)));
        return;
    }
    struct vm_string *inner = text_slice(vm, vm_as_string(matched(batch)), 1, length - 2);
    if (kind == NODE_CODE) {
        (void)batch_node_append(batch, block, kind, vm_string_value(inner));
        return;
    }
    vm_temporary_push(vm, vm_string_value(inner));
    struct vm_object *node = batch_node_append(batch, block, kind, vm_null());
    struct vm_object *child = batch_node_append(batch, node, NODE_TEXT, vm_temporary_pop(vm));
    push_delimiter(batch, child);
    push_delimiter(batch, child);
}

void batch_parse_inlines(struct batch *batch, struct vm_object *block, struct vm_string *text)
{
    struct vm *vm = batch_vm(batch);
    vm_frame_enter(vm, INLINE_LOCALS);
    vm_local_set(vm, TEXT, vm_value_copy(vm, vm_string_value(text)));
    vm_local_set(vm, DELIMITER, vm_null());
    vm_local_set(vm, INLINE_CURSOR, vm_object_value(batch_cursor(batch, text, 0)));
    size_t length;
    for (size_t start = 0; start < text->length; start += length) {
        enum batch_node kind = inline_kind(text->data[start]);
        length = piece_length(text, start, kind);
        parse_piece(batch, block, kind, start, length);
        vm_object_set(vm, vm_as_object(vm_local_get(vm, INLINE_CURSOR)), CURSOR_POSITION,
                      vm_int((int64_t)(start + length)));
        batch_charge(batch);
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
}
