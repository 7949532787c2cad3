/*
 * Workload "cli-queue": a long-running job worker (story S1 of the study; calibrated to cli-laravel-queue).
 *
 * A job is one vm_iteration and works off a batch of orders one by one: take the order's message, decode it, query
 * and hydrate a family of models, whose children may point back to their parent, render it, let go of it; then log.
 */
#include "queue.h"

#include <assert.h>
#include <stdlib.h>

/* Parent models of a job at scale 1; with 5 children each a job allocates about 7,300 blocks, 1 MB. */
#define ORDERS_AT_SCALE_ONE 22.0
/* One job in so many orders holds a transaction, whose destructor commits. */
enum { ORDERS_PER_TRANSACTION = 8 };

enum queue_option {
    OPTION_SCALE,
    OPTION_RELATIONS,
    OPTION_CYCLIC,
    OPTION_CACHE,
    OPTION_LOG,
    OPTION_SERVICES,
    OPTION_LINKED,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_SCALE] = {"scale", SM_OPTION_REAL, "", "1", 0.05, 1000, NULL, "size of a job: 1 is 7,300 blocks, 1 MB"},
    [OPTION_RELATIONS] = {"relations", SM_OPTION_COUNT, "models", "5", 1, 1e6, NULL, "children of each parent model"},
    [OPTION_CYCLIC] = {"cyclic", SM_OPTION_REAL, "", "0.63", 0, 1, NULL,
                       "share of parent models whose children point back, in cycles"},
    [OPTION_CACHE] = {"cache", SM_OPTION_COUNT, "entries", "6000", 16, 1e8, NULL,
                      "bound of the cache that lives on, about 0.9 KB each"},
    [OPTION_LOG] = {"log", SM_OPTION_COUNT, "lines", "1000", 1, 1e8, NULL, "bound of the log ring that lives on"},
    [OPTION_SERVICES] = {"services", SM_OPTION_COUNT, "objects", "300", 1, 1e7, NULL,
                         "services in the container that lives on"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                       "models refer to the container, and so to all that lives on"},
};

/* Locals of a job's and of an order's frame. */
enum { JOB, JOB_LOCALS };
enum { MESSAGE, DOCUMENT, FAMILY, TRANSACTION, ORDER_LOCALS };

extern const struct wl_ops wl_cli_queue;

static struct queue_options read_options(const struct sm_option_values *values)
{
    double orders = values->value[OPTION_SCALE].real * ORDERS_AT_SCALE_ONE + 0.5;
    return (struct queue_options){
        .order_count = orders < 2 ? 2 : (uint64_t)orders,
        .relation_count = values->value[OPTION_RELATIONS].count,
        .cyclic = values->value[OPTION_CYCLIC].real,
        .cache_entries = values->value[OPTION_CACHE].count,
        .log_lines = values->value[OPTION_LOG].count,
        .service_count = values->value[OPTION_SERVICES].count,
        .linked = values->value[OPTION_LINKED].count != 0,
    };
}

static struct queue *queue_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_cli_queue);
    return (struct queue *)instance;
}

/* ---- An order ---- */

/* The text goes once it is decoded. */
static bool receive(struct queue *queue, uint64_t index)
{
    struct vm *vm = queue_vm(queue);
    struct message_shape shape = {1 + queue->job * queue->options.order_count + index,
                                  (uint32_t)queue->options.relation_count};
    message_write(&queue->message, &queue->random, &shape);
    if (queue->message.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    struct vm_string *text = vm_string_new(vm, queue->message.bytes, queue->message.length);
    vm_local_set(vm, MESSAGE, vm_string_value(text));
    vm_local_set(vm, DOCUMENT, message_decode(vm, &queue->session.work, text));
    vm_local_set(vm, MESSAGE, vm_undef());
    return vm_tag_of(vm_local_get(vm, DOCUMENT)) == VM_ARRAY;
}

/* The share is spread evenly over all orders of all jobs, so that it holds in any stretch of the run. */
static bool order_is_cyclic(const struct queue *queue, uint64_t index)
{
    double order = (double)((queue->job - 1) * queue->options.order_count + index);
    double share = queue->options.cyclic;
    return (uint64_t)((order + 1) * share) > (uint64_t)(order * share);
}

static void open_transaction(struct queue *queue, uint64_t index)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *transaction = vm_object_new(vm, queue->classes[CLASS_TRANSACTION]);
    uint64_t token = queue->job * queue->options.order_count + index;
    vm_object_set(vm, transaction, TRANSACTION_TOKEN, vm_int((int64_t)token));
    vm_object_set(vm, transaction, TRANSACTION_MODEL, vm_value_copy(vm, vm_local_get(vm, FAMILY)));
    vm_local_set(vm, TRANSACTION, vm_object_value(transaction));
}

/* ---- Faults ---- */

/* Of the order's two dates: "created_at" refers to the object of "updated_at". */
static void flip_edge(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *attributes =
        vm_array_write(vm, vm_object_place(queue_local_object(queue, FAMILY), MODEL_ATTRIBUTES));
    struct sm_value updated = vm_array_get_key(attributes, queue->keys[KEY_UPDATED_AT]);
    vm_array_set_key(vm, attributes, queue->keys[KEY_CREATED_AT], vm_value_copy(vm, updated));
}

static void flip_byte(struct queue *queue)
{
    struct vm_string *output = vm_as_string(vm_object_get(queue_local_object(queue, JOB), JOB_OUTPUT));
    output->data[output->length / 2] ^= 1;
}

