/*
 * Workload "cli-eventloop": a server and its client in one event loop (story S8 of the study; calibrated to cli-react-http).
 *
 * A turn is one vm_iteration: what the client finds answered, what the server finds written, and new requests, each with
 * a deferred promise, handlers and a timeout; so a request in flight crosses two turns. Connections, sessions and an
 * access log live on. A handler that throws leaves a cycle of promise, closures and an exception whose trace holds
 * arguments.
 */
#include "eventloop.h"

#include <assert.h>
#include <stdlib.h>

/* Turns after which a request would have timed out. */
enum { TIMEOUT_TURNS = 30 };
enum { LONG_BODY_WORDS = 60, SHORT_BODY_WORDS = 8 };
/* One response in so many is long. */
enum { RESPONSES_PER_LONG_ONE = 4 };

enum eventloop_option {
    OPTION_CONNECTIONS,
    OPTION_REQUESTS,
    OPTION_ERRORS,
    OPTION_RESIDENT,
    OPTION_LOG,
    OPTION_KEEPALIVE,
    OPTION_LINKED,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_CONNECTIONS] = {"connections", SM_OPTION_COUNT, "connections", "50", 1, 1e6, NULL,
                            "open connections, both ends of each, about 9.5 KB"},
    [OPTION_REQUESTS] = {"requests", SM_OPTION_COUNT, "requests", "20", 2, 1e6, NULL,
                         "begun in a turn; each is in flight for two"},
    [OPTION_ERRORS] = {"errors", SM_OPTION_REAL, "", "0", 0, 1, NULL,
                       "share of requests whose handler throws: a cycle of 24 objects each, 0 to 0.2 is usual"},
    [OPTION_RESIDENT] = {"resident", SM_OPTION_COUNT, "sessions", "1400", 1, 1e8, NULL,
                         "sessions that live on, about 0.7 KB each"},
    [OPTION_LOG] = {"log", SM_OPTION_COUNT, "lines", "500", 1, 1e8, NULL, "bound of the access log that lives on"},
    [OPTION_KEEPALIVE] = {"keepalive", SM_OPTION_COUNT, "requests", "40", 1, 1e9, NULL,
                          "requests that a connection serves before it is opened anew"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                       "closures and traces refer to the loop, and so to all that lives on"},
};

/* Locals of a turn. */
enum { READY, EXCHANGE, DATA, RESPONSE, TURN_LOCALS };

extern const struct wl_ops wl_cli_eventloop;

static struct eventloop_options read_options(const struct sm_option_values *values)
{
    return (struct eventloop_options){
        .connection_count = values->value[OPTION_CONNECTIONS].count,
        .request_count = values->value[OPTION_REQUESTS].count,
        .errors = values->value[OPTION_ERRORS].real,
        .session_count = values->value[OPTION_RESIDENT].count,
        .log_lines = values->value[OPTION_LOG].count,
        .keepalive = values->value[OPTION_KEEPALIVE].count,
        .linked = values->value[OPTION_LINKED].count != 0,
    };
}

static struct eventloop *eventloop_in(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_eventloop);
    return (struct eventloop *)session;
}

static struct vm_object *object_in(const struct eventloop *eventloop, uint32_t local)
{
    return vm_as_object(vm_local_get(eventloop_vm(eventloop), local));
}

/* Evenly spread over all requests, so that the share holds in any stretch of the run. */
static bool is_failing(const struct eventloop *eventloop, uint64_t number)
{
    double share = eventloop->options.errors, request = (double)number;
    return (uint64_t)((request + 1) * share) > (uint64_t)(request * share);
}

/* ---- The server ---- */

/* Locals of a listener on data: what came, the connection, and what the handling of a request keeps. */
enum { SERVED_DATA, SERVED_CONNECTION, SERVED_REQUEST, SERVED_PROMISE, SERVED_RESOLVE, SERVED_REJECT, SERVED_RESULT };

/* Locals of the innermost handler: the request, and what its closure binds. */
enum { HANDLER_REQUEST, HANDLER_RESOLVE, HANDLER_REJECT, HANDLER_CONNECTION };

