#include "pause.h"

#include "manager_internal.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static const char *const cause_names[SM_PAUSE_CAUSE_COUNT] = {
    [SM_PAUSE_CYCLE] = "cycle",   [SM_PAUSE_HANDSHAKE] = "handshake",     [SM_PAUSE_ASSIST] = "assist",
    [SM_PAUSE_GRACE] = "grace",   [SM_PAUSE_DESTRUCTORS] = "destructors", [SM_PAUSE_CASCADE] = "cascade",
    [SM_PAUSE_REFILL] = "refill", [SM_PAUSE_REQUEST_END] = "request_end",
};

const char *sm_pause_cause_name(enum sm_pause_cause cause)
{
    return (unsigned)cause < SM_PAUSE_CAUSE_COUNT ? cause_names[cause] : "unknown cause";
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t sm_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t sm_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* The second number of schedstat: nanoseconds this thread was runnable and did not run. 0 where unknown. */
static uint64_t run_delay_ns(const struct sm_pauses *pauses)
{
    char text[96];
    if (pauses->schedstat_fd < 0)
        return 0;
    ssize_t length = pread(pauses->schedstat_fd, text, sizeof(text) - 1, 0);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    char *after_run_time = NULL;
    strtoull(text, &after_run_time, 10);
    return strtoull(after_run_time, NULL, 10);
}

void sm_pauses_init(struct sm_pauses *pauses)
{
    pauses->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

void sm_pauses_finish(struct sm_pauses *pauses)
{
    if (pauses->schedstat_fd >= 0)
        close(pauses->schedstat_fd);
    pauses->schedstat_fd = -1;
}

void sm_pause_begin(struct sm_manager *mm, enum sm_pause_cause cause)
{
    struct sm_pauses *pauses = &mm->pauses;
    if (pauses->depth++ != 0)
        return;
    pauses->cause = cause;
    pauses->aside_ns = 0;
    /* Nobody listens: spare the system call. */
    pauses->run_delay_start_ns = mm->hooks.on_pause == NULL ? 0 : run_delay_ns(pauses);
    pauses->start_ns = sm_clock_ns();
}

void sm_pause_aside_begin(struct sm_manager *mm)
{
    SM_ASSERT(mm->pauses.aside_start_ns == 0);
    mm->pauses.aside_start_ns = sm_clock_ns();
}

void sm_pause_aside_end(struct sm_manager *mm)
{
    struct sm_pauses *pauses = &mm->pauses;
    if (pauses->depth != 0)
        pauses->aside_ns += sm_clock_ns() - pauses->aside_start_ns;
    pauses->aside_start_ns = 0;
}

uint64_t sm_pause_aside_ns(const struct sm_manager *mm)
{
    return mm->pauses.aside_ns;
}

void sm_pause_end(struct sm_manager *mm)
{
    struct sm_pauses *pauses = &mm->pauses;
    SM_ASSERT(pauses->depth != 0);
    if (--pauses->depth != 0)
        return;
    uint64_t duration_ns = sm_clock_ns() - pauses->start_ns - pauses->aside_ns;
    pauses->count++;
    pauses->total_ns += duration_ns;
    if (duration_ns > pauses->max_ns)
        pauses->max_ns = duration_ns;
    if (mm->hooks.on_pause == NULL)
        return;
    struct sm_pause_record record = {pauses->cause, pauses->start_ns, duration_ns, 0};
    uint64_t delay_ns = run_delay_ns(pauses) - pauses->run_delay_start_ns;
    /* The kernel accounts a delay when it ends, so one may straddle the start; it is never more than the pause. */
    record.run_delay_ns = delay_ns < duration_ns ? delay_ns : duration_ns;
    mm->hooks.on_pause(mm->hooks.context, &record);
}
