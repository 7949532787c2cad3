/* What lives on in the event loop: timers, connections, sessions, the access log. */
#include "eventloop.h"

#include "block_bytes.h"

/* Turns between two runs of the periodic timer. */
enum { PERIOD_TURNS = 8 };
enum { LISTENERS = 4, SAMPLES_PER_TURN = 4, TOKEN_WORDS = 4 };

static const char *const key_texts[KEY_COUNT] = {
    "data",    "end",         "error",        "close",     "file",     "line",       "function",     "class",
    "args",    "user",        "seen",         "token",     "cart",     "path",       "status",       "bytes",
    "session", "REMOTE_ADDR", "REQUEST_TIME", "Host",      "Cookie",   "User-Agent", "Content-Type", "Content-Length",
    "Server",  "GET",         "http",         "text/html", "loop/1.0", "OK",         "Error",
};

/* Names in slot order: a class of N properties has the first N of these, but for the one that exceptions need. */
static const char *const property_names[] = {"p0", "p1", "p2", "p3",  "p4",  "p5", "previous",
                                             "p7", "p8", "p9", "p10", "p11", "p12"};

static const struct {
    const char *name;
    uint32_t property_count;
} class_table[CLASS_COUNT] = {
    [CLASS_LOOP] = {"Loop", LOOP_PROPERTIES},
    [CLASS_CONNECTION] = {"Connection", CONNECTION_PROPERTIES},
    [CLASS_STREAM] = {"Stream", STREAM_PROPERTIES},
    [CLASS_EXCHANGE] = {"Exchange", EXCHANGE_PROPERTIES},
    [CLASS_REQUEST] = {"Request", REQUEST_PROPERTIES},
    [CLASS_URI] = {"Uri", URI_PROPERTIES},
    [CLASS_RESPONSE] = {"Response", RESPONSE_PROPERTIES},
    [CLASS_PROMISE] = {"Promise", PROMISE_PROPERTIES},
    [CLASS_TIMER] = {"Timer", TIMER_PROPERTIES},
    [CLASS_EXCEPTION] = {"RequestException", 7},
};

/* ---- Timers ---- */

/* `callback` (a closure) is taken. Returns the timer, borrowed from the loop. */
static struct vm_object *add_timer(struct eventloop *eventloop, uint64_t turns, struct sm_value callback)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *timer = eventloop_object(eventloop, CLASS_TIMER);
    int64_t id = (int64_t)++eventloop->timer_number;
    vm_object_set(vm, timer, TIMER_DUE, vm_int((int64_t)(eventloop->turn + turns)));
    vm_object_set(vm, timer, TIMER_CALLBACK, callback);
    vm_object_set(vm, timer, TIMER_ID, vm_int(id));
    vm_array_set_index(vm, eventloop_writable(eventloop, eventloop->loop, LOOP_TIMERS), id, vm_object_value(timer));
    eventloop_work(eventloop, 2);
    return timer;
}

void eventloop_cancel_timer(struct eventloop *eventloop, const struct vm_object *timer)
{
    struct vm_array *timers = eventloop_writable(eventloop, eventloop->loop, LOOP_TIMERS);
    vm_array_unset_index(eventloop_vm(eventloop), timers, vm_as_int(vm_object_get(timer, TIMER_ID)));
    eventloop_work(eventloop, 1);
}

static struct sm_value time_out(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    eventloop_of(vm)->timeouts++;
    return vm_null();
}

/* Its bound variable is what rejects the promise. */
static const struct vm_function time_out_function = {"time out", time_out, 1, 1, 0};

struct vm_object *eventloop_start_timeout(struct eventloop *eventloop, uint64_t turns, struct sm_value reject)
{
    struct vm_closure *callback =
        vm_closure_new(eventloop_vm(eventloop), &time_out_function, &reject, eventloop_this(eventloop));
    return add_timer(eventloop, turns, vm_closure_value(callback));
}

static void start_period(struct eventloop *eventloop);

static struct sm_value run_period(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    start_period(eventloop_of(vm));
    return vm_null();
}

static const struct vm_function run_period_function = {"run period", run_period, 1, 0, 0};

static void start_period(struct eventloop *eventloop)
{
    struct vm_closure *callback =
        vm_closure_new(eventloop_vm(eventloop), &run_period_function, NULL, eventloop_this(eventloop));
    (void)add_timer(eventloop, PERIOD_TURNS, vm_closure_value(callback));
}

