/* A query as a framework makes one: builder object, clauses as arrays, SQL joined from pieces, a statement, rows. */
#include "queue.h"

#include <assert.h>
#include <stdio.h>

enum { COLUMN_COUNT = 4, WHERE_COUNT = 2 };

/* Locals of a query's frame. */
enum { BUILDER, SQL, STATEMENT, ROWS, ROW, TOTAL, QUERY_LOCALS };

static struct vm_array *make_where(struct queue *queue, enum queue_key column, int64_t value)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *where = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, where, queue->keys[KEY_TYPE], queue_key_value(queue, KEY_WHERE));
    vm_array_set_key(vm, where, queue->keys[KEY_COLUMN], queue_key_value(queue, column));
    vm_array_set_key(vm, where, queue->keys[KEY_OPERATOR], queue_key_value(queue, KEY_OPERATOR));
    vm_array_set_key(vm, where, queue->keys[KEY_VALUE], vm_int(value));
    vm_array_set_key(vm, where, queue->keys[KEY_BOOLEAN], vm_bool(true));
    return where;
}

static struct vm_array *make_wheres(struct queue *queue, int64_t parent_id)
{
    static const enum queue_key columns[WHERE_COUNT] = {KEY_ORDER_ID, KEY_STATUS};
    struct vm *vm = queue_vm(queue);
    struct vm_array *wheres = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < WHERE_COUNT; i++)
        vm_array_append(vm, wheres, vm_array_value(make_where(queue, columns[i], parent_id + i)));
    return wheres;
}

static struct vm_array *make_bindings(struct queue *queue, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *bindings = vm_array_new(vm, VM_ARRAY_HASH, 0);
    struct vm_array *values = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_set_key(vm, bindings, queue->keys[KEY_SELECT], vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_set_key(vm, bindings, queue->keys[KEY_WHERE], vm_array_value(values));
    for (int i = 0; i < WHERE_COUNT; i++)
        vm_array_append(vm, values, vm_int(parent_id + i));
    return bindings;
}

static struct vm_array *make_columns(struct queue *queue)
{
    static const enum queue_key columns[COLUMN_COUNT] = {KEY_ID, KEY_NAME, KEY_PRICE, KEY_NOTE};
    struct vm_array *list = vm_array_new(queue_vm(queue), VM_ARRAY_PACKED, 0);
    for (int i = 0; i < COLUMN_COUNT; i++)
        vm_array_append(queue_vm(queue), list, queue_key_value(queue, columns[i]));
    return list;
}

static void build(struct queue *queue, const char *table, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *builder = vm_object_new(vm, queue->classes[CLASS_BUILDER]);
    vm_local_set(vm, BUILDER, vm_object_value(builder));
    vm_object_set(vm, builder, BUILDER_TABLE, vm_string_value(vm_string_format(vm, "app_%s", table)));
    vm_object_set(vm, builder, BUILDER_WHERES, vm_array_value(make_wheres(queue, parent_id)));
    vm_object_set(vm, builder, BUILDER_BINDINGS, vm_array_value(make_bindings(queue, parent_id)));
    vm_object_set(vm, builder, BUILDER_COLUMNS, vm_array_value(make_columns(queue)));
    vm_object_set(vm, builder, BUILDER_LIMIT, vm_int(1000));
    queue_work(queue, 12);
}

/* "`table`.`name`": names are qualified and quoted one by one, each a string of its own. */
static struct vm_string *quote_name(struct vm *vm, const struct vm_string *table, const struct vm_string *name)
{
    struct vm_string *quoted = vm_string_new(vm, NULL, (size_t)(table->length + name->length) + 5);
    int length = snprintf(quoted->data, quoted->length + 1, "`%s`.`%s`", table->data, name->data);
    assert((uint64_t)length == quoted->length);
    (void)length;
    return quoted;
}

static struct vm_string *table_of(const struct queue *queue)
{
    return vm_as_string(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_TABLE));
}

static void append_text(struct queue *queue, const char *text)
{
    text_append(queue_vm(queue), vm_local_place(queue_vm(queue), SQL), text);
}

static void append_name(struct queue *queue, const struct vm_string *name)
{
    struct vm *vm = queue_vm(queue);
    struct vm_string *quoted = quote_name(vm, table_of(queue), name);
    text_append_string(vm, vm_local_place(vm, SQL), quoted);
    vm_value_drop(vm, vm_string_value(quoted));
    queue_work(queue, 1);
}

/* "select `id`, `name` ...": quoted names, each appended and dropped. */
static void compile_columns(struct queue *queue)
{
    const struct vm_array *columns = vm_as_array(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_COLUMNS));
    struct vm_array_entry entry;
    const char *separator = "select ";
    for (size_t position = 0; vm_array_next(columns, &position, &entry); separator = ", ") {
        append_text(queue, separator);
        append_name(queue, vm_as_string(entry.value));
    }
    append_text(queue, " from ");
    append_text(queue, table_of(queue)->data);
    queue_work(queue, 2);
}

static void compile_wheres(struct queue *queue)
{
    const struct vm_array *wheres = vm_as_array(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_WHERES));
    struct vm_array_entry entry;
    const char *word = " where ";
    for (size_t position = 0; vm_array_next(wheres, &position, &entry); word = " and ") {
        append_text(queue, word);
        append_name(queue, vm_as_string(vm_array_get_key(vm_as_array(entry.value), queue->keys[KEY_COLUMN])));
        append_text(queue, " = ?");
        queue_work(queue, 1);
    }
}

