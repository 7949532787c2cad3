/*
 * Lexer and parser. As in PHP-Parser each token gets two arrays of attributes, where it starts and where it ends, and a
 * node the union of those of its first and last one. What is under construction sits in frames, for safepoints come between.
 */
#include "ast.h"

#include <assert.h>
#include <ctype.h>

/* ---- Tokens ---- */

struct lexer {
    struct ast *ast;
    const char *cursor, *end;
    int64_t line;
};

static enum ast_token classify(char byte)
{
    if (isspace((unsigned char)byte))
        return TOKEN_SPACE;
    if (byte == '#')
        return TOKEN_COMMENT;
    if (isalpha((unsigned char)byte))
        return TOKEN_WORD;
    if (isdigit((unsigned char)byte))
        return TOKEN_NUMBER;
    return byte == '$' ? TOKEN_VARIABLE : byte == '\'' ? TOKEN_TEXT : TOKEN_OPERATOR;
}

static size_t operator_length(const struct lexer *lexer)
{
    size_t rest = (size_t)(lexer->end - lexer->cursor);
    bool arrow = rest > 1 && lexer->cursor[1] == '>' && (*lexer->cursor == '-' || *lexer->cursor == '=');
    return arrow ? 2 : 1;
}

static size_t token_length(const struct lexer *lexer, enum ast_token kind)
{
    const char *cursor = lexer->cursor + 1;
    switch (kind) {
    case TOKEN_SPACE:
        while (cursor < lexer->end && isspace((unsigned char)*cursor))
            cursor++;
        break;
    case TOKEN_COMMENT:
        while (cursor < lexer->end && *cursor != '\n')
            cursor++;
        break;
    case TOKEN_TEXT:
        while (cursor < lexer->end && *cursor++ != '\'')
            continue;
        break;
    case TOKEN_OPERATOR:
        return operator_length(lexer);
    case TOKEN_WORD:
    case TOKEN_VARIABLE:
    case TOKEN_NUMBER:
        while (cursor < lexer->end && isalnum((unsigned char)*cursor))
            cursor++;
        break;
    }
    return (size_t)(cursor - lexer->cursor);
}

/* Texts of one character are interned, as PHP's are. */
static struct sm_value token_text(struct vm *vm, const char *bytes, size_t length)
{
    if (length == 1)
        return vm_value_copy(vm, vm_string_value(vm_intern(vm, bytes, 1)));
    return vm_string_value(vm_string_new(vm, bytes, length));
}

static struct sm_value make_token(struct lexer *lexer, enum ast_token kind, size_t length)
{
    struct vm *vm = ast_vm(lexer->ast);
    struct sm_value text = token_text(vm, lexer->cursor, length);
    if (kind == TOKEN_OPERATOR && length == 1)
        return text;
    struct vm_array *token = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, token, vm_int(kind));
    vm_array_append(vm, token, text);
    vm_array_append(vm, token, vm_int(lexer->line));
    return vm_array_value(token);
}

static void count_lines(struct lexer *lexer, size_t length)
{
    for (size_t i = 0; i < length; i++)
        lexer->line += lexer->cursor[i] == '\n';
}

struct vm_array *ast_tokenise(struct ast *ast, const struct vm_string *text)
{
    struct vm *vm = ast_vm(ast);
    struct lexer lexer = {ast, text->data, text->data + text->length, 1};
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    while (lexer.cursor < lexer.end) {
        enum ast_token kind = classify(*lexer.cursor);
        size_t length = token_length(&lexer, kind);
        vm_array_append(vm, vm_as_array(vm_local_get(vm, 0)), make_token(&lexer, kind, length));
        count_lines(&lexer, length);
        lexer.cursor += length;
        ast_charge(ast);
        vm_safepoint(vm);
    }
    struct vm_array *tokens = vm_as_array(vm_local_take(vm, 0));
    vm_frame_leave(vm);
    return tokens;
}

/* ---- The token at hand ---- */

struct parser {
    struct ast *ast;
    struct vm *vm;
    int64_t position, line;
    int64_t top; /* of the parse: tokens and nodes that are not part of a node yet */
    enum ast_token kind;
    const struct vm_string *text; /* borrowed: the token list holds it; NULL at the end */
};

