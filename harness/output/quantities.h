/** Numbers as people read them, and the clocks they come from. */
#ifndef HX_QUANTITIES_H
#define HX_QUANTITIES_H

#include <stddef.h>
#include <pthread.h>
#include <stdint.h>

/** Room for any text made here. */
enum { HX_QUANTITY_BYTES = 32 };

/** "12.3 MiB" and "412 us", three digits or so; `text` has HX_QUANTITY_BYTES. Returns `text`. */
const char *hx_format_bytes(uint64_t bytes, char *text);
const char *hx_format_ns(uint64_t nanoseconds, char *text);

/** "1,234,567". Returns `text`. */
const char *hx_format_count(uint64_t count, char *text);

/** What turns a noun into its plural: "" for one, "s" for any other count. */
const char *hx_plural_s(uint64_t count);

/** "16M" where that is exact, otherwise plain bytes: a size as the command line takes it. Returns `text`. */
const char *hx_format_size(uint64_t bytes, char *text);

/** CLOCK_MONOTONIC, and the CPU time of this process or of the calling thread. */
uint64_t hx_now_ns(void);
uint64_t hx_process_cpu_ns(void);
uint64_t hx_thread_cpu_ns(void);

/** CPU time of another thread, not yet joined; 0 where the system does not tell. */
uint64_t hx_cpu_ns_of(pthread_t thread);

#endif
