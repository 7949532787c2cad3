#include "fault_spec.h"

#include "run_options.h"

#include <string.h>

/* A positive count after `prefix`; false when the text is anything else. */
static bool parse_after(const char *text, const char *prefix, uint64_t *number)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 && sm_count_parse(text + length, number) == SM_OK && *number > 0;
}

sm_status hx_fault_parse(const char *text, struct hx_fault *fault, struct sm_error *error)
{
    *fault = (struct hx_fault){.kind = WL_FAULT_NONE};
    if (parse_after(text, "leak:1/", &fault->period))
        fault->kind = WL_FAULT_LEAK;
    else if (parse_after(text, "flip-byte:", &fault->period))
        fault->kind = WL_FAULT_FLIP_BYTE;
    else if (parse_after(text, "flip-edge:", &fault->period))
        fault->kind = WL_FAULT_FLIP_EDGE;
    else if (!parse_after(text, "fail-alloc:", &fault->fail_alloc_after))
        return hx_refuse(
            error, "--inject=%s: expected leak:1/N, flip-byte:STEP, flip-edge:STEP or fail-alloc:N, N from 1", text);
    return SM_OK;
}