/* Those that are due leave the table before they run. */
void eventloop_run_timers(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *due = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_temporary_push(vm, vm_array_value(due));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(eventloop_array(eventloop, LOOP_TIMERS), &position, &entry);)
        if (vm_as_int(vm_object_get(vm_as_object(entry.value), TIMER_DUE)) <= (int64_t)eventloop->turn)
            vm_array_append(vm, due, vm_value_copy(vm, entry.value));
    for (size_t position = 0; vm_array_next(due, &position, &entry);) {
        struct vm_object *timer = vm_as_object(entry.value);
        eventloop_cancel_timer(eventloop, timer);
        vm_value_drop(vm, eventloop_call(eventloop, vm_object_get(timer, TIMER_CALLBACK), vm_null()));
    }
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* ---- Connections ---- */

static struct sm_value ignore(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    (void)closure;
    return vm_null();
}

static const struct vm_function ignore_function = {"ignore", ignore, 1, 1, 0};

/* Each event's listeners are a list; every listener holds the connection. */
static void listen(struct eventloop *eventloop, struct vm_object *connection, const struct vm_function *on_data)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *listeners = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_object_set(vm, connection, CONNECTION_LISTENERS, vm_array_value(listeners));
    for (int event = 0; event < LISTENERS; event++) {
        struct sm_value held = vm_value_copy(vm, vm_object_value(connection));
        const struct vm_function *function = event == 0 ? on_data : &ignore_function;
        struct sm_value listener = vm_closure_value(vm_closure_new(vm, function, &held, eventloop_this(eventloop)));
        vm_array_set_key(vm, listeners, eventloop->keys[KEY_DATA + event],
                         vm_array_value(eventloop_list(eventloop, &listener, 1)));
        eventloop_work(eventloop, 2);
    }
}

/* One end. Returns owned. */
static struct vm_object *open_end(struct eventloop *eventloop, const struct vm_function *on_data)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *end = eventloop_object(eventloop, CLASS_CONNECTION);
    unsigned long long port = 10000 + ++eventloop->connection_number % 50000;
    vm_object_set(vm, end, CONNECTION_ID, vm_int((int64_t)port));
    vm_object_set(vm, end, CONNECTION_PEER, vm_string_value(vm_string_format(vm, "tcp://127.0.0.1:%llu", port)));
    if (eventloop->options.linked)
        vm_object_set(vm, end, CONNECTION_LOOP, vm_value_copy(vm, vm_object_value(eventloop->loop)));
    vm_object_set(vm, end, CONNECTION_STREAM, vm_object_value(eventloop_object(eventloop, CLASS_STREAM)));
    listen(eventloop, end, on_data);
    eventloop_work(eventloop, 3);
    return end;
}

/* Both ends; the server's holds the client's. Returns owned. */
static struct vm_object *open_connection(struct eventloop *eventloop, int64_t index, int64_t served)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *connection = open_end(eventloop, eventloop->on_data);
    vm_object_set(vm, connection, CONNECTION_OTHER, vm_object_value(open_end(eventloop, &ignore_function)));
    vm_object_set(vm, connection, CONNECTION_INDEX, vm_int(index));
    vm_object_set(vm, connection, CONNECTION_SERVED, vm_int(served));
    vm_object_set(vm, connection, CONNECTION_PENDING, vm_int(0));
    return connection;
}

static void add_to(struct eventloop *eventloop, struct vm_object *connection, uint32_t property, int64_t amount)
{
    int64_t before = vm_as_int(vm_object_get(connection, property));
    vm_object_set(eventloop_vm(eventloop), connection, property, vm_int(before + amount));
}

/* Without listeners nothing refers back to it, and it dies at its last drop. One that still waits stays open. */
void eventloop_release_connection(struct eventloop *eventloop, struct vm_object *connection)
{
    struct vm *vm = eventloop_vm(eventloop);
    add_to(eventloop, connection, CONNECTION_PENDING, -1);
    int64_t served = vm_as_int(vm_object_get(connection, CONNECTION_SERVED));
    if (served < (int64_t)eventloop->options.keepalive || vm_as_int(vm_object_get(connection, CONNECTION_PENDING)) > 0)
        return;
    int64_t index = vm_as_int(vm_object_get(connection, CONNECTION_INDEX));
    struct vm_object *other = vm_as_object(vm_object_get(connection, CONNECTION_OTHER));
    vm_object_set(vm, other, CONNECTION_LISTENERS, vm_null());
    vm_object_set(vm, connection, CONNECTION_LISTENERS, vm_null());
    struct vm_object *opened = open_connection(eventloop, index, 0);
    vm_array_set_index(vm, eventloop_writable(eventloop, eventloop->loop, LOOP_CONNECTIONS), index,
                       vm_object_value(opened));
}

