/**
 * Creation and destruction, requests, and the small questions about a manager.
 *
 * The manager's own files (manager, alloc_slow, cycle, finalizer, guard, stats, store, weak) are the only ones that
 * call through the policy's table.
 */
#include "manager_internal.h"
#include "policy_check.h"

#include <sched.h>
#include <string.h>

static sm_status check_limit(const struct sm_config *config, struct sm_error *error)
{
    if (config->memory_limit_bytes == 0 || config->memory_limit_bytes >= SM_MEMORY_LIMIT_MINIMUM_BYTES)
        return SM_OK;
    return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "memory limit %llu: expected at least %llu bytes",
                        (unsigned long long)config->memory_limit_bytes,
                        (unsigned long long)SM_MEMORY_LIMIT_MINIMUM_BYTES);
}

static sm_status parse_pacing(const struct sm_config *config, bool counts, struct sm_pacing *pacing,
                              struct sm_error *error)
{
    sm_status status = sm_pacing_parse(config->pacing, pacing, error);
    if (status != SM_OK)
        return status;
    if (sm_pacing_counts_roots(pacing) && !counts)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT,
                            "pacing '%s': only policies that count references are paced by possible roots",
                            config->pacing);
    if (sm_pacing_needs_limit(pacing) && config->memory_limit_bytes == 0)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT,
                            "pacing '%s': expected a memory limit beside it, whose room it uses", config->pacing);
    return SM_OK;
}

static sm_status choose_pacing(const struct sm_config *config, bool counts, struct sm_pacing *pacing,
                               struct sm_error *error)
{
    if (config->pacing == NULL && counts)
        return sm_pacing_parse("zend", pacing, error);
    if (config->pacing == NULL)
        return sm_pacing_fixed(config->threshold_bytes == 0 ? SM_THRESHOLD_DEFAULT_BYTES : config->threshold_bytes,
                               pacing, error);
    if (config->threshold_bytes != 0)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT,
                            "threshold and pacing '%s' are both given: they are one setting", config->pacing);
    return parse_pacing(config, counts, pacing, error);
}

/* A marker beside the program needs a CPU beside the program's. */
uint32_t sm_collector_threads_auto(void)
{
    cpu_set_t usable;
    bool is_known = sched_getaffinity(0, sizeof(usable), &usable) == 0;
    return is_known && CPU_COUNT(&usable) >= 2;
}

static sm_status choose_collector_threads(const struct sm_config *config, uint32_t *count, struct sm_error *error)
{
    switch (config->collector_threads) {
    case SM_COLLECTOR_THREADS_AUTO:
        *count = sm_collector_threads_auto();
        return SM_OK;
    case SM_COLLECTOR_THREADS_NONE:
        *count = 0;
        return SM_OK;
    case SM_COLLECTOR_THREADS_ONE:
        *count = 1;
        return SM_OK;
    }
    return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "collector threads %d: expected one of SM_COLLECTOR_THREADS_*",
                        (int)config->collector_threads);
}

/* Everything that can be refused from the configuration alone; nothing has been made yet. */
static sm_status read_config(struct sm_manager *mm, const struct sm_config *config, struct sm_error *error)
{
    if (config->sapi != SM_SAPI_CLI && config->sapi != SM_SAPI_FPM)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "sapi %d: expected SM_SAPI_CLI or SM_SAPI_FPM",
                            (int)config->sapi);
    sm_status status = check_limit(config, error);
    if (status == SM_OK)
        status = choose_collector_threads(config, &mm->cycles.collector_threads, error);
    if (status == SM_OK)
        status = sm_policy_select(config, &mm->ops, &mm->policy_options, error);
    if (status == SM_OK)
        status = choose_pacing(config, sm_has(mm, SM_CAP_COUNTS), &mm->cycles.pacing, error);
    return status;
}

static struct sm_manager *manager_memory(void)
{
    struct sm_manager *mm = aligned_alloc(_Alignof(struct sm_manager), sizeof(*mm));
    if (mm != NULL)
        memset(mm, 0, sizeof(*mm));
    return mm;
}

