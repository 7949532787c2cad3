/**
 * What the process holds, as the kernel counts it.
 *
 * statm is cheap and lags behind by up to some dozens of pages a thread; smaps_rollup is exact and
 * walks the page tables, so it is read at checkpoints only.
 */
#ifndef HX_PROCESS_MEMORY_H
#define HX_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/** Open files of /proc; -1 where the system has none. */
struct hx_process_memory {
    int statm_fd;
    int rollup_fd;
    uint64_t page_bytes;
};

struct hx_resident {
    uint64_t rss_bytes;
    uint64_t anonymous_bytes; /**< RssAnon: what the heap shows up as */
};

void hx_process_memory_open(struct hx_process_memory *memory);
void hx_process_memory_close(struct hx_process_memory *memory);

/** The quick figures; zero where the system does not tell. */
struct hx_resident hx_process_memory_quick(const struct hx_process_memory *memory);

/** The exact ones; the quick ones where the system has no smaps_rollup. */
struct hx_resident hx_process_memory_exact(const struct hx_process_memory *memory);

/** Where the process stands in its life; smaps_rollup, all exact. */
struct hx_checkpoint {
    const char *name; /**< "start", "boot", "steps", "quiesce" */
    uint64_t clock_bytes;
    uint64_t rss_bytes, pss_bytes;
    uint64_t anonymous_bytes, huge_bytes; /**< of the resident bytes: anonymous, and of these in huge pages */
};

/** Fill in the sizes. False: the system has no smaps_rollup. Cost: walks the page tables, some microseconds a MiB. */
bool hx_process_memory_checkpoint(const struct hx_process_memory *memory, struct hx_checkpoint *checkpoint);

/** Highest RSS since the program was started (VmHWM). Unlike ru_maxrss it is not inherited over exec. */
uint64_t hx_process_memory_peak(void);

/** Bytes that this process may still take: the system's available memory, or the cgroup's room if that is less. */
uint64_t hx_process_memory_available(void);

#endif
