/* A table cell: texts escaped, links with their parameters, a template rendered into an output buffer of its own. */
#include "admin.h"

enum { OUTPUT_BUFFER_BYTES = 16384 - 1, LINKS = 4, LINK_ATTRIBUTES = 2, CHECKS = 3, CLASS_NAMES = 3, QUERY_WORDS = 16 };

enum { FIELD_NAME, FIELD_TYPE, FIELD_NUMBER };
enum { TEMPLATE_CONTEXT, TEMPLATE_NAME };
enum { ITERATOR_SUBJECT, ITERATOR_POSITION };
enum { MESSAGE_NUMBER, MESSAGE_TEXT };

/* Locals of a cell's frame. */
enum { VALUE, ESCAPED, CLASSES, LINK, PARAMETERS, BUFFER, COMPILED, KEPT, CONTEXT, CELL_LOCALS };

static struct vm_array *local_array(const struct admin *admin, uint32_t local)
{
    return vm_as_array(vm_local_get(admin_vm(admin), local));
}

/* The paths of a plugin's settings have its class in them. */
static struct vm_string *setting_path(struct admin *admin, uint64_t section, uint64_t name)
{
    static const char *const formats[] = {"DefaultFunctions/%s/%s", "Servers/1/%s/%s/hide_db",
                                          "Plugins\\Transform\\%s\\%s", "Plugins\\Transformations\\Text\\%s\\Plain%s"};
    return vm_string_format(admin_vm(admin), formats[(section + name) % 4], text_word(section), text_word(name));
}

bool admin_has_setting(struct admin *admin, uint64_t section, uint64_t name)
{
    struct vm *vm = admin_vm(admin);
    struct vm_string *path = setting_path(admin, section, name);
    bool found = vm_tag_of(vm_array_get_key(request_global(vm, "settings"), path)) != VM_UNDEF;
    vm_value_drop(vm, vm_string_value(path));
    admin_work(admin, 1);
    return found;
}

/* Asked through call_user_func_array(): the arguments are a list. */
static void ask_for_setting(struct admin *admin, uint64_t section, uint64_t name)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, arguments, vm_int((int64_t)section));
    vm_array_append(vm, arguments, vm_int((int64_t)name));
    for (uint64_t i = 0; i < 3; i++)
        (void)admin_has_setting(admin, section, name + i);
    vm_value_drop(vm, vm_array_value(arguments));
}

/* ---- Attributes: `name="value"`, grown piece by piece ---- */

static const char *const attribute_starts[] = {
    "title=\"",
    "data-decimals=\"",
    "data-transformation=\"",
    "class=\"data grid_edit click2 not_null\" data-type=\"",
    "class=\"pma_hide_row nowrap condition\" data-original-length=\"",
};

static void append_attribute(struct admin *admin, uint32_t output, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    const char *start = attribute_starts[number % (sizeof(attribute_starts) / sizeof(attribute_starts[0]))];
    vm_temporary_push(vm, vm_local_take(vm, output));
    vm_local_set(vm, output, vm_string_value(vm_string_new(vm, start, strlen(start))));
    for (uint64_t i = 0; i < 3; i++) {
        text_append(vm, vm_local_place(vm, output), text_word(number + i));
        text_append(vm, vm_local_place(vm, output), i < 2 ? "-" : "\" ");
    }
    struct sm_value attribute = vm_local_take(vm, output);
    vm_local_set(vm, output, vm_temporary_pop(vm));
    text_append_string(vm, vm_local_place(vm, output), vm_as_string(attribute));
    vm_value_drop(vm, attribute);
    admin_work(admin, 3);
}

/* ---- Links ---- */

/* Those of every second link are kept until the cell is done, the others until its template has its context. */
static void fill_parameters(struct admin *admin, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *parameters = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, PARAMETERS, vm_array_value(parameters));
    for (int i = 0; i < ADMIN_LINK_KEYS - 1; i++) {
        bool is_query = i == ADMIN_KEY_SQL_QUERY || i == ADMIN_KEY_WHERE_CLAUSE;
        struct sm_value text = admin_words(admin, is_query ? QUERY_WORDS : 1 + (unsigned)i % 4);
        vm_array_set_key(vm, parameters, admin->keys[i], text);
    }
    vm_array_append(vm, local_array(admin, number % 2 == 0 ? KEPT : COMPILED),
                    vm_value_copy(vm, vm_array_value(parameters)));
    admin_work(admin, ADMIN_LINK_KEYS);
}

/* Each value is encoded into a string of its own. */
static void append_parameter(struct admin *admin, struct vm_string *key, struct sm_value value)
{
    struct vm *vm = admin_vm(admin);
    struct vm_string *encoded =
        vm_tag_of(value) == VM_STRING ? text_prefix(vm, "%20", vm_as_string(value)) : text_number(vm, vm_as_int(value));
    struct vm_place link = vm_local_place(vm, LINK);
    text_append_string(vm, link, key);
    text_append(vm, link, "=");
    text_append_string(vm, link, encoded);
    text_append(vm, link, "&");
    vm_value_drop(vm, vm_string_value(encoded));
    admin_work(admin, 2);
}

