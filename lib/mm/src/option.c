/**
 * Option tables and the strict parsers behind them.
 *
 * Everything a user can type is either understood whole or refused: no sign, no blank, no trailing
 * character, no silent clamp. Numbers are read and written in the C locale, whatever the host set.
 */
#include "sapimem/option.h"

#include "assertion.h"
#include "error.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Longest "key=value" of an option list; longer ones are refused, never cut. */
enum { ITEM_BYTES = 256 };

/* ---- Numbers. ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** Read decimal digits at `*text` and move past them. False without a digit or above 2^63-1. */
static bool read_digits(const char **text, uint64_t *number)
{
    const char *digit = *text;
    uint64_t sum = 0;
    if (!is_digit(*digit))
        return false;
    for (; is_digit(*digit); digit++) {
        uint64_t value = (uint64_t)(*digit - '0');
        if (sum > ((uint64_t)INT64_MAX - value) / 10)
            return false;
        sum = sum * 10 + value;
    }
    *text = digit;
    *number = sum;
    return true;
}

/** Multiply without passing 2^63-1. */
static bool scale(uint64_t *number, uint64_t factor)
{
    if (*number > (uint64_t)INT64_MAX / factor)
        return false;
    *number *= factor;
    return true;
}

static const char size_suffixes[] = "KMGT";

sm_status sm_size_parse(const char *text, uint64_t *bytes)
{
    uint64_t number;
    if (text == NULL || !read_digits(&text, &number))
        return SM_ERR_INVALID_ARGUMENT;
    const char *suffix = *text != '\0' ? strchr(size_suffixes, *text) : NULL;
    if (suffix != NULL) {
        if (!scale(&number, UINT64_C(1) << (10 * (suffix - size_suffixes + 1))))
            return SM_ERR_INVALID_ARGUMENT;
        text++;
        if (strcmp(text, "iB") == 0)
            text += 2;
    }
    if (*text != '\0')
        return SM_ERR_INVALID_ARGUMENT;
    *bytes = number;
    return SM_OK;
}

sm_status sm_count_parse(const char *text, uint64_t *count)
{
    uint64_t number;
    if (text == NULL || !read_digits(&text, &number))
        return SM_ERR_INVALID_ARGUMENT;
    if (*text == 'k' || *text == 'm') {
        if (!scale(&number, *text == 'k' ? 1000 : 1000000))
            return SM_ERR_INVALID_ARGUMENT;
        text++;
    }
    if (*text != '\0')
        return SM_ERR_INVALID_ARGUMENT;
    *count = number;
    return SM_OK;
}

/** Past the digits at `text`; NULL when there is none. */
static const char *skip_digits(const char *text)
{
    if (!is_digit(*text))
        return NULL;
    while (is_digit(*text))
        text++;
    return text;
}

/** Whether `text` is digits, then perhaps a point and digits, then perhaps an exponent, and nothing else. */
static bool is_decimal(const char *text)
{
    text = skip_digits(text);
    if (text != NULL && *text == '.')
        text = skip_digits(text + 1);
    if (text != NULL && (*text == 'e' || *text == 'E')) {
        text++;
        if (*text == '+' || *text == '-')
            text++;
        text = skip_digits(text);
    }
    return text != NULL && *text == '\0';
}

/** Enter the C locale, where the decimal point is a point. The C locale is static: this cannot fail. */
static locale_t c_locale_enter(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static void c_locale_leave(locale_t previous)
{
    freelocale(uselocale(previous));
}

sm_status sm_real_parse(const char *text, double *real)
{
    if (text == NULL || !is_decimal(text))
        return SM_ERR_INVALID_ARGUMENT;
    locale_t previous = c_locale_enter();
    double number = strtod(text, NULL);
    c_locale_leave(previous);
    if (!isfinite(number))
        return SM_ERR_INVALID_ARGUMENT;
    *real = number;
    return SM_OK;
}

static sm_status bool_parse(const char *text, uint64_t *flag)
{
    static const char *const words[] = {"off", "on", "false", "true", "0", "1", "no", "yes"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *flag = i & 1;
            return SM_OK;
        }
    }
    return SM_ERR_INVALID_ARGUMENT;
}

static sm_status choice_parse(const char *text, const char *const *choices, uint64_t *index)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *index = i;
            return SM_OK;
        }
    }
    return SM_ERR_INVALID_ARGUMENT;
}

/* ---- Writing values. ---- */

static int size_format(uint64_t bytes, char *text, size_t text_bytes)
{
    size_t step = 0;
    while (step < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        step++;
    }
    return snprintf(text, text_bytes, "%llu%.*s", (unsigned long long)bytes, step != 0,
                    &size_suffixes[step == 0 ? 0 : step - 1]);
}

/** The shortest decimal text that reads back as the same number. */
static int real_format(double real, char *text, size_t text_bytes)
{
    locale_t previous = c_locale_enter();
    char digits[32] = "";
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, real);
        if (strtod(digits, NULL) >= real && strtod(digits, NULL) <= real)
            break;
    }
    c_locale_leave(previous);
    return snprintf(text, text_bytes, "%s", digits);
}

