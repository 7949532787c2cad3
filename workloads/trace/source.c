/** Lines of a trace file, plain or zstd. */
#include "trace/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { INPUT_BYTES = 128 << 10, TEXT_BYTES = 256 << 10 };

struct trace_source {
    const char *path;
    int file;
    uint32_t line;
    ZSTD_DStream *stream; /* NULL: plain text */
    bool input_ended;
    bool inside_frame; /* a zstd frame has begun and not ended */
    bool draining;     /* the decoder filled the text and may hold more, without further input */
    ZSTD_inBuffer input;
    size_t text_begin, text_end; /* unread part of `text` */
    char input_bytes[INPUT_BYTES];
    char text[TEXT_BYTES];
};

sm_status trace_fail(struct sm_error *error, sm_status status, const char *path, uint32_t line, const char *format, ...)
{
    if (error == NULL)
        return status;
    error->status = status;
    int length = line != 0 ? snprintf(error->detail, sizeof(error->detail), "%.180s:%u: ", path, line)
                           : snprintf(error->detail, sizeof(error->detail), "%.180s: ", path);
    if (length < 0)
        length = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->detail + length, sizeof(error->detail) - (size_t)length, format, arguments);
    va_end(arguments);
    return status;
}

const char *trace_quote(const char *text, size_t length, char quoted[32])
{
    size_t kept = length > 24 ? 24 : length;
    for (size_t i = 0; i < kept; i++)
        if (text[i] >= ' ' && text[i] <= '~')
            quoted[i] = text[i];
        else
            quoted[i] = '?';
    strcpy(quoted + kept, length > kept ? "..." : "");
    return quoted;
}

/* Returns false on a read error, with errno set. */
static bool read_input(struct trace_source *source)
{
    ssize_t got;
    do
        got = read(source->file, source->input_bytes, INPUT_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return false;
    source->input = (ZSTD_inBuffer){source->input_bytes, (size_t)got, 0};
    source->input_ended = got == 0;
    return true;
}

/* A frame, or a skippable frame, of the zstd format (RFC 8878, 3.1). */
static bool looks_compressed(const unsigned char *bytes, size_t count)
{
    static const unsigned char frame[4] = {0x28, 0xb5, 0x2f, 0xfd};
    static const unsigned char skippable[3] = {0x2a, 0x4d, 0x18};
    return count >= 4 &&
           (memcmp(bytes, frame, 4) == 0 || ((bytes[0] & 0xf0) == 0x50 && memcmp(bytes + 1, skippable, 3) == 0));
}

static sm_status begin_reading(struct trace_source *source, struct sm_error *error)
{
    if (!read_input(source))
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, 0, "cannot read: %s", strerror(errno));
    if (!looks_compressed((const unsigned char *)source->input_bytes, source->input.size))
        return SM_OK;
    source->stream = ZSTD_createDStream();
    if (source->stream == NULL)
        return trace_fail(error, SM_ERR_OUT_OF_MEMORY, source->path, 0, "no memory to decompress");
    return SM_OK;
}

sm_status trace_source_open(const char *path, struct trace_source **source, struct sm_error *error)
{
    *source = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, path, 0, "cannot open: %s", strerror(errno));
    struct trace_source *opened = malloc(sizeof(*opened));
    if (opened == NULL) {
        close(file);
        return trace_fail(error, SM_ERR_OUT_OF_MEMORY, path, 0, "no memory to read it");
    }
    /* The buffers need no clearing. */
    memset(opened, 0, offsetof(struct trace_source, input_bytes));
    opened->path = path;
    opened->file = file;
    sm_status status = begin_reading(opened, error);
    if (status != SM_OK)
        trace_source_close(opened);
    else
        *source = opened;
    return status;
}

void trace_source_close(struct trace_source *source)
{
    if (source == NULL)
        return;
    ZSTD_freeDStream(source->stream);
    close(source->file);
    free(source);
}

bool trace_source_is_compressed(const struct trace_source *source)
{
    return source->stream != NULL;
}

uint32_t trace_source_line(const struct trace_source *source)
{
    return source->line;
}

static sm_status decompress_some(struct trace_source *source, ZSTD_outBuffer *output, struct sm_error *error)
{
    size_t result = ZSTD_decompressStream(source->stream, output, &source->input);
    if (ZSTD_isError(result))
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, source->line + 1,
                          "compressed data is damaged (zstd: %s)", ZSTD_getErrorName(result));
    source->inside_frame = result != 0;
    source->draining = output->pos == output->size;
    return SM_OK;
}

static void copy_some(struct trace_source *source, ZSTD_outBuffer *output)
{
    size_t available = source->input.size - source->input.pos;
    size_t room = output->size - output->pos;
    size_t moved = available < room ? available : room;
    memcpy((char *)output->dst + output->pos, source->input_bytes + source->input.pos, moved);
    output->pos += moved;
    source->input.pos += moved;
}

/* Append to the text, at least one byte unless the input has ended. */
static sm_status fill_text(struct trace_source *source, struct sm_error *error)
{
    size_t kept = source->text_end - source->text_begin;
    memmove(source->text, source->text + source->text_begin, kept);
    source->text_begin = 0;
    ZSTD_outBuffer output = {source->text, TEXT_BYTES, kept};
    while (output.pos == kept && !source->input_ended) {
        if (source->input.pos == source->input.size && !source->draining) {
            if (!read_input(source))
                return trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, source->line + 1, "cannot read: %s",
                                  strerror(errno));
        } else if (source->stream == NULL) {
            copy_some(source, &output);
        } else {
            sm_status status = decompress_some(source, &output, error);
            if (status != SM_OK)
                return status;
        }
    }
    source->text_end = output.pos;
    return SM_OK;
}

static enum trace_line_result end_of_text(struct trace_source *source, struct sm_error *error)
{
    if (source->inside_frame)
        trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, source->line + 1,
                   "the file ends inside a compressed frame (truncated)");
    else if (source->text_end != source->text_begin)
        trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, source->line + 1,
                   "the file ends inside a line, expected a line feed (truncated)");
    else
        return TRACE_END;
    return TRACE_ERROR;
}

enum trace_line_result trace_source_next(struct trace_source *source, const char **line, size_t *length,
                                         struct sm_error *error)
{
    size_t searched = 0;
    for (;;) {
        char *begin = source->text + source->text_begin;
        size_t count = source->text_end - source->text_begin;
        char *end = count > searched ? memchr(begin + searched, '\n', count - searched) : NULL;
        if ((end != NULL ? (size_t)(end - begin) : count) > TRACE_LINE_MAX) {
            trace_fail(error, SM_ERR_INVALID_ARGUMENT, source->path, source->line + 1, "line of more than %d bytes",
                       TRACE_LINE_MAX);
            return TRACE_ERROR;
        }
        if (end != NULL) {
            *line = begin;
            *length = (size_t)(end - begin);
            source->text_begin += *length + 1;
            source->line++;
            return TRACE_LINE;
        }
        searched = count;
        if (source->input_ended)
            return end_of_text(source, error);
        if (fill_text(source, error) != SM_OK)
            return TRACE_ERROR;
    }
}