/* The common parameters are merged in, in an array of its own, which a reference goes along. */
static void append_link(struct admin *admin, uint64_t number)
{
    struct vm *vm = admin_vm(admin);
    fill_parameters(admin, number);
    struct vm_array *merged = vm_array_new(vm, VM_ARRAY_HASH, number % 2 == 0 ? ADMIN_KEY_COUNT : ADMIN_LINK_KEYS);
    vm_temporary_push(vm, vm_array_value(merged));
    vm_temporary_push(vm, vm_heap_value(vm_reference_new(vm, vm_int((int64_t)number)), VM_REFERENCE));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(local_array(admin, PARAMETERS), &position, &entry);)
        vm_array_set_key(vm, merged, entry.key, vm_value_copy(vm, entry.value));
    vm_array_set_key(vm, merged, admin->keys[ADMIN_KEY_GOTO], vm_int((int64_t)number));
    text_append(vm, vm_local_place(vm, LINK), "index.php?route=/sql&");
    for (size_t position = 0; vm_array_next(merged, &position, &entry);)
        if (position % 3 != 0)
            append_parameter(admin, entry.key, entry.value);
    ask_for_setting(admin, number, 1);
    for (uint64_t i = 0; i < LINK_ATTRIBUTES; i++)
        append_attribute(admin, LINK, number + i * 2);
    vm_value_drop(vm, vm_temporary_pop(vm));
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* ---- Templates ---- */

/* An iterator looks at one thing and is done. */
static void iterate(struct admin *admin, struct sm_value subject, int64_t position)
{
    struct vm *vm = admin_vm(admin);
    struct vm_object *iterator = vm_object_new(vm, admin->classes[ADMIN_CLASS_ITERATOR]);
    vm_object_set(vm, iterator, ITERATOR_SUBJECT, vm_value_copy(vm, subject));
    vm_object_set(vm, iterator, ITERATOR_POSITION, vm_int(position));
    vm_value_drop(vm, vm_object_value(iterator));
    admin_work(admin, 1);
}

/* What every template is given, and the cell's own, merged at the size of both. Returns owned. */
static struct vm_array *merge_globals(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    const struct vm_array *globals = request_global(vm, "template_globals");
    const struct vm_array *own = local_array(admin, CONTEXT);
    struct vm_array *merged = vm_array_new(vm, VM_ARRAY_HASH, vm_array_count(globals) + vm_array_count(own));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(globals, &position, &entry);)
        vm_array_set_key(vm, merged, entry.key, vm_value_copy(vm, entry.value));
    for (size_t position = 0; vm_array_next(own, &position, &entry);)
        vm_array_set_key(vm, merged, entry.key, vm_value_copy(vm, entry.value));
    admin_work(admin, 4);
    return merged;
}

/* {{ name }}: the arguments of the filter in a list, its options in a hash; the text is escaped, and thrown away once it is printed. */
static void print_variable(struct admin *admin, struct vm_place buffer, enum admin_key key)
{
    struct vm *vm = admin_vm(admin);
    struct sm_value value = vm_array_get_key(local_array(admin, CONTEXT), admin->keys[key]);
    struct vm_array *options = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, options, admin->keys[ADMIN_KEY_TYPE], vm_int((int64_t)key));
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, arguments, vm_value_copy(vm, value));
    struct vm_string *escaped = text_escape(vm, vm_as_string(value));
    text_append_string(vm, buffer, escaped);
    text_append(vm, buffer, " ");
    vm_value_drop(vm, vm_string_value(escaped));
    vm_value_drop(vm, vm_array_value(arguments));
    iterate(admin, value, (int64_t)key);
    vm_value_drop(vm, vm_array_value(options));
    admin_work(admin, 2);
}

/* Render into an output buffer as ob_start() makes one; what was printed is copied out of it. Returns owned. */
static struct sm_value render(struct admin *admin, uint64_t column)
{
    static const enum admin_key printed[] = {ADMIN_KEY_CLASSES, ADMIN_KEY_VALUE, ADMIN_KEY_LINK, ADMIN_KEY_TYPE};
    struct vm *vm = admin_vm(admin);
    struct vm_object *template = vm_object_new(vm, admin->classes[ADMIN_CLASS_TEMPLATE]);
    vm_temporary_push(vm, vm_object_value(template));
    vm_object_set(vm, template, TEMPLATE_CONTEXT, vm_array_value(merge_globals(admin)));
    vm_object_set(vm, template, TEMPLATE_NAME,
                  vm_string_value(vm_string_format(vm, "cell/%llu.twig", (unsigned long long)column)));
    vm_local_set(vm, COMPILED, vm_undef());
    vm_local_set(vm, BUFFER, vm_string_value(vm_string_with_capacity(vm, OUTPUT_BUFFER_BYTES)));
    struct vm_place buffer = vm_local_place(vm, BUFFER);
    text_append(vm, buffer, "<td>");
    for (size_t i = 0; i < sizeof(printed) / sizeof(printed[0]); i++)
        print_variable(admin, buffer, printed[i]);
    text_append(vm, buffer, "</td>");
    const struct vm_string *output = vm_as_string(vm_local_get(vm, BUFFER));
    struct vm_string *copy = vm_string_new(vm, output->data, (size_t)output->length);
    vm_local_set(vm, BUFFER, vm_undef());
    vm_value_drop(vm, vm_temporary_pop(vm));
    return vm_string_value(copy);
}

