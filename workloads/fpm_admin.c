/*
 * Workload "fpm-admin": pages of a database administration tool (calibrated to fpm-phpmyadmin-browse).
 *
 * A step is one request: a configuration that lives through it, then a table, cell by cell: texts escaped, links put
 * together from parameters, templates rendered into output buffers of 16 KB, everything thrown away but the HTML.
 */
#include "admin.h"
#include "program.h"

#include <assert.h>

extern const struct wl_ops wl_fpm_admin;

enum admin_option { OPTION_ROWS, OPTION_COLUMNS, OPTION_SECTIONS, OPTION_GLOBALS, OPTION_FILES, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_ROWS] = {"rows", SM_OPTION_COUNT, "rows", "88", 1, 1e6, NULL, "rows of the table"},
    [OPTION_COLUMNS] = {"columns", SM_OPTION_COUNT, "columns", "10", 1, 1e5, NULL, "columns of the table"},
    [OPTION_SECTIONS] = {"sections", SM_OPTION_COUNT, "sections", "225", 1, 1e6, NULL,
                         "sections of the configuration, twelve settings each"},
    [OPTION_GLOBALS] = {"globals", SM_OPTION_COUNT, "values", "140", 0, 1e6, NULL,
                        "values that every template is given beside its own"},
    [OPTION_FILES] = PROGRAM_FILES_OPTION("files", "900"),
};

enum { SETTINGS_PER_SECTION = 12, FORMS_PER_SECTION = 5, SENT_BYTES = 128 * 1024 };
enum { RESULT_NUMBER, RESULT_ROW };

/* Locals of a request's frame. */
enum { ROW, CELLS, LINE, TABLE, RESULT, REQUEST_LOCALS };

static const char *const key_texts[ADMIN_KEY_COUNT] = {
    "db", "table", "pos", "token", "lang", "sql_query", "where_clause", "goto", "value", "classes", "link", "type",
};

static const struct {
    const char *name;
    uint32_t property_count;
    vm_destructor *destructor;
} class_table[ADMIN_CLASS_COUNT] = {
    [ADMIN_CLASS_FIELD] = {"Field", 7, NULL},
    [ADMIN_CLASS_PLUGIN] = {"Plugin", 2, NULL},
    [ADMIN_CLASS_TEMPLATE] = {"Template", 20, NULL},
    [ADMIN_CLASS_ITERATOR] = {"Iterator", 4, NULL},
    [ADMIN_CLASS_MESSAGE] = {"Message", 3, vm_session_destructor},
    [ADMIN_CLASS_RESULT] = {"Result", 6, vm_session_destructor},
};

static struct admin *admin_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_fpm_admin);
    return (struct admin *)instance;
}

/* ---- Faults ---- */

static void inject_faults(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    if (request_fault_strikes(&admin->request, WL_FAULT_FLIP_BYTE)) {
        struct vm_string *table = vm_as_string(vm_local_get(vm, TABLE));
        table->data[table->length / 2] ^= 1;
    }
    if (request_fault_strikes(&admin->request, WL_FAULT_FLIP_EDGE))
        vm_array_set_key(vm, request_global(vm, "sections"), admin->keys[ADMIN_KEY_DB], vm_null());
}

/* ---- Configuration ---- */

static void define_names(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    for (int i = 0; i < ADMIN_KEY_COUNT; i++)
        admin->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < ADMIN_CLASS_COUNT; i++)
        admin->classes[i] =
            request_class_define(vm, class_table[i].name, class_table[i].property_count, class_table[i].destructor);
}

/* A form object describes some of the settings and keeps their values. */
static void make_form(struct admin *admin, struct vm_array *section, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    struct vm_object *form = vm_object_new(vm, admin->classes[ADMIN_CLASS_TEMPLATE]);
    vm_array_set_index(vm, section, (int64_t)number, vm_object_value(form));
    struct vm_array *values = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_object_set(vm, form, 0, vm_array_value(values));
    for (uint64_t i = 0; i < 3; i++) {
        vm_array_set_key(vm, values, admin->keys[i], vm_int((int64_t)i));
        (void)admin_has_setting(admin, number, i);
    }
    admin_work(admin, 4);
}

/* Settings are kept by section, and again under their paths. */
static void load_section(struct admin *admin, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *section = vm_array_new(vm, VM_ARRAY_HASH, 0);
    struct vm_string *name = vm_string_format(vm, "%s%llu", text_word(number), (unsigned long long)number);
    vm_array_set_key(vm, request_global(vm, "sections"), name, vm_array_value(section));
    for (uint64_t i = 0; i < SETTINGS_PER_SECTION; i++) {
        struct sm_value value = i % 3 == 0 ? vm_int((int64_t)i) : admin_words(admin, 1 + (unsigned)i % 4);
        struct vm_string *key = vm_as_string(admin_words(admin, 1));
        vm_array_set_key(vm, section, key, value);
        vm_value_drop(vm, vm_string_value(key));
        (void)admin_has_setting(admin, number, i);
    }
    for (uint64_t i = 0; i < FORMS_PER_SECTION; i++)
        make_form(admin, section, i);
    struct vm_string *path = text_prefix(vm, "settings/", name);
    vm_array_set_key(vm, request_global(vm, "settings"), path, admin_words(admin, 2));
    vm_value_drop(vm, vm_string_value(path));
    vm_value_drop(vm, vm_string_value(name));
    admin_work(admin, SETTINGS_PER_SECTION);
    vm_safepoint(vm);
}

