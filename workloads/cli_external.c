/*
 * Workload "cli-external": tiny cycles that hold much outside the heap (story S10 of the study).
 *
 * A job of a worker leaves a ring of a few objects, which dies at once but refers to itself; one of them owns a buffer of
 * malloc's, given back by its destructor. Whoever counts objects, or bytes in the heap, sees a few hundred bytes die.
 */
#include "block_bytes.h"
#include "text.h"
#include "vm_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum external_option { OPTION_BYTES, OPTION_SEEN, OPTION_RING, OPTION_RECORDS, OPTION_RESIDENT, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_BYTES] = {"bytes", SM_OPTION_SIZE, "bytes", "64K", 64, 1 << 30, NULL,
                      "outside the heap, held by each ring"},
    [OPTION_SEEN] = {"seen", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                     "the manager is told of them, and they bring cycles forward"},
    [OPTION_RING] = {"ring", SM_OPTION_COUNT, "objects", "5", 2, 1e6, NULL, "objects of a ring"},
    [OPTION_RECORDS] = {"records", SM_OPTION_COUNT, "records", "250", 1, 1e7, NULL,
                        "arrays that a job makes and drops one by one, 6 blocks each"},
    [OPTION_RESIDENT] = {"resident", SM_OPTION_COUNT, "objects", "5000", 1, 1e8, NULL, "objects that live on"},
};

/* The destructor reads the first. */
enum {
    OWNER_NUMBER,
    OWNER_BUFFER,
    OWNER_PROPERTIES = 16
}; /* as large as a class of PHP with the handle it has of FFI */
enum { LINK_NEXT, LINK_HELD, LINK_PROPERTIES };
enum { RING, LINK, RECORD, LOCALS };

struct external {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t buffer_bytes, ring_count, record_count, resident_count;
    bool is_seen;
    struct vm_class *owner_class, *link_class;
    uint64_t owner_number;
    uint64_t buffer_count; /**< not given back */
};

/* At the start of each buffer: whose it is. */
struct buffer_head {
    uint64_t owner_number;
};

extern const struct wl_ops wl_cli_external;

static struct external *external_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_external);
    return (struct external *)session;
}

/* ---- Buffers ---- */

static void tell(struct external *external, int64_t change_bytes)
{
    if (external->is_seen)
        sm_external_change(external->session.instance.mm, change_bytes);
}

static unsigned char *buffer_new(struct external *external, uint64_t owner_number)
{
    unsigned char *buffer = malloc(external->buffer_bytes);
    if (buffer == NULL)
        vm_bailout(external->session.vm, SM_ERR_OUT_OF_MEMORY);
    memset(buffer, (int)(owner_number & 0xFF), external->buffer_bytes);
    memcpy(buffer, &(struct buffer_head){owner_number}, sizeof(struct buffer_head));
    external->buffer_count++;
    tell(external, (int64_t)external->buffer_bytes);
    return buffer;
}

static unsigned char *buffer_of(const struct vm_object *owner)
{
    return (unsigned char *)(uintptr_t)vm_as_int(vm_object_get(owner, OWNER_BUFFER));
}

static void give_back(struct vm *vm, struct vm_object *owner)
{
    struct external *external = external_of((struct vm_session *)vm_context(vm));
    unsigned char *buffer = buffer_of(owner);
    vm_session_destructor(vm, owner);
    if (buffer == NULL)
        return; /* there was no memory for it */
    free(buffer);
    external->buffer_count--;
    tell(external, -(int64_t)external->buffer_bytes);
}

/* ---- A job ---- */

static void make_record(struct external *external, uint64_t index)
{
    struct vm *vm = external->session.vm;
    struct vm_array *record = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, RECORD, vm_array_value(record));
    vm_array_append(vm, record, vm_string_value(text_number(vm, (int64_t)index)));
    struct vm_array *pair = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, record, vm_array_value(pair));
    vm_array_append(vm, pair, vm_string_value(text_number(vm, (int64_t)(index + external->owner_number))));
    vm_session_fold_value(&external->session, vm_local_get(vm, RECORD), 2);
    mutator_work_charge(&external->session.work, 6);
    vm_safepoint(vm);
}

static struct vm_object *make_owner(struct external *external)
{
    struct vm *vm = external->session.vm;
    struct vm_object *owner = vm_object_new(vm, external->owner_class);
    vm_local_set(vm, LINK, vm_object_value(owner));
    vm_object_set(vm, owner, OWNER_NUMBER, vm_int((int64_t)++external->owner_number));
    vm_object_set(vm, owner, OWNER_BUFFER, vm_int(0));
    unsigned char *buffer = buffer_new(external, external->owner_number);
    vm_object_set(vm, owner, OWNER_BUFFER, vm_int((int64_t)(uintptr_t)buffer));
    return owner;
}

