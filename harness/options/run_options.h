/**
 * The options of `harness run`: one descriptor table.
 *
 * Parsing, --help, `harness list options` and the configuration in every result derive from it.
 */
#ifndef HX_RUN_OPTIONS_H
#define HX_RUN_OPTIONS_H

#include "sapimem/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Index of an option in the table and in the values. */
enum hx_option_id {
    HX_OPT_POLICY,
    HX_OPT_THRESHOLD,
    HX_OPT_PACING,
    HX_OPT_SAPI,
    HX_OPT_WORKLOAD,
    HX_OPT_MEMORY_LIMIT,
    HX_OPT_HEAP_FACTOR,
    HX_OPT_MINHEAP_FACTOR,
    HX_OPT_MINHEAP,
    HX_OPT_ALLOC,
    HX_OPT_ITERATIONS,
    HX_OPT_REQUESTS,
    HX_OPT_SECONDS,
    HX_OPT_SEED,
    HX_OPT_WORKERS,
    HX_OPT_ARRIVALS,
    HX_OPT_COLD_EVERY,
    HX_OPT_MAX_REQUESTS,
    HX_OPT_MUTATOR_WORK,
    HX_OPT_SHARING,
    HX_OPT_DESTRUCTORS,
    HX_OPT_OBSERVERS,
    HX_OPT_STALL,
    HX_OPT_COLLECTOR_THREADS,
    HX_OPT_RECLAIM,
    HX_OPT_EPOCH_FLAVOR,
    HX_OPT_ARENA_LIMIT,
    HX_OPT_COLLECT_EVERY,
    HX_OPT_COLLECT_EVERY_SAFEPOINT,
    HX_OPT_INJECT,
    HX_OPT_CHECK_TRACE,
    HX_OPT_GARBAGE,
    HX_OPT_TIMEOUT,
    HX_OPT_JSON,
    HX_OPT_CSV,
    HX_OPT_EVENTS,
    HX_OPT_CARD,
    HX_OPT_CARD_WARMUP,
    HX_OPT_SERIES_EVERY,
    HX_OPT_MEASURES,
    HX_OPT_PROGRESS,
    HX_OPT_TRACE_GC,
    HX_OPT_QUIET,
    HX_OPTION_COUNT,
};

enum hx_option_kind {
    HX_KIND_SIZE,   /**< bytes, in `count` */
    HX_KIND_COUNT,  /**< a plain number, in `count` */
    HX_KIND_REAL,   /**< in `real` */
    HX_KIND_FLAG,   /**< 0 or 1 in `count`; given alone it is on */
    HX_KIND_CHOICE, /**< index of one of `choices`, in `count` */
    HX_KIND_TEXT,   /**< in `text`; its own parser looks at it later */
};

/** Indices of the choices that code asks about. */
enum { HX_SAPI_CLI, HX_SAPI_FPM };
enum { HX_MUTATOR_WORK_REAL, HX_MUTATOR_WORK_NONE };
enum { HX_SHARING_COUNTS, HX_SHARING_BIT };
enum { HX_DESTRUCTORS_CYCLE, HX_DESTRUCTORS_PROMPT };
enum { HX_GARBAGE_OFF, HX_GARBAGE_ORACLE };
enum { HX_MEASURES_ALL, HX_MEASURES_TOTALS };
enum { HX_PROGRESS_AUTO, HX_PROGRESS_ALWAYS, HX_PROGRESS_NEVER };

/** One option. */
struct hx_option {
    const char *name; /**< without the dashes */
    enum hx_option_kind kind;
    const char *unit;           /**< "bytes", "seconds", ...; "" when it has none */
    const char *placeholder;    /**< of its value, in --help */
    const char *default_text;   /**< parsed like a user's value; NULL: no value unless given or derived */
    const char *default_note;   /**< what holds in place of a default; NULL: nothing to say */
    const char *const *choices; /**< NULL-terminated; HX_KIND_CHOICE only */
    double minimum, maximum;    /**< inclusive; numbers only */
    const char *help;           /**< one line, no full stop */
};

union hx_option_value {
    uint64_t count;
    double real;
    const char *text;
};

/** Values of every option. Texts belong to the command line or to whoever set them. */
struct hx_run_options {
    union hx_option_value value[HX_OPTION_COUNT];
    bool has_value[HX_OPTION_COUNT]; /**< given, defaulted or derived; otherwise the result says null */
    bool given[HX_OPTION_COUNT];     /**< by the user */
};

/** Descriptor of `id`. */
const struct hx_option *hx_option(enum hx_option_id id);

/** Fill `options` with the defaults. */
void hx_run_options_init(struct hx_run_options *options);

/**
 * Read `argument_count` arguments, `--name=value` or `--name value`, over what `options` holds; the last of a name wins.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names the argument and what was expected.
 */
sm_status hx_run_options_parse(struct hx_run_options *options, int argument_count, char *const arguments[],
                               struct sm_error *error);

/** Record a value that was derived rather than given. */
void hx_run_options_derive(struct hx_run_options *options, enum hx_option_id id, union hx_option_value value);

/** The word behind a choice's index. */
const char *hx_option_choice(const struct hx_run_options *options, enum hx_option_id id);

/** Write SM_ERR_INVALID_ARGUMENT and a printf-style line to `error`; returns that status. */
sm_status hx_refuse(struct sm_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
