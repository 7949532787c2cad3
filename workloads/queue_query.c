/* A query as a framework makes one: builder object, clauses as arrays, SQL joined from pieces, a statement, rows. */
#include "queue.h"

enum { COLUMN_COUNT = 4, WHERE_COUNT = 2 };

/* Locals of a query's frame. */
enum { BUILDER, PIECES, SQL, STATEMENT, ROWS, ROW, TOTAL, QUERY_LOCALS };

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
    vm_object_set(vm, builder, BUILDER_TABLE, vm_string_value(vm_string_new(vm, table, strlen(table))));
    vm_object_set(vm, builder, BUILDER_WHERES, vm_array_value(make_wheres(queue, parent_id)));
    vm_object_set(vm, builder, BUILDER_BINDINGS, vm_array_value(make_bindings(queue, parent_id)));
    vm_object_set(vm, builder, BUILDER_COLUMNS, vm_array_value(make_columns(queue)));
    vm_object_set(vm, builder, BUILDER_LIMIT, vm_int(1000));
    queue_work(queue, 12);
}

/* "`name`": names are quoted one by one, each a string of its own. */
static struct vm_string *quote_name(struct vm *vm, const struct vm_string *name)
{
    struct vm_string *quoted = vm_string_new(vm, NULL, name->length + 2);
    quoted->data[0] = '`';
    memcpy(quoted->data + 1, name->data, name->length);
    quoted->data[name->length + 1] = '`';
    return quoted;
}

static void append_piece(struct queue *queue, const char *prefix, const struct vm_string *text)
{
    struct vm *vm = queue_vm(queue);
    vm_array_append(vm, queue_local_array(queue, PIECES), vm_string_value(text_prefix(vm, prefix, text)));
}

/* "select `id`, `name` ...": a list of quoted names, joined and prefixed. */
static void compile_columns(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    const struct vm_array *columns = vm_as_array(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_COLUMNS));
    struct vm_array *quoted = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(columns, &position, &entry);)
        vm_array_append(vm, quoted, vm_string_value(quote_name(vm, vm_as_string(entry.value))));
    struct vm_string *joined = text_join(vm, quoted, ", ");
    append_piece(queue, "select ", joined);
    vm_value_drop(vm, vm_string_value(joined));
    vm_value_drop(vm, vm_array_value(quoted));
    queue_work(queue, 4);
}

static void compile_wheres(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    const struct vm_array *wheres = vm_as_array(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_WHERES));
    struct vm_array_entry entry;
    const char *prefix = "where ";
    for (size_t position = 0; vm_array_next(wheres, &position, &entry); prefix = "and ") {
        struct sm_value column = vm_array_get_key(vm_as_array(entry.value), queue->keys[KEY_COLUMN]);
        struct vm_string *quoted = quote_name(vm, vm_as_string(column));
        append_piece(queue, prefix, quoted);
        vm_value_drop(vm, vm_string_value(quoted));
        append_piece(queue, "= ?", queue->keys[KEY_BOOLEAN]);
        queue_work(queue, 2);
    }
}

static void compile(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, PIECES, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    compile_columns(queue);
    append_piece(queue, "from ", vm_as_string(vm_object_get(queue_local_object(queue, BUILDER), BUILDER_TABLE)));
    compile_wheres(queue);
    vm_local_set(vm, SQL, vm_string_value(text_join(vm, queue_local_array(queue, PIECES), " ")));
    vm_safepoint(vm);
}

/* The statement shares the builder's bindings, as PHP arrays do on assignment. */
static void prepare(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *statement = vm_object_new(vm, queue->classes[CLASS_STATEMENT]);
    vm_local_set(vm, STATEMENT, vm_object_value(statement));
    vm_object_set(vm, statement, STATEMENT_SQL, vm_value_copy(vm, vm_local_get(vm, SQL)));
    struct sm_value bindings = vm_object_get(queue_local_object(queue, BUILDER), BUILDER_BINDINGS);
    vm_object_set(vm, statement, STATEMENT_BINDINGS, vm_value_copy(vm, bindings));
    vm_local_set(vm, TOTAL, vm_heap_value(vm_reference_new(vm, vm_int(0)), VM_REFERENCE));
    queue_work(queue, 4);
}

/* ---- Rows: every string comes anew, as from a driver ---- */

static void copy_string_field(struct queue *queue, struct vm_array *row, const struct vm_array *source,
                              enum queue_key from, enum queue_key to)
{
    struct vm *vm = queue_vm(queue);
    struct sm_value value = vm_array_get_key(source, queue->keys[from]);
    if (vm_tag_of(value) != VM_STRING)
        return;
    const struct vm_string *text = vm_as_string(value);
    vm_array_set_key(vm, row, queue->keys[to], vm_string_value(vm_string_new(vm, text->data, (size_t)text->length)));
}

static void copy_plain_field(struct queue *queue, struct vm_array *row, const struct vm_array *source,
                             enum queue_key key)
{
    struct sm_value value = vm_array_get_key(source, queue->keys[key]);
    if (vm_tag_of(value) != VM_UNDEF)
        vm_array_set_key(queue_vm(queue), row, queue->keys[key], vm_value_copy(queue_vm(queue), value));
}

static void fill_row(struct queue *queue, const struct vm_array *source, int64_t parent_id)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    copy_plain_field(queue, row, source, KEY_ID);
    vm_array_set_key(vm, row, queue->keys[KEY_ORDER_ID], vm_int(parent_id));
    copy_string_field(queue, row, source, KEY_CUSTOMER, KEY_NAME);
    copy_string_field(queue, row, source, KEY_NAME, KEY_NAME);
    copy_plain_field(queue, row, source, KEY_QUANTITY);
    unsigned word_count = 3 + (unsigned)wl_random_below(&queue->random, 8);
    vm_array_set_key(vm, row, queue->keys[KEY_NOTE], vm_string_value(text_words(vm, &queue->random, word_count)));
    int64_t cents = (int64_t)wl_random_below(&queue->random, 100000);
    vm_array_set_key(vm, row, queue->keys[KEY_PRICE], vm_int(cents));
    int64_t stamp = 1700000000 + (int64_t)wl_random_below(&queue->random, 50000000);
    vm_array_set_key(vm, row, queue->keys[KEY_CREATED_AT], vm_string_value(text_number(vm, stamp)));
    vm_array_set_key(vm, row, queue->keys[KEY_UPDATED_AT], vm_string_value(text_number(vm, stamp + 86400)));
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

/* A single hash array is its own only source. */
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
