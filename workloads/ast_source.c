/* Source text: functions of statements and expressions, written by a seeded grammar that counts what it writes. */
#include "ast.h"

#include "block_bytes.h"

struct writer {
    struct text_buffer *text;
    struct wl_random *random;
    struct ast_census *census;
    unsigned indent;
};

enum { EXPRESSION_DEPTH_MAX = 3, BLOCK_DEPTH_MAX = 2 };

static void count(struct writer *writer, enum ast_kind kind)
{
    writer->census->node_count[kind]++;
}

/* Texts of one character are interned, and punctuation of one is no array. */
static void put(struct writer *writer, const char *bytes, size_t length, bool punctuation)
{
    text_buffer_put(writer->text, bytes, length);
    writer->census->token_count++;
    if (!punctuation)
        writer->census->token_block_bytes += block_bytes_packed(3);
    if (length > 1)
        writer->census->token_block_bytes += block_bytes_string(length);
}

static void put_token(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text), text[1] == '\0');
}

static void put_space(struct writer *writer)
{
    put(writer, " ", 1, false);
}

static void put_line(struct writer *writer)
{
    char text[32] = "\n";
    memset(text + 1, ' ', 4 * writer->indent);
    put(writer, text, 1 + 4 * writer->indent, false);
}

static void put_operator(struct writer *writer, const char *text)
{
    put_space(writer);
    put_token(writer, text);
    put_space(writer);
}

/* What the parser makes of a list: so many elements in packed storage. None at all is no array. */
static void count_list(struct writer *writer, uint64_t element_count)
{
    if (element_count > 0)
        writer->census->list_block_bytes += block_bytes_packed(element_count);
}

/* Returns the new length. */
static size_t add(char *text, size_t length, const char *bytes, size_t byte_count)
{
    memcpy(text + length, bytes, byte_count);
    return length + byte_count;
}

static size_t format_word(char *text, const char *prefix, struct wl_random *random, unsigned word_count)
{
    size_t length = add(text, 0, prefix, strlen(prefix));
    for (unsigned i = 0; i < word_count; i++) {
        const char *word = text_word(wl_random_next(random));
        size_t start = length;
        length = add(text, length, word, strlen(word));
        if (i > 0)
            text[start] = (char)(text[start] - 'a' + 'A');
    }
    return length;
}

static void write_variable(struct writer *writer)
{
    char text[32];
    size_t length = format_word(text, "$", writer->random, 1 + (unsigned)wl_random_below(writer->random, 2));
    put(writer, text, length, false);
    writer->census->name_block_bytes += block_bytes_string(length - 1);
    count(writer, AST_VARIABLE);
}

static void write_name(struct writer *writer, unsigned word_count)
{
    char text[48];
    put(writer, text, format_word(text, "", writer->random, word_count), false);
}

static void write_text(struct writer *writer)
{
    char text[64] = "'";
    size_t length = format_word(text, "'", writer->random, 1 + (unsigned)wl_random_below(writer->random, 2));
    text[length++] = '\'';
    put(writer, text, length, false);
    writer->census->name_block_bytes += block_bytes_string(length - 2);
    count(writer, AST_TEXT);
}

static void write_number(struct writer *writer)
{
    char digits[24];
    put(writer, digits, text_format_number(digits, 10 + (int64_t)wl_random_below(writer->random, 990)), false);
    count(writer, AST_NUMBER);
}

static void write_expression(struct writer *writer, unsigned depth);

static void write_arguments(struct writer *writer, unsigned depth)
{
    uint64_t argument_count = 1 + wl_random_below(writer->random, 2);
    put_token(writer, "(");
    for (uint64_t i = 0; i < argument_count; i++) {
        if (i > 0)
            put_token(writer, ",");
        write_expression(writer, depth);
        count(writer, AST_ARGUMENT);
    }
    put_token(writer, ")");
    count_list(writer, argument_count);
}

static void write_call(struct writer *writer, unsigned depth)
{
    write_name(writer, 2);
    count(writer, AST_NAME);
    count(writer, AST_CALL);
    write_arguments(writer, depth);
}

static void write_method_call(struct writer *writer, unsigned depth)
{
    write_variable(writer);
    put_token(writer, "->");
    write_name(writer, 1);
    count(writer, AST_IDENTIFIER);
    count(writer, AST_METHOD_CALL);
    write_arguments(writer, depth);
}

static void write_array(struct writer *writer, unsigned depth)
{
    uint64_t item_count = 1 + wl_random_below(writer->random, 3);
    put_token(writer, "[");
    for (uint64_t i = 0; i < item_count; i++) {
        if (i > 0)
            put_token(writer, ",");
        write_text(writer);
        put_token(writer, "=>");
        write_expression(writer, depth);
        count(writer, AST_ARRAY_ITEM);
    }
    put_token(writer, "]");
    count(writer, AST_ARRAY);
    count_list(writer, item_count);
}

static void write_term(struct writer *writer, unsigned depth)
{
    uint64_t choice = wl_random_below(writer->random, depth < EXPRESSION_DEPTH_MAX ? 100 : 65);
    if (choice < 35)
        write_variable(writer);
    else if (choice < 50)
        write_text(writer);
    else if (choice < 65)
        write_number(writer);
    else if (choice < 80)
        write_call(writer, depth + 1);
    else if (choice < 94)
        write_method_call(writer, depth + 1);
    else
        write_array(writer, depth + 1);
}

