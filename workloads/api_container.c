/* What a framework makes before and around the program: names, bindings, services, listeners, routes. */
#include "api.h"

#include <ctype.h>
#include <stdio.h>

enum { BINDINGS_PER_PROVIDER = 10, LISTENERS_PER_PROVIDER = 4, CONFIG_FILES = 14, CONFIG_ENTRIES = 8 };

enum { SERVICE_NAME, SERVICE_CONTAINER, SERVICE_OPTIONS, SERVICE_PARTS, SERVICE_PROPERTIES = 21 };
enum { SERVICE_PART_COUNT = 3 };
enum { PROVIDER_CONTAINER, PROVIDER_BOOTED, PROVIDER_PROPERTIES };
enum { ROUTE_URI, ROUTE_METHODS, ROUTE_ACTION, ROUTE_CONTAINER, ROUTE_PROPERTIES = 20 };

static const char *const key_texts[API_KEY_COUNT] = {
    "id",       "title",  "slug",     "body",       "status", "created_at", "updated_at", "parent_id",
    "concrete", "shared", "uses",     "middleware", "as",     "prefix",     "type",       "column",
    "operator", "value",  "abstract", "callbacks",  "data",   "related",    "author",     "meta",
};

static const struct {
    const char *name;
    uint32_t property_count;
} class_table[API_CLASS_COUNT] = {
    [API_CLASS_SERVICE] = {"Service", SERVICE_PROPERTIES},
    [API_CLASS_PROVIDER] = {"Provider", PROVIDER_PROPERTIES},
    [API_CLASS_ROUTE] = {"Route", ROUTE_PROPERTIES},
    [API_CLASS_REQUEST] = {"Request", 34},
    [API_CLASS_BUILDER] = {"Builder", 30},
    [API_CLASS_CLAUSE] = {"Clause", 3},
    [API_CLASS_MODEL] = {"Model", 34},
    [API_CLASS_DATE] = {"Date", 4},
    [API_CLASS_RESOURCE] = {"Resource", 2},
};

/* ---- Names ---- */

static const char *const name_parts[][2] = {
    {"App\\Models\\", ""},
    {"App\\Http\\Controllers\\", "Controller"},
    {"Framework\\Database\\Eloquent\\", "Builder"},
    {"Framework\\Contracts\\Support\\", "Castable"},
    {"Framework\\Routing\\", "Dispatcher"},
    {"Framework\\Support\\", ""},
    {"Framework\\Foundation\\Http\\", "Request"},
    {"App\\Casts\\", "Cast"},
};

/* The table is keyed by lower-case names, as the engine's own. */
static void define_class_names(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_array *table = request_global_new(vm, "classes", VM_ARRAY_HASH);
    for (int i = 0; i < API_CLASS_NAMES; i++) {
        const char *const *parts = name_parts[(size_t)i % (sizeof(name_parts) / sizeof(name_parts[0]))];
        char name[96];
        int length = snprintf(name, sizeof(name), "%s%s%s", parts[0], text_word((uint64_t)i), parts[1]);
        api->class_names[i] = vm_intern(vm, name, (size_t)length);
        for (int j = 0; j < length; j++)
            name[j] = (char)tolower((unsigned char)name[j]);
        vm_array_set_key(vm, table, vm_intern(vm, name, (size_t)length), vm_int(i));
    }
}

bool api_class_exists(struct api *api, uint64_t class_number)
{
    struct vm *vm = api_vm(api);
    const struct vm_string *name = api->class_names[class_number % API_CLASS_NAMES];
    struct vm_string *lower = vm_string_new(vm, NULL, (size_t)name->length);
    for (uint64_t i = 0; i < name->length; i++)
        lower->data[i] = (char)tolower((unsigned char)name->data[i]);
    struct sm_value found = vm_array_get_key(request_global(vm, "classes"), lower);
    vm_value_drop(vm, vm_string_value(lower));
    api_work(api, 1);
    return vm_tag_of(found) == VM_INT;
}

