/**
 * The platform's own jitter: who sleeps one millisecond after another and records how much later it woke.
 *
 * What it sees is what no memory manager could have kept from the program: interrupts, other processes, a hypervisor.
 * Pauses are to be read beside it. It touches nothing of the manager, and its CPU time is taken out of the run's.
 */
#ifndef HX_HICCUPS_H
#define HX_HICCUPS_H

#include "histogram.h"

#include <stdbool.h>

enum { HX_HICCUP_SLEEP_NS = 1000000 };

struct hx_hiccups;

/** Who sleeps: a thread, or a process, for those that fork and so must not have threads. */
enum hx_hiccups_watcher { HX_HICCUPS_THREAD, HX_HICCUPS_PROCESS };

/** Start; nothing is recorded yet. `overshoot_ns` has it after the stop. NULL: the system refused. */
struct hx_hiccups *hx_hiccups_start(enum hx_hiccups_watcher watcher, struct hx_histogram *overshoot_ns);

/** Record from now on, or no longer. NULL is fine. */
void hx_hiccups_record(struct hx_hiccups *hiccups, bool is_on);

/** CPU time that the thread has used in this process; 0 for NULL and for a process. */
uint64_t hx_hiccups_cpu_ns(const struct hx_hiccups *hiccups);

/** End it, which takes a millisecond, and hand over what was recorded. NULL is fine. */
void hx_hiccups_stop(struct hx_hiccups *hiccups);

#endif
