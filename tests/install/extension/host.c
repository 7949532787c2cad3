/**
 * The host of the example extension: a virtual machine reduced to its memory manager.
 *
 * usage: host EXTENSION.so
 *
 * Loads the extension and runs it as FPM and as CLI, first under the policy that the SAPI mode chooses, then under
 * others. It keeps its own account of every word and compares. Exits 0 when every check held, 1 when one
 * did not, 2 when the extension could not be loaded.
 */
#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/extension.h"
#include "sapimem/manager.h"
#include "sapimem/policy.h"
#include "sapimem/stats.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wordcount;

/** The extension's functions, looked up by name. */
struct extension {
    void *library;
    struct wordcount *(*startup)(struct sm_manager *mm);
    void (*shutdown)(struct wordcount *state);
    sm_status (*request_begin)(struct wordcount *state);
    void (*request_end)(struct wordcount *state);
    sm_status (*document_begin)(struct wordcount *state);
    sm_status (*document_feed)(struct wordcount *state, sm_handle piece);
    sm_status (*document_end)(struct wordcount *state);
    sm_status (*total)(struct wordcount *state, uint64_t *total);
    const void *(*find)(const struct wordcount *state, const char *text, uint64_t *count);
    sm_status (*report)(struct wordcount *state, void **bytes, size_t *byte_count);
    void (*forget)(struct wordcount *state);
};

struct scenario {
    enum sm_sapi sapi;
    const char *policy; /**< NULL: by SAPI */
    bool collect_every_safepoint;
};

enum {
    WORDS = 12,
    WORDS_PER_DOCUMENT = 40,
    DOCUMENT_BYTES = 512,
    FPM_REQUESTS = 3,
    FPM_DOCUMENTS = 5,
    CLI_ITERATIONS = 200
};

static const char *const vocabulary[WORDS] = {"manager", "policy", "object", "slot",  "root",      "guard",
                                              "epoch",   "retire", "grace",  "cycle", "safepoint", "pause"};

/** What the extension should have counted in this request: the host's own account. */
struct account {
    uint64_t total;
    uint64_t count[WORDS];
    size_t seen;         /**< distinct words */
    size_t order[WORDS]; /**< of the distinct words, by first appearance: the order of the report */
};

/** One scenario in progress. */
struct run {
    const struct extension *extension;
    struct sm_manager *mm;
    struct wordcount *state;
    struct account account;
    uint64_t documents;
    unsigned checks, failures;
};

static void check_at(struct run *run, bool holds, const char *what, int line)
{
    run->checks++;
    if (holds)
        return;
    run->failures++;
    fprintf(stderr, "host.c:%d: does not hold: %s (last error of the manager: %s %s)\n", line, what,
            sm_status_name(sm_error_status(run->mm)), sm_error_detail(run->mm));
}

#define CHECK(run, condition) check_at((run), (condition), #condition, __LINE__)

/* ---- Loading. ---- */

static bool look_up(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "host: the extension has no %s\n", name);
        return false;
    }
    memcpy(function, &symbol, sizeof(symbol));
    return true;
}

static bool load(const char *path, struct extension *extension)
{
    /* RTLD_NOW: every sm_* symbol that the extension uses must be found in this program, or loading fails. */
    void *library = extension->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "host: %s\n", dlerror());
        return false;
    }
    return look_up(library, "wordcount_startup", &extension->startup) &&
           look_up(library, "wordcount_shutdown", &extension->shutdown) &&
           look_up(library, "wordcount_request_begin", &extension->request_begin) &&
           look_up(library, "wordcount_request_end", &extension->request_end) &&
           look_up(library, "wordcount_document_begin", &extension->document_begin) &&
           look_up(library, "wordcount_document_feed", &extension->document_feed) &&
           look_up(library, "wordcount_document_end", &extension->document_end) &&
           look_up(library, "wordcount_total", &extension->total) &&
           look_up(library, "wordcount_find", &extension->find) &&
           look_up(library, "wordcount_report", &extension->report) &&
           look_up(library, "wordcount_forget", &extension->forget);
}

