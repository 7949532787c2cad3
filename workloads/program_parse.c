/* The parser of a cold request: a recursive descent over the bytes of a source file into a tree of objects. */
#include "program.h"

#include <assert.h>
#include <ctype.h>

struct parser {
    struct vm *vm;
    struct vm_class *node_class;
    const char *cursor; /* the text ends in a NUL */
};

/* ---- Tokens ---- */

static char peek(struct parser *parser)
{
    while (*parser->cursor == ' ' || *parser->cursor == '\n')
        parser->cursor++;
    return *parser->cursor;
}

static bool accept(struct parser *parser, const char *token)
{
    size_t length = strlen(token);
    (void)peek(parser);
    if (strncmp(parser->cursor, token, length) != 0)
        return false;
    parser->cursor += length;
    return true;
}

static void expect(struct parser *parser, const char *token)
{
    bool is_there = accept(parser, token);
    assert(is_there);
    (void)is_there;
}

static bool is_name_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

/* An identifier: one string for each name, as the compiler's interned strings. */
static struct sm_value parse_name(struct parser *parser)
{
    (void)peek(parser);
    const char *start = parser->cursor;
    while (is_name_byte(*parser->cursor))
        parser->cursor++;
    struct vm_string *name = vm_intern(parser->vm, start, (size_t)(parser->cursor - start));
    return vm_value_copy(parser->vm, vm_string_value(name));
}

/* ---- Nodes: `value`, `left` and `right` are taken ---- */

static struct sm_value make_node(struct parser *parser, enum ast_kind kind, struct sm_value value, struct sm_value left,
                                 struct sm_value right)
{
    struct vm_object *node = vm_object_new(parser->vm, parser->node_class);
    vm_object_set(parser->vm, node, AST_KIND, vm_int(kind));
    vm_object_set(parser->vm, node, AST_VALUE, value);
    vm_object_set(parser->vm, node, AST_LEFT, left);
    vm_object_set(parser->vm, node, AST_RIGHT, right);
    return vm_object_value(node);
}

static struct sm_value parse_expression(struct parser *parser);

/* Items up to `end`, with commas where there are any. */
static struct sm_value parse_list(struct parser *parser, const char *end,
                                  struct sm_value (*parse_item)(struct parser *parser))
{
    struct vm_array *list = vm_array_new(parser->vm, VM_ARRAY_PACKED, 0);
    while (!accept(parser, end)) {
        vm_array_append(parser->vm, list, parse_item(parser));
        (void)accept(parser, ",");
    }
    return vm_array_value(list);
}

static struct sm_value parse_number(struct parser *parser)
{
    int64_t number = 0;
    while (isdigit((unsigned char)*parser->cursor))
        number = number * 10 + (*parser->cursor++ - '0');
    return make_node(parser, AST_NUMBER, vm_int(number), vm_null(), vm_null());
}

static struct sm_value parse_text(struct parser *parser)
{
    const char *start = ++parser->cursor;
    while (*parser->cursor != '\'')
        parser->cursor++;
    struct vm_string *text = vm_string_new(parser->vm, start, (size_t)(parser->cursor++ - start));
    return make_node(parser, AST_TEXT, vm_string_value(text), vm_null(), vm_null());
}

static struct sm_value parse_operand(struct parser *parser)
{
    char first = peek(parser);
    if (isdigit((unsigned char)first))
        return parse_number(parser);
    if (first == '\'')
        return parse_text(parser);
    if (!accept(parser, "$")) {
        struct sm_value name = parse_name(parser);
        expect(parser, "(");
        return make_node(parser, AST_CALL, name, parse_list(parser, ")", parse_expression), vm_null());
    }
    struct sm_value variable = make_node(parser, AST_VARIABLE, parse_name(parser), vm_null(), vm_null());
    if (!accept(parser, "->"))
        return variable;
    return make_node(parser, AST_PROPERTY, parse_name(parser), variable, vm_null());
}

static struct sm_value parse_expression(struct parser *parser)
{
    struct sm_value left = parse_operand(parser);
    while (peek(parser) == '.' || *parser->cursor == '+') {
        struct sm_value letter = vm_int(*parser->cursor++);
        left = make_node(parser, AST_BINARY, letter, left, parse_operand(parser));
    }
    return left;
}

/* ---- Statements ---- */

static struct sm_value parse_statement(struct parser *parser)
{
    if (accept(parser, "if (")) {
        struct sm_value condition = parse_expression(parser);
        expect(parser, ")");
        expect(parser, "{");
        return make_node(parser, AST_IF, vm_null(), condition, parse_list(parser, "}", parse_statement));
    }
    struct sm_value node;
    if (accept(parser, "return ")) {
        node = make_node(parser, AST_RETURN, vm_null(), parse_expression(parser), vm_null());
    } else {
        struct sm_value target = parse_operand(parser);
        expect(parser, "=");
        node = make_node(parser, AST_ASSIGN, vm_null(), target, parse_expression(parser));
    }
    expect(parser, ";");
    return node;
}

static struct sm_value parse_method(struct parser *parser)
{
    expect(parser, "function ");
    struct sm_value name = parse_name(parser);
    expect(parser, "(");
    struct sm_value parameters = parse_list(parser, ")", parse_operand);
    expect(parser, "{");
    return make_node(parser, AST_METHOD, name, parameters, parse_list(parser, "}", parse_statement));
}

struct vm_object *program_parse(struct vm *vm, struct vm_class *node_class, const struct vm_string *source)
{
    struct parser parser = {.vm = vm, .node_class = node_class, .cursor = source->data};
    expect(&parser, "class ");
    struct sm_value name = parse_name(&parser);
    expect(&parser, "{");
    struct sm_value methods = parse_list(&parser, "}", parse_method);
    return vm_as_object(make_node(&parser, AST_CLASS, name, methods, vm_null()));
}