static void line_attribute(struct parser *parser, uint32_t property, enum ast_key key)
{
    struct vm_array *attributes = vm_array_new(parser->vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(parser->vm, attributes, parser->ast->keys[key], vm_int(parser->line));
    vm_object_set(parser->vm, parser->ast->analyser, property, vm_array_value(attributes));
    ast_charge(parser->ast);
}

static void load_token(struct parser *parser, struct sm_value token)
{
    if (vm_tag_of(token) == VM_STRING) {
        parser->kind = TOKEN_OPERATOR;
        parser->text = vm_as_string(token);
        return;
    }
    const struct vm_array *parts = vm_as_array(token);
    parser->kind = (enum ast_token)vm_as_int(vm_array_get_index(parts, 0));
    parser->text = vm_as_string(vm_array_get_index(parts, 1));
    parser->line = vm_as_int(vm_array_get_index(parts, 2));
}

/* $this->stack[$position] = $attributes. */
static void stack_attributes(struct parser *parser, uint32_t stack, int64_t position, struct sm_value attributes)
{
    struct vm *vm = parser->vm;
    struct vm_array *list = vm_array_write(vm, vm_object_place(parser->ast->analyser, stack));
    vm_array_set_index(vm, list, position, vm_value_copy(vm, attributes));
}

static struct sm_value stacked(const struct parser *parser, uint32_t stack, int64_t position)
{
    return vm_array_get_index(vm_as_array(vm_object_get(parser->ast->analyser, stack)), position);
}

/* The token at hand becomes part of the parse. */
static void shift(struct parser *parser)
{
    const struct vm_object *analyser = parser->ast->analyser;
    parser->top++;
    stack_attributes(parser, ANALYSER_START_STACK, parser->top, vm_object_get(analyser, ANALYSER_START));
    stack_attributes(parser, ANALYSER_END_STACK, parser->top, vm_object_get(analyser, ANALYSER_END));
}

/* What lies above `base` becomes one. */
static void reduce(struct parser *parser, int64_t base)
{
    stack_attributes(parser, ANALYSER_END_STACK, base + 1, stacked(parser, ANALYSER_END_STACK, parser->top));
    parser->top = base + 1;
}

/* Load the next token that is no space. */
static void load_next(struct parser *parser)
{
    struct vm *vm = parser->vm;
    struct vm_object *analyser = parser->ast->analyser;
    const struct vm_array *tokens = vm_as_array(vm_object_get(analyser, ANALYSER_TOKENS));
    do {
        struct sm_value token = vm_array_get_index(tokens, parser->position++);
        if (vm_tag_of(token) == VM_UNDEF) {
            parser->text = NULL;
            break;
        }
        vm_object_set(vm, analyser, ANALYSER_TOKEN, vm_value_copy(vm, token));
        load_token(parser, token);
    } while (parser->kind == TOKEN_SPACE || parser->kind == TOKEN_COMMENT);
    line_attribute(parser, ANALYSER_START, KEY_START_LINE);
    line_attribute(parser, ANALYSER_END, KEY_END_LINE);
    ast_charge(parser->ast);
    vm_safepoint(vm);
}

static void advance(struct parser *parser)
{
    shift(parser);
    load_next(parser);
}

static bool at(const struct parser *parser, const char *text)
{
    return parser->text != NULL && parser->kind != TOKEN_TEXT && parser->text->length == strlen(text) &&
           memcmp(parser->text->data, text, parser->text->length) == 0;
}

static void expect(struct parser *parser, const char *text)
{
    if (!at(parser, text))
        vm_bailout(parser->vm, SM_ERR_INVALID_ARGUMENT);
    advance(parser);
}

static void expect_kind(const struct parser *parser, enum ast_token kind)
{
    if (parser->text == NULL || parser->kind != kind)
        vm_bailout(parser->vm, SM_ERR_INVALID_ARGUMENT);
}

/* ---- Nodes ---- */

/* Locals of a node's frame: the top of the parse where it starts, and its children in the order of its properties. */
enum { BASE, CHILD };

static void begin_node(struct parser *parser, uint32_t child_count)
{
    vm_frame_enter(parser->vm, CHILD + child_count);
    vm_local_set(parser->vm, BASE, vm_int(parser->top));
}

static void copy_elements(struct vm *vm, struct vm_array *target, struct sm_value source)
{
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(source), &position, &entry);)
        vm_array_set_key(vm, target, entry.key, vm_value_copy(vm, entry.value));
}

