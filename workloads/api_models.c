/* Posts and what belongs to them: a query, rows, models with casts and events, resources, JSON. */
#include "api.h"

enum { BUILDER_TABLE, BUILDER_WHERES, BUILDER_BINDINGS, BUILDER_COLUMNS };
enum { MODEL_ATTRIBUTES, MODEL_ORIGINAL, MODEL_RELATIONS, MODEL_EXISTS, MODEL_CAST_CACHE };
enum { CACHED_CASTS = 4 };
enum { DATE_STAMP, DATE_TEXT };
enum { RESOURCE_MODEL, RESOURCE_WITH };
enum { WHERES = 2 };

static struct vm_array *local_array(const struct api *api, uint32_t local)
{
    return vm_as_array(vm_local_get(api_vm(api), local));
}

/* ---- A query ---- */

enum { BUILDER, PIECES, ROWS, QUERY_LOCALS };

static struct vm_array *make_where(struct api *api, enum api_key column, uint64_t value)
{
    struct vm *vm = api_vm(api);
    struct vm_array *where = api_pair(api, API_KEY_TYPE, API_KEY_VALUE, vm_int((int64_t)value));
    vm_array_set_key(vm, where, api->keys[API_KEY_COLUMN], api_key_value(api, column));
    vm_array_set_key(vm, where, api->keys[API_KEY_OPERATOR], api_key_value(api, API_KEY_OPERATOR));
    return where;
}

static void make_builder(struct api *api, uint64_t parent)
{
    static const enum api_key columns[WHERES] = {API_KEY_PARENT_ID, API_KEY_STATUS};
    struct vm *vm = api_vm(api);
    struct vm_object *builder = vm_object_new(vm, api->classes[API_CLASS_BUILDER]);
    vm_local_set(vm, BUILDER, vm_object_value(builder));
    struct vm_array *wheres = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_object_set(vm, builder, BUILDER_WHERES, vm_array_value(wheres));
    for (int i = 0; i < WHERES; i++)
        vm_array_append(vm, wheres, vm_array_value(make_where(api, columns[i], parent)));
    api_work(api, 6);
}

/* "select id, title ... where parent_id = ? and ...", joined from pieces. */
static struct vm_string *compile(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_array *pieces = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, PIECES, vm_array_value(pieces));
    for (int i = 0; i < API_COLUMNS; i++)
        vm_array_append(vm, pieces, vm_string_value(text_prefix(vm, "posts.", api->keys[i])));
    const struct vm_array *wheres = vm_as_array(vm_object_get(vm_as_object(vm_local_get(vm, BUILDER)), BUILDER_WHERES));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(wheres, &position, &entry);) {
        struct sm_value column = vm_array_get_key(vm_as_array(entry.value), api->keys[API_KEY_COLUMN]);
        vm_array_append(vm, pieces, vm_string_value(text_prefix(vm, "where ? = ", vm_as_string(column))));
    }
    api_work(api, 10);
    return text_join(vm, pieces, ", ");
}

/* Every string comes anew, as from a driver. */
static struct vm_array *fetch_row(struct api *api, uint64_t id, uint64_t parent)
{
    struct vm *vm = api_vm(api);
    uint64_t stamp = 1700000000 + wl_random_below(&api->request.random, 50000000);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_append(vm, local_array(api, ROWS), vm_array_value(row));
    vm_array_set_key(vm, row, api->keys[API_KEY_ID], vm_int((int64_t)id));
    vm_array_set_key(vm, row, api->keys[API_KEY_TITLE], vm_string_value(text_words(vm, &api->request.random, 4)));
    vm_array_set_key(vm, row, api->keys[API_KEY_SLUG], vm_string_value(text_words(vm, &api->request.random, 1)));
    vm_array_set_key(vm, row, api->keys[API_KEY_BODY], vm_string_value(text_words(vm, &api->request.random, 25)));
    vm_array_set_key(vm, row, api->keys[API_KEY_STATUS], vm_int((int64_t)(id % 3)));
    vm_array_set_key(vm, row, api->keys[API_KEY_CREATED_AT], vm_string_value(text_number(vm, (int64_t)stamp)));
    vm_array_set_key(vm, row, api->keys[API_KEY_UPDATED_AT], vm_string_value(text_number(vm, (int64_t)stamp + 60)));
    vm_array_set_key(vm, row, api->keys[API_KEY_PARENT_ID], vm_int((int64_t)parent));
    api_work(api, 8);
    return row;
}