int sm_option_format(const struct sm_option_values *values, size_t index, char *text, size_t text_bytes)
{
    SM_ASSERT(index < values->option_count);
    const struct sm_option *option = &values->table[index];
    union sm_option_value value = values->value[index];
    switch (option->kind) {
    case SM_OPTION_SIZE:
        return size_format(value.count, text, text_bytes);
    case SM_OPTION_COUNT:
        return snprintf(text, text_bytes, "%llu", (unsigned long long)value.count);
    case SM_OPTION_REAL:
        return real_format(value.real, text, text_bytes);
    case SM_OPTION_BOOL:
        return snprintf(text, text_bytes, "%s", value.count != 0 ? "on" : "off");
    case SM_OPTION_CHOICE:
        return snprintf(text, text_bytes, "%s", option->choices[value.count]);
    }
    SM_ASSERT(option->kind <= SM_OPTION_CHOICE);
    return 0;
}

/* ---- Error lines. ---- */

/** A line under construction; what does not fit is left out. */
struct line {
    char *text;
    size_t capacity;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void line_add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line->text + line->length, line->capacity - line->length, format, arguments);
    va_end(arguments);
    sm_keep_one_line(line->text + line->length);
    size_t room = line->capacity - line->length - 1;
    if (added > 0)
        line->length += (size_t)added < room ? (size_t)added : room;
}

/** Begin the line of `error`; a caller that wants no text gets `spare` written instead. */
static struct line error_line(struct sm_error *error, struct sm_error *spare)
{
    struct sm_error *target = error != NULL ? error : spare;
    target->status = SM_ERR_INVALID_ARGUMENT;
    target->detail[0] = '\0';
    struct line line = {target->detail, sizeof(target->detail), 0};
    return line;
}

static void add_choices(struct line *line, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        line_add(line, "%s%s", i == 0 ? "" : ", ", choices[i]);
}

