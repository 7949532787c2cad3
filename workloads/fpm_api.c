/*
 * Workload "fpm-api": JSON requests to a framework (calibrated to fpm-laravel-json).
 *
 * A step is one request: configuration, providers that bind closures, a body decoded from JSON, a chain of middleware,
 * routing, services built when they are first asked for, models with their relations, resources, a response encoded
 * into one growing string, request end. Half of the blocks are names put together to be looked up and thrown away.
 */
#include "api.h"
#include "message.h"
#include "program.h"

#include <assert.h>

extern const struct wl_ops wl_fpm_api;

enum api_option {
    OPTION_PROVIDERS,
    OPTION_ROUTES,
    OPTION_POSTS,
    OPTION_RELATED,
    OPTION_ORDERS,
    OPTION_FILES,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_PROVIDERS] = {"providers", SM_OPTION_COUNT, "providers", "23", 1, 1e5, NULL,
                          "service providers, each of ten bindings and four listeners"},
    [OPTION_ROUTES] = {"routes", SM_OPTION_COUNT, "routes", "40", 1, 1e6, NULL,
                       "routes, of which the last is asked for"},
    [OPTION_POSTS] = {"posts", SM_OPTION_COUNT, "models", "44", 1, 1e6, NULL, "models of the response"},
    [OPTION_RELATED] = {"related", SM_OPTION_COUNT, "models", "3", 0, 1e5, NULL, "models that each of them refers to"},
    [OPTION_ORDERS] = {"orders", SM_OPTION_COUNT, "orders", "3", 1, 1e5, NULL,
                       "orders in the body of the request, 0.5 KB each"},
    [OPTION_FILES] = PROGRAM_FILES_OPTION("files", "80"),
};

enum { MIDDLEWARE_COUNT = 8, SERVICES_ASKED_FOR = 160, ITEMS_PER_ORDER = 4 };

/* Locals of a request's frame. */
enum { BODY, INPUT, ROUTE, POSTS, RESOURCES, OUTPUT, CHAIN, REQUEST_LOCALS };

static struct api *api_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_fpm_api);
    return (struct api *)instance;
}

/* ---- Faults ---- */

static void inject_faults(struct api *api)
{
    struct vm *vm = api_vm(api);
    if (request_fault_strikes(&api->request, WL_FAULT_FLIP_BYTE)) {
        struct vm_string *output = vm_as_string(vm_local_get(vm, OUTPUT));
        output->data[output->length / 2] ^= 1;
    }
    if (request_fault_strikes(&api->request, WL_FAULT_FLIP_EDGE))
        vm_array_set_index(vm, request_global(vm, "routes"), 0, vm_null());
}

/* ---- A request ---- */

static void receive(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct text_buffer buffer = {0};
    struct message_batch_shape shape = {api->request.number, (uint32_t)api->options.order_count, ITEMS_PER_ORDER};
    message_write_batch(&buffer, &api->request.random, &shape);
    vm_local_set(vm, BODY, vm_string_value(vm_string_new(vm, buffer.bytes, buffer.length)));
    text_buffer_free(&buffer);
    vm_local_set(vm, INPUT, message_decode(vm, &api->request.session.work, vm_as_string(vm_local_get(vm, BODY))));
}

static void route(struct api *api)
{
    struct vm *vm = api_vm(api);
    uint64_t last = api->options.route_count - 1;
    struct vm_string *path = vm_string_format(vm, "api/%s/%llu", text_word(last), (unsigned long long)last);
    vm_local_set(vm, ROUTE, vm_value_copy(vm, vm_object_value(api_match_route(api, path))));
    vm_value_drop(vm, vm_string_value(path));
}

/* ---- Middleware: closures, each bound to the next ---- */

