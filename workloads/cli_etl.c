/*
 * Workload "cli-etl": a streaming import of CSV rows (story S14 of the study; calibrated to cli-w-etl-csv).
 *
 * A batch is one vm_iteration: lines are split and combined with the column names, rows transformed, grouped and
 * written out; keys of what was loaded are remembered, the oldest forgotten. Each row is compared with that of the
 * batch before, which is let go of when the batch is complete: what a batch keeps dies one iteration later, by
 * counts alone. workloads/php/cli_etl.php does the same in PHP.
 */
#include "block_bytes.h"
#include "text.h"
#include "vm_session.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

enum { COLUMNS = 8, OUTPUT_FIELDS = 5, STORES = 225, LINE_CAPACITY = 200, FOLD_EVERY = 16, NOTE_WORDS = 5 };

enum etl_option { OPTION_ROWS, OPTION_KEYS, OPTION_WRITE, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_ROWS] = {"rows", SM_OPTION_COUNT, "rows", "500", 2, 1e7, NULL, "rows of a batch"},
    [OPTION_KEYS] = {"keys", SM_OPTION_COUNT, "keys", "80000", 16, 1e8, NULL,
                     "keys of loaded groups that are remembered, about 130 bytes each"},
    [OPTION_WRITE] = {"write", SM_OPTION_COUNT, "batches", "0", 0, 1e6, NULL,
                      "so many batches' lines are written by the program itself before they are read; 0: by others"},
};

enum etl_column { ID, EMAIL, STORE, DATE, QUANTITY, PRICE, STATUS, NOTE };
static const char *const column_names[COLUMNS] = {"id",       "email", "store",  "date",
                                                  "quantity", "price", "status", "note"};

enum { STATE_BATCH, STATE_INDEX, STATE_RING, STATE_HAND, STATE_PROPERTIES };
enum { GROUP_COUNT, GROUP_CENTS };

/* Locals of a batch's frame, and of a row's. */
enum { BATCH, GROUPS, BATCH_LOCALS };
enum { ROW, FIELDS, TEXT, RECORD, ROW_LOCALS };

/* A row as the world outside has it. */
struct source_row {
    uint64_t id;
    unsigned customer, store, month, day, quantity, cents, status;
    uint64_t words;
};

struct etl {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t row_count, key_count;
    uint64_t write_batches;             /* 0: the lines come from outside */
    struct vm_string *columns[COLUMNS]; /* borrowed: the interner holds them */
    struct vm_object *state;            /* borrowed: the global "app" holds it */
    struct text_buffer file;            /* the batch's lines */
    size_t file_position;
    uint64_t batch;      /* its number, from 1 */
    uint64_t difference; /* to the batch before, summed over its rows */
};

extern const struct wl_ops wl_cli_etl;

static struct etl *etl_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_etl);
    return (struct etl *)session;
}

static struct vm *vm_of(const struct etl *etl)
{
    return etl->session.vm;
}

static void work(struct etl *etl, uint32_t operation_count)
{
    mutator_work_charge(&etl->session.work, operation_count);
}

static struct vm_array *array_in(const struct etl *etl, uint32_t local)
{
    return vm_as_array(vm_local_get(vm_of(etl), local));
}

static struct vm_array *state_array(struct etl *etl, uint32_t property)
{
    return vm_array_write(vm_of(etl), vm_object_place(etl->state, property));
}

/* ---- The file ---- */

static struct source_row draw_row(struct wl_random *random, uint64_t number)
{
    return (struct source_row){
        .id = 100000 + number % 900000,
        .customer = 10000 + (unsigned)wl_random_below(random, 90000),
        .store = 100 + (unsigned)wl_random_below(random, STORES),
        .month = 1 + (unsigned)wl_random_below(random, 12),
        .day = 1 + (unsigned)wl_random_below(random, 28),
        .quantity = 1 + (unsigned)wl_random_below(random, 9),
        .cents = 100000 + (unsigned)wl_random_below(random, 900000),
        .status = (unsigned)wl_random_below(random, 64),
        .words = wl_random_next(random),
    };
}