static void compile(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, SQL, vm_string_value(vm_string_new(vm, NULL, 0)));
    compile_columns(queue);
    compile_wheres(queue);
    vm_safepoint(vm);
}

/* The statement shares the builder's bindings, as PHP arrays do on assignment; the builder has done its work. */
static void prepare(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *statement = vm_object_new(vm, queue->classes[CLASS_STATEMENT]);
    vm_local_set(vm, STATEMENT, vm_object_value(statement));
    vm_object_set(vm, statement, STATEMENT_SQL, vm_value_copy(vm, vm_local_get(vm, SQL)));
    struct sm_value bindings = vm_object_get(queue_local_object(queue, BUILDER), BUILDER_BINDINGS);
    vm_object_set(vm, statement, STATEMENT_BINDINGS, vm_value_copy(vm, bindings));
    vm_local_set(vm, BUILDER, vm_undef());
    vm_local_set(vm, TOTAL, vm_heap_value(vm_reference_new(vm, vm_int(0)), VM_REFERENCE));
    queue_work(queue, 4);
}

/* ---- Rows: every string comes anew, as from a driver ---- */

/* What the message says of an order and of an item: "id" and "customer", or id and quantity. */
static void fill_from_order(struct queue *queue, struct vm_array *row, const struct vm_array *order)
{
    struct vm *vm = queue_vm(queue);
    const struct vm_string *customer = vm_as_string(vm_array_get_key(order, queue->keys[KEY_CUSTOMER]));
    struct sm_value name = vm_string_value(vm_string_new(vm, customer->data, (size_t)customer->length));
    vm_array_set_key(vm, row, queue->keys[KEY_ID], vm_array_get_key(order, queue->keys[KEY_ID]));
    vm_array_set_key(vm, row, queue->keys[KEY_NAME], name);
}

static void fill_from_item(struct queue *queue, struct vm_array *row, const struct vm_array *item)
{
    struct vm *vm = queue_vm(queue);
    vm_array_set_key(vm, row, queue->keys[KEY_ID], vm_array_get_index(item, 0));
    vm_array_set_key(vm, row, queue->keys[KEY_NAME], vm_string_value(text_words(vm, &queue->random, 2)));
    vm_array_set_key(vm, row, queue->keys[KEY_QUANTITY], vm_array_get_index(item, 1));
}

static void fill_row(struct queue *queue, const struct vm_array *source, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    if (source->kind == VM_ARRAY_HASH)
        fill_from_order(queue, row, source);
    else
        fill_from_item(queue, row, source);
    vm_array_set_key(vm, row, queue->keys[KEY_ORDER_ID], vm_int(parent_id));
    unsigned word_count = 3 + (unsigned)wl_random_below(&queue->random, 8);
    vm_array_set_key(vm, row, queue->keys[KEY_NOTE], vm_string_value(text_words(vm, &queue->random, word_count)));
    int64_t cents = (int64_t)wl_random_below(&queue->random, 100000);
    vm_array_set_key(vm, row, queue->keys[KEY_PRICE], vm_int(cents));
    int64_t stamp = 1700000000 + (int64_t)wl_random_below(&queue->random, 50000000);
    vm_array_set_key(vm, row, queue->keys[KEY_CREATED_AT],
                     vm_string_value(queue_date_text(vm, stamp, QUEUE_DATE_STORED)));
    vm_array_set_key(vm, row, queue->keys[KEY_UPDATED_AT],
                     vm_string_value(queue_date_text(vm, stamp + 86400, QUEUE_DATE_STORED)));
}

static void fetch_row(struct queue *queue, const struct vm_array *source, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    fill_row(queue, source, parent_id);
    vm_array_append(vm, queue_local_array(queue, ROWS), vm_local_take(vm, ROW));
    struct vm_reference *total = vm_as_reference(vm_local_get(vm, TOTAL));
    vm_reference_set(vm, total, vm_int(vm_as_int(total->value) + 1));
    queue_work(queue, 4);
    vm_safepoint(vm);
}

/* An order is its own only source. */
static void fetch_rows(struct queue *queue, const struct vm_array *sources, int64_t parent_id)
{
    struct vm_array_entry entry;
    if (sources->kind == VM_ARRAY_HASH) {
        fetch_row(queue, sources, parent_id);
        return;
    }
    for (size_t position = 0; vm_array_next(sources, &position, &entry);)
        fetch_row(queue, vm_as_array(entry.value), parent_id);
}

struct sm_value queue_query(struct queue *queue, const char *table, const struct vm_array *sources, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, QUERY_LOCALS);
    build(queue, table, parent_id);
    compile(queue);
    prepare(queue);
    vm_local_set(vm, ROWS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    fetch_rows(queue, sources, parent_id);
    struct sm_value total = vm_value_deref(vm_local_get(vm, TOTAL));
    vm_object_set(vm, queue_local_object(queue, STATEMENT), STATEMENT_COUNT, total);
    vm_session_fold_value(&queue->session, vm_local_get(vm, SQL), 1);
    struct sm_value rows = vm_local_take(vm, ROWS);
    vm_frame_leave(vm);
    return rows;
}