static void define_globals(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *globals = request_global_new(vm, "template_globals", VM_ARRAY_HASH);
    for (uint64_t i = 0; i < admin->options.global_count; i++) {
        struct vm_string *name = vm_string_format(vm, "%s_%llu", text_word(i), (unsigned long long)i);
        vm_array_set_key(vm, globals, name, admin_words(admin, 1));
        vm_value_drop(vm, vm_string_value(name));
        admin_work(admin, 2);
    }
}

static void boot(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    mutator_work_boot(&admin->request.session.work, vm, admin->request.session.mutator_work_enabled);
    define_names(admin);
    (void)request_global_new(vm, "sections", VM_ARRAY_HASH);
    (void)request_global_new(vm, "settings", VM_ARRAY_HASH);
    for (uint64_t i = 0; i < admin->options.section_count; i++)
        load_section(admin, i);
    define_globals(admin);
}

/* ---- The table ---- */

/* Every value comes anew, as from a driver; the result's destructor frees the row. */
static void fetch_row(struct admin *admin, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    struct vm_object *result = vm_object_new(vm, admin->classes[ADMIN_CLASS_RESULT]);
    vm_local_set(vm, RESULT, vm_object_value(result));
    vm_object_set(vm, result, RESULT_NUMBER, vm_int((int64_t)number));
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    for (uint64_t i = 0; i < admin->options.column_count; i++)
        vm_array_append(vm, row, admin_words(admin, 1 + (unsigned)(i % 4) * 4));
    vm_object_set(vm, result, RESULT_ROW, vm_value_copy(vm, vm_array_value(row)));
    admin_work(admin, (uint32_t)admin->options.column_count);
}

/* Output is sent when a good deal has come together, and a new string begun. */
static void send_output(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    if (vm_as_string(vm_local_get(vm, TABLE))->length < SENT_BYTES)
        return;
    vm_session_fold_value(&admin->request.session, vm_local_get(vm, TABLE), 1);
    vm_local_set(vm, TABLE, vm_string_value(vm_string_with_capacity(vm, 256)));
}

static void render_row(struct admin *admin, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    fetch_row(admin, number);
    vm_local_set(vm, CELLS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    (void)request_global_new(vm, "fields", VM_ARRAY_PACKED);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, ROW)), &position, &entry);) {
        struct sm_value cell = admin_cell(admin, position, entry.value);
        vm_array_append(vm, vm_as_array(vm_local_get(vm, CELLS)), cell);
        vm_safepoint(vm);
    }
    vm_local_set(vm, LINE, vm_string_value(text_join(vm, vm_as_array(vm_local_get(vm, CELLS)), "\n")));
    text_append_string(vm, vm_local_place(vm, TABLE), vm_as_string(vm_local_get(vm, LINE)));
    text_append(vm, vm_local_place(vm, TABLE), "</tr>\n");
}

static void read_back(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    struct vm_session *session = &admin->request.session;
    vm_session_fold_value(session, vm_array_value(request_global(vm, "sections")), 3);
    vm_session_fold_value(session, vm_local_get(vm, TABLE), 1);
    program_fold(&admin->request);
    vm_session_fold(session, session->work.accumulator);
}

static void run_request(struct vm_session *session)
{
    struct admin *admin = (struct admin *)session;
    struct vm *vm = session->vm;
    vm_frame_enter(vm, REQUEST_LOCALS);
    program_compile(&admin->request);
    boot(admin);
    vm_local_set(vm, TABLE, vm_string_value(vm_string_with_capacity(vm, 256)));
    for (uint64_t i = 0; i < admin->options.row_count; i++) {
        send_output(admin);
        render_row(admin, i);
        vm_safepoint(vm);
    }
    inject_faults(admin);
    read_back(admin);
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    sm_status status =
        request_session_create(sizeof(struct admin), &wl_fpm_admin, config, run_request, instance, error);
    if (status != SM_OK)
        return status;
    const struct sm_option_values *values = config->options;
    admin_of(*instance)->options = (struct admin_options){
        .row_count = values->value[OPTION_ROWS].count,
        .column_count = values->value[OPTION_COLUMNS].count,
        .section_count = values->value[OPTION_SECTIONS].count,
        .global_count = values->value[OPTION_GLOBALS].count,
    };
    admin_of(*instance)->request.file_count = values->value[OPTION_FILES].count;
    return SM_OK;
}

const struct wl_ops wl_fpm_admin = {
    .name = "fpm-admin",
    .summary = "pages of an administration tool: short strings, links and templates made and thrown away, cell by cell",
    .sapi = SM_SAPI_FPM,
    .step_unit = "request",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(9) << 30, /* 9 GiB */
    .create = create,
    .step = request_session_step,
    .serve = request_session_serve,
    .finish = vm_session_finish,
    .destroy = request_session_destroy,
};