static void put_note(struct text_buffer *buffer, uint64_t words)
{
    for (unsigned i = 0; i < NOTE_WORDS; i++) {
        text_buffer_put_text(buffer, i == 0 ? "" : " ");
        text_buffer_put_text(buffer, text_word(words >> (8 * i)));
    }
}

/* A line that another program has written. */
static void put_line(struct text_buffer *file, const struct source_row *row)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "%llu,Customer%05u@Mail.CH,S%u,2023-%02u-%02u,%u,%u.%02u,%.7s,",
                          (unsigned long long)row->id, row->customer, row->store, row->month, row->day, row->quantity,
                          row->cents / 100, row->cents % 100, text_word(row->status));
    text_buffer_put(file, text, (size_t)length);
    put_note(file, row->words);
    text_buffer_put_text(file, "\n");
}

/* ---- Writing the lines, as fputcsv() does: values in a list, texts of numbers, one line string ---- */

static void append_owned(struct etl *etl, struct vm_string *text)
{
    vm_array_append(vm_of(etl), array_in(etl, FIELDS), vm_string_value(text));
}

/* "prefix" . number, the number's text being a string of its own. */
static struct vm_string *concatenate(struct etl *etl, const char *prefix, uint64_t number)
{
    struct vm *vm = vm_of(etl);
    struct vm_string *digits = text_number(vm, (int64_t)number);
    struct vm_string *text = text_prefix(vm, prefix, digits);
    vm_value_drop(vm, vm_string_value(digits));
    work(etl, 1);
    return text;
}

static struct vm_string *make_note(struct etl *etl, uint64_t words)
{
    struct vm *vm = vm_of(etl);
    vm_local_set(vm, TEXT, vm_string_value(vm_string_with_capacity(vm, 38)));
    for (unsigned i = 0; i < NOTE_WORDS; i++) {
        text_append(vm, vm_local_place(vm, TEXT), i == 0 ? "" : " ");
        text_append(vm, vm_local_place(vm, TEXT), text_word(words >> (8 * i)));
    }
    return vm_as_string(vm_local_take(vm, TEXT));
}