/* Modules that cannot fail, in the order their fields stand. */
static void init_modules(struct sm_manager *mm, const struct sm_config *config)
{
    mm->sapi = config->sapi;
    mm->hooks = config->hooks;
    mm->owner_thread = pthread_self();
    mm->hot.event_clock_bytes = UINT64_MAX;
    mm->hot.counted_tags = sm_has(mm, SM_CAP_COUNTS) ? SM_TAG_HEAP : config->sharing_counts ? SM_TAG_COUNTED : 0;
    mm->hot.never_candidate = sm_has(mm, SM_CAP_COUNTS) ? 0 : SM_OBJECT_ACYCLIC;
    mm->finalizers.is_indexed = mm->hot.counted_tags != 0;
    mm->hot.barrier = SM_ASSERT_LEVEL >= 2 ? SM_BARRIER_CHECK : 0;
    sm_reserve_init(&mm->reserve, config);
    sm_fork_page_init(&mm->fork_page);
    sm_pauses_init(&mm->pauses);
    sm_handles_init(&mm->handles, mm);
}

static void finish_modules(struct sm_manager *mm)
{
    sm_births_finish(&mm->births);
    sm_autorelease_finish(&mm->autorelease);
    sm_handles_finish(&mm->handles);
    sm_finalizers_finish(&mm->finalizers);
    sm_roots_finish(&mm->roots);
    sm_types_finish(&mm->types);
    sm_pauses_finish(&mm->pauses);
    sm_fork_page_finish(&mm->fork_page);
}

/* The library's own types and root providers. */
static sm_status register_builtins(struct sm_manager *mm)
{
    const struct sm_root_provider handles = {"handles", sm_handles_enumerate, &mm->handles};
    const struct sm_root_provider finalizers = {"finalizers", sm_finalizers_enumerate, mm};
    sm_status status = sm_types_init(mm);
    if (status == SM_OK)
        status = sm_roots_register(mm, &handles);
    if (status == SM_OK)
        status = sm_roots_register(mm, &finalizers);
    return status;
}

/* Which side of a record of deaths this run is on; a schedule means something only to a policy that keeps slots. */
static sm_status attach_deaths(struct sm_manager *mm, const struct sm_config *config)
{
    if (config->death_schedule != NULL && mm->births.is_kept) {
        mm->births.schedule = config->death_schedule;
        mm->hot.script |= SM_SCRIPT_SHARING | SM_SCRIPT_REPLAY;
    }
    return config->death_recorder != NULL ? sm_recorder_attach(mm, config->death_recorder) : SM_OK;
}

static sm_status start_policy(struct sm_manager *mm, const struct sm_config *config)
{
    sm_status status = mm->ops->create(mm, &mm->policy_options, &mm->policy);
    if (status != SM_OK)
        return status;
    SM_ASSERT(mm->policy != NULL && mm->policy->mm == mm);
    SM_ASSERT(mm->policy->ops->create == mm->ops->create);
    SM_ASSERT(((mm->policy->ops->capabilities ^ mm->ops->capabilities) & SM_CAP_COUNTS) == 0);
    mm->ops = mm->policy->ops;
    status = attach_deaths(mm, config);
    if (status == SM_OK)
        status = sm_guards_attach_owner(mm);
    if (status != SM_OK)
        mm->ops->destroy(mm->policy);
    return status;
}

/* A policy may fail without saying why; the caller gets a line all the same. */
static void report_failure(const struct sm_manager *mm, sm_status status, struct sm_error *error)
{
    bool explained = mm->error.status == status && mm->error.detail[0] != '\0';
    if (explained && error != NULL)
        *error = mm->error;
    else
        sm_error_set(error, status, "policy %s could not be created (%s)", mm->ops->name, sm_status_name(status));
}

static sm_status build(struct sm_manager *mm, const struct sm_config *config, struct sm_error *error)
{
    init_modules(mm, config);
    sm_status status = sm_guards_init(mm);
    if (status != SM_OK)
        goto fail_guards;
    status = register_builtins(mm);
    if (status == SM_OK)
        status = start_policy(mm, config);
    if (status != SM_OK)
        goto fail_policy;
    sm_cycles_start(mm, config);
    return SM_OK;

fail_policy:
    sm_guards_finish(mm);
fail_guards:
    report_failure(mm, status, error);
    finish_modules(mm);
    return status;
}

sm_status sm_manager_create(const struct sm_config *config, struct sm_manager **mm, struct sm_error *error)
{
    SM_ASSERT(config != NULL && mm != NULL);
    struct sm_manager *made = manager_memory();
    if (made == NULL)
        return sm_error_set(error, SM_ERR_OUT_OF_MEMORY, "no memory for a manager");
    sm_status status = read_config(made, config, error);
    if (status == SM_OK)
        status = build(made, config, error);
    if (status != SM_OK) {
        free(made);
        return status;
    }
    *mm = made;
    return sm_error_set(error, SM_OK, "%s", "");
}

