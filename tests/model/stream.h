/**
 * Streams: run one in a child process, and shorten one that fails.
 */
#ifndef MODEL_STREAM_H
#define MODEL_STREAM_H

#include "model.h"

/** Operations of `seed`; `kept` (NULL: all) lists the ones to run. */
struct model_stream {
    uint64_t seed;
    uint64_t operations;
    const uint64_t *kept;
    size_t kept_count;
};

/** What a run did, in sums. */
struct model_figures {
    uint64_t operations, bailouts, destructors, checks;
    uint64_t young_cycles, concurrent_cycles;
    bool has_tampered;
    uint64_t requests; /**< for memory from the system */
    uint64_t finished_code_counts[MODEL_CODE_COUNT];
};

enum model_outcome {
    MODEL_AGREES,
    MODEL_DIFFERS,
    MODEL_CRASHED,
    MODEL_REFUSED, /**< no VM of that configuration can be made */
};

/** Run the stream here and now; differences end the process. False: refused, with `error` filled. */
bool model_stream_run(const struct model_stream *stream, const struct model_config *config,
                      struct model_figures *figures, struct sm_error *error);

/** Run it in a child; a difference or a crash is an outcome. `is_quiet`: the child prints nothing. */
enum model_outcome model_stream_try(const struct model_stream *stream, const struct model_config *config,
                                    struct model_figures *figures, bool is_quiet);

/**
 * Shorten a stream that fails: the shortest prefix that does, then without whatever can be left out.
 *
 * Prints the operations that remain, and the finding that they lead to.
 */
void model_stream_shrink(const struct model_stream *stream, const struct model_config *config);

#endif
