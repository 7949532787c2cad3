/*
 * Workload "cli-batch": a script that converts documents one after another and never leaves its first run-loop iteration
 * (rule R4; calibrated to cli-commonmark).
 *
 * A step is one document: its lines are parsed to blocks and inlines, nodes that know their neighbours, and rendered into one
 * growing string. All steps are inside one iteration: its guard is pinned before the first and released after the last, safepoints
 * come at loops' ends alone, and nothing tells the policy that a document is done.
 */
#include "batch.h"
#include "block_bytes.h"

#include <assert.h>
#include <stdio.h>

enum batch_option { OPTION_LINES, OPTION_ENTITIES, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_LINES] = {"lines", SM_OPTION_COUNT, "lines", "130", 1, 1e6, NULL,
                      "of a document on average: half of it to one and a half"},
    [OPTION_ENTITIES] = {"entities", SM_OPTION_COUNT, "entries", "4400", 1, 1e7, NULL,
                         "of the table that lives on, 0.4 KB each"},
};

/* Locals of a document's frame. */
enum { SOURCE, LINES, DOCUMENT, OUTPUT, DOCUMENT_LOCALS };

enum { ENTITY_WORDS = 8, FOLDED_ENTITIES = 4 };

extern const struct wl_ops wl_cli_batch;

static struct batch *batch_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_batch);
    return (struct batch *)session;
}

/* ---- Text of a document ---- */

static void put_marked(struct text_buffer *source, struct wl_random *random, const char *opening, const char *closing)
{
    text_buffer_put_text(source, opening);
    text_buffer_put_words(source, random, 1 + (unsigned)wl_random_below(random, 2));
    text_buffer_put_text(source, closing);
}

static void put_line(struct text_buffer *source, struct wl_random *random)
{
    unsigned piece_count = 1 + (unsigned)wl_random_below(random, 2);
    for (unsigned i = 0; i < piece_count; i++) {
        text_buffer_put_words(source, random, 2 + (unsigned)wl_random_below(random, 5));
        uint64_t choice = wl_random_below(random, 10);
        text_buffer_put(source, " ", 1);
        if (choice < 2)
            put_marked(source, random, "*", "* ");
        else if (choice < 4)
            put_marked(source, random, "`", "` ");
        else if (choice < 5)
            put_marked(source, random, "[", "] ");
        else if (choice < 6)
            text_buffer_put_text(source, "& ");
    }
    text_buffer_put(source, "\n", 1);
}

void batch_document_write(struct text_buffer *source, struct wl_random *random, uint64_t line_count)
{
    static const char *const markers[] = {"# ", "> ", "- ", "- ", "", "", "", ""};
    source->length = 0;
    for (uint64_t i = 0; i < line_count; i++) {
        if (wl_random_chance(random, 1, 4)) {
            text_buffer_put(source, "\n", 1);
            continue;
        }
        text_buffer_put_text(source, markers[wl_random_below(random, 8)]);
        put_line(source, random);
    }
}

/* ---- The table that lives on ---- */

static struct vm_string *entity_name(struct vm *vm, uint64_t entity)
{
    char text[32] = "entity";
    return vm_string_new(vm, text, 6 + text_format_number(text + 6, 1000000 + (int64_t)entity));
}