/* $start + $end. */
static struct sm_value make_attributes(struct parser *parser)
{
    struct vm *vm = parser->vm;
    int64_t base = vm_as_int(vm_local_get(vm, BASE));
    reduce(parser, base);
    struct vm_array *attributes = vm_array_new(vm, VM_ARRAY_HASH, 0);
    copy_elements(vm, attributes, stacked(parser, ANALYSER_START_STACK, base + 1));
    copy_elements(vm, attributes, stacked(parser, ANALYSER_END_STACK, base + 1));
    return vm_array_value(attributes);
}

/* From the frame's children, which leave it. */
static struct sm_value make_node(struct parser *parser, enum ast_kind kind, uint32_t child_count)
{
    struct vm *vm = parser->vm;
    struct vm_object *node = ast_node_new(parser->ast, kind, make_attributes(parser));
    for (uint32_t i = 0; i < child_count; i++) {
        struct sm_value child = vm_local_take(vm, CHILD + i);
        if (vm_tag_of(child) != VM_UNDEF)
            vm_object_set(vm, node, AST_NODE_CHILDREN + i, child);
    }
    ast_charge(parser->ast);
    return vm_object_value(node);
}

static struct sm_value end_node(struct parser *parser, enum ast_kind kind, uint32_t child_count)
{
    struct sm_value node = make_node(parser, kind, child_count);
    vm_frame_leave(parser->vm);
    return node;
}

/* Not a node of its own: its first child is the result. */
static struct sm_value end_child(struct parser *parser)
{
    struct sm_value child = vm_local_take(parser->vm, CHILD);
    vm_frame_leave(parser->vm);
    return child;
}

static void set_child(struct parser *parser, uint32_t child, struct sm_value value)
{
    vm_local_set(parser->vm, CHILD + child, value);
}

/* Elements that `parse_one` makes, up to `closing`; null when there are none. */
static struct sm_value parse_list(struct parser *parser, const char *closing, const char *separator,
                                  struct sm_value (*parse_one)(struct parser *))
{
    struct vm *vm = parser->vm;
    int64_t base = parser->top;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_null());
    while (!at(parser, closing)) {
        vm_temporary_push(vm, parse_one(parser));
        if (vm_tag_of(vm_local_get(vm, 0)) == VM_NULL)
            vm_local_set(vm, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
        vm_array_append(vm, vm_as_array(vm_local_get(vm, 0)), vm_temporary_pop(vm));
        if (separator != NULL && !at(parser, closing))
            expect(parser, separator);
        reduce(parser, base);
    }
    advance(parser);
    struct sm_value list = vm_local_take(vm, 0);
    vm_frame_leave(vm);
    return list;
}

/* ---- Expressions ---- */

static struct sm_value parse_expression(struct parser *parser);

/* Part of the token's text as a string of its own; the token is done with. */
static void take_text(struct parser *parser, uint32_t child, size_t start, size_t length)
{
    set_child(parser, child, vm_string_value(text_slice(parser->vm, parser->text, start, length)));
    advance(parser);
}

static struct sm_value parse_variable(struct parser *parser)
{
    expect_kind(parser, TOKEN_VARIABLE);
    begin_node(parser, 1);
    take_text(parser, 0, 1, parser->text->length - 1);
    return end_node(parser, AST_VARIABLE, 1);
}

static struct sm_value parse_identifier(struct parser *parser)
{
    expect_kind(parser, TOKEN_WORD);
    begin_node(parser, 1);
    set_child(parser, 0, vm_value_copy(parser->vm, vm_heap_value((void *)(uintptr_t)parser->text, VM_STRING)));
    advance(parser);
    return end_node(parser, AST_IDENTIFIER, 1);
}