static void define_names(struct api *api)
{
    struct vm *vm = api_vm(api);
    for (int i = 0; i < API_KEY_COUNT; i++)
        api->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < API_CLASS_COUNT; i++)
        api->classes[i] = request_class_define(vm, class_table[i].name, class_table[i].property_count, NULL);
    define_class_names(api);
}

static struct sm_value words(struct api *api, unsigned count)
{
    return vm_string_value(text_words(api_vm(api), &api->request.random, count));
}

struct vm_array *api_pair(struct api *api, enum api_key first, enum api_key second, struct sm_value value)
{
    struct vm *vm = api_vm(api);
    vm_temporary_push(vm, value);
    struct vm_array *pair = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, pair, api->keys[first], vm_bool(true));
    vm_array_set_key(vm, pair, api->keys[second], vm_temporary_pop(vm));
    api_work(api, 2);
    return pair;
}

/* ---- Configuration ---- */

static struct vm_array *make_config_file(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_array *file = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (unsigned i = 0; i < CONFIG_ENTRIES; i++) {
        struct vm_string *name = vm_as_string(words(api, 1));
        struct sm_value value = i % 4 == 3 ? vm_array_value(api_pair(api, API_KEY_TYPE, API_KEY_VALUE, words(api, 1)))
                                           : words(api, 1 + i % 3);
        vm_array_set_key(vm, file, name, value);
        vm_value_drop(vm, vm_string_value(name));
    }
    return file;
}

static void load_config(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_array *config = request_global_new(vm, "config", VM_ARRAY_HASH);
    for (unsigned i = 0; i < CONFIG_FILES; i++) {
        struct vm_string *name = vm_string_format(vm, "%s_%u", text_word(i), i);
        vm_array_set_key(vm, config, name, vm_array_value(make_config_file(api)));
        vm_value_drop(vm, vm_string_value(name));
        vm_safepoint(vm);
    }
}

/* ---- Bindings: name => [concrete, shared], the concrete a closure that builds the service ---- */

static struct vm_string *binding_name(struct api *api, uint64_t binding)
{
    const struct vm_string *name = api->class_names[binding % API_CLASS_NAMES];
    return vm_string_format(api_vm(api), "%s%llu", name->data, (unsigned long long)binding);
}

/* Bound variables: the number and the provider. What a service depends on is built with it. */
static struct sm_value build_service(struct vm *vm, struct vm_closure *closure)
{
    struct api *api = (struct api *)vm_context(vm);
    uint64_t binding = vm_closure_capture(closure, 0).payload;
    struct vm_object *service = vm_object_new(vm, api->classes[API_CLASS_SERVICE]);
    vm_temporary_push(vm, vm_object_value(service));
    struct sm_value container = vm_closure_capture(closure, 1);
    vm_object_set(vm, service, SERVICE_CONTAINER, vm_value_copy(vm, container));
    vm_object_set(vm, service, SERVICE_NAME, vm_string_value(binding_name(api, binding)));
    vm_object_set(vm, service, SERVICE_OPTIONS,
                  vm_array_value(api_pair(api, API_KEY_TYPE, API_KEY_VALUE, vm_int((int64_t)binding))));
    for (uint32_t i = 0; i < SERVICE_PART_COUNT; i++) {
        struct vm_object *part = vm_object_new(vm, api->classes[API_CLASS_PROVIDER]);
        vm_object_set(vm, service, SERVICE_PARTS + i, vm_object_value(part));
        vm_object_set(vm, part, PROVIDER_CONTAINER, vm_value_copy(vm, container));
        (void)api_class_exists(api, binding + i);
    }
    api_work(api, 4);
    return vm_temporary_pop(vm);
}

static const struct vm_function service_builder = {"build", build_service, 0, 2, 0};