/* ---- Documents. ---- */

static void account_word(struct account *account, size_t word)
{
    if (account->count[word]++ == 0)
        account->order[account->seen++] = word;
    account->total++;
}

/** Write document `number` into `text`, in mixed case, and account for its words. Returns its length. */
static size_t write_document(uint64_t number, struct account *account, char text[DOCUMENT_BYTES])
{
    size_t length = 0;
    for (uint64_t i = 0; i < WORDS_PER_DOCUMENT; i++) {
        size_t word = (size_t)((number * 5 + i * i) % WORDS);
        account_word(account, word);
        text[length] = (char)toupper((unsigned char)vocabulary[word][0]);
        strcpy(text + length + 1, vocabulary[word] + 1);
        length += strlen(vocabulary[word]);
        text[length++] = i % 7 == 6 ? '\n' : ' ';
    }
    return length;
}

/** Give the extension one piece of a text through a handle; the handle ends here. */
static void feed(struct run *run, const char *text, size_t length)
{
    sm_scope scope = sm_scope_open(run->mm);
    void *bytes = sm_alloc_bytes(run->mm, length);
    CHECK(run, bytes != NULL && (uintptr_t)bytes % SM_ALIGNMENT == 0);
    if (bytes != NULL) {
        memcpy(bytes, text, length);
        CHECK(run, run->extension->document_feed(run->state, sm_bytes_handle(run->mm, bytes)) == SM_OK);
    }
    CHECK(run, sm_scope_close(run->mm, scope) == SM_OK);
}

static bool can_collect(const struct run *run)
{
    return (sm_policy_capabilities(run->mm) & SM_CAP_COLLECT) != 0;
}

static void collect(struct run *run)
{
    sm_status expected = can_collect(run) ? SM_OK : SM_ERR_UNSUPPORTED;
    CHECK(run, sm_collect(run->mm, SM_COLLECT_FULL) == expected);
}

/** One document in three pieces that cut through words, with safepoints, and cycles if asked for, between them. */
static void run_document(struct run *run, bool collect_between)
{
    char text[DOCUMENT_BYTES];
    size_t length = write_document(run->documents++, &run->account, text);
    CHECK(run, run->extension->document_begin(run->state) == SM_OK);
    const size_t cuts[] = {0, length / 3 + 1, length / 2 + 2, length};
    for (size_t i = 0; i < 3; i++) {
        feed(run, text + cuts[i], cuts[i + 1] - cuts[i]);
        if (collect_between)
            collect(run);
        sm_safepoint(run->mm);
    }
    CHECK(run, run->extension->document_end(run->state) == SM_OK);
    sm_safepoint(run->mm);
}

/* ---- Checks. ---- */

static void check_counts(struct run *run)
{
    uint64_t total = 0;
    CHECK(run, run->extension->total(run->state, &total) == SM_OK);
    CHECK(run, total == run->account.total);
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t count;
        const void *word = run->extension->find(run->state, vocabulary[i], &count);
        CHECK(run, count == run->account.count[i]);
        CHECK(run, (word != NULL) == (count > 0));
    }
}

static void check_report(struct run *run)
{
    char expected[WORDS * 64];
    size_t length = 0;
    for (size_t i = 0; i < run->account.seen; i++) {
        size_t word = run->account.order[i];
        length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s %llu\n", vocabulary[word],
                                   (unsigned long long)run->account.count[word]);
    }
    void *bytes = NULL;
    size_t byte_count = 0;
    CHECK(run, run->extension->report(run->state, &bytes, &byte_count) == SM_OK);
    CHECK(run, byte_count == length && memcmp(bytes, expected, length) == 0);
}

/** A scope that is closed leaves the extension's local handle stale, and the extension is told so. */
static void check_closed_document(struct run *run)
{
    sm_scope scope = sm_scope_open(run->mm);
    sm_handle piece = sm_bytes_handle(run->mm, sm_alloc_bytes(run->mm, 8));
    CHECK(run, !sm_handle_is_none(piece));
    CHECK(run, run->extension->document_feed(run->state, piece) == SM_ERR_STALE_HANDLE);
    CHECK(run, sm_scope_close(run->mm, scope) == SM_OK);
    CHECK(run, run->extension->document_feed(run->state, piece) == SM_ERR_STALE_HANDLE);
}

