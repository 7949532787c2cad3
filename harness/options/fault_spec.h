/** `--inject=FAULT`: deliberate faults that must turn a check red. */
#ifndef HX_FAULT_SPEC_H
#define HX_FAULT_SPEC_H

#include "workloads/workload.h"

struct hx_fault {
    enum wl_fault kind;
    uint64_t period;           /**< one in so many objects, or the step, of the workload's fault */
    uint64_t fail_alloc_after; /**< the manager's own fault; 0: not asked for */
};

/** Parse "leak:1/1000", "flip-byte:10", "flip-edge:10", "fail-alloc:3". Errors: SM_ERR_INVALID_ARGUMENT with a line. */
sm_status hx_fault_parse(const char *text, struct hx_fault *fault, struct sm_error *error);

#endif
