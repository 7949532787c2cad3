/**
 * The machine and the build a run's figures belong to.
 *
 * A list of facts, so that the sinks need no knowledge of any one of them.
 */
#ifndef HX_CONTEXT_H
#define HX_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hx_fact_kind { HX_FACT_UNKNOWN, HX_FACT_TEXT, HX_FACT_COUNT, HX_FACT_REAL, HX_FACT_BOOL };

struct hx_fact {
    const char *group; /**< NULL: of its own; otherwise facts of one group follow each other */
    char name[48];
    enum hx_fact_kind kind;
    uint64_t count; /**< also for HX_FACT_BOOL */
    double real;
    char text[256];
};

enum { HX_FACTS_MAX = 64 };

struct hx_context {
    size_t count;
    struct hx_fact facts[HX_FACTS_MAX];
};

/** Ask the system. What it does not tell is HX_FACT_UNKNOWN. */
void hx_context_gather(struct hx_context *context);

/** The fact of that name, in `group` or, where that is NULL, in none; NULL when nobody told. */
const struct hx_fact *hx_context_find(const struct hx_context *context, const char *group, const char *name);

#endif