static void list_values(struct etl *etl, const struct source_row *row)
{
    struct vm *vm = vm_of(etl);
    vm_local_set(vm, FIELDS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    append_owned(etl, text_number(vm, (int64_t)row->id));
    struct vm_string *local = concatenate(etl, "Customer", row->customer);
    append_owned(etl, vm_string_format(vm, "%s@Mail.CH", local->data));
    vm_value_drop(vm, vm_string_value(local));
    append_owned(etl, concatenate(etl, "S", row->store));
    append_owned(etl, vm_string_format(vm, "2023-%02u-%02u", row->month, row->day));
    append_owned(etl, text_number(vm, row->quantity));
    append_owned(etl, vm_string_format(vm, "%u.%02u", row->cents / 100, row->cents % 100));
    append_owned(etl, vm_string_format(vm, "%.7s", text_word(row->status)));
    append_owned(etl, make_note(etl, row->words));
    work(etl, 8);
}

/* Each field is escaped, and the line grows by it. */
static void write_line(struct etl *etl, const struct source_row *row)
{
    struct vm *vm = vm_of(etl);
    vm_frame_enter(vm, ROW_LOCALS);
    list_values(etl, row);
    vm_local_set(vm, RECORD, vm_string_value(vm_string_with_capacity(vm, LINE_CAPACITY)));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(array_in(etl, FIELDS), &position, &entry);) {
        struct vm_string *escaped = text_escape(vm, vm_as_string(entry.value));
        text_append(vm, vm_local_place(vm, RECORD), entry.index == 0 ? "" : ",");
        text_append_string(vm, vm_local_place(vm, RECORD), escaped);
        vm_value_drop(vm, vm_string_value(escaped));
        work(etl, 1);
    }
    const struct vm_string *line = vm_as_string(vm_local_get(vm, RECORD));
    text_buffer_put(&etl->file, line->data, line->length);
    text_buffer_put_text(&etl->file, "\n");
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

/* The lines of one batch, at the end of the file. */
static void extend_file(struct etl *etl, uint64_t batch)
{
    struct wl_random random = vm_session_random(&etl->session, batch);
    for (uint64_t i = 0; i < etl->row_count; i++) {
        struct source_row row = draw_row(&random, (batch - 1) * etl->row_count + i);
        if (etl->write_batches > 0)
            write_line(etl, &row);
        else
            put_line(&etl->file, &row);
    }
}

/* When the file has been read to its end there is a new one. */
static void open_file(struct etl *etl)
{
    if (etl->file_position < etl->file.length)
        return;
    etl->file.length = 0;
    etl->file_position = 0;
    uint64_t batches = etl->write_batches > 0 ? etl->write_batches : 1;
    for (uint64_t i = 0; i < batches; i++)
        extend_file(etl, etl->batch + i);
    if (etl->file.failed)
        vm_bailout(vm_of(etl), SM_ERR_OUT_OF_MEMORY);
}

/* ---- Reading ---- */

/* fgets(): the next line, in a buffer with room to spare. Returns owned. */
static struct vm_string *read_line(struct etl *etl)
{
    struct vm *vm = vm_of(etl);
    const char *start = etl->file.bytes + etl->file_position;
    const char *end = (const char *)memchr(start, '\n', etl->file.length - etl->file_position);
    assert(end != NULL);
    vm_local_set(vm, TEXT, vm_string_value(vm_string_with_capacity(vm, LINE_CAPACITY)));
    vm_string_append(vm, vm_local_place(vm, TEXT), start, (size_t)(end - start));
    etl->file_position += (size_t)(end - start) + 1;
    work(etl, 1);
    return vm_as_string(vm_local_take(vm, TEXT));
}

/* array_combine() of the column names and the line's fields, in local ROW. */
static void combine(struct etl *etl)
{
    struct vm *vm = vm_of(etl);
    struct vm_string *line = read_line(etl);
    vm_local_set(vm, FIELDS, vm_array_value(text_split(vm, line, ',')));
    vm_value_drop(vm, vm_string_value(line));
    assert(vm_array_count(array_in(etl, FIELDS)) == COLUMNS);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(array_in(etl, FIELDS), &position, &entry);)
        vm_array_set_key(vm, row, etl->columns[entry.index], vm_value_copy(vm, entry.value));
    vm_local_set(vm, FIELDS, vm_undef());
    work(etl, COLUMNS);
}

static struct sm_value column_of(const struct etl *etl, const struct vm_array *row, enum etl_column column)
{
    return vm_array_get_key(row, etl->columns[column]);
}

static uint64_t parse_number(const struct vm_string *text, size_t start)
{
    uint64_t number = 0;
    for (size_t i = start; i < text->length && text->data[i] != '-'; i++)
        if (text->data[i] >= '0' && text->data[i] <= '9')
            number = number * 10 + (uint64_t)(text->data[i] - '0');
    return number;
}

static uint64_t number_in(const struct etl *etl, const struct vm_array *row, enum etl_column column)
{
    return parse_number(vm_as_string(column_of(etl, row, column)), 0);
}

/* strtolower() of the address, in its place. */
static void lower_email(struct etl *etl)
{
    struct vm *vm = vm_of(etl);
    const struct vm_string *email = vm_as_string(column_of(etl, array_in(etl, ROW), EMAIL));
    struct vm_string *lower = vm_string_new(vm, email->data, email->length);
    for (size_t i = 0; i < lower->length; i++)
        if (lower->data[i] >= 'A' && lower->data[i] <= 'Z')
            lower->data[i] = (char)(lower->data[i] + ('a' - 'A'));
    vm_array_set_key(vm, array_in(etl, ROW), etl->columns[EMAIL], vm_string_value(lower));
    work(etl, 1);
}