/* bind(): what was there before is forgotten, by name. */
static void bind_service(struct api *api, uint64_t binding, struct sm_value provider)
{
    struct vm *vm = api_vm(api);
    for (uint64_t i = 0; i < 3; i++)
        (void)api_class_exists(api, binding + i);
    struct sm_value captures[] = {vm_int((int64_t)binding), vm_value_copy(vm, provider)};
    struct vm_closure *concrete = vm_closure_new(vm, &service_builder, captures, vm_undef());
    struct vm_array *entry = api_pair(api, API_KEY_SHARED, API_KEY_CONCRETE, vm_closure_value(concrete));
    struct vm_string *name = binding_name(api, binding);
    vm_array_set_key(vm, request_global(vm, "bindings"), name, vm_array_value(entry));
    vm_value_drop(vm, vm_string_value(name));
}

static struct sm_value handle_event(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    return vm_int((int64_t)vm_handle_of(vm_closure_value(closure)));
}

static const struct vm_function listener = {"handle", handle_event, 0, 0, 0};

/* listen(): the name is looked for wildcards, then a list of its own. */
static void listen(struct api *api, uint64_t number)
{
    static const char *const events[] = {"eloquent.saved", "eloquent.retrieved", "eloquent.booted", "router.matched"};
    struct vm *vm = api_vm(api);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_string *name =
        vm_string_format(vm, "%s: %s", events[number % 4], api->class_names[number / 4 % API_CLASS_NAMES]->data);
    vm_array_set_key(vm, request_global(vm, "listeners"), name, vm_array_value(list));
    vm_value_drop(vm, vm_string_value(name));
    vm_array_append(vm, list, vm_closure_value(vm_closure_new(vm, &listener, NULL, vm_undef())));
    api_work(api, 3);
}

static void register_provider(struct api *api, uint64_t number)
{
    struct vm *vm = api_vm(api);
    struct vm_object *provider = vm_object_new(vm, api->classes[API_CLASS_PROVIDER]);
    vm_temporary_push(vm, vm_object_value(provider));
    for (uint64_t i = 0; i < BINDINGS_PER_PROVIDER; i++) {
        bind_service(api, number * BINDINGS_PER_PROVIDER + i, vm_object_value(provider));
        vm_safepoint(vm);
    }
    for (uint64_t i = 0; i < LISTENERS_PER_PROVIDER; i++)
        listen(api, number * LISTENERS_PER_PROVIDER + i);
    vm_array_append(vm, request_global(vm, "providers"), vm_temporary_pop(vm));
}

/* ---- Services ---- */

/* The service is kept under its name. */
static struct vm_object *build(struct api *api, struct vm_string *name)
{
    struct vm *vm = api_vm(api);
    struct vm_array *entry = vm_as_array(vm_array_get_key(request_global(vm, "bindings"), name));
    struct vm_closure *concrete = vm_as_closure(vm_array_get_key(entry, api->keys[API_KEY_CONCRETE]));
    struct sm_value service = vm_closure_call(vm, concrete, NULL);
    vm_array_set_key(vm, request_global(vm, "instances"), name, service);
    return vm_as_object(service);
}

/* Aliases, contextual bindings, extenders and callbacks are asked about by name, whether there are any or not. */
static void resolving(struct api *api, uint64_t binding)
{
    struct vm *vm = api_vm(api);
    for (uint64_t i = 0; i < 8; i++)
        (void)api_class_exists(api, binding + i);
    for (int i = 0; i < 3; i++) {
        struct vm_array *callbacks = api_pair(api, API_KEY_ABSTRACT, API_KEY_CALLBACKS, vm_null());
        vm_value_drop(vm, vm_array_value(callbacks));
    }
}

struct vm_object *api_make(struct api *api, uint64_t binding)
{
    struct vm *vm = api_vm(api);
    uint64_t number = binding % (api->options.provider_count * BINDINGS_PER_PROVIDER);
    struct vm_string *name = binding_name(api, number);
    vm_temporary_push(vm, vm_string_value(name));
    resolving(api, number);
    struct sm_value kept = vm_array_get_key(request_global(vm, "instances"), name);
    struct vm_object *service = vm_tag_of(kept) == VM_UNDEF ? build(api, name) : vm_as_object(kept);
    vm_value_drop(vm, vm_temporary_pop(vm));
    return service;
}