static void write_expression(struct writer *writer, unsigned depth)
{
    static const struct {
        const char *text;
        enum ast_kind kind;
    } operators[] = {{"+", AST_PLUS}, {"*", AST_TIMES}, {"<", AST_SMALLER}};
    write_term(writer, depth);
    while (wl_random_chance(writer->random, 1, 4)) {
        uint64_t choice = wl_random_below(writer->random, 3);
        put_token(writer, operators[choice].text);
        count(writer, operators[choice].kind);
        write_term(writer, depth + 1);
    }
}

static void write_block(struct writer *writer, uint64_t statement_count, unsigned depth);

static void write_if(struct writer *writer, unsigned depth)
{
    put_token(writer, "if");
    put_space(writer);
    put_token(writer, "(");
    write_expression(writer, 1);
    put_token(writer, ")");
    put_space(writer);
    write_block(writer, 1 + wl_random_below(writer->random, 2), depth + 1);
    count(writer, AST_IF);
}

static void write_foreach(struct writer *writer, unsigned depth)
{
    put_token(writer, "foreach");
    put_space(writer);
    put_token(writer, "(");
    write_expression(writer, 2);
    put_operator(writer, "as");
    write_variable(writer);
    put_token(writer, ")");
    put_space(writer);
    write_block(writer, 1 + wl_random_below(writer->random, 2), depth + 1);
    count(writer, AST_FOREACH);
}

static void write_leading_word(struct writer *writer, const char *word, enum ast_kind kind)
{
    put_token(writer, word);
    put_space(writer);
    write_expression(writer, 0);
    put_token(writer, ";");
    count(writer, kind);
}

static void write_assignment(struct writer *writer)
{
    write_variable(writer);
    put_operator(writer, "=");
    write_expression(writer, 0);
    put_token(writer, ";");
    count(writer, AST_ASSIGN);
    count(writer, AST_EXPRESSION);
}

static void write_call_statement(struct writer *writer)
{
    write_method_call(writer, 0);
    put_token(writer, ";");
    count(writer, AST_EXPRESSION);
}

static void write_comment(struct writer *writer)
{
    char text[256] = "# ";
    size_t length = 2;
    uint64_t word_count = 10 + wl_random_below(writer->random, 14);
    for (uint64_t i = 0; i < word_count; i++)
        length += format_word(text + length, i == 0 ? "" : " ", writer->random, 1);
    put_line(writer);
    put(writer, text, length, false);
}

static void write_statement(struct writer *writer, unsigned depth)
{
    if (wl_random_chance(writer->random, 1, 2))
        write_comment(writer);
    uint64_t choice = wl_random_below(writer->random, depth < BLOCK_DEPTH_MAX ? 100 : 75);
    put_line(writer);
    if (choice < 45)
        write_assignment(writer);
    else if (choice < 67)
        write_call_statement(writer);
    else if (choice < 75)
        write_leading_word(writer, "echo", AST_ECHO);
    else if (choice < 90)
        write_if(writer, depth);
    else
        write_foreach(writer, depth);
}

static void write_block(struct writer *writer, uint64_t statement_count, unsigned depth)
{
    put_token(writer, "{");
    writer->indent++;
    for (uint64_t i = 0; i < statement_count; i++)
        write_statement(writer, depth);
    if (depth == 0) {
        put_line(writer);
        write_leading_word(writer, "return", AST_RETURN);
    }
    writer->indent--;
    put_line(writer);
    put_token(writer, "}");
    count_list(writer, statement_count + (depth == 0));
}

static void write_params(struct writer *writer, uint64_t param_count)
{
    put_token(writer, "(");
    for (uint64_t i = 0; i < param_count; i++) {
        if (i > 0)
            put_token(writer, ",");
        write_variable(writer);
        count(writer, AST_PARAM);
    }
    put_token(writer, ")");
    count_list(writer, param_count);
}

size_t ast_symbol_format(char *text, uint64_t symbol)
{
    size_t length = add(text, 0, "symbol", 6);
    return length + text_format_number(text + length, (int64_t)symbol + 10000000);
}

static void write_function(struct writer *writer, uint64_t symbol)
{
    char name[32];
    put_token(writer, "function");
    put_space(writer);
    put(writer, name, ast_symbol_format(name, symbol), false);
    count(writer, AST_IDENTIFIER);
    write_params(writer, 1 + wl_random_below(writer->random, 3));
    put_line(writer);
    write_block(writer, 3 + wl_random_below(writer->random, 4), 0);
    put_line(writer);
    count(writer, AST_FUNCTION);
}

void ast_source_write(struct text_buffer *source, struct wl_random *random, uint64_t function_count,
                      uint64_t first_symbol, uint64_t bound, struct ast_census *census)
{
    struct writer writer = {source, random, census, 0};
    *census = (struct ast_census){0};
    source->length = 0;
    for (uint64_t i = 0; i < function_count; i++)
        write_function(&writer, (first_symbol + i) % bound);
    count_list(&writer, function_count);
}
