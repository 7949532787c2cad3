#include "minheap.h"

#include "minheap_json.h"
#include "process_memory.h"
#include "quantities.h"
#include "run_options.h"
#include "sapimem/manager.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t start_bytes = 16u << 20;
static const uint64_t page_bytes = 4096;
static const uint64_t least_precision_bytes = 64u << 10;
static const uint64_t relative_precision = 100; /* one in so many */

static const uint64_t least_patience_ns = UINT64_C(10000000000);
enum { PATIENCE_FACTOR = 10 };

/* ---- The search ---- */

struct search {
    hx_minheap_try *attempt;
    void *context;
    struct hx_minheap *minheap;
    uint64_t low_bytes;  /* does not fit, or is below what may be asked for */
    uint64_t high_bytes; /* fits; 0: not known */
    struct sm_error *error;
};

static sm_status try_limit(struct search *search, uint64_t limit_bytes)
{
    struct hx_minheap *minheap = search->minheap;
    if (minheap->probe_count == HX_PROBES_MAX) {
        snprintf(search->error->detail, sizeof(search->error->detail), "minheap: no end after %d probes",
                 HX_PROBES_MAX);
        return search->error->status = SM_ERR_SYSTEM;
    }
    struct hx_minheap_probe *probe = &minheap->probes[minheap->probe_count++];
    *probe = (struct hx_minheap_probe){.limit_bytes = limit_bytes};
    sm_status status = search->attempt(search->context, probe, search->error);
    if (status != SM_OK)
        return status;
    if (probe->fits)
        search->high_bytes = limit_bytes;
    else
        search->low_bytes = limit_bytes;
    return SM_OK;
}

static sm_status refuse_ceiling(const struct search *search, uint64_t ceiling_bytes)
{
    char ceiling[HX_QUANTITY_BYTES];
    const struct hx_minheap_probe *last = &search->minheap->probes[search->minheap->probe_count - 1];
    snprintf(search->error->detail, sizeof(search->error->detail),
             "minheap: the run does not complete with %s either, what this machine has (status %s)",
             hx_format_bytes(ceiling_bytes, ceiling), last->status);
    return search->error->status = SM_ERR_OUT_OF_MEMORY;
}

/* Until one fits, and one does not or is the least there is. */
static sm_status find_bounds(struct search *search, uint64_t ceiling_bytes)
{
    const uint64_t least_bytes = SM_MEMORY_LIMIT_MINIMUM_BYTES;
    sm_status status = try_limit(search, start_bytes);
    while (status == SM_OK && search->high_bytes == 0) {
        if (search->low_bytes >= ceiling_bytes)
            return refuse_ceiling(search, ceiling_bytes);
        uint64_t next_bytes = 2 * search->low_bytes;
        status = try_limit(search, next_bytes < ceiling_bytes ? next_bytes : ceiling_bytes);
    }
    /* What ran out of a patience that was a guess may fit. */
    const struct hx_minheap *minheap = search->minheap;
    if (status == SM_OK && minheap->probe_count > 1 &&
        strcmp(minheap->probes[minheap->probe_count - 2].status, "timeout") == 0)
        search->low_bytes = 0;
    while (status == SM_OK && search->low_bytes < least_bytes && search->high_bytes > least_bytes) {
        uint64_t next_bytes = search->high_bytes / 2;
        status = try_limit(search, next_bytes > least_bytes ? next_bytes : least_bytes);
    }
    return status;
}

static uint64_t precision_at(uint64_t bytes)
{
    uint64_t share_bytes = bytes / relative_precision;
    return share_bytes > least_precision_bytes ? share_bytes : least_precision_bytes;
}

sm_status hx_minheap_search(hx_minheap_try *attempt, void *context, uint64_t ceiling_bytes, struct hx_minheap *minheap,
                            struct sm_error *error)
{
    struct search search = {.attempt = attempt, .context = context, .minheap = minheap, .error = error};
    *minheap = (struct hx_minheap){0};
    sm_status status = find_bounds(&search, ceiling_bytes);
    while (status == SM_OK && search.low_bytes != 0 &&
           search.high_bytes - search.low_bytes > precision_at(search.high_bytes)) {
        uint64_t middle_bytes = search.low_bytes + (search.high_bytes - search.low_bytes) / 2;
        status = try_limit(&search, middle_bytes / page_bytes * page_bytes);
    }
    minheap->bytes = search.high_bytes;
    minheap->precision_bytes = search.low_bytes != 0 ? search.high_bytes - search.low_bytes : 0;
    return status;
}