/*
 * Each link refers to the one made before it, the first to the owner; local RING has the first, LINK the last. Variables let
 * go of links that live on in the ring, so that each is a possible root of a cycle, as in PHP.
 */
static void make_links(struct external *external)
{
    struct vm *vm = external->session.vm;
    for (uint64_t i = 1; i < external->ring_count; i++) {
        struct vm_object *link = vm_object_new(vm, external->link_class);
        vm_object_set(vm, link, i == 1 ? LINK_HELD : LINK_NEXT, vm_value_copy(vm, vm_local_get(vm, LINK)));
        vm_local_set(vm, LINK, vm_object_value(link));
        if (i == 1)
            vm_local_set(vm, RING, vm_value_copy(vm, vm_local_get(vm, LINK)));
        mutator_work_charge(&external->session.work, 2);
    }
}

static void close_ring(struct external *external)
{
    struct vm *vm = external->session.vm;
    vm_object_set(vm, vm_as_object(vm_local_get(vm, RING)), LINK_NEXT, vm_value_copy(vm, vm_local_get(vm, LINK)));
}

/* ---- Reading back, faults ---- */

static const struct vm_object *first_link(const struct external *external)
{
    return vm_as_object(vm_local_get(external->session.vm, RING));
}

static void fold_ring(struct external *external)
{
    const struct vm_object *first = first_link(external), *link = first;
    uint64_t count = 0;
    do {
        link = vm_as_object(vm_object_get(link, LINK_NEXT));
        count++;
    } while (link != first && count <= external->ring_count);
    vm_session_fold(&external->session, count);
    const struct vm_object *owner = vm_as_object(vm_object_get(first, LINK_HELD));
    const unsigned char *buffer = buffer_of(owner);
    struct buffer_head head;
    memcpy(&head, buffer, sizeof(head));
    vm_session_fold(&external->session, head.owner_number);
    vm_session_fold(&external->session, buffer[external->buffer_bytes - 1]);
    vm_session_fold_value(&external->session, vm_object_get(owner, OWNER_NUMBER), 1);
}

static void inject_faults(struct external *external)
{
    struct vm *vm = external->session.vm;
    struct vm_object *first = vm_as_object(vm_local_get(vm, RING));
    if (vm_session_fault_strikes(&external->session, WL_FAULT_FLIP_BYTE))
        buffer_of(vm_as_object(vm_object_get(first, LINK_HELD)))[external->buffer_bytes - 1] ^= 1;
    if (vm_session_fault_strikes(&external->session, WL_FAULT_FLIP_EDGE))
        vm_object_set(vm, first, LINK_NEXT, vm_value_copy(vm, vm_local_get(vm, RING)));
    if (vm_session_leak_strikes(&external->session))
        vm_session_leak(&external->session, vm_local_get(vm, RING));
}

static void run_job(struct vm_session *session)
{
    struct external *external = external_of(session);
    vm_frame_enter(session->vm, LOCALS);
    for (uint64_t i = 0; i < external->record_count; i++)
        make_record(external, i);
    (void)make_owner(external);
    make_links(external);
    close_ring(external);
    inject_faults(external);
    fold_ring(external);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void make_resident(struct external *external)
{
    struct vm *vm = external->session.vm;
    vm_global_set(vm, "resident", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, external->resident_count)));
    for (uint64_t i = 0; i < external->resident_count; i++) {
        struct vm_object *object = vm_object_new(vm, external->link_class);
        vm_array_append(vm, vm_array_write(vm, vm_global_place(vm, "resident")), vm_object_value(object));
        vm_safepoint(vm);
    }
}

static void boot(struct vm_session *session)
{
    static const char *const owner_names[OWNER_PROPERTIES] = {
        "number", "buffer", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"};
    static const char *const link_names[LINK_PROPERTIES] = {"next", "held"};
    struct external *external = external_of(session);
    const union sm_option_value *values = session->options->value;
    external->buffer_bytes = values[OPTION_BYTES].count;
    external->is_seen = values[OPTION_SEEN].count != 0;
    external->ring_count = values[OPTION_RING].count;
    external->record_count = values[OPTION_RECORDS].count;
    external->resident_count = values[OPTION_RESIDENT].count;
    external->owner_number = session->seed & UINT32_MAX;
    external->owner_class = vm_class_define(session->vm, "Buffer", owner_names, OWNER_PROPERTIES, give_back);
    external->link_class = vm_class_define(session->vm, "Link", link_names, LINK_PROPERTIES, NULL);
    make_resident(external);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct external), &wl_cli_external, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_job);
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_RESIDENT].count;
    return objects * block_bytes_object(LINK_PROPERTIES) + block_bytes_packed(objects) + mutator_work_block_bytes();
}

const struct wl_ops wl_cli_external = {
    .name = "cli-external",
    .summary = "worker whose jobs leave tiny cycles that hold large buffers outside the heap",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 50000,
    .create = create,
    .step = step,
    .finish = vm_session_finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