static struct sm_value parse_name(struct parser *parser)
{
    struct vm *vm = parser->vm;
    begin_node(parser, 1);
    struct vm_array *parts = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    set_child(parser, 0, vm_array_value(parts));
    vm_array_append(vm, parts, vm_value_copy(vm, vm_heap_value((void *)(uintptr_t)parser->text, VM_STRING)));
    advance(parser);
    return end_node(parser, AST_NAME, 1);
}

static struct sm_value parse_argument(struct parser *parser)
{
    begin_node(parser, 2);
    set_child(parser, 0, vm_null());
    set_child(parser, 1, parse_expression(parser));
    return end_node(parser, AST_ARGUMENT, 2);
}

static struct sm_value parse_arguments(struct parser *parser)
{
    expect(parser, "(");
    return parse_list(parser, ")", ",", parse_argument);
}

static struct sm_value parse_call(struct parser *parser)
{
    begin_node(parser, 2);
    set_child(parser, 0, parse_name(parser));
    set_child(parser, 1, parse_arguments(parser));
    return end_node(parser, AST_CALL, 2);
}

static struct sm_value parse_item(struct parser *parser)
{
    begin_node(parser, 2);
    set_child(parser, 0, parse_expression(parser));
    expect(parser, "=>");
    set_child(parser, 1, parse_expression(parser));
    return end_node(parser, AST_ARRAY_ITEM, 2);
}

static struct sm_value parse_array(struct parser *parser)
{
    begin_node(parser, 1);
    advance(parser);
    set_child(parser, 0, parse_list(parser, "]", ",", parse_item));
    return end_node(parser, AST_ARRAY, 1);
}

static struct sm_value parse_number(struct parser *parser)
{
    int64_t number = 0;
    begin_node(parser, 1);
    for (size_t i = 0; i < parser->text->length; i++)
        number = number * 10 + (parser->text->data[i] - '0');
    set_child(parser, 0, vm_int(number));
    advance(parser);
    return end_node(parser, AST_NUMBER, 1);
}

static struct sm_value parse_text(struct parser *parser)
{
    begin_node(parser, 1);
    take_text(parser, 0, 1, parser->text->length - 2);
    return end_node(parser, AST_TEXT, 1);
}

/* A variable, or a method of it called. */
static struct sm_value parse_variable_or_call(struct parser *parser)
{
    begin_node(parser, 3);
    set_child(parser, 0, parse_variable(parser));
    if (at(parser, "->")) {
        advance(parser);
        set_child(parser, 1, parse_identifier(parser));
        set_child(parser, 2, parse_arguments(parser));
        return end_node(parser, AST_METHOD_CALL, 3);
    }
    return end_child(parser);
}

static struct sm_value parse_term(struct parser *parser)
{
    if (at(parser, "["))
        return parse_array(parser);
    if (parser->text == NULL)
        vm_bailout(parser->vm, SM_ERR_INVALID_ARGUMENT);
    switch (parser->kind) {
    case TOKEN_VARIABLE:
        return parse_variable_or_call(parser);
    case TOKEN_NUMBER:
        return parse_number(parser);
    case TOKEN_TEXT:
        return parse_text(parser);
    case TOKEN_WORD:
        return parse_call(parser);
    case TOKEN_SPACE:
    case TOKEN_COMMENT:
    case TOKEN_OPERATOR:
        break;
    }
    vm_bailout(parser->vm, SM_ERR_INVALID_ARGUMENT);
}

/* AST_KINDS: the token at hand is none. */
static enum ast_kind operator_at(const struct parser *parser)
{
    if (at(parser, "+"))
        return AST_PLUS;
    if (at(parser, "*"))
        return AST_TIMES;
    return at(parser, "<") ? AST_SMALLER : AST_KINDS;
}

static struct sm_value parse_expression(struct parser *parser)
{
    begin_node(parser, 2);
    set_child(parser, 0, parse_term(parser));
    for (enum ast_kind kind; (kind = operator_at(parser)) != AST_KINDS;) {
        advance(parser);
        set_child(parser, 1, parse_term(parser));
        set_child(parser, 0, make_node(parser, kind, 2));
    }
    return end_child(parser);
}

