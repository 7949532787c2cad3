/**
 * Results read back: documents of `harness run --json`, single or in a folder.
 *
 * Of a document only what comparisons ask for is kept; series and cycles are let go.
 */
#ifndef HX_RESULT_READER_H
#define HX_RESULT_READER_H

#include "run_options.h"
#include "sapimem/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What makes two runs repetitions of one configuration. */
enum hx_axis { HX_AXIS_WORKLOAD, HX_AXIS_POLICY, HX_AXIS_PACING, HX_AXIS_HEAP_FACTOR, HX_AXIS_COUNT };

/** What of machine and build makes figures differ by itself. */
enum hx_surrounding {
    HX_SURROUNDING_CPU,
    HX_SURROUNDING_CPUS,
    HX_SURROUNDING_KERNEL,
    HX_SURROUNDING_HUGE_PAGES,
    HX_SURROUNDING_COMMIT,
    HX_SURROUNDING_DIRTY,
    HX_SURROUNDING_COMPILER,
    HX_SURROUNDING_FLAGS,
    HX_SURROUNDING_COUNT,
};

/** How many options of a run say what it does besides its policy's work; see hx_work_option. */
enum { HX_WORK_COUNT = 18 };

enum hx_better { HX_BETTER_NEITHER, HX_BETTER_LESS, HX_BETTER_MORE };

/** One figure: a metric, a figure of the pauses ("pauses.p99_ns") or of the latency ("latency.service.p99_ns"). */
struct hx_result_metric {
    char *name;
    char *unit;
    enum hx_better better;
    bool is_exact;
    char *text;    /**< as it stands in the document, checksums too */
    double number; /**< NaN of a text */
};

struct hx_result {
    char *status;
    char *axis[HX_AXIS_COUNT];               /**< "" where the run has none */
    char *surrounding[HX_SURROUNDING_COUNT]; /**< "" where the document does not say */
    char *work[HX_WORK_COUNT]; /**< of hx_work_option; "": null; NULL: not said, or without meaning for the policy */
    char *seed;
    bool is_noisy;                    /**< it says itself that its times are not to be trusted */
    struct hx_result_metric *metrics; /**< those with a value, in the document's order */
    size_t metric_count;
};

/** Zeroed: empty. */
struct hx_results {
    struct hx_result *runs;
    size_t count, capacity;
};

/**
 * Read a document, all documents (*.json) of a folder by name, or of a sweep's folder (with plan.json) those in runs/.
 *
 * Returns: SM_OK with at least one run more; free `results` in any case.
 * Errors:  SM_ERR_INVALID_ARGUMENT with a line that names the file and what is wrong, SM_ERR_OUT_OF_MEMORY.
 * Owner:   `results`, every text in it too.
 */
sm_status hx_results_load(const char *path, struct hx_results *results, struct sm_error *error);

void hx_results_free(struct hx_results *results);

/** The figure of that name, or NULL. */
const struct hx_result_metric *hx_result_metric(const struct hx_result *result, const char *name);

bool hx_result_is_ok(const struct hx_result *result);

/** The option of that index, below HX_WORK_COUNT: runs in which it differs did different work. */
enum hx_option_id hx_work_option(size_t index);

/** "workload", "heap factor" and so on. */
const char *hx_axis_name(enum hx_axis axis);
const char *hx_surrounding_name(enum hx_surrounding surrounding);

#endif