static struct sm_value handle(struct vm *vm, struct vm_closure *closure)
{
    struct api *api = (struct api *)vm_context(vm);
    struct sm_value next = vm_closure_capture(closure, 0);
    uint64_t number = vm_closure_capture(closure, 1).payload;
    for (uint64_t i = 0; i < 8; i++)
        (void)api_class_exists(api, number + i);
    (void)api_make(api, number);
    vm_safepoint(vm);
    if (vm_tag_of(next) != VM_CLOSURE)
        return vm_int((int64_t)number);
    struct sm_value result = vm_closure_call(vm, vm_as_closure(next), NULL);
    return vm_int(vm_as_int(result) + 1);
}

static const struct vm_function middleware = {"handle", handle, 0, 2, 0};

/* Built from the inside out; the whole chain lives until the response is sent. */
static void run_middleware(struct api *api)
{
    struct vm *vm = api_vm(api);
    vm_local_set(vm, CHAIN, vm_null());
    for (int64_t i = 0; i < MIDDLEWARE_COUNT; i++) {
        struct sm_value captures[] = {vm_local_take(vm, CHAIN), vm_int(i)};
        vm_local_set(vm, CHAIN, vm_closure_value(vm_closure_new(vm, &middleware, captures, vm_undef())));
    }
    struct sm_value result = vm_closure_call(vm, vm_as_closure(vm_local_get(vm, CHAIN)), NULL);
    vm_session_fold(&api->request.session, result.payload);
}

static void respond(struct api *api)
{
    struct vm *vm = api_vm(api);
    for (uint64_t i = 0; i < SERVICES_ASKED_FOR; i++) {
        (void)api_make(api, i * 7 + api->request.number);
        vm_safepoint(vm);
    }
    vm_local_set(vm, POSTS, vm_array_value(api_fetch_posts(api)));
    vm_local_set(vm, RESOURCES, vm_array_value(api_resources(api, vm_as_array(vm_local_get(vm, POSTS)))));
    vm_local_set(vm, OUTPUT, vm_string_value(vm_string_with_capacity(vm, 256)));
    api_encode(api, OUTPUT, vm_local_get(vm, RESOURCES));
}

static void read_back(struct api *api)
{
    struct vm *vm = api_vm(api);
    struct vm_session *session = &api->request.session;
    vm_session_fold_value(session, vm_local_get(vm, INPUT), 3);
    vm_session_fold_value(session, vm_array_value(request_global(vm, "routes")), 3);
    vm_session_fold_value(session, vm_local_get(vm, POSTS), 3);
    vm_session_fold_value(session, vm_local_get(vm, OUTPUT), 1);
    program_fold(&api->request);
    vm_session_fold(session, session->work.accumulator);
}

static void run_request(struct vm_session *session)
{
    struct api *api = (struct api *)session;
    vm_frame_enter(session->vm, REQUEST_LOCALS);
    program_compile(&api->request);
    api_boot(api);
    receive(api);
    run_middleware(api);
    route(api);
    respond(api);
    inject_faults(api);
    read_back(api);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    sm_status status = request_session_create(sizeof(struct api), &wl_fpm_api, config, run_request, instance, error);
    if (status != SM_OK)
        return status;
    const struct sm_option_values *values = config->options;
    api_of(*instance)->options = (struct api_options){
        .provider_count = values->value[OPTION_PROVIDERS].count,
        .route_count = values->value[OPTION_ROUTES].count,
        .post_count = values->value[OPTION_POSTS].count,
        .related_count = values->value[OPTION_RELATED].count,
        .order_count = values->value[OPTION_ORDERS].count,
    };
    api_of(*instance)->request.file_count = values->value[OPTION_FILES].count;
    return SM_OK;
}

const struct wl_ops wl_fpm_api = {
    .name = "fpm-api",
    .summary = "JSON requests: lazily built services, middleware, hydrated models, resources, one growing string",
    .sapi = SM_SAPI_FPM,
    .step_unit = "request",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(6) << 30, /* 6 GiB */
    .create = create,
    .step = request_session_step,
    .serve = request_session_serve,
    .finish = vm_session_finish,
    .destroy = request_session_destroy,
};