/* ---- Statements ---- */

static struct sm_value parse_statement(struct parser *parser);

static struct sm_value parse_block(struct parser *parser)
{
    expect(parser, "{");
    return parse_list(parser, "}", NULL, parse_statement);
}

static struct sm_value parse_if(struct parser *parser)
{
    begin_node(parser, 2);
    advance(parser);
    expect(parser, "(");
    set_child(parser, 0, parse_expression(parser));
    expect(parser, ")");
    set_child(parser, 1, parse_block(parser));
    return end_node(parser, AST_IF, 2);
}

static struct sm_value parse_foreach(struct parser *parser)
{
    begin_node(parser, 5);
    advance(parser);
    expect(parser, "(");
    set_child(parser, 0, parse_expression(parser));
    expect(parser, "as");
    set_child(parser, 3, parse_variable(parser));
    expect(parser, ")");
    set_child(parser, 4, parse_block(parser));
    return end_node(parser, AST_FOREACH, 5);
}

static struct sm_value parse_leading_word(struct parser *parser, enum ast_kind kind)
{
    begin_node(parser, 1);
    advance(parser);
    set_child(parser, 0, parse_expression(parser));
    expect(parser, ";");
    return end_node(parser, kind, 1);
}

static struct sm_value parse_assignment(struct parser *parser)
{
    begin_node(parser, 2);
    set_child(parser, 0, parse_expression(parser));
    if (at(parser, "=")) {
        advance(parser);
        set_child(parser, 1, parse_expression(parser));
        return end_node(parser, AST_ASSIGN, 2);
    }
    return end_child(parser);
}

static struct sm_value parse_expression_statement(struct parser *parser)
{
    begin_node(parser, 1);
    set_child(parser, 0, parse_assignment(parser));
    expect(parser, ";");
    return end_node(parser, AST_EXPRESSION, 1);
}

static struct sm_value parse_statement(struct parser *parser)
{
    if (at(parser, "if"))
        return parse_if(parser);
    if (at(parser, "foreach"))
        return parse_foreach(parser);
    if (at(parser, "echo"))
        return parse_leading_word(parser, AST_ECHO);
    if (at(parser, "return"))
        return parse_leading_word(parser, AST_RETURN);
    return parse_expression_statement(parser);
}

static struct sm_value parse_param(struct parser *parser)
{
    enum { PARAM_VARIABLE = 3 };
    begin_node(parser, PARAM_VARIABLE + 1);
    set_child(parser, PARAM_VARIABLE, parse_variable(parser));
    return end_node(parser, AST_PARAM, PARAM_VARIABLE + 1);
}

static struct sm_value parse_function(struct parser *parser)
{
    enum { CHILD_COUNT = FUNCTION_STATEMENTS - AST_NODE_CHILDREN + 1 };
    begin_node(parser, CHILD_COUNT);
    expect(parser, "function");
    set_child(parser, FUNCTION_NAME - AST_NODE_CHILDREN, parse_identifier(parser));
    expect(parser, "(");
    set_child(parser, FUNCTION_PARAMS - AST_NODE_CHILDREN, parse_list(parser, ")", ",", parse_param));
    set_child(parser, FUNCTION_STATEMENTS - AST_NODE_CHILDREN, parse_block(parser));
    return end_node(parser, AST_FUNCTION, CHILD_COUNT);
}

struct sm_value ast_parse(struct ast *ast)
{
    struct parser parser = {.ast = ast, .vm = ast_vm(ast), .line = 1};
    vm_frame_enter(parser.vm, 1);
    vm_local_set(parser.vm, 0, vm_array_value(vm_array_new(parser.vm, VM_ARRAY_PACKED, 0)));
    load_next(&parser);
    while (parser.text != NULL) {
        vm_temporary_push(parser.vm, parse_function(&parser));
        vm_array_append(parser.vm, vm_as_array(vm_local_get(parser.vm, 0)), vm_temporary_pop(parser.vm));
        reduce(&parser, 0);
    }
    struct sm_value functions = vm_local_take(parser.vm, 0);
    vm_frame_leave(parser.vm);
    return functions;
}