static struct vm_string *make_page(struct eventloop *eventloop, const struct vm_string *user)
{
    struct vm *vm = eventloop_vm(eventloop);
    unsigned word_count = eventloop->answered % RESPONSES_PER_LONG_ONE == 0 ? LONG_BODY_WORDS : SHORT_BODY_WORDS;
    struct vm_string *words = text_words(vm, &eventloop->random, word_count);
    struct vm_string *page = vm_string_format(vm, "<h1>%s</h1><p>%s</p>", user->data, words->data);
    vm_value_drop(vm, vm_string_value(words));
    eventloop_work(eventloop, 4);
    return page;
}

static uint64_t session_of(struct eventloop *eventloop, const struct vm_object *request)
{
    const struct vm_string *cookie = vm_as_string(eventloop_header(eventloop, request, REQUEST_HEADERS, "Cookie"));
    uint64_t number = 0;
    for (size_t i = sizeof("session=") - 1; i < cookie->length; i++)
        number = number * 10 + (uint64_t)(cookie->data[i] - '0');
    eventloop_work(eventloop, 3);
    return number % eventloop->options.session_count;
}

/* function (Request $request) use ($resolve, $reject, $connection) */
static struct sm_value answer(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    if (eventloop->failing) {
        struct sm_value arguments[] = {vm_local_get(vm, HANDLER_RESOLVE), vm_local_get(vm, HANDLER_REJECT),
                                       vm_local_get(vm, HANDLER_CONNECTION)};
        eventloop_throw(eventloop, arguments, 3);
        return vm_undef();
    }
    const struct vm_object *request = object_in(eventloop, HANDLER_REQUEST);
    struct vm_string *user = eventloop_touch_session(eventloop, session_of(eventloop, request));
    return vm_object_value(eventloop_make_response(eventloop, 200, make_page(eventloop, user)));
}

/* function (Request $request) use ($next): what comes before and after the handler. */
static struct sm_value pass_on(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    const struct vm_object *request = object_in(eventloop, 0);
    struct vm_object *marked = eventloop_with_attribute(eventloop, request, KEY_TIME, vm_int((int64_t)eventloop->turn));
    return eventloop_call(eventloop, vm_local_get(vm, 1), vm_object_value(marked));
}

/* function (Response $response) use ($request) */
static struct sm_value respond(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    const struct vm_object *response = object_in(eventloop, 0), *request = object_in(eventloop, 1);
    size_t bytes = eventloop_send_response(eventloop, response, eventloop->output);
    eventloop_log(eventloop, vm_object_get(request, REQUEST_TARGET),
                  vm_as_int(vm_object_get(response, RESPONSE_STATUS)), bytes);
    return vm_int((int64_t)bytes);
}

static const struct vm_function answer_function = {"answer", answer, 1, 3, 0};
static const struct vm_function pass_on_function = {"pass on", pass_on, 1, 1, 0};
static const struct vm_function respond_function = {"respond", respond, 1, 1, 0};

static struct sm_value close_over(struct eventloop *eventloop, const struct vm_function *function,
                                  struct sm_value captured)
{
    struct vm *vm = eventloop_vm(eventloop);
    eventloop_work(eventloop, 2);
    return vm_closure_value(vm_closure_new(vm, function, &captured, eventloop_this(eventloop)));
}

/* The handler behind two middlewares. Returns owned. */
static struct sm_value make_chain(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct sm_value connection = vm_local_get(vm, SERVED_CONNECTION);
    if (!eventloop->options.linked)
        connection = vm_object_get(vm_as_object(connection), CONNECTION_ID);
    struct sm_value captures[] = {vm_value_copy(vm, vm_local_get(vm, SERVED_RESOLVE)),
                                  vm_value_copy(vm, vm_local_get(vm, SERVED_REJECT)), vm_value_copy(vm, connection)};
    struct vm_closure *handler = vm_closure_new(vm, &answer_function, captures, eventloop_this(eventloop));
    struct sm_value next = close_over(eventloop, &pass_on_function, vm_closure_value(handler));
    return close_over(eventloop, &pass_on_function, next);
}

/* The promise of the response, and what waits for it. */
static void promise_response(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct eventloop_deferred deferred = eventloop_defer(eventloop);
    vm_local_set(vm, SERVED_PROMISE, vm_object_value(deferred.promise));
    vm_local_set(vm, SERVED_RESOLVE, deferred.resolve);
    vm_local_set(vm, SERVED_REJECT, deferred.reject);
    struct sm_value request = vm_value_copy(vm, vm_local_get(vm, SERVED_REQUEST));
    struct sm_value callback = close_over(eventloop, &respond_function, request);
    struct vm_object *sent = eventloop_then(eventloop, deferred.promise, callback);
    vm_value_drop(vm, vm_object_value(sent));
}

