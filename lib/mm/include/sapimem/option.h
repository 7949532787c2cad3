/**
 * Option tables: one descriptor serves parsing, defaults, --help, lists and the JSON echo.
 *
 * Policies and workloads each own a table; `NAME:key=value,...` is parsed against it.
 */
#ifndef SAPIMEM_OPTION_H
#define SAPIMEM_OPTION_H

#include "sapimem/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sm_option_kind {
    SM_OPTION_SIZE,  /**< bytes; suffixes K M G T (optionally iB) are powers of 1024 */
    SM_OPTION_COUNT, /**< a plain number; k and m are powers of 1000 */
    SM_OPTION_REAL,  /**< a decimal fraction */
    SM_OPTION_BOOL,  /**< on|off|true|false|1|0|yes|no */
    SM_OPTION_CHOICE /**< one word of `choices`, stored as its index */
};

struct sm_option {
    const char *key;
    enum sm_option_kind kind;
    const char *unit;           /**< "bytes", "objects", "ms", ...; "" when it has none */
    const char *default_text;   /**< parsed like a user's value */
    double minimum, maximum;    /**< inclusive; ignored for BOOL and CHOICE */
    const char *const *choices; /**< NULL-terminated; CHOICE only */
    const char *help;           /**< one line, no full stop */
};

/** A parsed value: `count` for SIZE, COUNT, BOOL (0 or 1) and CHOICE (index); `real` for REAL. */
union sm_option_value {
    uint64_t count;
    double real;
};

enum { SM_OPTIONS_MAX = 32 };

/** Values of one table, in its order. */
struct sm_option_values {
    const struct sm_option *table;
    size_t option_count;
    union sm_option_value value[SM_OPTIONS_MAX];
    bool given[SM_OPTIONS_MAX]; /**< set by the user rather than defaulted */
};

/** Parse "16M", "65536", "1GiB" into bytes. Errors: SM_ERR_INVALID_ARGUMENT for anything malformed, negative or above 2^63-1. Threads: any. */
sm_status sm_size_parse(const char *text, uint64_t *bytes);

/** Parse "1000", "10k", "5m" into a count. Errors: as sm_size_parse. */
sm_status sm_count_parse(const char *text, uint64_t *count);

/** Parse a finite non-negative decimal number. Errors: as sm_size_parse. */
sm_status sm_real_parse(const char *text, double *real);

/**
 * Fill `values` with defaults, then with `text` ("key=value,key=value", NULL or "" for none).
 *
 * `owner` names the thing configured, for the error text ("policy epoch").
 * Errors:      SM_ERR_INVALID_ARGUMENT with a line in `error` that names the key and what was expected;
 *              an unknown key lists the near ones.
 */
sm_status sm_options_parse(const char *owner, const struct sm_option *table, size_t option_count, const char *text,
                           struct sm_option_values *values, struct sm_error *error);

/** Set one key from its text, as sm_options_parse does. */
sm_status sm_options_set(const char *owner, struct sm_option_values *values, const char *key, const char *text,
                         struct sm_error *error);

/** Value of `key`; asserts that the table has it. */
uint64_t sm_option_count(const struct sm_option_values *values, const char *key);
double sm_option_real(const struct sm_option_values *values, const char *key);
bool sm_option_given(const struct sm_option_values *values, const char *key);

/** Write value `index` as canonical text ("16M", "on", "memb"). Returns the length, as snprintf does. */
int sm_option_format(const struct sm_option_values *values, size_t index, char *text, size_t text_bytes);

/** Words of `names` near `word` (edit distance at most 2, or a shared prefix), joined by ", " into `text`; "" when none. */
void sm_near_names(const char *word, const char *const *names, size_t name_count, char *text, size_t text_bytes);

#ifdef __cplusplus
}
#endif
#endif