static void fill_entities(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *table = vm_array_new(vm, VM_ARRAY_HASH, batch->entity_count);
    vm_object_set(vm, batch->environment, ENVIRONMENT_ENTITIES, vm_array_value(table));
    vm_frame_enter(vm, 2);
    for (uint64_t i = 0; i < batch->entity_count; i++) {
        struct wl_random random = wl_random_seeded(i);
        struct vm_string *name = entity_name(vm, i);
        vm_local_set(vm, 0, vm_string_value(name));
        struct vm_array *entity = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        vm_local_set(vm, 1, vm_array_value(entity));
        vm_array_append(vm, entity, vm_value_copy(vm, vm_string_value(name)));
        vm_array_append(vm, entity, vm_string_value(text_words(vm, &random, ENTITY_WORDS)));
        vm_array_set_key(vm, table, name, vm_value_copy(vm, vm_local_get(vm, 1)));
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
}

static const struct vm_array *entities_of(const struct batch *batch)
{
    return vm_as_array(vm_object_get(batch->environment, ENVIRONMENT_ENTITIES));
}

/* ---- A document ---- */

static void read_document(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    uint64_t line_count = (batch->line_count + 1) / 2 + wl_random_below(&batch->random, batch->line_count + 1);
    batch_document_write(&batch->source, &batch->random, line_count);
    if (batch->source.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    vm_local_set(vm, SOURCE, vm_string_value(vm_string_new(vm, batch->source.bytes, batch->source.length)));
    struct vm_array *lines = text_split(vm, vm_as_string(vm_local_get(vm, SOURCE)), '\n');
    vm_local_set(vm, LINES, vm_array_value(lines));
    vm_local_set(vm, DOCUMENT, vm_object_value(batch_new(batch, BATCH_NODE)));
}

static struct vm_object *document_of(const struct batch *batch)
{
    return vm_as_object(vm_local_get(batch_vm(batch), DOCUMENT));
}

static void render(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    vm_local_set(vm, OUTPUT, vm_string_value(vm_string_with_capacity(vm, 256)));
    struct sm_value block = vm_object_get(document_of(batch), NODE_FIRST);
    for (; vm_tag_of(block) == VM_OBJECT; block = vm_object_get(vm_as_object(block), NODE_NEXT)) {
        batch_render(batch, vm_as_object(block), OUTPUT);
        vm_safepoint(vm);
    }
}

/* ---- Reading back, faults ---- */

/* Whether each node knows its parent and the one before it. */
static void fold_nodes(struct batch *batch, const struct vm_object *parent)
{
    struct sm_value previous = vm_null();
    struct sm_value node = vm_object_get(parent, NODE_FIRST);
    for (; vm_tag_of(node) == VM_OBJECT; node = vm_object_get(vm_as_object(node), NODE_NEXT)) {
        struct vm_object *child = vm_as_object(node);
        bool knows_parent = vm_as_object(vm_object_get(child, NODE_PARENT)) == parent;
        bool knows_previous = vm_object_get(child, NODE_PREVIOUS).payload == previous.payload;
        vm_session_fold(&batch->session,
                        vm_object_get(child, NODE_KIND).payload * 4 + knows_parent * 2 + knows_previous);
        fold_nodes(batch, child);
        previous = node;
    }
}

/* The first block of the tree is passed over. */
static void flip_edge(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    struct sm_value first = vm_object_get(document_of(batch), NODE_FIRST);
    if (vm_tag_of(first) == VM_OBJECT)
        batch_refer(batch, document_of(batch), NODE_FIRST, vm_object_get(vm_as_object(first), NODE_NEXT));
    else
        vm_object_set(vm, document_of(batch), NODE_FIRST, vm_int(1));
}

static void flip_byte(struct batch *batch)
{
    struct vm_string *output = vm_as_string(vm_local_get(batch_vm(batch), OUTPUT));
    output->data[output->length / 2] ^= 1;
}

static void leak_some(struct batch *batch)
{
    struct sm_value block = vm_object_get(document_of(batch), NODE_FIRST);
    for (; vm_tag_of(block) == VM_OBJECT; block = vm_object_get(vm_as_object(block), NODE_NEXT))
        if (vm_session_leak_strikes(&batch->session))
            vm_session_leak(&batch->session, block);
}

/* Written out, and counted. */
static void write_out(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    struct sm_value output = vm_local_get(vm, OUTPUT);
    int64_t written = vm_as_int(vm_object_get(batch->environment, ENVIRONMENT_WRITTEN));
    vm_object_set(vm, batch->environment, ENVIRONMENT_WRITTEN, vm_int(written + (int64_t)vm_as_string(output)->length));
    vm_session_fold_value(&batch->session, output, 1);
}

static void fold_entities(struct batch *batch)
{
    struct vm *vm = batch_vm(batch);
    for (int i = 0; i < FOLDED_ENTITIES; i++) {
        struct vm_string *name = entity_name(vm, wl_random_below(&batch->random, batch->entity_count));
        vm_session_fold_value(&batch->session, vm_array_get_key(entities_of(batch), name), 2);
        vm_value_drop(vm, vm_string_value(name));
    }
}

static void convert_document(struct vm_session *session)
{
    struct batch *batch = batch_of(session);
    batch->random = vm_session_random(session, session->instance.steps_done + 1);
    vm_frame_enter(session->vm, DOCUMENT_LOCALS);
    read_document(batch);
    batch_parse(batch, vm_as_array(vm_local_get(session->vm, LINES)), document_of(batch));
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE))
        flip_edge(batch);
    render(batch);
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_BYTE))
        flip_byte(batch);
    write_out(batch);
    fold_nodes(batch, document_of(batch));
    leak_some(batch);
    fold_entities(batch);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void define_classes(struct batch *batch)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10"};
    static const struct {
        const char *name;
        uint32_t property_count;
    } classes[BATCH_CLASSES] = {
        [BATCH_ENVIRONMENT] = {"Environment", ENVIRONMENT_PROPERTIES},
        [BATCH_CURSOR] = {"Cursor", CURSOR_PROPERTIES},
        [BATCH_STATE] = {"ParserState", STATE_PROPERTIES},
        [BATCH_START] = {"BlockStart", START_PROPERTIES},
        [BATCH_CONTEXT] = {"InlineContext", CONTEXT_PROPERTIES},
        [BATCH_DELIMITER] = {"Delimiter", DELIMITER_PROPERTIES},
        [BATCH_NODE] = {"Node", NODE_PROPERTIES},
        [BATCH_ELEMENT] = {"HtmlElement", ELEMENT_PROPERTIES},
    };
    for (int i = 0; i < BATCH_CLASSES; i++)
        batch->classes[i] = vm_class_define(batch_vm(batch), classes[i].name, names, classes[i].property_count, NULL);
}