/* checkdate() of three slices. */
static bool date_is_valid(struct etl *etl)
{
    static const size_t starts[] = {0, 5, 8}, lengths[] = {4, 2, 2}, limits[] = {9999, 12, 31};
    struct vm *vm = vm_of(etl);
    const struct vm_string *date = vm_as_string(column_of(etl, array_in(etl, ROW), DATE));
    bool valid = true;
    for (int i = 0; i < 3; i++) {
        struct vm_string *slice = text_slice(vm, date, starts[i], lengths[i]);
        valid = valid && parse_number(slice, 0) <= limits[i];
        vm_value_drop(vm, vm_string_value(slice));
    }
    work(etl, 3);
    return valid;
}

/* The group of the row's store, borrowed from local GROUPS of the batch's frame, made when there is none. */
static struct vm_array *group_of(struct etl *etl, struct vm_array *groups)
{
    struct vm *vm = vm_of(etl);
    struct vm_string *store = vm_as_string(column_of(etl, array_in(etl, ROW), STORE));
    if (vm_tag_of(vm_array_get_key(groups, store)) == VM_UNDEF) {
        struct vm_array *made = vm_array_new(vm, VM_ARRAY_HASH, 0);
        vm_array_set_index(vm, made, GROUP_COUNT, vm_int(0));
        vm_array_set_index(vm, made, GROUP_CENTS, vm_int(0));
        vm_array_set_key(vm, groups, store, vm_array_value(made));
    }
    work(etl, 1);
    return vm_array_write(vm, vm_array_place_key(groups, store));
}

static void add_to_group(struct etl *etl, struct vm_array *groups)
{
    struct vm *vm = vm_of(etl);
    struct vm_array *group = group_of(etl, groups);
    uint64_t cents = number_in(etl, array_in(etl, ROW), PRICE) * number_in(etl, array_in(etl, ROW), QUANTITY);
    int64_t count = vm_as_int(vm_array_get_index(group, GROUP_COUNT));
    int64_t sum = vm_as_int(vm_array_get_index(group, GROUP_CENTS));
    vm_array_set_index(vm, group, GROUP_COUNT, vm_int(count + 1));
    vm_array_set_index(vm, group, GROUP_CENTS, vm_int(sum + (int64_t)cents));
    work(etl, 2);
}

/* The record that goes to the target: values in a list, then one line. */
static void write_record(struct etl *etl)
{
    static const enum etl_column fields[OUTPUT_FIELDS] = {ID, EMAIL, DATE, PRICE, NOTE};
    struct vm *vm = vm_of(etl);
    vm_local_set(vm, RECORD, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (int i = 0; i < OUTPUT_FIELDS; i++)
        vm_array_append(vm, array_in(etl, RECORD), vm_value_copy(vm, column_of(etl, array_in(etl, ROW), fields[i])));
    vm_local_set(vm, TEXT, vm_string_value(vm_string_with_capacity(vm, LINE_CAPACITY)));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(array_in(etl, RECORD), &position, &entry);) {
        text_append_string(vm, vm_local_place(vm, TEXT), vm_as_string(entry.value));
        text_append(vm, vm_local_place(vm, TEXT), ";");
    }
    vm_session_fold(&etl->session, vm_as_string(vm_local_get(vm, TEXT))->length);
    vm_local_set(vm, TEXT, vm_undef());
    work(etl, 4);
}

/* A row of the batch before at the same place; undefined in the first batch. */
static struct sm_value row_before(const struct etl *etl, uint64_t index)
{
    struct sm_value batch = vm_object_get(etl->state, STATE_BATCH);
    return vm_tag_of(batch) == VM_ARRAY ? vm_array_get_index(vm_as_array(batch), (int64_t)index) : vm_undef();
}

