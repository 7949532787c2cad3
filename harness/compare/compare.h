/**
 * Two sets of results compared: which runs belong together, and what of them differs.
 *
 * Runs of one workload, policy, pacing rule and heap factor are repetitions. Where the sets agree in all four, these are
 * paired; where each has one value of an axis and the two differ, that axis is what is compared.
 */
#ifndef HX_COMPARE_H
#define HX_COMPARE_H

#include "result_reader.h"

enum hx_verdict {
    HX_VERDICT_SAME,   /**< equal, or no difference that these runs can tell */
    HX_VERDICT_BETTER, /**< the second set's is better */
    HX_VERDICT_WORSE,
    HX_VERDICT_CHANGED, /**< different, and neither is better */
    HX_VERDICT_TOO_FEW, /**< however far apart, so few runs could not tell */
    HX_VERDICT_NO_SEED, /**< exact, and no seed that both sets ran */
};

/** One figure of a pair. Texts belong to the results. */
struct hx_comparison_row {
    const char *name, *unit;
    bool is_exact;
    bool has_ratio;
    size_t first_count, second_count; /**< runs that have it */
    const char *first_text;           /**< of exact figures: as they stand in the documents */
    const char *second_text;
    double first, second;    /**< medians; NaN of texts */
    double ratio, low, high; /**< second by first, with the 95 % interval */
    double p;                /**< Mann-Whitney; NaN of exact figures */
    enum hx_verdict verdict;
};

/** Runs of one configuration of each set. */
struct hx_pair {
    const struct hx_result **first, **second; /**< those that ended well */
    size_t first_count, second_count;
    size_t first_failed, second_failed;
    const struct hx_result *first_any, *second_any; /**< one of each, well ended or not */
    uint32_t different_work; /**< bit by index of hx_work_option: one side has a value of it that the other has not */
};

struct hx_comparison {
    unsigned compared;     /**< bit by enum hx_axis: what the sets differ in; 0: they are paired by all */
    struct hx_pair *pairs; /**< in the first set's order */
    size_t pair_count;
    size_t first_unpaired; /**< runs that have no partner */
    size_t second_unpaired;
};

/**
 * Pair the runs of two sets, which must outlive `comparison`.
 *
 * Free `comparison` in any case.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line when they have nothing to pair, SM_ERR_OUT_OF_MEMORY.
 */
sm_status hx_compare(const struct hx_results *first, const struct hx_results *second, struct hx_comparison *comparison,
                     struct sm_error *error);

void hx_comparison_free(struct hx_comparison *comparison);

/**
 * Compare every figure of a pair, in the documents' order.
 *
 * Exact figures are compared between runs of one seed, of which any difference counts; others by Mann-Whitney's p below
 * 0.05 and an interval that does not hold 1. Where the sides did different work, no difference is better or worse.
 *
 * Returns: `*rows`, to be freed, with their number in `*row_count`. Errors: SM_ERR_OUT_OF_MEMORY.
 */
sm_status hx_pair_compare(const struct hx_pair *pair, struct hx_comparison_row **rows, size_t *row_count);

/** "too few runs" and so on. */
const char *hx_verdict_name(enum hx_verdict verdict);

#endif
