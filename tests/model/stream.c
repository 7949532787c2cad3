#include "stream.h"

#include "manager_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct model_operation operation_at(const struct model_stream *stream, uint64_t position)
{
    uint64_t index = stream->kept != NULL ? stream->kept[position] : position;
    return model_operation_draw(stream->seed, index);
}

static uint64_t length_of(const struct model_stream *stream)
{
    return stream->kept != NULL ? stream->kept_count : stream->operations;
}

static void take_figures(const struct model *model, struct model_figures *figures)
{
    struct sm_stats stats;
    sm_stats_get(model->mm, &stats);
    figures->young_cycles = stats.cycles_by_kind[SM_CYCLE_YOUNG];
    figures->concurrent_cycles = stats.concurrent_cycles;
    figures->operations = model->operations;
    figures->bailouts = model->bailout_total;
    figures->destructors = model->destructors_run;
    figures->checks = model->check_count;
    figures->has_tampered = model->tampered_at != 0;
    figures->requests = model->mm->reserve.request_count;
    memcpy(figures->finished_code_counts, model->finished_code_counts, sizeof(figures->finished_code_counts));
}

bool model_stream_run(const struct model_stream *stream, const struct model_config *config,
                      struct model_figures *figures, struct sm_error *error)
{
    struct model *model = (struct model *)oracle_memory(NULL, sizeof(*model));
    if (model_open(model, config, error) != SM_OK) {
        free(model);
        return false;
    }
    for (uint64_t i = 0; i < length_of(stream); i++)
        model_run(model, operation_at(stream, i));
    take_figures(model, figures);
    model_close(model);
    free(model);
    return true;
}

static void silence(void)
{
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
    (void)dup2(null, STDOUT_FILENO);
}

enum { REFUSED_CODE = 4 };

_Noreturn static void run_in_child(const struct model_stream *stream, const struct model_config *config,
                                   struct model_figures *figures, bool is_quiet)
{
    struct sm_error error = {0};
    if (is_quiet)
        silence();
    if (model_stream_run(stream, config, figures, &error))
        exit(0);
    fprintf(stderr, "model: %s\n", error.detail);
    _exit(REFUSED_CODE);
}

static enum model_outcome outcome_of(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return MODEL_AGREES;
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED_CODE)
        return MODEL_REFUSED;
    return WIFEXITED(status) && WEXITSTATUS(status) == MODEL_FINDING ? MODEL_DIFFERS : MODEL_CRASHED;
}

enum model_outcome model_stream_try(const struct model_stream *stream, const struct model_config *config,
                                    struct model_figures *figures, bool is_quiet)
{
    int status = 0;
    struct model_figures *shared =
        (struct model_figures *)mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_in_child(stream, config, shared, is_quiet);
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    *figures = *shared;
    munmap(shared, sizeof(*shared));
    return outcome_of(status);
}

/* ---- Shortening ---- */

static bool fails(const struct model_stream *stream, const struct model_config *config)
{
    struct model_figures figures;
    enum model_outcome outcome = model_stream_try(stream, config, &figures, true);
    return outcome == MODEL_DIFFERS || outcome == MODEL_CRASHED;
}

/* Failing need not grow with the prefix; the result fails in any case. */
static uint64_t shortest_prefix(struct model_stream stream, const struct model_config *config)
{
    uint64_t passes = 0, failing = stream.operations;
    while (failing - passes > 1) {
        stream.operations = passes + (failing - passes) / 2;
        if (fails(&stream, config))
            failing = stream.operations;
        else
            passes = stream.operations;
    }
    return failing;
}

/* Leave out runs of operations, ever shorter ones, as long as it fails without them. */
static size_t leave_out(struct model_stream stream, const struct model_config *config, uint64_t *kept, size_t count)
{
    enum { TRIES_MAX = 200 };
    uint64_t *trial = (uint64_t *)oracle_memory(NULL, count * sizeof(*trial));
    unsigned tries = 0;
    for (size_t run = count / 2; run > 0 && tries < TRIES_MAX; run /= 2) {
        for (size_t start = 0; start < count && tries < TRIES_MAX; tries++) {
            size_t left_out = count - start < run ? count - start : run;
            memcpy(trial, kept, start * sizeof(*trial));
            memcpy(trial + start, kept + start + left_out, (count - start - left_out) * sizeof(*trial));
            stream.kept = trial;
            stream.kept_count = count - left_out;
            if (fails(&stream, config)) {
                memcpy(kept, trial, stream.kept_count * sizeof(*trial));
                count = stream.kept_count;
            } else {
                start += run;
            }
        }
    }
    free(trial);
    return count;
}

void model_stream_shrink(const struct model_stream *stream, const struct model_config *config)
{
    struct model_config careful = *config;
    struct model_stream shortened = *stream;
    struct model_figures figures;
    careful.check_every = 1;
    careful.is_deep = true;
    if (!fails(&shortened, &careful))
        careful = *config;
    shortened.operations = shortest_prefix(shortened, &careful);
    size_t count = (size_t)shortened.operations;
    uint64_t *kept = (uint64_t *)oracle_memory(NULL, count * sizeof(*kept));
    for (size_t i = 0; i < count; i++)
        kept[i] = i;
    shortened.kept_count = leave_out(shortened, &careful, kept, count);
    shortened.kept = kept;
    fprintf(stderr, "the shortest prefix that fails has %zu operations; these %zu of them suffice:\n", count,
            shortened.kept_count);
    for (size_t i = 0; i < shortened.kept_count; i++)
        model_operation_print(stderr, kept[i], operation_at(&shortened, i));
    (void)model_stream_try(&shortened, &careful, &figures, false);
    free(kept);
}
