#include "quantities.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct unit {
    double scale;
    const char *name;
};

/* Picks the largest unit not above the number; `units` go from small to large. */
static const char *format_scaled(double number, const struct unit *units, size_t unit_count, char *text)
{
    size_t i = unit_count - 1;
    while (i > 0 && number < units[i].scale)
        i--;
    double scaled = number / units[i].scale;
    int decimals = i == 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
    snprintf(text, HX_QUANTITY_BYTES, "%.*f %s", decimals, scaled, units[i].name);
    return text;
}

const char *hx_format_bytes(uint64_t bytes, char *text)
{
    static const struct unit units[] = {
        {1, "B"}, {0x1p10, "KiB"}, {0x1p20, "MiB"}, {0x1p30, "GiB"}, {0x1p40, "TiB"},
    };
    return format_scaled((double)bytes, units, sizeof(units) / sizeof(units[0]), text);
}

const char *hx_format_ns(uint64_t nanoseconds, char *text)
{
    static const struct unit units[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
    return format_scaled((double)nanoseconds, units, sizeof(units) / sizeof(units[0]), text);
}

const char *hx_format_count(uint64_t count, char *text)
{
    char digits[HX_QUANTITY_BYTES];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

const char *hx_plural_s(uint64_t count)
{
    return count == 1 ? "" : "s";
}

const char *hx_format_size(uint64_t bytes, char *text)
{
    static const char suffixes[] = {'\0', 'K', 'M', 'G'};
    size_t i = 0;
    while (i < 3 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    char suffix[2] = {suffixes[i], '\0'};
    snprintf(text, HX_QUANTITY_BYTES, "%" PRIu64 "%s", bytes, suffix);
    return text;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hx_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t hx_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t hx_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t hx_cpu_ns_of(pthread_t thread)
{
    clockid_t clock;
    return pthread_getcpuclockid(thread, &clock) == 0 ? read_clock(clock) : 0;
}