/* Of the models that die with this family. */
static void leak_some(struct queue *queue)
{
    struct sm_value parent = vm_local_get(queue_vm(queue), FAMILY);
    if (vm_session_leak_strikes(&queue->session))
        vm_session_leak(&queue->session, parent);
    struct vm_array_entry child;
    const struct vm_array *children = queue_children(queue, vm_as_object(parent));
    for (size_t position = 0; vm_array_next(children, &position, &child);)
        if (vm_session_leak_strikes(&queue->session))
            vm_session_leak(&queue->session, child.value);
}

static void inject_family_faults(struct queue *queue, uint64_t index)
{
    if (index == 0 && vm_session_fault_strikes(&queue->session, WL_FAULT_FLIP_EDGE))
        flip_edge(queue);
    if (queue->session.fault == WL_FAULT_LEAK)
        leak_some(queue);
}

/* ---- A job ---- */

/* Everything of the order dies with its frame but what is in the job's output, and in cycles. */
static void work_off_order(struct queue *queue, uint64_t index, struct vm_object *job)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, ORDER_LOCALS);
    if (receive(queue, index)) {
        vm_session_fold_value(&queue->session, vm_local_get(vm, DOCUMENT), 8);
        struct sm_value document = vm_local_take(vm, DOCUMENT);
        struct vm_object *parent = queue_hydrate_order(queue, document, order_is_cyclic(queue, index));
        vm_local_set(vm, FAMILY, vm_object_value(parent));
        if (index % ORDERS_PER_TRANSACTION == 0)
            open_transaction(queue, index);
        inject_family_faults(queue, index);
        queue_render_family(queue, parent, vm_object_place(job, JOB_OUTPUT));
        queue_fold_family(queue, parent);
    } else {
        queue->failed_check = true;
    }
    vm_frame_leave(vm);
}

static struct vm_object *make_job(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *job = vm_object_new(vm, queue->classes[CLASS_JOB]);
    vm_local_set(vm, JOB, vm_object_value(job));
    vm_object_set(vm, job, JOB_OUTPUT, vm_string_value(vm_string_with_capacity(vm, 256)));
    vm_object_set(vm, job, JOB_ATTEMPTS, vm_int(1));
    if (queue->options.linked)
        vm_object_set(vm, job, JOB_CONTAINER, vm_value_copy(vm, vm_object_value(queue->container)));
    return job;
}

static void write_log(struct queue *queue, uint64_t output_bytes)
{
    uint64_t model_count = queue->options.order_count * (queue->options.relation_count + 1);
    for (uint64_t i = 0; i < 4; i++)
        queue_log(queue, model_count + i, output_bytes);
}

static void read_back(struct queue *queue, struct sm_value output)
{
    vm_session_fold_value(&queue->session, output, 1);
    queue_world_fold(queue, false);
    vm_session_fold(&queue->session, queue->session.work.accumulator);
}

static void run_job(struct vm *vm, void *context)
{
    struct queue *queue = (struct queue *)context;
    vm_frame_enter(vm, JOB_LOCALS);
    struct vm_object *job = make_job(queue);
    for (uint64_t i = 0; i < queue->options.order_count && !queue->failed_check; i++) {
        work_off_order(queue, i, job);
        vm_safepoint(vm);
    }
    if (vm_session_fault_strikes(&queue->session, WL_FAULT_FLIP_BYTE))
        flip_byte(queue);
    struct sm_value output = vm_object_get(job, JOB_OUTPUT);
    write_log(queue, vm_as_string(output)->length);
    read_back(queue, output);
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

static void boot(struct vm *vm, void *context)
{
    struct queue *queue = (struct queue *)context;
    if (sm_manager_sapi(vm_manager(vm)) == SM_SAPI_FPM)
        vm_request_begin(vm);
    queue_world_boot(queue);
}

static void destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    struct queue *queue = queue_of(instance);
    vm_session_close(&queue->session);
    text_buffer_free(&queue->message);
    free(queue);
}

static sm_status boot_failed(struct queue *queue, sm_status status, struct sm_error *error)
{
    (void)vm_session_step_result(&queue->session, status);
    if (error != NULL)
        *error = queue->session.instance.error;
    destroy(&queue->session.instance);
    return status;
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    struct queue *queue = (struct queue *)calloc(1, sizeof(*queue));
    if (queue == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    queue->options = read_options(config->options);
    sm_status status = vm_session_open(&queue->session, &wl_cli_queue, config, error);
    if (status != SM_OK) {
        free(queue);
        return status;
    }
    status = vm_iteration(queue->session.vm, SM_HERE, boot, queue);
    if (status != SM_OK)
        return boot_failed(queue, status, error);
    *instance = &queue->session.instance;
    return SM_OK;
}

static enum wl_step step(struct wl_instance *instance)
{
    struct queue *queue = queue_of(instance);
    queue->job = instance->steps_done + 1;
    queue->random = vm_session_random(&queue->session, queue->job);
    sm_status status = vm_iteration(queue->session.vm, SM_HERE, run_job, queue);
    if (queue->failed_check) {
        instance->error.status = SM_ERR_INVALID_ARGUMENT;
        strcpy(instance->error.detail, "cli-queue: a message could not be decoded");
        return WL_STEP_INVALID;
    }
    if (status == SM_OK)
        instance->steps_done++;
    return vm_session_step_result(&queue->session, status);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct queue *queue = queue_of(instance);
    queue_world_fold(queue, true);
    vm_session_fold(&queue->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct queue_options options = read_options(values);
    return queue_world_block_bytes(&options);
}

const struct wl_ops wl_cli_queue = {
    .name = "cli-queue",
    .summary = "job worker: decode, hydrate a graph with cycles, render, log, bounded cache",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(4) << 30,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