/* ---- Probes that are processes ---- */

struct probing {
    const struct hx_cell_watch *watch;
    enum hx_minheap_telling telling;
    size_t argument_count;
    char **arguments; /* two more than the caller's, for limit and timeout */
    bool has_timeout;
    bool has_completed;   /* one of them did */
    uint64_t patience_ns; /* a guess until then, which doubles each time it was not enough */
};

static sm_status fail(struct sm_error *error, sm_status status, uint64_t limit_bytes, const char *line)
{
    char limit[HX_QUANTITY_BYTES];
    snprintf(error->detail, sizeof(error->detail), "minheap: with a limit of %s: %.300s",
             hx_format_bytes(limit_bytes, limit), line);
    return error->status = status;
}

/* The first limit may be so close to the minheap that a run takes any time there. */
static void learn_patience(struct probing *probing, const struct hx_minheap_probe *probe)
{
    probing->has_completed = probe->fits;
    if (probe->fits)
        probing->patience_ns =
            PATIENCE_FACTOR * probe->wall_ns > least_patience_ns ? PATIENCE_FACTOR * probe->wall_ns : least_patience_ns;
    else if (strcmp(probe->status, "timeout") == 0)
        probing->patience_ns *= 2;
}

/* What the end of a process says of its limit. */
static sm_status judge(struct probing *probing, struct hx_cell_end *end, struct hx_minheap_probe *probe,
                       struct sm_error *error)
{
    char line[64];
    probe->wall_ns = end->wall_ns;
    if (end->is_interrupted)
        return fail(error, SM_ERR_SYSTEM, probe->limit_bytes, "interrupted");
    if (end->signal != 0) {
        snprintf(line, sizeof(line), "the run was killed by signal %d", end->signal);
        return fail(error, SM_ERR_SYSTEM, probe->limit_bytes, line);
    }
    if (end->exit_code == 2)
        return fail(error, SM_ERR_INVALID_ARGUMENT, probe->limit_bytes, end->last_line);
    if (!hx_minheap_read_status(end->document_fd, probe->status))
        return fail(error, SM_ERR_SYSTEM, probe->limit_bytes, "the run left no document");
    probe->fits = strcmp(probe->status, "ok") == 0;
    bool is_too_small = strcmp(probe->status, "oom") == 0 || strcmp(probe->status, "timeout") == 0;
    if (!probe->fits && !is_too_small)
        return fail(error, SM_ERR_SYSTEM, probe->limit_bytes, end->last_line);
    if (!probing->has_completed)
        learn_patience(probing, probe);
    return SM_OK;
}

/* On a terminal the search shows where it is, in one line. */
static void show(const struct hx_minheap_probe *probe, enum hx_minheap_telling telling)
{
    char limit[HX_QUANTITY_BYTES], wall[HX_QUANTITY_BYTES];
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    if (telling == HX_MINHEAP_TELL_NONE || (telling == HX_MINHEAP_TELL_TERMINAL && !is_terminal))
        return;
    fprintf(stderr, "%sminheap: %s: %s after %s%s", is_terminal ? "\r\033[K" : "",
            hx_format_bytes(probe->limit_bytes, limit), probe->status, hx_format_ns(probe->wall_ns, wall),
            is_terminal ? "" : "\n");
    fflush(stderr);
}

static void clear_shown(enum hx_minheap_telling telling)
{
    if (telling != HX_MINHEAP_TELL_NONE && isatty(STDERR_FILENO) != 0)
        fputs("\r\033[K", stderr);
}