/* ---- The cell ---- */

static void describe_field(struct admin *admin, uint64_t column)
{
    struct vm *vm = admin_vm(admin);
    struct vm_object *field = vm_object_new(vm, admin->classes[ADMIN_CLASS_FIELD]);
    vm_array_append(vm, request_global(vm, "fields"), vm_object_value(field));
    vm_object_set(vm, field, FIELD_NAME, admin_words(admin, 1));
    vm_object_set(vm, field, FIELD_TYPE, admin_words(admin, 2));
    vm_object_set(vm, field, FIELD_NUMBER, vm_int((int64_t)column));
    for (uint64_t i = 0; i < CHECKS; i++)
        ask_for_setting(admin, column, i);
}

/* A list of names, each a string of its own, looked through by iterators and joined. */
static void collect_classes(struct admin *admin, uint64_t column)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *names = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_temporary_push(vm, vm_array_value(names));
    for (int64_t i = 0; i < CLASS_NAMES; i++) {
        iterate(admin, vm_local_get(vm, ESCAPED), i);
        struct vm_string *name =
            vm_string_format(vm, "grid_edit_%s", text_word(wl_random_next(&admin->request.random)));
        vm_array_append(vm, names, vm_string_value(name));
    }
    struct vm_string *joined = text_join(vm, names, " ");
    vm_local_set(vm, CLASSES, vm_string_value(joined));
    vm_value_drop(vm, vm_temporary_pop(vm));
    append_attribute(admin, CLASSES, column);
    append_attribute(admin, CLASSES, column * 3);
    admin_work(admin, 6);
}

static void escape_value(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    struct vm_object *plugin = vm_object_new(vm, admin->classes[ADMIN_CLASS_PLUGIN]);
    vm_temporary_push(vm, vm_object_value(plugin));
    struct vm_string *escaped = text_escape(vm, vm_as_string(vm_local_get(vm, VALUE)));
    vm_object_set(vm, plugin, 0, vm_string_value(escaped));
    int64_t length = (int64_t)escaped->length;
    vm_local_set(vm, ESCAPED, text_replace(vm, escaped, " ", "&nbsp;"));
    vm_value_drop(vm, vm_temporary_pop(vm));
    struct vm_object *message = vm_object_new(vm, admin->classes[ADMIN_CLASS_MESSAGE]);
    vm_object_set(vm, message, MESSAGE_NUMBER, vm_int(length));
    vm_value_drop(vm, vm_object_value(message));
}

static void fill_context(struct admin *admin)
{
    struct vm *vm = admin_vm(admin);
    struct vm_array *context = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, CONTEXT, vm_array_value(context));
    vm_array_set_key(vm, context, admin->keys[ADMIN_KEY_VALUE], vm_value_copy(vm, vm_local_get(vm, ESCAPED)));
    vm_array_set_key(vm, context, admin->keys[ADMIN_KEY_CLASSES], vm_value_copy(vm, vm_local_get(vm, CLASSES)));
    vm_array_set_key(vm, context, admin->keys[ADMIN_KEY_LINK], vm_value_copy(vm, vm_local_get(vm, LINK)));
    vm_array_set_key(vm, context, admin->keys[ADMIN_KEY_TYPE], admin_words(admin, 1));
    admin_work(admin, 4);
}

struct sm_value admin_cell(struct admin *admin, uint64_t column, struct sm_value value)
{
    struct vm *vm = admin_vm(admin);
    vm_frame_enter(vm, CELL_LOCALS);
    vm_local_set(vm, VALUE, vm_value_copy(vm, value));
    describe_field(admin, column);
    escape_value(admin);
    collect_classes(admin, column);
    vm_local_set(vm, LINK, vm_string_value(vm_string_with_capacity(vm, 0)));
    vm_local_set(vm, COMPILED, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_local_set(vm, KEPT, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (uint64_t i = 0; i < LINKS; i++) {
        append_link(admin, column + i);
        vm_safepoint(vm);
    }
    fill_context(admin);
    struct sm_value html = render(admin, column);
    vm_frame_leave(vm);
    return html;
}
