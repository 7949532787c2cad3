/** `harness doctor`: what about this machine and this build makes numbers untrustworthy. */
#ifndef HX_DOCTOR_H
#define HX_DOCTOR_H

#include "context.h"
#include "histogram.h"
#include "noise.h"

enum hx_soundness { HX_SOUNDNESS_OK, HX_SOUNDNESS_WARNING, HX_SOUNDNESS_UNKNOWN };

/** "ok", "warning", "unknown". */
const char *hx_soundness_name(enum hx_soundness verdict);

/** What a check found. */
struct hx_finding {
    const char *check;
    enum hx_soundness verdict;
    char detail[200];
    const char *advice; /**< NULL: nothing to do */
};

enum { HX_FINDINGS_MAX = 24 };

struct hx_findings {
    size_t count;
    struct hx_finding list[HX_FINDINGS_MAX];
};

/** What is found out over the second that the doctor watches. */
struct hx_watched {
    struct hx_histogram hiccups_ns;
    struct hx_machine_time begin, end;
};

/** All checks, in the order in which they are shown. */
void hx_doctor_examine(const struct hx_context *context, const struct hx_watched *watched,
                       struct hx_findings *findings);

/** Run with the arguments after the command's name. Returns the exit code: 0 whatever was found. */
int hx_doctor_command(int argument_count, char *const arguments[]);

void hx_doctor_help(void);

#endif