/* The connection that request `number` takes, borrowed from the loop. */
struct vm_object *eventloop_take_connection(struct eventloop *eventloop, uint64_t number)
{
    int64_t index = (int64_t)(number % eventloop->options.connection_count);
    struct vm_object *connection =
        vm_as_object(vm_array_get_index(eventloop_array(eventloop, LOOP_CONNECTIONS), index));
    add_to(eventloop, connection, CONNECTION_SERVED, 1);
    add_to(eventloop, connection, CONNECTION_PENDING, 1);
    return connection;
}

/* ---- Sessions and the access log ---- */

static struct vm_string *make_token(struct eventloop *eventloop, uint64_t number)
{
    struct wl_random random = wl_random_seeded(wl_checksum_fold(eventloop->session.seed, number));
    return text_words(eventloop_vm(eventloop), &random, TOKEN_WORDS);
}

static struct vm_array *make_session(struct eventloop *eventloop, uint64_t number)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct wl_random random = wl_random_seeded(number);
    struct vm_array *session = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, session, eventloop->keys[KEY_USER], vm_string_value(text_words(vm, &random, 2)));
    vm_array_set_key(vm, session, eventloop->keys[KEY_SEEN], vm_int(0));
    vm_array_set_key(vm, session, eventloop->keys[KEY_TOKEN], vm_string_value(make_token(eventloop, number)));
    struct sm_value cart[] = {vm_int((int64_t)wl_random_below(&random, 1000)), vm_int((int64_t)number)};
    vm_array_set_key(vm, session, eventloop->keys[KEY_CART], vm_array_value(eventloop_list(eventloop, cart, 2)));
    return session;
}

/* Seen once more, with a new token. Returns the user's name, borrowed. */
struct vm_string *eventloop_touch_session(struct eventloop *eventloop, uint64_t number)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *sessions = eventloop_writable(eventloop, eventloop->loop, LOOP_SESSIONS);
    struct vm_array *session = vm_array_write(vm, vm_array_place_index(sessions, (int64_t)number));
    int64_t seen = vm_as_int(vm_array_get_key(session, eventloop->keys[KEY_SEEN]));
    vm_array_set_key(vm, session, eventloop->keys[KEY_SEEN], vm_int(seen + 1));
    struct vm_string *token = make_token(eventloop, eventloop->request_number + number);
    vm_array_set_key(vm, session, eventloop->keys[KEY_TOKEN], vm_string_value(token));
    eventloop_work(eventloop, 3);
    return vm_as_string(vm_array_get_key(session, eventloop->keys[KEY_USER]));
}

/* Over the oldest line. `path` is borrowed. */
void eventloop_log(struct eventloop *eventloop, struct sm_value path, int64_t status, size_t bytes)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *line = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, line, eventloop->keys[KEY_TIME], vm_int((int64_t)eventloop->turn));
    vm_array_set_key(vm, line, eventloop->keys[KEY_PATH], vm_value_copy(vm, path));
    vm_array_set_key(vm, line, eventloop->keys[KEY_STATUS], vm_int(status));
    vm_array_set_key(vm, line, eventloop->keys[KEY_BYTES], vm_int((int64_t)bytes));
    struct vm_array *log = eventloop_writable(eventloop, eventloop->loop, LOOP_LOG);
    int64_t position = (int64_t)(eventloop->log_number++ % eventloop->options.log_lines);
    vm_array_set_index(vm, log, position, vm_array_value(line));
    eventloop_work(eventloop, 3);
}

/* ---- Reading back ---- */

static void fold_element(struct eventloop *eventloop, uint32_t property, uint64_t index)
{
    struct sm_value element = vm_array_get_index(eventloop_array(eventloop, property), (int64_t)index);
    vm_session_fold_value(&eventloop->session, element, 3);
}

void eventloop_world_fold(struct eventloop *eventloop, bool everything)
{
    uint64_t sessions = eventloop->options.session_count, lines = eventloop->options.log_lines;
    for (uint64_t i = 0; i < (everything ? sessions : SAMPLES_PER_TURN); i++)
        fold_element(eventloop, LOOP_SESSIONS, everything ? i : wl_random_below(&eventloop->random, sessions));
    for (uint64_t i = 0; i < (everything ? lines : SAMPLES_PER_TURN); i++)
        fold_element(eventloop, LOOP_LOG, everything ? i : wl_random_below(&eventloop->random, lines));
    vm_session_fold(&eventloop->session, eventloop->timeouts);
    vm_session_fold(&eventloop->session, eventloop->session.work.accumulator);
}

/* ---- The beginning ---- */