/* Nobody handles the rejection; the server answers by itself. */
static void serve_failure(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct sm_value exception = vm_exception_take(vm);
    vm_value_drop(vm, eventloop_call(eventloop, vm_local_get(vm, SERVED_REJECT), exception));
    struct vm_string *text = vm_string_format(vm, "error %llu", (unsigned long long)eventloop->turn);
    struct vm_object *response = eventloop_make_response(eventloop, 500, text);
    vm_local_set(vm, SERVED_RESULT, vm_object_value(response));
    size_t bytes = eventloop_send_response(eventloop, response, eventloop->output);
    const struct vm_object *request = object_in(eventloop, SERVED_REQUEST);
    eventloop_log(eventloop, vm_object_get(request, REQUEST_TARGET), 500, bytes);
}

/* function (string $data) use ($connection) */
static struct sm_value serve(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    struct vm_object *request = eventloop_parse_request(eventloop, vm_as_string(vm_local_get(vm, SERVED_DATA)));
    vm_local_set(vm, SERVED_REQUEST, vm_object_value(request));
    promise_response(eventloop);
    vm_local_set(vm, SERVED_RESULT, make_chain(eventloop));
    struct sm_value passed = vm_value_copy(vm, vm_local_get(vm, SERVED_REQUEST));
    struct sm_value response = eventloop_call(eventloop, vm_local_get(vm, SERVED_RESULT), passed);
    if (vm_exception_pending(vm))
        serve_failure(eventloop);
    else
        vm_value_drop(vm, eventloop_call(eventloop, vm_local_get(vm, SERVED_RESOLVE), response));
    return vm_null();
}

static const struct vm_function serve_function = {"serve", serve, 1, 1, SERVED_RESULT - SERVED_CONNECTION};

/* emit('data', [$data]): a listener, a list of arguments. The exchange is in its local. */
static void emit_data(struct eventloop *eventloop, struct vm_string *data)
{
    struct vm *vm = eventloop_vm(eventloop);
    const struct vm_object *connection = vm_as_object(vm_object_get(eventloop->exchange, EXCHANGE_CONNECTION));
    struct vm_array *listeners = vm_as_array(vm_object_get(connection, CONNECTION_LISTENERS));
    struct sm_value listener =
        vm_array_get_index(vm_as_array(vm_array_get_key(listeners, eventloop->keys[KEY_DATA])), 0);
    struct sm_value came = vm_string_value(data);
    struct vm_array *arguments = eventloop_list(eventloop, &came, 1);
    struct sm_value argument = vm_value_copy(vm, vm_array_get_index(arguments, 0));
    vm_value_drop(vm, vm_array_value(arguments));
    vm_value_drop(vm, eventloop_call(eventloop, listener, argument));
}

/* Take a list of exchanges out of the loop into local READY, leaving an empty one. */
static void take_ready(struct eventloop *eventloop, uint32_t property)
{
    struct vm *vm = eventloop_vm(eventloop);
    vm_local_set(vm, READY, eventloop_property(eventloop, eventloop->loop, property));
    vm_object_set(vm, eventloop->loop, property, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
}

/* Move the exchange at `index` of what is ready into its local; false at the end. */
static bool next_ready(struct eventloop *eventloop, uint64_t index)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *ready = vm_as_array(vm_local_get(vm, READY));
    if (index >= vm_array_count(ready))
        return false;
    vm_local_set(vm, EXCHANGE, vm_value_copy(vm, vm_array_get_index(ready, (int64_t)index)));
    vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, READY)), (int64_t)index, vm_null());
    eventloop->exchange = object_in(eventloop, EXCHANGE);
    return true;
}

