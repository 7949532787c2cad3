/**
 * The PHP extension "sapitrace": records what PHP asks of its allocator, as a trace.
 *
 * It sits in front of the Zend allocator from RINIT to RSHUTDOWN and passes everything on, so the program runs in the
 * heap that it always has, memory limit and all. Its own memory is never Zend's.
 */
#include "block_kind.h"
#include "recording.h"
#include "trace_text.h"

#include <php.h>

#include <SAPI.h>
#include <errno.h>
#include <fcntl.h>
#include <php_ini.h>
#include <pthread.h>
#include <unistd.h>
#include <zend_gc.h>

#ifdef ZTS
#error "sapitrace records one heap: expected PHP without thread safety"
#endif

enum { PATH_BYTES = 4096, PARTIAL_BYTES = PATH_BYTES + 32 };

/* PHP keeps one module in a process, and its handlers have no context of their own. */
static struct {
    struct recording recording;
    char path[PATH_BYTES]; /* where the trace goes; taken when recording begins */
    char title[256];
    zend_long requests_seen, requests_recorded;
    bool is_open;     /* there is a recording */
    bool is_finished; /* one has been written, or given up */
    bool is_installed, is_unclean;
    bool is_collecting;
    const zend_execute_data *collector_frame; /* what runs when the collector begins; another is a destructor's */
    int (*collect_cycles)(void);
} recorder;

/* ---- Settings. ---- */

PHP_INI_BEGIN()
PHP_INI_ENTRY("sapitrace.enable", "1", PHP_INI_SYSTEM, NULL)
PHP_INI_ENTRY("sapitrace.output", "", PHP_INI_SYSTEM, NULL)
PHP_INI_ENTRY("sapitrace.skip", "0", PHP_INI_SYSTEM, NULL)
PHP_INI_ENTRY("sapitrace.requests", "1", PHP_INI_SYSTEM, NULL)
PHP_INI_END()

/* A program on the command line is one request that never ends; the others serve many. */
static bool serves_requests(void)
{
    static const char *const programs[] = {"cli", "phpdbg", "embed", "micro"};
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (strcmp(sapi_module.name, programs[i]) == 0)
            return false;
    return true;
}

static zend_long wanted_requests(void)
{
    zend_long wanted = INI_INT("sapitrace.requests");
    return serves_requests() && wanted > 1 ? wanted : 1;
}

/* "%p" is the number of the process; a relative path is of the folder in which recording begins. */
static bool take_path(void)
{
    const char *output = INI_STR("sapitrace.output"), *mark = strstr(output, "%p");
    char folder[PATH_BYTES] = "";
    size_t before = mark != NULL ? (size_t)(mark - output) : strlen(output);
    int length;
    if (output[0] != '/' && (getcwd(folder, sizeof(folder) - 1) == NULL || strcat(folder, "/") == NULL))
        return false;
    if (mark == NULL)
        length = snprintf(recorder.path, PATH_BYTES, "%s%s", folder, output);
    else
        length =
            snprintf(recorder.path, PATH_BYTES, "%s%.*s%ld%s", folder, (int)before, output, (long)getpid(), mark + 2);
    return length > 0 && length < PATH_BYTES;
}

/* ---- The allocator's handlers. ---- */

static bool is_destructor_running(void)
{
    return EG(current_execute_data) != recorder.collector_frame;
}

static void *handle_allocation(size_t bytes)
{
    /* This may not return: the memory limit ends the request. Nothing has been recorded then. */
    void *address = _zend_mm_alloc(zend_mm_get_heap(), bytes ZEND_FILE_LINE_CC ZEND_FILE_LINE_EMPTY_CC);
    if (address != NULL)
        recording_allocate(&recorder.recording, address, bytes);
    return address;
}

static void handle_free(void *address)
{
    uint32_t number = address != NULL ? recording_find(&recorder.recording, address) : 0;
    if (number != 0) {
        bool by_collector = recorder.is_collecting && !is_destructor_running();
        uint64_t bytes = recording_block(&recorder.recording, number)->bytes;
        recording_free(&recorder.recording, number, address, block_kind(address, bytes, by_collector), by_collector);
    }
    _zend_mm_free(zend_mm_get_heap(), address ZEND_FILE_LINE_CC ZEND_FILE_LINE_EMPTY_CC);
}