/** A handle from another manager is refused. Outside every guard: destroying a manager may wait for all of them. */
static void check_foreign_handle(struct run *run)
{
    struct sm_error error = {0};
    struct sm_manager *other = NULL;
    CHECK(run, sm_manager_create(&(struct sm_config){.sapi = sm_manager_sapi(run->mm)}, &other, &error) == SM_OK);
    if (other == NULL)
        return;
    sm_handle foreign = sm_bytes_handle(other, sm_alloc_bytes(other, 8));
    CHECK(run, !sm_handle_is_none(foreign));
    CHECK(run, run->extension->document_feed(run->state, foreign) == SM_ERR_FOREIGN_HANDLE);
    CHECK(run, sm_error_status(run->mm) == SM_ERR_FOREIGN_HANDLE && sm_error_detail(run->mm)[0] != '\0');
    printf("  handle of another manager: %s, \"%s\"\n", sm_status_name(sm_error_status(run->mm)),
           sm_error_detail(run->mm));
    sm_manager_destroy(other);
}

/** Exactly the words and the report are alive after a cycle: nothing is lost, and nothing is left. */
static void check_live(struct run *run)
{
    if (!can_collect(run))
        return;
    collect(run);
    struct sm_stats stats;
    sm_stats_get(run->mm, &stats);
    const size_t report_objects = 2; /* the buffer's head and its bytes */
    CHECK(run, stats.live_objects == run->account.seen + report_objects);
}

/** The extension's roots hold its words, and once it drops them nothing does. */
static void check_roots(struct run *run)
{
    uint64_t count;
    const void *word = run->extension->find(run->state, vocabulary[0], &count);
    CHECK(run, word != NULL);
    if (word == NULL)
        return;
    const struct sm_object *object = (const struct sm_object *)word - 1;
    if (can_collect(run))
        collect(run);
    CHECK(run, sm_is_valid(run->mm, object));
    run->extension->forget(run->state);
    if (can_collect(run)) {
        collect(run);
        CHECK(run, !sm_is_valid(run->mm, object));
    }
    run->account = (struct account){.total = run->account.total};
}

/* ---- Requests. ---- */

static void request_begin(struct run *run)
{
    run->account = (struct account){0};
    CHECK(run, sm_request_begin(run->mm) == SM_OK);
    CHECK(run, run->extension->request_begin(run->state) == SM_OK);
}

/** End the request; what the extension still holds of it is stale, and stays so in the next one. */
static void request_end(struct run *run)
{
    run->extension->request_end(run->state);
    CHECK(run, sm_request_end(run->mm) == SM_OK);
    uint64_t total = 77;
    CHECK(run, run->extension->total(run->state, &total) == SM_ERR_STALE_HANDLE && total == 77);
    CHECK(run, sm_error_status(run->mm) == SM_ERR_STALE_HANDLE && sm_error_detail(run->mm)[0] != '\0');
    if ((sm_policy_capabilities(run->mm) & SM_CAP_BULK_FREE) != 0 && sm_manager_sapi(run->mm) == SM_SAPI_FPM) {
        struct sm_stats stats;
        sm_stats_get(run->mm, &stats);
        CHECK(run, stats.live_objects == 0 && stats.live_bytes == 0);
    }
}

static void run_fpm(struct run *run)
{
    for (int request = 0; request < FPM_REQUESTS; request++) {
        request_begin(run);
        struct sm_guard *guard = sm_owner_guard(run->mm);
        sm_pin(guard, SM_HERE);
        for (int document = 0; document < FPM_DOCUMENTS; document++) {
            run_document(run, false);
            check_counts(run);
            check_report(run);
        }
        check_closed_document(run);
        sm_unpin(guard);
        request_end(run);
        printf("  request %d: %llu words counted; then: %s, \"%s\"\n", request + 1,
               (unsigned long long)run->account.total, sm_status_name(sm_error_status(run->mm)),
               sm_error_detail(run->mm));
    }
    request_begin(run);
    check_foreign_handle(run);
    request_end(run);
}