/* ---- Models ---- */

/* Every attribute may have a method of its own: "CLASS::getXattribute" is put together to be asked about. */
static void look_for_accessor(struct api *api, uint64_t class_number, enum api_key key)
{
    struct vm *vm = api_vm(api);
    struct vm_string *name =
        vm_string_format(vm, "%s::get%sattribute", api->class_names[class_number % 6 * 8]->data, api->keys[key]->data);
    bool found = vm_tag_of(vm_array_get_key(request_global(vm, "classes"), name)) != VM_UNDEF;
    vm_value_drop(vm, vm_string_value(name));
    api_work(api, found ? 3 : 1);
}

/* getCasts(): the model's own merged with the key's, anew at every question. */
static bool has_cast(struct api *api, enum api_key key)
{
    struct vm *vm = api_vm(api);
    struct vm_array *casts = api_pair(api, API_KEY_ID, API_KEY_CREATED_AT, vm_int(1));
    bool found = vm_tag_of(vm_array_get_key(casts, api->keys[key])) != VM_UNDEF;
    vm_value_drop(vm, vm_array_value(casts));
    return found;
}

/* getDates(): a list made anew at every question; the model's casts are asked while it is there. */
static bool is_date(struct api *api, enum api_key key)
{
    struct vm *vm = api_vm(api);
    struct vm_array *dates = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, dates, api_key_value(api, API_KEY_CREATED_AT));
    vm_array_append(vm, dates, api_key_value(api, API_KEY_UPDATED_AT));
    (void)api_class_exists(api, (uint64_t)key * 7);
    bool found = has_cast(api, key);
    struct vm_array_entry entry;
    for (size_t position = 0; !found && vm_array_next(dates, &position, &entry);)
        found = vm_as_string(entry.value) == api->keys[key];
    vm_value_drop(vm, vm_array_value(dates));
    return found;
}

static void boot_model(struct api *api, uint64_t id)
{
    static const char *const events[] = {"eloquent.booting", "eloquent.booted", "eloquent.initialized"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        api_fire(api, events[i], id);
    for (uint64_t i = 0; i < 6; i++)
        (void)api_class_exists(api, id + i);
}

/* Called with its arguments in a list, as fill() calls isFillable() and the like. */
static void check_fillable(struct api *api, uint64_t id, enum api_key key)
{
    struct vm *vm = api_vm(api);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, arguments, api_key_value(api, key));
    look_for_accessor(api, id, key);
    (void)api_class_exists(api, (uint64_t)key);
    vm_value_drop(vm, vm_array_value(arguments));
    (void)api_class_exists(api, (uint64_t)key + 1);
    vm_value_drop(vm, vm_array_value(api_pair(api, API_KEY_TYPE, API_KEY_COLUMN, api_key_value(api, key))));
}

/* foreach by reference: every second column is looked at through one. */
static void fill(struct api *api, uint64_t id)
{
    struct vm *vm = api_vm(api);
    for (int i = 0; i < API_COLUMNS; i += 2) {
        struct vm_reference *reference = vm_reference_new(vm, api_key_value(api, (enum api_key)i));
        check_fillable(api, id, (enum api_key)i);
        vm_value_drop(vm, vm_heap_value(reference, VM_REFERENCE));
        check_fillable(api, id, (enum api_key)(i + 1));
    }
}

/* newFromBuilder(): attributes and original share the row until one is written. Returns owned. */
static struct vm_object *hydrate(struct api *api, struct vm_array *row)
{
    struct vm *vm = api_vm(api);
    uint64_t id = vm_array_get_key(row, api->keys[API_KEY_ID]).payload;
    struct vm_object *model = vm_object_new(vm, api->classes[API_CLASS_MODEL]);
    vm_temporary_push(vm, vm_object_value(model));
    boot_model(api, id);
    fill(api, id);
    vm_object_set(vm, model, MODEL_ATTRIBUTES, vm_value_copy(vm, vm_array_value(row)));
    vm_object_set(vm, model, MODEL_ORIGINAL, vm_value_copy(vm, vm_array_value(row)));
    vm_object_set(vm, model, MODEL_EXISTS, vm_bool(true));
    api_fire(api, "eloquent.retrieved", id);
    api_work(api, 6);
    return vm_as_object(vm_temporary_pop(vm));
}