static void boot(struct vm_session *session)
{
    struct batch *batch = batch_of(session);
    batch->line_count = session->options->value[OPTION_LINES].count;
    batch->entity_count = session->options->value[OPTION_ENTITIES].count;
    define_classes(batch);
    batch->href = vm_intern(session->vm, "href", 4);
    batch->environment = batch_new(batch, BATCH_ENVIRONMENT);
    vm_global_set(session->vm, "environment", vm_object_value(batch->environment));
    vm_object_set(session->vm, batch->environment, ENVIRONMENT_WRITTEN, vm_int(0));
    fill_entities(batch);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create_script(sizeof(struct batch), &wl_cli_batch, config, boot, instance, error);
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&batch_of(vm_session_of(instance))->source);
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, convert_document);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct batch *batch = batch_of(vm_session_of(instance));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(entities_of(batch), &position, &entry);)
        vm_session_fold_value(&batch->session, entry.value, 2);
    vm_session_fold_value(&batch->session, vm_object_get(batch->environment, ENVIRONMENT_WRITTEN), 1);
    vm_session_leave_script(&batch->session);
    return vm_session_finish(instance);
}

static uint64_t entity_block_bytes(uint64_t entity)
{
    struct wl_random random = wl_random_seeded(entity);
    uint64_t length = ENTITY_WORDS - 1;
    for (int i = 0; i < ENTITY_WORDS; i++)
        length += strlen(text_word(wl_random_next(&random)));
    return block_bytes_string(length) + block_bytes_string(sizeof("entity1000000") - 1) + block_bytes_packed(2);
}

/* What lives on between documents. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t count = values->value[OPTION_ENTITIES].count;
    uint64_t total = block_bytes_hash(count) + mutator_work_block_bytes();
    for (uint64_t i = 0; i < count; i++)
        total += entity_block_bytes(i);
    return total;
}

const struct wl_ops wl_cli_batch = {
    .name = "cli-batch",
    .summary = "a script that converts documents in one single run-loop iteration: lines to nodes to text",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(9) << 29, /* 4.5 GiB */
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
