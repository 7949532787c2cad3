/* Everything that reads text from outside: traces, sizes, counts, numbers, pacing rules, policy options. The first byte chooses. */
#include "target.h"

#include "pacing.h"
#include "sapimem/option.h"
#include "sapimem/policy.h"
#include "workloads/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_MAX = 4000, SLOTS_MAX = 1 << 20 };

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "parsers: %s\n", what);
    abort();
}

/* A refusal says why, in one line. */
static void require_reason(sm_status status, const struct sm_error *error)
{
    require(status == SM_OK || (error->detail[0] != '\0' && strchr(error->detail, '\n') == NULL),
            "a refusal without a reason of one line");
}

/* Slots that the trace's `n ID KIND BYTES SLOTS` lines ask for, as far as a look at the text can tell. */
static double slots_asked_for(const uint8_t *bytes, size_t byte_count)
{
    char line[128];
    double sum = 0.0;
    for (size_t begin = 0, end; begin < byte_count; begin = end + 1) {
        const uint8_t *found = (const uint8_t *)memchr(bytes + begin, '\n', byte_count - begin);
        end = found == NULL ? byte_count : (size_t)(found - bytes);
        size_t length = end - begin < sizeof(line) - 1 ? end - begin : sizeof(line) - 1;
        memcpy(line, bytes + begin, length);
        line[length] = '\0';
        char text[32];
        if (sscanf(line, "n %*s %*s %*s %31s", text) == 1)
            sum += strtod(text, NULL);
    }
    return sum;
}

/* The check keeps a record of every slot, and the format allows four thousand million: their memory is no news. */
static void try_trace(const uint8_t *bytes, size_t byte_count)
{
    if (!(slots_asked_for(bytes, byte_count) <= SLOTS_MAX))
        return;
    char path[32];
    struct sm_error error = {0};
    struct wl_trace_info info = {0};
    int file = memfd_create("trace", 0);
    if (file < 0 || write(file, bytes, byte_count) != (ssize_t)byte_count)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    sm_status status = wl_trace_check(path, &info, &error);
    require_reason(status, &error);
    uint64_t sum = 0;
    for (int i = 0; i < WL_TRACE_OPS; i++)
        sum += info.events_by_op[i];
    require(sum == info.events, "a valid trace's events do not add up");
    close(file);
}

static void try_size(const char *text)
{
    uint64_t bytes = 0;
    if (sm_size_parse(text, &bytes) == SM_OK)
        require(bytes <= INT64_MAX, "a size above 2^63-1");
}

static void try_count(const char *text)
{
    uint64_t count = 0;
    if (sm_count_parse(text, &count) == SM_OK)
        require(count <= INT64_MAX, "a count above 2^63-1");
}

static void try_real(const char *text)
{
    double real = -1.0;
    if (sm_real_parse(text, &real) == SM_OK)
        require(real >= 0.0 && isfinite(real), "a number that is negative or not finite");
}

static void try_pacing(const char *text)
{
    struct sm_error error = {0};
    struct sm_pacing pacing;
    struct sm_pacing_input observed = {true, 1 << 20, 0.5, 1e6, 1 << 22};
    sm_status status = sm_pacing_parse(text, &pacing, &error);
    require_reason(status, &error);
    if (status != SM_OK)
        return;
    (void)sm_pacing_threshold(&pacing, &observed);
    require(!sm_pacing_counts_roots(&pacing) || sm_pacing_roots(&pacing) >= 2, "a rule of fewer than two roots");
}

/* What was accepted reads back as itself from its canonical text. */
static void try_options(const struct sm_policy_ops *ops, const char *text)
{
    struct sm_error error = {0};
    struct sm_option_values values, again;
    char canonical[2048], one[128];
    size_t length = 0;
    sm_status status = sm_options_parse(ops->name, ops->options, ops->option_count, text, &values, &error);
    require_reason(status, &error);
    if (status != SM_OK)
        return;
    canonical[0] = '\0';
    for (size_t i = 0; i < ops->option_count; i++) {
        (void)sm_option_format(&values, i, one, sizeof(one));
        length += (size_t)snprintf(canonical + length, sizeof(canonical) - length, "%s%s=%s", length == 0 ? "" : ",",
                                   ops->options[i].key, one);
    }
    status = sm_options_parse(ops->name, ops->options, ops->option_count, canonical, &again, &error);
    require(status == SM_OK, "the canonical text of accepted options is refused");
    for (size_t i = 0; i < ops->option_count; i++)
        require(ops->options[i].kind == SM_OPTION_REAL || values.value[i].count == again.value[i].count,
                "options change when they are read back");
}

static const struct sm_policy_ops *policy_of(uint8_t choice)
{
    size_t count = 0;
    while (sm_policy_table(count) != NULL)
        count++;
    if (count == 0)
        abort();
    return sm_policy_table(choice % count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    char text[TEXT_MAX + 1];
    if (byte_count < 2)
        return 0;
    if (bytes[0] % 6 == 0) {
        try_trace(bytes + 2, byte_count - 2);
        return 0;
    }
    size_t length = byte_count - 2 < TEXT_MAX ? byte_count - 2 : (size_t)TEXT_MAX;
    memcpy(text, bytes + 2, length);
    text[length] = '\0';
    switch (bytes[0] % 6) {
    case 1:
        try_size(text);
        break;
    case 2:
        try_count(text);
        break;
    case 3:
        try_real(text);
        break;
    case 4:
        try_pacing(text);
        break;
    default:
        try_options(policy_of(bytes[1]), text);
        break;
    }
    return 0;
}