static void compare_with_before(struct etl *etl, uint64_t index)
{
    struct sm_value before = row_before(etl, index);
    if (vm_tag_of(before) != VM_UNDEF)
        etl->difference += number_in(etl, array_in(etl, ROW), PRICE) - number_in(etl, vm_as_array(before), PRICE);
    work(etl, 1);
}

static void import_row(struct etl *etl, uint64_t index)
{
    struct vm *vm = vm_of(etl);
    struct vm_array *groups = array_in(etl, GROUPS);
    vm_frame_enter(vm, ROW_LOCALS);
    combine(etl);
    lower_email(etl);
    vm_session_fold(&etl->session, date_is_valid(etl));
    add_to_group(etl, groups);
    write_record(etl);
    compare_with_before(etl, index);
    struct sm_value row = vm_local_take(vm, ROW);
    vm_frame_leave(vm);
    vm_array_append(vm, array_in(etl, BATCH), row);
    vm_safepoint(vm);
}

/* ---- What was loaded ---- */

/* The newest key takes the place of the oldest in the ring and in the index. */
static void remember(struct etl *etl, struct vm_string *key, int64_t count)
{
    struct vm *vm = vm_of(etl);
    struct vm_array *index = state_array(etl, STATE_INDEX), *ring = state_array(etl, STATE_RING);
    int64_t hand = vm_as_int(vm_object_get(etl->state, STATE_HAND));
    struct sm_value oldest = vm_array_get_index(ring, hand);
    if (vm_tag_of(oldest) != VM_UNDEF)
        (void)vm_array_unset_key(vm, index, vm_as_string(oldest));
    vm_array_set_key(vm, index, key, vm_int(count));
    vm_array_set_index(vm, ring, hand, vm_string_value(key));
    vm_object_set(vm, etl->state, STATE_HAND, vm_int((hand + 1) % (int64_t)etl->key_count));
    work(etl, 2);
}

static struct vm_string *format_key(struct vm *vm, uint64_t number, const char *store)
{
    return vm_string_format(vm, "%010llu:%s", (unsigned long long)number, store);
}

static void load_groups(struct etl *etl)
{
    struct vm *vm = vm_of(etl);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(array_in(etl, GROUPS), &position, &entry);) {
        int64_t count = vm_as_int(vm_array_get_index(vm_as_array(entry.value), GROUP_COUNT));
        vm_session_fold_value(&etl->session, entry.value, 1);
        remember(etl, format_key(vm, etl->batch, entry.key->data), count);
        vm_safepoint(vm);
    }
}

/* ---- Faults, reading back ---- */

static void inject_faults(struct etl *etl)
{
    struct vm *vm = vm_of(etl);
    struct vm_session *session = &etl->session;
    struct vm_array *batch = array_in(etl, BATCH);
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE))
        vm_array_set_index(vm, batch, 0, vm_value_copy(vm, vm_array_get_index(batch, 1)));
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_BYTE))
        vm_as_string(column_of(etl, vm_as_array(vm_array_get_index(batch, 0)), EMAIL))->data[0] ^= 1;
}

/* Of the batch that is let go of now. */
static void leak_some(struct etl *etl)
{
    struct vm_array_entry entry;
    struct sm_value before = vm_object_get(etl->state, STATE_BATCH);
    if (vm_tag_of(before) != VM_ARRAY)
        return;
    for (size_t position = 0; vm_array_next(vm_as_array(before), &position, &entry);)
        if (vm_session_leak_strikes(&etl->session))
            vm_session_leak(&etl->session, entry.value);
}

/* Rows of this batch and of the one before. */
static void read_back(struct etl *etl)
{
    for (uint64_t i = 0; i < etl->row_count; i += FOLD_EVERY) {
        vm_session_fold_value(&etl->session, vm_array_get_index(array_in(etl, BATCH), (int64_t)i), 2);
        vm_session_fold_value(&etl->session, row_before(etl, i), 2);
    }
    vm_session_fold(&etl->session, etl->difference);
    vm_session_fold(&etl->session, etl->session.work.accumulator);
}