/** The iterations of the long-running program; each is a guard of its own. */
static void run_iterations(struct run *run)
{
    const void *first = NULL;
    struct sm_guard *guard = sm_owner_guard(run->mm);
    sm_pin(guard, SM_HERE);
    for (int iteration = 0; iteration < CLI_ITERATIONS; iteration++) {
        run_document(run, iteration % 10 == 3);
        check_live(run);
        check_counts(run);
        if (iteration % 10 == 9)
            check_report(run);
        uint64_t count;
        const void *word = run->extension->find(run->state, vocabulary[0], &count);
        first = first != NULL ? first : word;
        CHECK(run, word == first);
        sm_repin(guard, SM_HERE);
    }
    check_closed_document(run);
    sm_unpin(guard);
}

static void run_cli(struct run *run)
{
    request_begin(run);
    run_iterations(run);
    uint64_t words = run->account.total;
    check_foreign_handle(run);
    check_roots(run);
    struct sm_stats stats;
    sm_stats_get(run->mm, &stats);
    request_end(run);
    printf("  %d iterations: %llu words counted, %llu cycles, %llu objects retired, %llu live; then: %s, \"%s\"\n",
           CLI_ITERATIONS, (unsigned long long)words, (unsigned long long)stats.cycles,
           (unsigned long long)stats.retired_objects, (unsigned long long)stats.live_objects,
           sm_status_name(sm_error_status(run->mm)), sm_error_detail(run->mm));
    if (can_collect(run))
        CHECK(run, stats.cycles >= CLI_ITERATIONS && stats.retired_objects >= CLI_ITERATIONS);
}

/* ---- Scenarios. ---- */

static const char *sapi_name(enum sm_sapi sapi)
{
    return sapi == SM_SAPI_FPM ? "fpm" : "cli";
}

static bool run_scenario(const struct extension *extension, const struct scenario *scenario)
{
    struct run run = {.extension = extension};
    struct sm_error error = {0};
    const struct sm_config config = {.sapi = scenario->sapi,
                                     .policy = scenario->policy,
                                     .collect_every_safepoint = scenario->collect_every_safepoint};
    if (sm_manager_create(&config, &run.mm, &error) != SM_OK) {
        fprintf(stderr, "host: no manager: %s %s\n", sm_status_name(error.status), error.detail);
        return false;
    }
    printf("%s, policy %s (%s)%s\n", sapi_name(scenario->sapi), sm_policy_name(run.mm),
           scenario->policy == NULL ? "the default" : "asked for",
           scenario->collect_every_safepoint ? ", a cycle at every safepoint" : "");
    run.state = extension->startup(run.mm);
    CHECK(&run, run.state != NULL);
    if (run.state != NULL) {
        if (scenario->sapi == SM_SAPI_FPM)
            run_fpm(&run);
        else
            run_cli(&run);
        extension->shutdown(run.state);
    }
    sm_manager_destroy(run.mm);
    printf("  %u checks, %u failed\n", run.checks, run.failures);
    return run.failures == 0;
}

int main(int argument_count, char **arguments)
{
    static const struct scenario scenarios[] = {
        {SM_SAPI_FPM, NULL, false},    {SM_SAPI_CLI, NULL, false},   {SM_SAPI_CLI, NULL, true},
        {SM_SAPI_FPM, "epoch", false}, {SM_SAPI_CLI, "null", false}, {SM_SAPI_CLI, "arena", false},
    };
    struct extension extension = {0};
    if (argument_count != 2) {
        fprintf(stderr, "usage: host EXTENSION.so\n");
        return 2;
    }
    if (!load(arguments[1], &extension))
        return 2;
    bool passed = true;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        passed = run_scenario(&extension, &scenarios[i]) && passed;
    dlclose(extension.library);
    return passed ? 0 : 1;
}