static struct vm_array *add_array(struct eventloop *eventloop, uint32_t property, enum vm_array_kind kind,
                                  uint64_t capacity)
{
    struct vm_array *array = vm_array_new(eventloop_vm(eventloop), kind, capacity);
    vm_object_set(eventloop_vm(eventloop), eventloop->loop, property, vm_array_value(array));
    return array;
}

static void define_names(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    for (int i = 0; i < KEY_COUNT; i++)
        eventloop->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < CLASS_COUNT; i++)
        eventloop->classes[i] =
            vm_class_define(vm, class_table[i].name, property_names, class_table[i].property_count, NULL);
}

static void make_connections(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    uint64_t count = eventloop->options.connection_count;
    struct vm_array *connections = add_array(eventloop, LOOP_CONNECTIONS, VM_ARRAY_PACKED, count);
    for (uint64_t i = 0; i < count; i++) {
        /* So that as many end in each turn, and not all in one. */
        int64_t served = (int64_t)(i * eventloop->options.keepalive / count);
        vm_array_append(vm, connections, vm_object_value(open_connection(eventloop, (int64_t)i, served)));
        vm_safepoint(vm);
    }
}

static void make_world(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    const struct eventloop_options *options = &eventloop->options;
    struct vm_array *sessions = add_array(eventloop, LOOP_SESSIONS, VM_ARRAY_PACKED, options->session_count);
    for (uint64_t i = 0; i < options->session_count; i++) {
        vm_array_append(vm, sessions, vm_array_value(make_session(eventloop, i)));
        vm_safepoint(vm);
    }
    struct vm_array *log = add_array(eventloop, LOOP_LOG, VM_ARRAY_PACKED, options->log_lines);
    for (uint64_t i = 0; i < options->log_lines; i++)
        vm_array_append(vm, log, vm_null());
    for (uint64_t i = 0; i < options->log_lines; i++) {
        struct sm_value path = vm_string_value(text_words(vm, &eventloop->random, 3));
        eventloop_log(eventloop, path, 200, i);
        vm_value_drop(vm, path);
        vm_safepoint(vm);
    }
}

void eventloop_world_boot(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    eventloop->random = vm_session_random(&eventloop->session, 0);
    define_names(eventloop);
    eventloop->loop = vm_object_new(vm, eventloop->classes[CLASS_LOOP]);
    vm_global_set(vm, "loop", vm_object_value(eventloop->loop));
    add_array(eventloop, LOOP_TIMERS, VM_ARRAY_HASH, 0);
    add_array(eventloop, LOOP_WRITTEN, VM_ARRAY_PACKED, 0);
    add_array(eventloop, LOOP_ANSWERED, VM_ARRAY_PACKED, 0);
    make_connections(eventloop);
    make_world(eventloop);
    start_period(eventloop);
}

static uint64_t connection_block_bytes(void)
{
    uint64_t listeners =
        block_bytes_hash(LISTENERS) + LISTENERS * (block_bytes_packed(1) + eventloop_closure_block_bytes(1));
    uint64_t end = block_bytes_object(CONNECTION_PROPERTIES) + block_bytes_object(STREAM_PROPERTIES) +
                   block_bytes_string(sizeof("tcp://127.0.0.1:10000") - 1) + listeners;
    return 2 * end;
}

static uint64_t exchange_block_bytes(void)
{
    uint64_t promises = 2 * eventloop_deferred_block_bytes() + block_bytes_packed(1) +
                        eventloop_closure_block_bytes(3) + eventloop_closure_block_bytes(1);
    uint64_t timer = block_bytes_object(TIMER_PROPERTIES) + eventloop_closure_block_bytes(1);
    return block_bytes_object(EXCHANGE_PROPERTIES) + block_bytes_string(26) + promises + timer;
}

/* Words are 6.5 bytes long on average, and have a space between them. */
uint64_t eventloop_world_block_bytes(const struct eventloop_options *options)
{
    uint64_t session = block_bytes_hash(4) + block_bytes_packed(2) + block_bytes_string(14) + block_bytes_string(29);
    uint64_t line = block_bytes_hash(4) + block_bytes_string(25);
    uint64_t lists = block_bytes_packed(options->connection_count) + block_bytes_packed(options->session_count) +
                     block_bytes_packed(options->log_lines) + 2 * block_bytes_packed(options->request_count) +
                     block_bytes_hash(2 * options->request_count + 1);
    return options->connection_count * connection_block_bytes() + options->session_count * session +
           options->log_lines * line + 2 * options->request_count * exchange_block_bytes() + lists +
           block_bytes_object(LOOP_PROPERTIES) + mutator_work_block_bytes();
}