/* Returns a packed list of models, owned. */
static struct vm_array *query(struct api *api, uint64_t first_id, uint64_t count, uint64_t parent)
{
    struct vm *vm = api_vm(api);
    vm_frame_enter(vm, QUERY_LOCALS);
    make_builder(api, parent);
    vm_value_drop(vm, vm_string_value(compile(api)));
    vm_local_set(vm, ROWS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array *models = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_temporary_push(vm, vm_array_value(models));
    for (uint64_t i = 0; i < count; i++) {
        struct vm_array *row = fetch_row(api, first_id + i, parent);
        vm_array_append(vm, models, vm_object_value(hydrate(api, row)));
        vm_safepoint(vm);
    }
    (void)vm_temporary_pop(vm);
    vm_frame_leave(vm);
    return models;
}

static void load_relation(struct api *api, struct vm_object *post, uint64_t id)
{
    struct vm *vm = api_vm(api);
    struct vm_array *related = query(api, id * 1000, api->options.related_count, id);
    struct vm_array *relations = api_pair(api, API_KEY_META, API_KEY_RELATED, vm_array_value(related));
    vm_object_set(vm, post, MODEL_RELATIONS, vm_array_value(relations));
}

struct vm_array *api_fetch_posts(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_array *posts = query(api, 1, api->options.post_count, 0);
    vm_temporary_push(vm, vm_array_value(posts));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(posts, &position, &entry);) {
        load_relation(api, vm_as_object(entry.value), position);
        vm_safepoint(vm);
    }
    return vm_as_array(vm_temporary_pop(vm));
}

/* ---- Resources ---- */

enum { RESOURCE, RESULT, DATES, RESOURCE_LOCALS };

/* A date object reads the stamp and writes it in another format; it is kept until the model is done. */
static struct sm_value format_date(struct api *api, struct sm_value stamp)
{
    struct vm *vm = api_vm(api);
    struct vm_object *date = vm_object_new(vm, api->classes[API_CLASS_DATE]);
    vm_array_append(vm, local_array(api, DATES), vm_object_value(date));
    vm_object_set(vm, date, DATE_STAMP, vm_value_copy(vm, stamp));
    struct vm_string *text = vm_string_format(vm, "2026-11-%sT00:00:00Z", vm_as_string(stamp)->data + 8);
    vm_object_set(vm, date, DATE_TEXT, vm_value_copy(vm, vm_string_value(text)));
    api_work(api, 4);
    return vm_string_value(text);
}

/* A value object is made to answer; the first few stay in the model's cache. */
static void wrap_attribute(struct api *api, struct vm_object *model, enum api_key key, struct sm_value value)
{
    struct vm *vm = api_vm(api);
    struct vm_object *wrapped = vm_object_new(vm, api->classes[API_CLASS_RESOURCE]);
    vm_object_set(vm, wrapped, 0, vm_value_copy(vm, value));
    if ((int)key < CACHED_CASTS)
        vm_object_set(vm, model, MODEL_CAST_CACHE + (uint32_t)key, vm_object_value(wrapped));
    else
        vm_value_drop(vm, vm_object_value(wrapped));
}

static struct sm_value cast_attribute(struct api *api, struct vm_object *model, enum api_key key, struct sm_value value)
{
    look_for_accessor(api, (uint64_t)key, key);
    for (uint64_t i = 0; i < 3; i++)
        (void)api_class_exists(api, (uint64_t)key * 3 + i);
    api_work(api, has_cast(api, key) ? 2 : 1);
    wrap_attribute(api, model, key, value);
    for (uint64_t i = 0; i < 3; i++)
        (void)api_class_exists(api, (uint64_t)key * 5 + i);
    if (is_date(api, key) && vm_tag_of(value) == VM_STRING)
        return format_date(api, value);
    return vm_value_copy(api_vm(api), value);
}

static struct sm_value related_resources(struct api *api, struct vm_object *model);

