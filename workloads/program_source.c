/* The source files of the page's program: one class each, in a small part of PHP's grammar, the same in every run of a seed. */
#include "program.h"

enum { METHODS_MINIMUM = 6, METHODS_RANGE = 8, STATEMENTS_MINIMUM = 6, STATEMENTS_RANGE = 14, NESTING_MAX = 2 };

static void put_variable(struct text_buffer *buffer, struct wl_random *random)
{
    text_buffer_put(buffer, "$", 1);
    text_buffer_put_text(buffer, text_word(wl_random_below(random, 12)));
}

static void put_expression(struct text_buffer *buffer, struct wl_random *random, unsigned depth);

static void put_call(struct text_buffer *buffer, struct wl_random *random, unsigned depth)
{
    text_buffer_put_text(buffer, text_word(wl_random_next(random)));
    text_buffer_put(buffer, "_", 1);
    text_buffer_put_text(buffer, text_word(wl_random_next(random)));
    text_buffer_put(buffer, "(", 1);
    uint64_t argument_count = wl_random_below(random, 4);
    for (uint64_t i = 0; i < argument_count; i++) {
        if (i > 0)
            text_buffer_put_text(buffer, ", ");
        put_expression(buffer, random, depth + 1);
    }
    text_buffer_put(buffer, ")", 1);
}

static void put_operand(struct text_buffer *buffer, struct wl_random *random, unsigned depth)
{
    switch (wl_random_below(random, depth < NESTING_MAX ? 6 : 4)) {
    case 0:
        text_buffer_put_number(buffer, wl_random_below(random, 10000));
        return;
    case 1:
        text_buffer_put(buffer, "'", 1);
        text_buffer_put_words(buffer, random, 1 + (unsigned)wl_random_below(random, 4));
        text_buffer_put(buffer, "'", 1);
        return;
    case 2:
        put_variable(buffer, random);
        text_buffer_put_text(buffer, "->");
        text_buffer_put_text(buffer, text_word(wl_random_next(random)));
        return;
    case 3:
        put_variable(buffer, random);
        return;
    default:
        put_call(buffer, random, depth);
    }
}

static void put_expression(struct text_buffer *buffer, struct wl_random *random, unsigned depth)
{
    put_operand(buffer, random, depth);
    while (wl_random_chance(random, 1, 3)) {
        text_buffer_put_text(buffer, wl_random_chance(random, 1, 2) ? " . " : " + ");
        put_operand(buffer, random, depth);
    }
}

static void put_statements(struct text_buffer *buffer, struct wl_random *random, uint64_t count, unsigned depth)
{
    for (uint64_t i = 0; i < count; i++) {
        if (depth < NESTING_MAX && wl_random_chance(random, 1, 6)) {
            text_buffer_put_text(buffer, "if (");
            put_expression(buffer, random, NESTING_MAX);
            text_buffer_put_text(buffer, ") {\n");
            put_statements(buffer, random, 1 + wl_random_below(random, 3), depth + 1);
            text_buffer_put_text(buffer, "}\n");
            continue;
        }
        put_variable(buffer, random);
        text_buffer_put_text(buffer, " = ");
        put_expression(buffer, random, 0);
        text_buffer_put_text(buffer, ";\n");
    }
}

static void put_method(struct text_buffer *buffer, struct wl_random *random, uint64_t number)
{
    text_buffer_put_text(buffer, "function ");
    text_buffer_put_text(buffer, text_word(wl_random_next(random)));
    text_buffer_put_number(buffer, number);
    text_buffer_put(buffer, "(", 1);
    put_variable(buffer, random);
    text_buffer_put_text(buffer, ", ");
    put_variable(buffer, random);
    text_buffer_put_text(buffer, ") {\n");
    put_statements(buffer, random, STATEMENTS_MINIMUM + wl_random_below(random, STATEMENTS_RANGE), 0);
    text_buffer_put_text(buffer, "return ");
    put_expression(buffer, random, 1);
    text_buffer_put_text(buffer, ";\n}\n");
}

void program_write(struct text_buffer *buffer, struct wl_random *random, uint64_t file)
{
    buffer->length = 0;
    text_buffer_put_text(buffer, "class ");
    text_buffer_put_text(buffer, text_word(file));
    text_buffer_put_number(buffer, file);
    text_buffer_put_text(buffer, " {\n");
    uint64_t method_count = METHODS_MINIMUM + wl_random_below(random, METHODS_RANGE);
    for (uint64_t i = 0; i < method_count; i++)
        put_method(buffer, random, i);
    text_buffer_put_text(buffer, "}\n");
}
