/** Packing: the same lines, compressed or not. */
#include "trace/source.h"

#include "workloads/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* At 19 a recorded trace is a tenth smaller, and takes forty times as long. */
enum { LEVEL = 9, OUTPUT_BYTES = 128 << 10 };

/* Where lines go: compressed when there is a compressor. */
struct sink {
    FILE *stream;
    ZSTD_CCtx *compressor; /* NULL: plain text */
    char output[OUTPUT_BYTES];
};

static bool write_plain(struct sink *sink, const char *bytes, size_t count)
{
    return fwrite(bytes, 1, count, sink->stream) == count;
}

/* Until the input is taken, or, at the end, until nothing is left to flush. */
static bool write_compressed(struct sink *sink, const char *bytes, size_t count, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer input = {bytes, count, 0};
    bool is_done = false;
    while (!is_done) {
        ZSTD_outBuffer output = {sink->output, OUTPUT_BYTES, 0};
        size_t left = ZSTD_compressStream2(sink->compressor, &output, &input, directive);
        /* The only failure is a want of memory. */
        if (ZSTD_isError(left)) {
            errno = ENOMEM;
            return false;
        }
        if (!write_plain(sink, sink->output, output.pos))
            return false;
        is_done = directive == ZSTD_e_end ? left == 0 : input.pos == input.size;
    }
    return true;
}

static bool write_bytes(struct sink *sink, const char *bytes, size_t count)
{
    return sink->compressor != NULL ? write_compressed(sink, bytes, count, ZSTD_e_continue)
                                    : write_plain(sink, bytes, count);
}

static sm_status fail_writing(const char *path, struct sm_error *error)
{
    return trace_fail(error, SM_ERR_SYSTEM, path, 0, "its copy cannot be written: %s",
                      strerror(errno != 0 ? errno : EIO));
}

static sm_status copy_lines(struct trace_source *source, const char *path, struct sink *sink, struct sm_error *error)
{
    const char *line;
    size_t length;
    struct sm_error unread;
    struct sm_error *told = error != NULL ? error : &unread;
    enum trace_line_result result;
    while ((result = trace_source_next(source, &line, &length, told)) == TRACE_LINE)
        if (!write_bytes(sink, line, length) || !write_bytes(sink, "\n", 1))
            return fail_writing(path, error);
    if (result == TRACE_ERROR)
        return told->status;
    if (sink->compressor != NULL && !write_compressed(sink, NULL, 0, ZSTD_e_end))
        return fail_writing(path, error);
    return SM_OK;
}

/* With a checksum, so that a damaged file is noticed by whoever unpacks it. */
static bool create_compressor(struct sink *sink)
{
    sink->compressor = ZSTD_createCCtx();
    return sink->compressor != NULL &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(sink->compressor, ZSTD_c_compressionLevel, LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(sink->compressor, ZSTD_c_checksumFlag, 1));
}

static sm_status copy_source(struct trace_source *source, const char *path, bool packs, FILE *stream,
                             struct sm_error *error)
{
    if (trace_source_is_compressed(source) == packs)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, path, 0,
                          packs ? "it is compressed already, expected a trace in plain text"
                                : "it is not compressed, expected a trace packed by zstd");
    struct sink *sink = malloc(sizeof(*sink));
    if (sink == NULL)
        return trace_fail(error, SM_ERR_OUT_OF_MEMORY, path, 0, "no memory to copy it");
    sink->stream = stream;
    sink->compressor = NULL;
    sm_status status = packs && !create_compressor(sink)
                           ? trace_fail(error, SM_ERR_OUT_OF_MEMORY, path, 0, "no memory to compress it")
                           : copy_lines(source, path, sink, error);
    ZSTD_freeCCtx(sink->compressor);
    free(sink);
    return status;
}

static sm_status copy_trace(const char *path, bool packs, FILE *stream, struct sm_error *error)
{
    struct trace_source *source;
    sm_status status = trace_source_open(path, &source, error);
    if (status != SM_OK)
        return status;
    status = copy_source(source, path, packs, stream, error);
    trace_source_close(source);
    return status;
}

sm_status wl_trace_pack(const char *path, FILE *stream, struct sm_error *error)
{
    return copy_trace(path, true, stream, error);
}

sm_status wl_trace_unpack(const char *path, FILE *stream, struct sm_error *error)
{
    return copy_trace(path, false, stream, error);
}