/* toArray() of the model in a frame of its own. Returns owned. */
static struct sm_value resource_array(struct api *api, struct vm_object *model)
{
    struct vm *vm = api_vm(api);
    vm_frame_enter(vm, RESOURCE_LOCALS);
    struct vm_object *resource = vm_object_new(vm, api->classes[API_CLASS_RESOURCE]);
    vm_local_set(vm, RESOURCE, vm_object_value(resource));
    vm_object_set(vm, resource, RESOURCE_MODEL, vm_value_copy(vm, vm_object_value(model)));
    vm_local_set(vm, RESULT, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    vm_local_set(vm, DATES, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    const struct vm_array *attributes = vm_as_array(vm_object_get(model, MODEL_ATTRIBUTES));
    for (int i = 0; i < API_COLUMNS - 1; i++) {
        struct sm_value value = vm_array_get_key(attributes, api->keys[i]);
        value = cast_attribute(api, model, (enum api_key)i, value);
        vm_array_set_key(vm, local_array(api, RESULT), api->keys[i], value);
        vm_safepoint(vm);
    }
    struct sm_value related = related_resources(api, model);
    if (vm_tag_of(related) == VM_ARRAY)
        vm_array_set_key(vm, local_array(api, RESULT), api->keys[API_KEY_RELATED], related);
    struct sm_value result = vm_local_take(vm, RESULT);
    vm_frame_leave(vm);
    return result;
}

/* The models of a packed list as arrays. Returns owned. */
static struct vm_array *resource_list(struct api *api, const struct vm_array *models)
{
    struct vm *vm = api_vm(api);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_temporary_push(vm, vm_array_value(list));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(models, &position, &entry);) {
        vm_array_append(vm, list, resource_array(api, vm_as_object(entry.value)));
        vm_safepoint(vm);
    }
    return vm_as_array(vm_temporary_pop(vm));
}

/* Undefined when the model has no relation loaded. */
static struct sm_value related_resources(struct api *api, struct vm_object *model)
{
    struct sm_value relations = vm_object_get(model, MODEL_RELATIONS);
    if (vm_tag_of(relations) != VM_ARRAY)
        return vm_undef();
    struct sm_value related = vm_array_get_key(vm_as_array(relations), api->keys[API_KEY_RELATED]);
    return vm_array_value(resource_list(api, vm_as_array(related)));
}

struct vm_array *api_resources(struct api *api, const struct vm_array *posts)
{
    return api_pair(api, API_KEY_META, API_KEY_DATA, vm_array_value(resource_list(api, posts)));
}

/* ---- JSON ---- */

static void put_text(struct api *api, uint32_t output, const struct vm_string *text)
{
    struct vm_place place = vm_local_place(api_vm(api), output);
    vm_string_append(api_vm(api), place, "\"", 1);
    text_append_string(api_vm(api), place, text);
    vm_string_append(api_vm(api), place, "\"", 1);
}

static void put_number(struct api *api, uint32_t output, int64_t number)
{
    char digits[24];
    size_t length = text_format_number(digits, number);
    vm_string_append(api_vm(api), vm_local_place(api_vm(api), output), digits, length);
}

static void encode_array(struct api *api, uint32_t output, const struct vm_array *array)
{
    bool is_list = array->kind == VM_ARRAY_PACKED;
    struct vm_place place = vm_local_place(api_vm(api), output);
    struct vm_array_entry entry;
    const char *separator = is_list ? "[" : "{";
    for (size_t position = 0; vm_array_next(array, &position, &entry); separator = ",") {
        text_append(api_vm(api), place, separator);
        if (entry.key != NULL) {
            put_text(api, output, entry.key);
            text_append(api_vm(api), place, ":");
        }
        api_encode(api, output, entry.value);
    }
    text_append(api_vm(api), place, is_list ? "]" : "}");
}

void api_encode(struct api *api, uint32_t output, struct sm_value value)
{
    switch (vm_tag_of(value)) {
    case VM_ARRAY:
        encode_array(api, output, vm_as_array(value));
        break;
    case VM_STRING:
        put_text(api, output, vm_as_string(value));
        break;
    case VM_INT:
        put_number(api, output, vm_as_int(value));
        break;
    default:
        text_append(api_vm(api), vm_local_place(api_vm(api), output), "true");
    }
    api_work(api, 1);
}