static void run_server(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    take_ready(eventloop, LOOP_WRITTEN);
    for (uint64_t i = 0; next_ready(eventloop, i); i++) {
        eventloop->output = &eventloop->to_client[i];
        uint64_t number = (uint64_t)vm_as_int(vm_object_get(eventloop->exchange, EXCHANGE_NUMBER));
        eventloop->failing = is_failing(eventloop, number);
        emit_data(eventloop, eventloop_read(eventloop, &eventloop->to_server[i]));
        vm_array_append(vm, eventloop_writable(eventloop, eventloop->loop, LOOP_ANSWERED),
                        vm_value_copy(vm, vm_local_get(vm, EXCHANGE)));
        vm_safepoint(vm);
    }
}

/* ---- The client ---- */

/* function (Response $response) use ($number) */
static struct sm_value receive(struct vm *vm, struct vm_closure *closure)
{
    struct eventloop *eventloop = eventloop_of(vm);
    (void)closure;
    const struct vm_object *response = object_in(eventloop, 0);
    const struct vm_object *body = vm_as_object(vm_object_get(response, RESPONSE_BODY));
    vm_session_fold_value(&eventloop->session, vm_object_get(body, STREAM_CONTENT), 1);
    vm_session_fold(&eventloop->session, (uint64_t)vm_as_int(vm_local_get(vm, 1)));
    return vm_value_copy(vm, vm_object_get(response, RESPONSE_STATUS));
}

static const struct vm_function receive_function = {"receive", receive, 1, 1, 0};

/* Returns owned. */
static struct vm_object *make_exchange(struct eventloop *eventloop, uint64_t number, struct vm_object *connection,
                                       struct text_buffer *wire)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *exchange = eventloop_object(eventloop, CLASS_EXCHANGE);
    vm_object_set(vm, exchange, EXCHANGE_NUMBER, vm_int((int64_t)number));
    vm_object_set(vm, exchange, EXCHANGE_CONNECTION, vm_value_copy(vm, vm_object_value(connection)));
    vm_object_set(vm, exchange, EXCHANGE_TARGET, vm_string_value(eventloop_request(eventloop, number, wire)));
    struct eventloop_deferred deferred = eventloop_defer(eventloop);
    vm_object_set(vm, exchange, EXCHANGE_RESOLVE, deferred.resolve);
    struct sm_value callback = close_over(eventloop, &receive_function, vm_int((int64_t)number));
    struct vm_object *result = eventloop_then(eventloop, deferred.promise, callback);
    vm_object_set(vm, exchange, EXCHANGE_RESULT, vm_object_value(result));
    vm_value_drop(vm, vm_object_value(deferred.promise));
    struct vm_object *timer = eventloop_start_timeout(eventloop, TIMEOUT_TURNS, deferred.reject);
    vm_object_set(vm, exchange, EXCHANGE_TIMER, vm_value_copy(vm, vm_object_value(timer)));
    return exchange;
}

static void begin_requests(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    for (uint64_t i = 0; i < eventloop->options.request_count; i++) {
        uint64_t number = eventloop->request_number++;
        struct vm_object *connection = eventloop_take_connection(eventloop, number);
        struct vm_object *exchange = make_exchange(eventloop, number, connection, &eventloop->to_server[i]);
        vm_array_append(vm, eventloop_writable(eventloop, eventloop->loop, LOOP_WRITTEN), vm_object_value(exchange));
        vm_safepoint(vm);
    }
}

static void finish_exchange(struct eventloop *eventloop)
{
    const struct vm_object *exchange = eventloop->exchange;
    eventloop_cancel_timer(eventloop, vm_as_object(vm_object_get(exchange, EXCHANGE_TIMER)));
    struct vm_object *connection = vm_as_object(vm_object_get(exchange, EXCHANGE_CONNECTION));
    eventloop_release_connection(eventloop, connection);
    const struct vm_object *result = vm_as_object(vm_object_get(exchange, EXCHANGE_RESULT));
    vm_session_fold_value(&eventloop->session, vm_object_get(result, PROMISE_RESULT), 1);
    if (vm_session_leak_strikes(&eventloop->session))
        vm_session_leak(&eventloop->session, vm_object_value(eventloop->exchange));
}