static void run_batch(struct vm_session *session)
{
    struct etl *etl = etl_of(session);
    struct vm *vm = session->vm;
    etl->batch = session->instance.steps_done + 1;
    open_file(etl);
    vm_frame_enter(vm, BATCH_LOCALS);
    vm_local_set(vm, BATCH, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_local_set(vm, GROUPS, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    for (uint64_t i = 0; i < etl->row_count; i++)
        import_row(etl, i);
    load_groups(etl);
    inject_faults(etl);
    read_back(etl);
    leak_some(etl);
    vm_object_set(vm, etl->state, STATE_BATCH, vm_local_take(vm, BATCH));
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

/* Room for tombstones, so that the table is compacted in place and never doubles. */
static uint64_t index_capacity(uint64_t key_count)
{
    return key_count + key_count / 16 + 1;
}

static void boot(struct vm_session *session)
{
    static const char *const names[STATE_PROPERTIES] = {"batch", "index", "ring", "hand"};
    struct etl *etl = etl_of(session);
    struct vm *vm = session->vm;
    etl->row_count = session->options->value[OPTION_ROWS].count;
    etl->key_count = session->options->value[OPTION_KEYS].count;
    etl->write_batches = session->options->value[OPTION_WRITE].count;
    for (int i = 0; i < COLUMNS; i++)
        etl->columns[i] = vm_intern(vm, column_names[i], strlen(column_names[i]));
    etl->state = vm_object_new(vm, vm_class_define(vm, "Import", names, STATE_PROPERTIES, NULL));
    vm_global_set(vm, "app", vm_object_value(etl->state));
    vm_object_set(vm, etl->state, STATE_INDEX,
                  vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, index_capacity(etl->key_count))));
    vm_object_set(vm, etl->state, STATE_RING, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, etl->key_count)));
    vm_object_set(vm, etl->state, STATE_HAND, vm_int(0));
    for (uint64_t i = 0; i < etl->key_count; i++) {
        remember(etl, format_key(vm, i, "boot"), 0);
        vm_safepoint(vm);
    }
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct etl), &wl_cli_etl, config, boot, instance, error);
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&etl_of(vm_session_of(instance))->file);
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_batch);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct etl *etl = etl_of(vm_session_of(instance));
    vm_session_fold_value(&etl->session, vm_object_get(etl->state, STATE_BATCH), 3);
    vm_session_fold_value(&etl->session, vm_object_get(etl->state, STATE_INDEX), 1);
    vm_session_fold_value(&etl->session, vm_object_get(etl->state, STATE_RING), 2);
    vm_session_fold(&etl->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t row_block_bytes(void)
{
    static const uint64_t lengths[COLUMNS] = {6, 21, 4, 10, 1, 7, 6, 36};
    uint64_t total = block_bytes_hash(COLUMNS);
    for (int i = 0; i < COLUMNS; i++)
        total += block_bytes_string(lengths[i]);
    return total;
}

/* When a batch is complete and the one before has not gone yet. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t rows = values->value[OPTION_ROWS].count, keys = values->value[OPTION_KEYS].count;
    uint64_t batch = block_bytes_packed(rows) + rows * row_block_bytes();
    uint64_t groups = (uint64_t)(STORES * (1 - pow(1 - 1.0 / STORES, (double)rows)));
    return 2 * batch + block_bytes_hash(groups) + groups * block_bytes_hash(2) +
           block_bytes_hash(index_capacity(keys)) + block_bytes_packed(keys) + keys * block_bytes_string(15) +
           mutator_work_block_bytes();
}

const struct wl_ops wl_cli_etl = {
    .name = "cli-etl",
    .summary = "streaming CSV import: batches of rows that die one iteration later, without cycles",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(3) << 30,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