void sm_manager_destroy(struct sm_manager *mm)
{
    /* A child shares the pages of its parent's heap but none of its threads: leave all as it is (R14). */
    if (mm == NULL || sm_fork_page_is_child(&mm->fork_page))
        return;
    SM_ASSERT(sm_on_owner_thread(mm));
    SM_ASSERT(mm->finalizers.running == NULL && !mm->cycles.running);
    sm_guard_restore(&mm->guards.owner, 0);
    sm_finalizers_run_all(mm);
    sm_guard_restore(&mm->guards.owner, 0);
    sm_handles_invalidate(&mm->handles);
    sm_autorelease_drain(mm);
    sm_guards_detach_owner(mm);
    /* No quiesce before: it waits for as long as some other manager's guard lasts (R3); destroy drains within bounds. */
    mm->ops->destroy(mm->policy);
    SM_ASSERT(sm_committed_bytes(mm) == 0);
    sm_guards_finish(mm);
    finish_modules(mm);
    free(mm);
}

const char *sm_policy_name(const struct sm_manager *mm)
{
    return mm->ops->name;
}

uint32_t sm_policy_capabilities(const struct sm_manager *mm)
{
    return mm->ops->capabilities;
}

enum sm_sapi sm_manager_sapi(const struct sm_manager *mm)
{
    return mm->sapi;
}

sm_status sm_request_begin(struct sm_manager *mm)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (mm->request_open)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a request is open already: end it first");
    mm->request_open = true;
    mm->request_live_bytes = sm_live_bytes(mm);
    mm->request_live_objects = sm_live_objects(mm);
    if (mm->recorder != NULL)
        sm_record_request_begin(mm);
    const uint8_t *path = mm->recorder == NULL ? NULL : sm_recorder_open_path(mm);
    mm->ops->request_begin(mm->policy);
    if (mm->recorder != NULL)
        sm_recorder_close_path(mm, path);
    return SM_OK;
}

void sm_count_boot_dead(struct sm_manager *mm, const struct sm_object *object)
{
    SM_ASSERT(mm->request_open && mm->request_live_objects > 0);
    mm->request_live_bytes -= object->payload_bytes;
    mm->request_live_objects--;
}

/* Under a bulk free every object of the request dies at once, without being looked at. */
static void count_bulk_free(struct sm_manager *mm)
{
    uint64_t bytes = sm_live_bytes(mm) - mm->request_live_bytes;
    uint64_t objects = sm_live_objects(mm) - mm->request_live_objects;
    sm_count_dead(mm, objects, bytes);
}

static void record_request_end(struct sm_manager *mm, bool bulk_free)
{
    if (mm->recorder == NULL)
        return;
    if (bulk_free)
        sm_record_bulk_free(mm);
    sm_record_mark(mm);
}

sm_status sm_request_end(struct sm_manager *mm)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    if (!mm->request_open)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "no request is open");
    if (mm->finalizers.running != NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "a destructor cannot end the request");
    bool bulk_free = sm_has(mm, SM_CAP_BULK_FREE);
    if (bulk_free)
        sm_finalizers_run_all(mm);
    else
        sm_finalizers_run_ready(mm);
    sm_handles_invalidate(&mm->handles);
    sm_autorelease_drain(mm);
    sm_sample_live(mm);
    record_request_end(mm, bulk_free);
    const uint8_t *path = mm->recorder == NULL ? NULL : sm_recorder_open_path(mm);
    sm_pause_begin(mm, SM_PAUSE_REQUEST_END);
    mm->ops->request_end(mm->policy);
    sm_pause_end(mm);
    if (mm->recorder != NULL)
        sm_recorder_close_path(mm, path);
    if (bulk_free)
        count_bulk_free(mm);
    /* What the request left allocated does not bring the next cycle forward. */
    if (bulk_free && sm_has(mm, SM_CAP_COLLECT))
        sm_cycle_set_deadlines(mm, 0);
    mm->request_open = false;
    mm->counters.request_count++;
    return SM_OK;
}

void sm_walk(struct sm_manager *mm, void (*visit)(void *context, struct sm_object *object), void *context)
{
    mm->ops->walk(mm->policy, visit, context);
}

bool sm_is_valid(struct sm_manager *mm, const struct sm_object *object)
{
    return mm->ops->is_valid(mm->policy, object);
}
