/**
 * Google Benchmark behind a C interface: benchmarks are plain C functions, registered at run time.
 *
 * `benchmark_shim.cc` is the project's one C++ file and alone includes `<benchmark/...>`. Calls on a `struct bm_benchmark`
 * come between its registration and bm_run; calls on a `struct bm_state` come from the benchmark's function, on the
 * thread that runs it. A call from the loop costs about a nanosecond, so cheap operations are timed by the batch.
 * No memory manager can be installed: in 1.7.1 one is used after its end when there are repetitions.
 */
#ifndef BENCHMARK_SHIM_H
#define BENCHMARK_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A registered benchmark, and one run of it on one thread. Opaque; both belong to the library. */
struct bm_benchmark;
struct bm_state;

/** What a benchmark does; `context` is what it was registered with. */
typedef void bm_function(struct bm_state *state, const void *context);

/** How time may grow with bm_complexity_n. */
enum bm_complexity_order {
    BM_COMPLEXITY_1,
    BM_COMPLEXITY_N,
    BM_COMPLEXITY_N_LOG_N,
    BM_COMPLEXITY_N_SQUARED,
    BM_COMPLEXITY_AUTO
};

/** How a counter is reported; bits may be combined. */
enum bm_counter_flag {
    BM_COUNTER_PLAIN = 0,
    BM_COUNTER_RATE = 1u << 0,               /**< divided by the time of the run */
    BM_COUNTER_THREAD_AVERAGE = 1u << 1,     /**< divided by the number of threads */
    BM_COUNTER_PER_ITERATION = 1u << 2,      /**< divided by the number of iterations */
    BM_COUNTER_ITERATION_CONSTANT = 1u << 3, /**< the value of each iteration: multiplied by their number */
    BM_COUNTER_INVERT = 1u << 4,             /**< one over the result */
};

/* ---- The program. ---- */

/**
 * Take Google Benchmark's own options out of the command line, run what they choose, report as they say.
 *
 * Once in a process: 1.7.1 does not recover from its own end.
 * Returns:     the exit status: 0; 1 when an option is unknown (one line on stderr). A run that skipped with an error
 *              is in the report and leaves the status at 0.
 */
int bm_run(int *argument_count, char **arguments);

/** Say something of the whole run in the report's context. Both strings are copied. */
void bm_context_add(const char *key, const char *value);

/* ---- What to run. ---- */

/** Register `function` as `name` (copied). `context` outlives bm_run. Never NULL. */
struct bm_benchmark *bm_register(const char *name, bm_function *function, const void *context);

/** One run with this argument; with these; one for each power of `multiplier` between the two, which are included. */
void bm_arg(struct bm_benchmark *benchmark, int64_t argument);
void bm_args(struct bm_benchmark *benchmark, const int64_t *arguments, size_t count);
void bm_range(struct bm_benchmark *benchmark, int64_t first, int64_t last, int multiplier);
/** What the arguments are called in names: "bytes" makes "name/bytes:64". */
void bm_arg_names(struct bm_benchmark *benchmark, const char *const *names, size_t count);

/** One run with so many threads, which call the function at once; calls add up. */
void bm_threads(struct bm_benchmark *benchmark, int thread_count);

/** Time is what bm_iteration_time is told. */
void bm_manual_time(struct bm_benchmark *benchmark);
/** Time on the wall decides about the number of iterations, and CPU time is that of all threads of the process. */
void bm_process_time(struct bm_benchmark *benchmark);

/** Exactly so many iterations; at least so many seconds (both win over the command line); so many repetitions. */
void bm_iterations(struct bm_benchmark *benchmark, int64_t iterations);
void bm_min_time(struct bm_benchmark *benchmark, double seconds);
void bm_repetitions(struct bm_benchmark *benchmark, int repetitions);

/** Fit the time of an iteration over the runs of different bm_complexity_n. */
void bm_complexity(struct bm_benchmark *benchmark, enum bm_complexity_order complexity);

/* ---- Inside a run. ---- */

/** Whether to do one more iteration, or `count` more. The clock runs from the first call until it says no. */
bool bm_keep_running(struct bm_state *state);
bool bm_keep_running_batch(struct bm_state *state, int64_t count);

/** Iterations done so far, whole batches counted. */
int64_t bm_iterations_done(const struct bm_state *state);

/** Stop and start the clock of this thread; dear (some hundred nanoseconds), so not for each of many iterations. */
void bm_pause(struct bm_state *state);
void bm_resume(struct bm_state *state);

/** Under bm_manual_time: add what an iteration, or a batch, took. */
void bm_iteration_time(struct bm_state *state, double seconds);

/** Argument `index`, which the registration must have given. */
int64_t bm_argument(const struct bm_state *state, size_t index);
int bm_thread_index(const struct bm_state *state);
int bm_thread_count(const struct bm_state *state);

/** Reported per second. After the loop. */
void bm_items_processed(struct bm_state *state, int64_t items);
void bm_bytes_processed(struct bm_state *state, int64_t bytes);
/** The N of bm_complexity. */
void bm_complexity_n(struct bm_state *state, int64_t n);
/** A figure of one's own; `flags` of enum bm_counter_flag. Values of several threads add up. */
void bm_counter(struct bm_state *state, const char *name, double value, unsigned flags);
/** Printed at the end of the line. Copied. */
void bm_label(struct bm_state *state, const char *label);

/** Give the run up and report `message` (copied) in place of figures; the loop ends at its next test. */
void bm_skip_with_error(struct bm_state *state, const char *message);

/** Make the compiler believe that someone looks at what `address` points to, and at all other memory. */
static inline void bm_do_not_optimize(const void *address)
{
    __asm__ volatile("" : : "r"(address) : "memory");
}

#ifdef __cplusplus
}
#endif
#endif