static void *handle_resize(void *address, size_t bytes)
{
    if (address == NULL)
        return handle_allocation(bytes);
    uint32_t number = recording_find(&recorder.recording, address);
    void *moved = _zend_mm_realloc(zend_mm_get_heap(), address, bytes ZEND_FILE_LINE_CC ZEND_FILE_LINE_EMPTY_CC);
    if (number != 0 && moved != NULL)
        recording_resize(&recorder.recording, number, address, moved, bytes);
    return moved;
}

static int handle_collection(void)
{
    int count = 0;
    recording_collection(&recorder.recording);
    recorder.is_collecting = true;
    recorder.collector_frame = EG(current_execute_data);
    zend_try
    {
        count = recorder.collect_cycles();
    }
    zend_catch
    {
        recorder.is_collecting = false;
        zend_bailout();
    }
    zend_end_try();
    recorder.is_collecting = false;
    return count;
}

static void install(void)
{
    zend_mm_set_custom_handlers(zend_mm_get_heap(), handle_allocation, handle_free, handle_resize);
    recorder.collect_cycles = gc_collect_cycles;
    gc_collect_cycles = handle_collection;
    recorder.is_collecting = false;
    recorder.is_installed = true;
}

static void uninstall(void)
{
    gc_collect_cycles = recorder.collect_cycles;
    zend_mm_set_custom_handlers(zend_mm_get_heap(), NULL, NULL, NULL);
    recorder.is_installed = false;
}

/* ---- The file. ---- */

static void complain(const char *what, int reason)
{
    char line[PATH_BYTES + 256];
    snprintf(line, sizeof(line), "sapitrace: %s: %s: %s", recorder.path, what, strerror(reason));
    php_log_err(line);
}

static void report(const struct trace_text_totals *text)
{
    const struct recording_totals *totals = &recorder.recording.totals;
    if (!serves_requests())
        fprintf(stderr,
                "sapitrace: %s: %" PRIu64 " allocations, %" PRIu64 " bytes, peak live %" PRIu64
                "; with holders %" PRIu64 " objects, %" PRIu64 " bytes, peak live %" PRIu64 "\n",
                recorder.path, totals->allocations, totals->bytes, totals->peak_live_bytes, text->objects, text->bytes,
                text->peak_live_bytes);
}

/*
 * The file has no name until it is whole, so that a process that is killed leaves nothing; where the file system cannot
 * do that, it has a temporary one, which is put into `partial`.
 */
