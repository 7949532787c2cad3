#include "stall.h"

#include "run_options.h"
#include "sapimem/option.h"

#include <stdio.h>
#include <string.h>

enum { PART_BYTES = 64 };

/* Copies the text up to `separator` into `part`; returns what follows it, or NULL when it is missing or the part too long. */
static const char *take_part(const char *text, char separator, char part[PART_BYTES])
{
    const char *end = separator != '\0' ? strchr(text, separator) : text + strlen(text);
    if (end == NULL || (size_t)(end - text) >= PART_BYTES)
        return NULL;
    memcpy(part, text, (size_t)(end - text));
    part[end - text] = '\0';
    return separator != '\0' ? end + 1 : end;
}

static sm_status parse_observer(const char *part, unsigned *observer)
{
    static const char prefix[] = "observer-";
    uint64_t index = 0;
    if (strncmp(part, prefix, sizeof(prefix) - 1) != 0)
        return SM_ERR_INVALID_ARGUMENT;
    if (sm_count_parse(part + sizeof(prefix) - 1, &index) != SM_OK || index >= HX_OBSERVERS_MAX)
        return SM_ERR_INVALID_ARGUMENT;
    *observer = (unsigned)index;
    return SM_OK;
}

static sm_status parse_duration(char *part, uint64_t *duration_ns)
{
    static const struct {
        const char *suffix;
        double nanoseconds;
    } units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    if (strcmp(part, "forever") == 0) {
        *duration_ns = HX_STALL_FOREVER;
        return SM_OK;
    }
    size_t length = strlen(part);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t suffix_length = strlen(units[i].suffix);
        if (length <= suffix_length || strcmp(part + length - suffix_length, units[i].suffix) != 0)
            continue;
        part[length - suffix_length] = '\0';
        double number = 0;
        if (sm_real_parse(part, &number) != SM_OK || number * units[i].nanoseconds > 1e18)
            return SM_ERR_INVALID_ARGUMENT;
        *duration_ns = (uint64_t)(number * units[i].nanoseconds);
        return SM_OK;
    }
    return SM_ERR_INVALID_ARGUMENT;
}

sm_status hx_stall_parse(const char *text, struct hx_stall *stall, struct sm_error *error)
{
    char thread[PART_BYTES], at[PART_BYTES], duration[PART_BYTES];
    const char *rest = take_part(text, ':', thread);
    rest = rest != NULL ? take_part(rest, ':', at) : NULL;
    rest = rest != NULL ? take_part(rest, '\0', duration) : NULL;
    if (rest == NULL)
        return hx_refuse(error, "--stall=%s: expected THREAD:AT:DURATION, for example observer-0:16M:100ms", text);
    if (parse_observer(thread, &stall->observer) != SM_OK)
        return hx_refuse(error, "--stall=%s: thread \"%s\": expected observer-0 to observer-%d", text, thread,
                         HX_OBSERVERS_MAX - 1);
    if (sm_size_parse(at, &stall->at_bytes) != SM_OK)
        return hx_refuse(error, "--stall=%s: start \"%s\": expected a size such as 16M", text, at);
    if (parse_duration(duration, &stall->duration_ns) != SM_OK)
        return hx_refuse(error, "--stall=%s: duration: expected a time such as 100ms or 2s, or forever", text);
    return SM_OK;
}
