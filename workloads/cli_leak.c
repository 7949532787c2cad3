/*
 * Workload "cli-leak": a worker that leaks a known number of bytes an iteration (a control; no counterpart).
 *
 * Each iteration decodes a message, as cli-queue does, and lets go of it. What leaks is a list of nodes, one an
 * iteration, whose payloads are exactly the bytes that the option says, so that a gate on growth can be held
 * against a truth. workloads/php/cli_leak.php does the same in PHP.
 */
#include "block_bytes.h"
#include "message.h"
#include "vm_session.h"

#include <assert.h>
#include <stdio.h>

enum { NODE_NEXT, NODE_TEXT, NODE_PROPERTIES };
/* Payloads of a node and of its text without a byte in it. */
enum { NODE_BYTES = VM_OBJECT_HEADER_BYTES + 16 * NODE_PROPERTIES, LEAK_BYTES_MIN = NODE_BYTES + 32 };

enum leak_option { OPTION_LEAK, OPTION_ORDERS, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_LEAK] = {"leak", SM_OPTION_SIZE, "bytes", "1K", 0, 1e9, NULL,
                     "payload that stays for ever, an iteration: 0, or 104 and more"},
    [OPTION_ORDERS] = {"orders", SM_OPTION_COUNT, "orders", "20", 1, 1e6, NULL,
                       "orders of a message, about 60 blocks each, all of which die"},
};

struct leak {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t leak_bytes, order_count;
    struct vm_class *node_class; /* borrowed: the class table holds it */
    struct text_buffer message;
};

extern const struct wl_ops wl_cli_leak;

static struct leak *leak_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_leak);
    return (struct leak *)session;
}

/* Locals of an iteration. */
enum { MESSAGE, DATA, NODE, LOCALS };

/* ---- An iteration ---- */

static void decode(struct leak *leak)
{
    struct vm_session *session = &leak->session;
    struct vm *vm = session->vm;
    struct wl_random random = vm_session_random(session, session->instance.steps_done + 1);
    struct message_batch_shape shape = {session->instance.steps_done + 1, (uint32_t)leak->order_count, 5};
    message_write_batch(&leak->message, &random, &shape);
    if (leak->message.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    struct vm_string *text = vm_string_new(vm, leak->message.bytes, leak->message.length);
    vm_local_set(vm, MESSAGE, vm_string_value(text));
    vm_local_set(vm, DATA, message_decode(vm, &session->work, text));
    assert(vm_tag_of(vm_local_get(vm, DATA)) == VM_ARRAY);
}

/* A node before the others, with a text that fills it up to what is to leak. */
static void grow_list(struct leak *leak)
{
    struct vm *vm = leak->session.vm;
    if (leak->leak_bytes == 0)
        return;
    size_t length = leak->leak_bytes - NODE_BYTES - VM_STRING_HEADER_BYTES - 1;
    struct vm_object *node = vm_object_new(vm, leak->node_class);
    vm_local_set(vm, NODE, vm_object_value(node));
    struct vm_string *text = vm_string_new(vm, NULL, length);
    vm_object_set(vm, node, NODE_TEXT, vm_string_value(text));
    memset(text->data, 'a' + (int)(leak->session.instance.steps_done % 26), length);
    vm_object_set(vm, node, NODE_NEXT, vm_value_copy(vm, vm_global_get(vm, "list")));
    vm_global_set(vm, "list", vm_local_take(vm, NODE));
    mutator_work_charge(&leak->session.work, 4);
}

/* ---- Faults, reading back ---- */

static struct vm_string *find_key(struct leak *leak, const char *text)
{
    return vm_intern(leak->session.vm, text, strlen(text));
}

static struct vm_array *orders_in(struct leak *leak)
{
    const struct vm_array *data = vm_as_array(vm_local_get(leak->session.vm, DATA));
    return vm_as_array(vm_array_get_key(data, find_key(leak, "orders")));
}

/* An order's name; an order that is replaced by its first item. */
static void inject_faults(struct leak *leak)
{
    struct vm *vm = leak->session.vm;
    struct vm_session *session = &leak->session;
    struct vm_array *order = vm_as_array(vm_array_get_index(orders_in(leak), 0));
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_BYTE))
        vm_as_string(vm_array_get_key(order, find_key(leak, "customer")))->data[0] ^= 1;
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE)) {
        struct sm_value items = vm_array_get_key(order, find_key(leak, "items"));
        vm_array_set_index(vm, orders_in(leak), 0, vm_value_copy(vm, vm_array_get_index(vm_as_array(items), 0)));
    }
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orders_in(leak), &position, &entry);)
        if (vm_session_leak_strikes(session))
            vm_session_leak(session, entry.value);
}

static void run_iteration(struct vm_session *session)
{
    struct leak *leak = leak_of(session);
    vm_frame_enter(session->vm, LOCALS);
    decode(leak);
    grow_list(leak);
    inject_faults(leak);
    vm_session_fold_value(session, vm_local_get(session->vm, DATA), 8);
    vm_session_fold_value(session, vm_global_get(session->vm, "list"), 1);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void boot(struct vm_session *session)
{
    static const char *const names[NODE_PROPERTIES] = {"next", "text"};
    static const char *const keys[] = {"orders", "items", "customer"};
    struct leak *leak = leak_of(session);
    leak->leak_bytes = session->options->value[OPTION_LEAK].count;
    leak->order_count = session->options->value[OPTION_ORDERS].count;
    leak->node_class = vm_class_define(session->vm, "LeakNode", names, NODE_PROPERTIES, NULL);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        (void)find_key(leak, keys[i]);
    vm_global_set(session->vm, "list", vm_null());
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    uint64_t bytes = config->options->value[OPTION_LEAK].count;
    if (bytes > 0 && bytes < LEAK_BYTES_MIN) {
        error->status = SM_ERR_INVALID_ARGUMENT;
        snprintf(error->detail, sizeof(error->detail), "cli-leak: leak=%llu: expected 0, or %d and more",
                 (unsigned long long)bytes, LEAK_BYTES_MIN);
        return SM_ERR_INVALID_ARGUMENT;
    }
    return vm_session_create(sizeof(struct leak), &wl_cli_leak, config, boot, instance, error);
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&leak_of(vm_session_of(instance))->message);
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_iteration);
}

/* The list from its newest node to its oldest. */
static enum wl_step finish(struct wl_instance *instance)
{
    struct vm_session *session = vm_session_of(instance);
    struct sm_value node = vm_global_get(session->vm, "list");
    for (; vm_tag_of(node) == VM_OBJECT; node = vm_object_get(vm_as_object(node), NODE_NEXT))
        vm_session_fold_value(session, vm_object_get(vm_as_object(node), NODE_TEXT), 1);
    vm_session_fold(session, instance->steps_done);
    return WL_STEP_DONE;
}

const struct wl_ops wl_cli_leak = {
    .name = "cli-leak",
    .summary = "control: a worker that leaks a known number of bytes an iteration; everything else dies",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 50000,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
};