static int open_unnamed(char partial[PARTIAL_BYTES])
{
    const char *slash = strrchr(recorder.path, '/');
    snprintf(partial, PARTIAL_BYTES, "%.*s", (int)(slash - recorder.path + 1), recorder.path);
    int file = open(partial, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    partial[0] = '\0';
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return file;
    snprintf(partial, PARTIAL_BYTES, "%s.%ld.partial", recorder.path, (long)getpid());
    return open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* A link replaces nothing: a file that is there stays. */
static bool put_into_place(int file, const char *partial)
{
    char unnamed[64];
    snprintf(unnamed, sizeof(unnamed), "/proc/self/fd/%d", file);
    const char *from = partial[0] != '\0' ? partial : unnamed;
    return linkat(AT_FDCWD, from, AT_FDCWD, recorder.path, AT_SYMLINK_FOLLOW) == 0;
}

/* Returns 0, or the errno of what failed; the file is whole or absent then. */
static int write_file(struct trace_text_totals *text)
{
    char partial[PARTIAL_BYTES];
    int file = open_unnamed(partial);
    FILE *stream = file >= 0 ? fdopen(file, "w") : NULL;
    if (stream == NULL)
        return errno;
    int reason = trace_text_write(&recorder.recording, recorder.title, recorder.is_unclean, stream, text);
    if (reason == 0 && (fsync(file) != 0 || !put_into_place(file, partial)))
        reason = errno;
    fclose(stream);
    if (partial[0] != '\0')
        unlink(partial);
    return reason;
}

static void write_trace(void)
{
    struct trace_text_totals text;
    recorder.is_open = false;
    recorder.is_finished = true;
    int reason = write_file(&text);
    if (reason != 0)
        complain("no trace was written", reason);
    else
        report(&text);
    recording_destroy(&recorder.recording);
}

/* ---- Requests. ---- */

/* What does not print, or would end the comment, is left out; so is the folder. */
static void take_title(void)
{
    const char *script = SG(request_info).path_translated != NULL ? SG(request_info).path_translated : "-";
    const char *slash = strrchr(script, '/');
    snprintf(recorder.title, sizeof(recorder.title),
             "PHP %s %s, %.100s: sizes and lifetimes from the Zend allocator, "
             "references synthetic",
             PHP_VERSION, sapi_module.name, slash != NULL ? slash + 1 : script);
    for (char *byte = recorder.title; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte > '~')
            *byte = '?';
}

static bool open_recording(void)
{
    recorder.is_finished = !take_path();
    if (recorder.is_finished) {
        complain("cannot be recorded to", ENAMETOOLONG);
        return false;
    }
    if (access(recorder.path, F_OK) == 0) {
        recorder.is_finished = true;
        complain("not recorded", EEXIST);
        return false;
    }
    take_title();
    recorder.requests_recorded = 0;
    recorder.is_unclean = false;
    recording_create(&recorder.recording, serves_requests());
    recorder.is_open = true;
    return true;
}

static PHP_RINIT_FUNCTION(sapitrace)
{
    if (!INI_BOOL("sapitrace.enable") || INI_STR("sapitrace.output")[0] == '\0' || recorder.is_finished)
        return SUCCESS;
    if (recorder.requests_seen++ < INI_INT("sapitrace.skip") || (!recorder.is_open && !open_recording()))
        return SUCCESS;
    recording_begin(&recorder.recording);
    install();
    return SUCCESS;
}

static enum trace_kind living_kind(const void *address, uint64_t bytes)
{
    return block_kind(address, bytes, false);
}

static PHP_RSHUTDOWN_FUNCTION(sapitrace)
{
    if (!recorder.is_installed)
        return SUCCESS;
    uninstall();
    recorder.is_unclean = recorder.is_unclean || CG(unclean_shutdown);
    recording_name_living(&recorder.recording, living_kind);
    recording_end(&recorder.recording);
    recorder.requests_recorded++;
    if (recorder.is_open && recorder.requests_recorded >= wanted_requests())
        write_trace();
    return SUCCESS;
}

/* A server that ends before it has served as many requests as were wanted writes those that it has. */
static PHP_MSHUTDOWN_FUNCTION(sapitrace)
{
    if (recorder.is_open && recorder.requests_recorded > 0)
        write_trace();
    UNREGISTER_INI_ENTRIES();
    return SUCCESS;
}

/* The recording lies in files that parent and child share: from here on the parent alone writes to it. */
static void leave_to_parent(void)
{
    if (!recorder.is_open)
        return;
    recorder.recording.failure = ECHILD;
    recorder.is_open = false;
    recorder.is_finished = true;
}

static PHP_MINIT_FUNCTION(sapitrace)
{
    REGISTER_INI_ENTRIES();
    return pthread_atfork(NULL, NULL, leave_to_parent) == 0 ? SUCCESS : FAILURE;
}

/* ---- What a program may call. ---- */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_sapitrace_iteration, 0, 0, IS_VOID, 0)
ZEND_END_ARG_INFO()

/* One turn of the program's main loop ends here. Under a server the request is the unit, and this does nothing. */
static PHP_FUNCTION(sapitrace_iteration)
{
    ZEND_PARSE_PARAMETERS_NONE();
    if (recorder.is_installed && !serves_requests())
        recording_iteration(&recorder.recording);
}

static const zend_function_entry functions[] = {PHP_FE(sapitrace_iteration, arginfo_sapitrace_iteration) PHP_FE_END};

zend_module_entry sapitrace_module_entry = {
    STANDARD_MODULE_HEADER,
    "sapitrace",
    functions,
    PHP_MINIT(sapitrace),
    PHP_MSHUTDOWN(sapitrace),
    PHP_RINIT(sapitrace),
    PHP_RSHUTDOWN(sapitrace),
    NULL,
    "1",
    STANDARD_MODULE_PROPERTIES,
};

ZEND_GET_MODULE(sapitrace)
