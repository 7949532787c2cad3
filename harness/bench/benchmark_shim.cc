// The C interface of benchmark_shim.h on Google Benchmark's own; states and benchmarks are theirs under another name.
#include "benchmark_shim.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

namespace
{

benchmark::internal::Benchmark *of(bm_benchmark *handle)
{
    return reinterpret_cast<benchmark::internal::Benchmark *>(handle);
}

benchmark::State *of(bm_state *handle)
{
    return reinterpret_cast<benchmark::State *>(handle);
}

const benchmark::State *of(const bm_state *handle)
{
    return reinterpret_cast<const benchmark::State *>(handle);
}

benchmark::BigO order_of(bm_complexity_order complexity)
{
    switch (complexity) {
    case BM_COMPLEXITY_1:
        return benchmark::o1;
    case BM_COMPLEXITY_N:
        return benchmark::oN;
    case BM_COMPLEXITY_N_LOG_N:
        return benchmark::oNLogN;
    case BM_COMPLEXITY_N_SQUARED:
        return benchmark::oNSquared;
    case BM_COMPLEXITY_AUTO:
        break;
    }
    return benchmark::oAuto;
}

benchmark::Counter::Flags flags_of(unsigned flags)
{
    using benchmark::Counter;
    Counter::Flags all = Counter::kDefaults;
    if ((flags & BM_COUNTER_RATE) != 0)
        all = all | Counter::kIsRate;
    if ((flags & BM_COUNTER_THREAD_AVERAGE) != 0)
        all = all | Counter::kAvgThreads;
    if ((flags & BM_COUNTER_PER_ITERATION) != 0)
        all = all | Counter::kAvgIterations;
    if ((flags & BM_COUNTER_ITERATION_CONSTANT) != 0)
        all = all | Counter::kIsIterationInvariant;
    if ((flags & BM_COUNTER_INVERT) != 0)
        all = all | Counter::kInvert;
    return all;
}

} // namespace

int bm_run(int *argument_count, char **arguments)
{
    benchmark::Initialize(argument_count, arguments);
    if (*argument_count > 1) {
        std::fprintf(stderr, "%s: unknown argument '%s'; see --help\n", arguments[0], arguments[1]);
        return 1;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

void bm_context_add(const char *key, const char *value)
{
    benchmark::AddCustomContext(key, value);
}

bm_benchmark *bm_register(const char *name, bm_function *function, const void *context)
{
    auto *registered = benchmark::RegisterBenchmark(name, [function, context](benchmark::State &state) {
        function(reinterpret_cast<bm_state *>(&state), context);
    });
    return reinterpret_cast<bm_benchmark *>(registered);
}

void bm_arg(bm_benchmark *benchmark, int64_t argument)
{
    of(benchmark)->Arg(argument);
}

void bm_args(bm_benchmark *benchmark, const int64_t *arguments, size_t count)
{
    of(benchmark)->Args(std::vector<int64_t>(arguments, arguments + count));
}

void bm_range(bm_benchmark *benchmark, int64_t first, int64_t last, int multiplier)
{
    of(benchmark)->RangeMultiplier(multiplier)->Range(first, last);
}

void bm_arg_names(bm_benchmark *benchmark, const char *const *names, size_t count)
{
    of(benchmark)->ArgNames(std::vector<std::string>(names, names + count));
}

void bm_threads(bm_benchmark *benchmark, int thread_count)
{
    of(benchmark)->Threads(thread_count);
}

void bm_manual_time(bm_benchmark *benchmark)
{
    of(benchmark)->UseManualTime();
}

void bm_process_time(bm_benchmark *benchmark)
{
    of(benchmark)->MeasureProcessCPUTime()->UseRealTime();
}

void bm_iterations(bm_benchmark *benchmark, int64_t iterations)
{
    of(benchmark)->Iterations(iterations);
}

void bm_min_time(bm_benchmark *benchmark, double seconds)
{
    of(benchmark)->MinTime(seconds);
}

void bm_repetitions(bm_benchmark *benchmark, int repetitions)
{
    of(benchmark)->Repetitions(repetitions);
}

void bm_complexity(bm_benchmark *benchmark, enum bm_complexity_order complexity)
{
    of(benchmark)->Complexity(order_of(complexity));
}

bool bm_keep_running(bm_state *state)
{
    return of(state)->KeepRunning();
}

bool bm_keep_running_batch(bm_state *state, int64_t count)
{
    return of(state)->KeepRunningBatch(count);
}

int64_t bm_iterations_done(const bm_state *state)
{
    return of(state)->iterations();
}

void bm_pause(bm_state *state)
{
    of(state)->PauseTiming();
}

void bm_resume(bm_state *state)
{
    of(state)->ResumeTiming();
}

void bm_iteration_time(bm_state *state, double seconds)
{
    of(state)->SetIterationTime(seconds);
}

int64_t bm_argument(const bm_state *state, size_t index)
{
    return of(state)->range(index);
}

int bm_thread_index(const bm_state *state)
{
    return of(state)->thread_index();
}

int bm_thread_count(const bm_state *state)
{
    return of(state)->threads();
}

void bm_items_processed(bm_state *state, int64_t items)
{
    of(state)->SetItemsProcessed(items);
}

void bm_bytes_processed(bm_state *state, int64_t bytes)
{
    of(state)->SetBytesProcessed(bytes);
}

void bm_complexity_n(bm_state *state, int64_t n)
{
    of(state)->SetComplexityN(n);
}

void bm_counter(bm_state *state, const char *name, double value, unsigned flags)
{
    of(state)->counters[name] = benchmark::Counter(value, flags_of(flags));
}

void bm_label(bm_state *state, const char *label)
{
    of(state)->SetLabel(label);
}

void bm_skip_with_error(bm_state *state, const char *message)
{
    of(state)->SkipWithError(message);
}