static sm_status try_process(void *context, struct hx_minheap_probe *probe, struct sm_error *error)
{
    struct probing *probing = (struct probing *)context;
    struct hx_cell_end end;
    char limit[48], timeout[48];
    size_t count = probing->argument_count;
    snprintf(limit, sizeof(limit), "--memory-limit=%" PRIu64, probe->limit_bytes);
    probing->arguments[count++] = limit;
    if (!probing->has_timeout) {
        snprintf(timeout, sizeof(timeout), "--timeout=%.3f", (double)probing->patience_ns / 1e9);
        probing->arguments[count++] = timeout;
    }
    sm_status status = hx_cell_process_run(probing->watch, count, probing->arguments, &end, error);
    if (status == SM_OK)
        status = judge(probing, &end, probe, error);
    if (status == SM_OK)
        show(probe, probing->telling);
    hx_cell_end_finish(&end);
    return status;
}

/* "--NAME" or "--NAME=VALUE" of one of the options; HX_OPTION_COUNT when it is none. */
static enum hx_option_id option_of(const char *argument)
{
    size_t length = strncmp(argument, "--", 2) == 0 ? strcspn(argument + 2, "=") : 0;
    int id = 0;
    for (; id < HX_OPTION_COUNT; id++) {
        const char *name = hx_option((enum hx_option_id)id)->name;
        if (strlen(name) == length && memcmp(name, argument + 2, length) == 0)
            break;
    }
    return (enum hx_option_id)id;
}

sm_status hx_minheap_measure(const struct hx_cell_watch *watch, enum hx_minheap_telling telling, size_t argument_count,
                             char *const arguments[], struct hx_minheap *minheap, struct sm_error *error)
{
    char **all = (char **)calloc(argument_count + 2, sizeof(*all));
    if (all == NULL) {
        snprintf(error->detail, sizeof(error->detail), "out of memory");
        return error->status = SM_ERR_OUT_OF_MEMORY;
    }
    struct probing probing = {.watch = watch,
                              .telling = telling,
                              .argument_count = argument_count,
                              .arguments = all,
                              .patience_ns = least_patience_ns};
    for (size_t i = 0; i < argument_count; i++) {
        all[i] = arguments[i];
        probing.has_timeout = probing.has_timeout || option_of(arguments[i]) == HX_OPT_TIMEOUT;
    }
    sm_status status = hx_minheap_search(try_process, &probing, hx_process_memory_available(), minheap, error);
    clear_shown(telling);
    free(all);
    return status;
}

/* ---- The arguments of a workload's minheap ---- */

/* What says which work is done. All else is of a policy, of the measurement, or says where results go. */
static bool is_of_work(enum hx_option_id id)
{
    static const enum hx_option_id ids[] = {HX_OPT_SAPI,     HX_OPT_WORKLOAD,     HX_OPT_ALLOC,      HX_OPT_ITERATIONS,
                                            HX_OPT_REQUESTS, HX_OPT_SEED,         HX_OPT_WORKERS,    HX_OPT_COLD_EVERY,
                                            HX_OPT_SHARING,  HX_OPT_MAX_REQUESTS, HX_OPT_DESTRUCTORS};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* The value behind the = or in the next argument, which is then left out; a flag alone is on. */
static const char *take_value(enum hx_option_id id, size_t argument_count, char *const arguments[], size_t *position)
{
    const char *value = strchr(arguments[*position], '=');
    if (value != NULL)
        return value + 1;
    bool is_apart = id < HX_OPTION_COUNT && hx_option(id)->kind != HX_KIND_FLAG && *position + 1 < argument_count;
    return is_apart ? arguments[++*position] : "on";
}

bool hx_minheap_arguments(size_t argument_count, char *const arguments[], struct hx_cell *cell)
{
    const char *values[HX_OPTION_COUNT] = {NULL};
    for (size_t i = 0; i < argument_count; i++) {
        enum hx_option_id id = option_of(arguments[i]);
        const char *value = take_value(id, argument_count, arguments, &i);
        if (is_of_work(id))
            values[id] = value;
    }
    *cell = (struct hx_cell){0};
    /* Mutator work changes when, not what, is allocated. */
    bool is_added =
        hx_cell_add_argument(cell, "--policy=marksweep") && hx_cell_add_argument(cell, "--mutator-work=none");
    for (int id = 0; id < HX_OPTION_COUNT && is_added; id++)
        if (values[id] != NULL)
            is_added = hx_cell_add_argument(cell, "--%s=%s", hx_option((enum hx_option_id)id)->name, values[id]);
    hx_cell_set_id(cell);
    return is_added;
}