/* A variable keeps what it got last: a response dies when the next one has been parsed. */
static void run_client(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    take_ready(eventloop, LOOP_ANSWERED);
    for (uint64_t i = 0; next_ready(eventloop, i); i++) {
        struct vm_string *data = eventloop_read(eventloop, &eventloop->to_client[i]);
        vm_local_set(vm, DATA, vm_string_value(data));
        vm_local_set(vm, RESPONSE, vm_object_value(eventloop_parse_response(eventloop, data)));
        struct sm_value resolve = vm_object_get(eventloop->exchange, EXCHANGE_RESOLVE);
        struct sm_value response = vm_value_copy(vm, vm_local_get(vm, RESPONSE));
        vm_value_drop(vm, eventloop_call(eventloop, resolve, response));
        finish_exchange(eventloop);
        eventloop->answered++;
        vm_safepoint(vm);
    }
}

/* ---- Faults, reading back ---- */

static struct vm_object *written(const struct eventloop *eventloop, uint64_t index)
{
    return vm_as_object(vm_array_get_index(eventloop_array(eventloop, LOOP_WRITTEN), (int64_t)index));
}

static void inject_faults(struct eventloop *eventloop)
{
    struct vm_object *first = written(eventloop, 0);
    if (vm_session_fault_strikes(&eventloop->session, WL_FAULT_FLIP_EDGE))
        vm_object_set(eventloop_vm(eventloop), first, EXCHANGE_TARGET,
                      eventloop_property(eventloop, written(eventloop, 1), EXCHANGE_TARGET));
    if (vm_session_fault_strikes(&eventloop->session, WL_FAULT_FLIP_BYTE)) {
        struct vm_string *target = vm_as_string(vm_object_get(first, EXCHANGE_TARGET));
        target->data[target->length - 1] ^= 1;
    }
}

static void fold_written(struct eventloop *eventloop)
{
    for (uint64_t i = 0; i < eventloop->options.request_count; i++)
        vm_session_fold_value(&eventloop->session, vm_object_get(written(eventloop, i), EXCHANGE_TARGET), 1);
}

static void run_turn(struct vm_session *session)
{
    struct eventloop *eventloop = eventloop_in(session);
    eventloop->turn = session->instance.steps_done + 1;
    eventloop->random = vm_session_random(session, eventloop->turn);
    vm_frame_enter(session->vm, TURN_LOCALS);
    eventloop_run_timers(eventloop);
    run_client(eventloop);
    run_server(eventloop);
    begin_requests(eventloop);
    inject_faults(eventloop);
    fold_written(eventloop);
    eventloop_world_fold(eventloop, false);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void boot(struct vm_session *session)
{
    struct eventloop *eventloop = eventloop_in(session);
    eventloop->options = read_options(session->options);
    eventloop->on_data = &serve_function;
    eventloop_world_boot(eventloop);
}

static struct eventloop *instance_of(struct wl_instance *instance)
{
    return eventloop_in(vm_session_of(instance));
}

static void free_sockets(struct text_buffer *sockets, uint64_t count)
{
    if (sockets == NULL)
        return;
    for (uint64_t i = 0; i < count; i++)
        text_buffer_free(&sockets[i]);
    free(sockets);
}

static void destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    struct eventloop *eventloop = instance_of(instance);
    free_sockets(eventloop->to_server, eventloop->options.request_count);
    free_sockets(eventloop->to_client, eventloop->options.request_count);
    vm_session_destroy(instance);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    sm_status status = vm_session_create(sizeof(struct eventloop), &wl_cli_eventloop, config, boot, instance, error);
    if (status != SM_OK)
        return status;
    struct eventloop *eventloop = instance_of(*instance);
    size_t count = (size_t)eventloop->options.request_count;
    eventloop->to_server = (struct text_buffer *)calloc(count, sizeof(struct text_buffer));
    eventloop->to_client = (struct text_buffer *)calloc(count, sizeof(struct text_buffer));
    if (eventloop->to_server != NULL && eventloop->to_client != NULL)
        return SM_OK;
    destroy(*instance);
    *instance = NULL;
    return SM_ERR_OUT_OF_MEMORY;
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_turn);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct eventloop *eventloop = instance_of(instance);
    eventloop_world_fold(eventloop, true);
    vm_session_fold(&eventloop->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct eventloop_options options = read_options(values);
    return eventloop_world_block_bytes(&options);
}

const struct wl_ops wl_cli_eventloop = {
    .name = "cli-eventloop",
    .summary = "event loop: promises, closures, timers, requests in flight across turns; errors leave cycles",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(24) << 30, /* 24 GiB: most of it reads of 64 KiB */
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