void api_fire(struct api *api, const char *event, uint64_t class_number)
{
    struct vm *vm = api_vm(api);
    struct vm_string *name =
        vm_string_format(vm, "%s: %s", event, api->class_names[class_number % API_CLASS_NAMES]->data);
    struct sm_value list = vm_array_get_key(request_global(vm, "listeners"), name);
    vm_value_drop(vm, vm_string_value(name));
    api_work(api, 2);
    if (vm_tag_of(list) != VM_ARRAY)
        return;
    struct vm_closure *closure = vm_as_closure(vm_array_get_index(vm_as_array(list), 0));
    vm_value_drop(vm, vm_closure_call(vm, closure, NULL));
}

/* ---- Routes ---- */

static struct vm_array *make_action(struct api *api, uint64_t number)
{
    struct vm *vm = api_vm(api);
    struct vm_array *middleware = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_array *action = api_pair(api, API_KEY_USES, API_KEY_MIDDLEWARE, vm_array_value(middleware));
    vm_array_append(vm, middleware, words(api, 1));
    vm_array_set_key(
        vm, action, api->keys[API_KEY_AS],
        vm_string_value(vm_string_format(vm, "%s.index%llu", text_word(number), (unsigned long long)number)));
    vm_array_set_key(vm, action, api->keys[API_KEY_PREFIX], words(api, 1));
    return action;
}

static void add_route(struct api *api, uint64_t number)
{
    struct vm *vm = api_vm(api);
    struct vm_object *route = vm_object_new(vm, api->classes[API_CLASS_ROUTE]);
    vm_array_append(vm, request_global(vm, "routes"), vm_object_value(route));
    vm_object_set(vm, route, ROUTE_URI,
                  vm_string_value(vm_string_format(vm, "api/%s/%llu", text_word(number), (unsigned long long)number)));
    struct vm_array *methods = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_object_set(vm, route, ROUTE_METHODS, vm_array_value(methods));
    vm_array_append(vm, methods, words(api, 1));
    vm_object_set(vm, route, ROUTE_ACTION, vm_array_value(make_action(api, number)));
    (void)api_class_exists(api, number);
    (void)api_class_exists(api, number + 1);
    api_work(api, 4);
    vm_safepoint(vm);
}

struct vm_object *api_match_route(struct api *api, const struct vm_string *path)
{
    struct vm *vm = api_vm(api);
    struct vm_object *route = NULL;
    struct vm_array_entry entry;
    bool found = false;
    for (size_t position = 0; !found && vm_array_next(request_global(vm, "routes"), &position, &entry);) {
        route = vm_as_object(entry.value);
        const struct vm_string *uri = vm_as_string(vm_object_get(route, ROUTE_URI));
        struct vm_string *pattern = text_prefix(vm, "#^/", uri);
        found = memcmp(pattern->data + 3, path->data, (size_t)uri->length) == 0 && uri->length == path->length;
        vm_value_drop(vm, vm_string_value(pattern));
        api_work(api, 1);
    }
    return route;
}

void api_boot(struct api *api)
{
    struct vm *vm = api_vm(api);
    mutator_work_boot(&api->request.session.work, vm, api->request.session.mutator_work_enabled);
    define_names(api);
    load_config(api);
    (void)request_global_new(vm, "bindings", VM_ARRAY_HASH);
    (void)request_global_new(vm, "instances", VM_ARRAY_HASH);
    (void)request_global_new(vm, "listeners", VM_ARRAY_HASH);
    (void)request_global_new(vm, "providers", VM_ARRAY_PACKED);
    (void)request_global_new(vm, "routes", VM_ARRAY_PACKED);
    for (uint64_t i = 0; i < api->options.provider_count; i++)
        register_provider(api, i);
    for (uint64_t i = 0; i < api->options.route_count; i++)
        add_route(api, i);
}