/** A bound as the user would write it. */
static void add_bound(struct line *line, const struct sm_option *option, double bound)
{
    char text[32];
    if (option->kind == SM_OPTION_REAL)
        real_format(bound, text, sizeof(text));
    else if (bound >= (double)INT64_MAX)
        snprintf(text, sizeof(text), "2^63-1");
    else if (option->kind == SM_OPTION_SIZE)
        size_format((uint64_t)bound, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%.0f", bound);
    line_add(line, "%s", text);
}

static void add_range(struct line *line, const struct sm_option *option)
{
    line_add(line, " from ");
    add_bound(line, option, option->minimum);
    line_add(line, " to ");
    add_bound(line, option, option->maximum);
}

static void add_expectation(struct line *line, const struct sm_option *option)
{
    bool has_unit = option->unit != NULL && option->unit[0] != '\0';
    switch (option->kind) {
    case SM_OPTION_SIZE:
        line_add(line, "a size (bytes, or with K M G T as powers of 1024)");
        add_range(line, option);
        break;
    case SM_OPTION_COUNT:
        line_add(line, "a whole number%s%s", has_unit ? " of " : "", has_unit ? option->unit : "");
        add_range(line, option);
        break;
    case SM_OPTION_REAL:
        line_add(line, "a number%s%s", has_unit ? " of " : "", has_unit ? option->unit : "");
        add_range(line, option);
        break;
    case SM_OPTION_BOOL:
        line_add(line, "on or off");
        break;
    case SM_OPTION_CHOICE:
        line_add(line, "one of ");
        add_choices(line, option->choices);
        break;
    }
}

static sm_status fail_value(const char *owner, const struct sm_option *option, const char *text, struct sm_error *error)
{
    struct sm_error spare;
    struct line line = error_line(error, &spare);
    line_add(&line, "%s: option '%s' wants ", owner, option->key);
    add_expectation(&line, option);
    line_add(&line, ", not '%.64s'", text);
    return SM_ERR_INVALID_ARGUMENT;
}

static sm_status fail_unknown_key(const char *owner, const struct sm_option_values *values, const char *key,
                                  struct sm_error *error)
{
    const char *names[SM_OPTIONS_MAX + 1] = {NULL};
    for (size_t i = 0; i < values->option_count; i++)
        names[i] = values->table[i].key;
    char near[SM_DETAIL_BYTES / 2];
    sm_near_names(key, names, values->option_count, near, sizeof(near));

    struct sm_error spare;
    struct line line = error_line(error, &spare);
    line_add(&line, "%s: no option '%.64s'; ", owner, key);
    if (near[0] != '\0') {
        line_add(&line, "did you mean %s?", near);
    } else if (values->option_count == 0) {
        line_add(&line, "it takes none");
    } else {
        line_add(&line, "it takes ");
        add_choices(&line, names);
    }
    return SM_ERR_INVALID_ARGUMENT;
}

static sm_status fail_item(const char *owner, const char *item, size_t item_bytes, const char *why,
                           struct sm_error *error)
{
    struct sm_error spare;
    struct line line = error_line(error, &spare);
    int shown = item_bytes < 64 ? (int)item_bytes : 64;
    line_add(&line, "%s: '%.*s' %s; expected key=value[,key=value...]", owner, shown, item, why);
    return SM_ERR_INVALID_ARGUMENT;
}

/* ---- Tables. ---- */

/** Position of `key` in the table; `option_count` when it has none. */
static size_t find_key(const struct sm_option_values *values, const char *key)
{
    size_t index = 0;
    while (index < values->option_count && strcmp(values->table[index].key, key) != 0)
        index++;
    return index;
}

static bool in_range(const struct sm_option *option, double number)
{
    return number >= option->minimum && number <= option->maximum;
}

static sm_status value_parse(const struct sm_option *option, const char *text, union sm_option_value *value)
{
    sm_status status = SM_ERR_INVALID_ARGUMENT;
    switch (option->kind) {
    case SM_OPTION_SIZE:
        status = sm_size_parse(text, &value->count);
        break;
    case SM_OPTION_COUNT:
        status = sm_count_parse(text, &value->count);
        break;
    case SM_OPTION_REAL:
        status = sm_real_parse(text, &value->real);
        return status == SM_OK && !in_range(option, value->real) ? SM_ERR_INVALID_ARGUMENT : status;
    case SM_OPTION_BOOL:
        return bool_parse(text, &value->count);
    case SM_OPTION_CHOICE:
        return choice_parse(text, option->choices, &value->count);
    }
    return status == SM_OK && !in_range(option, (double)value->count) ? SM_ERR_INVALID_ARGUMENT : status;
}

sm_status sm_options_set(const char *owner, struct sm_option_values *values, const char *key, const char *text,
                         struct sm_error *error)
{
    size_t index = find_key(values, key);
    if (index == values->option_count)
        return fail_unknown_key(owner, values, key, error);
    union sm_option_value value = {0};
    if (value_parse(&values->table[index], text, &value) != SM_OK)
        return fail_value(owner, &values->table[index], text, error);
    values->value[index] = value;
    values->given[index] = true;
    return SM_OK;
}

static sm_status fill_defaults(const char *owner, const struct sm_option *table, size_t option_count,
                               struct sm_option_values *values, struct sm_error *error)
{
    SM_ASSERT(option_count <= SM_OPTIONS_MAX);
    memset(values, 0, sizeof(*values));
    values->table = table;
    values->option_count = option_count;
    for (size_t i = 0; i < option_count; i++) {
        if (value_parse(&table[i], table[i].default_text, &values->value[i]) != SM_OK)
            return fail_value(owner, &table[i], table[i].default_text, error);
    }
    return SM_OK;
}

/** Set one "key=value" of `item_bytes` characters. */
static sm_status set_item(const char *owner, struct sm_option_values *values, const char *item, size_t item_bytes,
                          struct sm_error *error)
{
    char copy[ITEM_BYTES];
    if (item_bytes >= sizeof(copy))
        return fail_item(owner, item, item_bytes, "is too long", error);
    memcpy(copy, item, item_bytes);
    copy[item_bytes] = '\0';
    char *equals = strchr(copy, '=');
    if (equals == NULL || equals == copy)
        return fail_item(owner, item, item_bytes, equals == NULL ? "has no '='" : "has no key", error);
    *equals = '\0';
    size_t index = find_key(values, copy);
    if (index < values->option_count && values->given[index])
        return fail_item(owner, item, item_bytes, "sets its option a second time", error);
    return sm_options_set(owner, values, copy, equals + 1, error);
}

sm_status sm_options_parse(const char *owner, const struct sm_option *table, size_t option_count, const char *text,
                           struct sm_option_values *values, struct sm_error *error)
{
    /* Parsed aside, so that a failure leaves the caller's values as they were. */
    struct sm_option_values parsed;
    sm_status status = fill_defaults(owner, table, option_count, &parsed, error);
    const char *item = text != NULL && text[0] != '\0' ? text : NULL;
    while (status == SM_OK && item != NULL) {
        size_t item_bytes = strcspn(item, ",");
        status = set_item(owner, &parsed, item, item_bytes, error);
        item = item[item_bytes] == ',' ? item + item_bytes + 1 : NULL;
    }
    if (status == SM_OK)
        *values = parsed;
    return status;
}

/** Position of a key that the caller knows to be there. */
static size_t known_key(const struct sm_option_values *values, const char *key)
{
    size_t index = find_key(values, key);
    SM_ASSERT(index < values->option_count);
    return index;
}

uint64_t sm_option_count(const struct sm_option_values *values, const char *key)
{
    size_t index = known_key(values, key);
    SM_ASSERT(values->table[index].kind != SM_OPTION_REAL);
    return values->value[index].count;
}

double sm_option_real(const struct sm_option_values *values, const char *key)
{
    size_t index = known_key(values, key);
    SM_ASSERT(values->table[index].kind == SM_OPTION_REAL);
    return values->value[index].real;
}

bool sm_option_given(const struct sm_option_values *values, const char *key)
{
    return values->given[known_key(values, key)];
}
