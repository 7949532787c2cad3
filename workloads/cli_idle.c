/*
 * Workload "cli-idle": a worker with nothing to do, which asks for work and gets none (story S9 of the study).
 *
 * A poll is one vm_iteration: for each of its queues a query is built, compiled and run through a middleware, an empty
 * result comes back, an event is told to the listeners, a line is formatted for the log. All of it dies but, by option, a
 * record of each poll that a collecting logger keeps for ever. workloads/php/cli_idle.php does the same in PHP.
 */
#include "block_bytes.h"
#include "text.h"
#include "vm_session.h"

#include <assert.h>

enum { QUEUES = 4, LISTENERS = 4, SERVICE_WORDS = 4, SAMPLES_PER_POLL = 2 };

enum idle_option { OPTION_LEAK, OPTION_SERVICES, OPTION_BLOCK, OPTION_LINKED, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_LEAK] = {"leak", SM_OPTION_SIZE, "bytes", "0", 0, 1 << 20, NULL,
                     "text that each poll leaves behind for ever, 100 to 1K is usual; 0: nothing"},
    [OPTION_SERVICES] = {"services", SM_OPTION_COUNT, "objects", "2000", 1, 1e8, NULL,
                         "in the container that lives on, about 0.8 KB each"},
    [OPTION_BLOCK] = {"block", SM_OPTION_COUNT, "microseconds", "0", 0, 1e7, NULL,
                      "blocking call after each poll, in which the thread is offline"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "on", 0, 0, NULL,
                       "queries and events refer to the container, and so to all that lives on"},
};

/* Interned texts, in the order of key_texts. */
enum idle_key {
    KEY_TABLE,
    KEY_QUEUE,
    KEY_AVAILABLE,
    KEY_DELIVERED,
    KEY_DRIVER,
    KEY_HOST,
    KEY_RETRY,
    KEY_DSN,
    KEY_LEVEL,
    KEY_CONTEXT,
    KEY_MESSAGE,
    KEY_COUNT
};

static const char *const key_texts[KEY_COUNT] = {"table",  "queue_name", "available_at", "delivered_at",
                                                 "driver", "host",       "retry",        "dsn",
                                                 "level",  "context",    "message"};

enum idle_class {
    CLASS_CONTAINER,
    CLASS_SERVICE,
    CLASS_QUERY,
    CLASS_STATEMENT,
    CLASS_EVENT,
    CLASS_EXPRESSION,
    CLASS_DATE,
    CLASS_COUNT
};
enum { CONTAINER_SERVICES, CONTAINER_LISTENERS, CONTAINER_RECORDS, CONTAINER_PROPERTIES };
enum { SERVICE_NAME, SERVICE_CONTAINER, SERVICE_CONFIG, SERVICE_PROPERTIES = 10 };
enum { QUERY_PARTS, QUERY_PARAMETERS, QUERY_TYPES, QUERY_CONTAINER, QUERY_SQL, QUERY_PROPERTIES = 12 };
enum { STATEMENT_SQL, STATEMENT_PARAMETERS, STATEMENT_ROWS, STATEMENT_PROPERTIES = 7 };
enum { EVENT_NUMBER, EVENT_CONTAINER, EVENT_PROPERTIES };
enum { EXPRESSION_COLUMN, EXPRESSION_TEXT, EXPRESSION_PROPERTIES };
enum { DATE_STAMP, DATE_TEXT, DATE_PROPERTIES = 3 };

static const struct {
    const char *name;
    uint32_t property_count;
} class_table[CLASS_COUNT] = {
    [CLASS_CONTAINER] = {"Container", CONTAINER_PROPERTIES},
    [CLASS_SERVICE] = {"Service", SERVICE_PROPERTIES},
    [CLASS_QUERY] = {"QueryBuilder", QUERY_PROPERTIES},
    [CLASS_STATEMENT] = {"Statement", STATEMENT_PROPERTIES},
    [CLASS_EVENT] = {"WorkerRunningEvent", EVENT_PROPERTIES},
    [CLASS_EXPRESSION] = {"Expression", EXPRESSION_PROPERTIES},
    [CLASS_DATE] = {"DateTimeImmutable", DATE_PROPERTIES},
};

/* Locals of a poll. */
enum { QUERY, SQL, STATEMENT, LINE, POLL_LOCALS };

struct idle {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t leak_bytes, block_us, poll;
    bool is_linked;
    struct vm_string *keys[KEY_COUNT];     /* borrowed: the interner holds them */
    struct vm_class *classes[CLASS_COUNT]; /* borrowed: the class table holds them */
    struct vm_object *container;           /* borrowed: the global "app" holds it */
    struct wl_random random;               /* of the poll under way */
};

extern const struct wl_ops wl_cli_idle;

static struct idle *idle_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_idle);
    return (struct idle *)session;
}

static struct vm *vm_of(const struct idle *idle)
{
    return idle->session.vm;
}

static void work(struct idle *idle, uint32_t operation_count)
{
    mutator_work_charge(&idle->session.work, operation_count);
}

static struct sm_value key_value(const struct idle *idle, enum idle_key key)
{
    return vm_value_copy(vm_of(idle), vm_string_value(idle->keys[key]));
}

static struct vm_object *new_object(struct idle *idle, enum idle_class which)
{
    work(idle, 1);
    return vm_object_new(vm_of(idle), idle->classes[which]);
}

static struct vm_object *object_in(const struct idle *idle, uint32_t local)
{
    return vm_as_object(vm_local_get(vm_of(idle), local));
}

static void refer_to_container(struct idle *idle, struct vm_object *object, uint32_t property)
{
    struct vm *vm = vm_of(idle);
    if (idle->is_linked)
        vm_object_set(vm, object, property, vm_value_copy(vm, vm_object_value(idle->container)));
}

/* ---- The query ---- */

/* "column = ?": an object and its text; the parts keep it, the parameters its value. */
static void add_where(struct idle *idle, struct vm_object *query, enum idle_key column, struct sm_value value)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *expression = new_object(idle, CLASS_EXPRESSION);
    vm_object_set(vm, expression, EXPRESSION_COLUMN, key_value(idle, column));
    struct vm_string *text = vm_string_format(vm, "m.%s = ?", idle->keys[column]->data);
    vm_object_set(vm, expression, EXPRESSION_TEXT, vm_string_value(text));
    struct vm_array *parts = vm_array_write(vm, vm_object_place(query, QUERY_PARTS));
    vm_array_append(vm, parts, vm_object_value(expression));
    vm_array_set_key(vm, vm_array_write(vm, vm_object_place(query, QUERY_PARAMETERS)), idle->keys[column], value);
    vm_array_append(vm, vm_array_write(vm, vm_object_place(query, QUERY_TYPES)), vm_int(column));
    work(idle, 4);
}

static void make_query(struct idle *idle, uint64_t queue)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *query = new_object(idle, CLASS_QUERY);
    vm_local_set(vm, QUERY, vm_object_value(query));
    vm_object_set(vm, query, QUERY_PARTS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_object_set(vm, query, QUERY_PARAMETERS, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    vm_object_set(vm, query, QUERY_TYPES, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    refer_to_container(idle, query, QUERY_CONTAINER);
    add_where(idle, query, KEY_QUEUE, vm_string_value(vm_string_format(vm, "queue-%llu", (unsigned long long)queue)));
    add_where(idle, query, KEY_AVAILABLE, vm_string_value(text_number(vm, 1700000000 + (int64_t)idle->poll)));
    add_where(idle, query, KEY_DELIVERED, vm_string_value(text_number(vm, 1699996400 + (int64_t)idle->poll)));
}

/* The texts of the parts joined behind the head; the builder keeps the result. */
static void compile(struct idle *idle)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *query = object_in(idle, QUERY);
    struct vm_array *texts = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_array_entry entry;
    const struct vm_array *parts = vm_as_array(vm_object_get(query, QUERY_PARTS));
    for (size_t position = 0; vm_array_next(parts, &position, &entry);)
        vm_array_append(vm, texts, vm_value_copy(vm, vm_object_get(vm_as_object(entry.value), EXPRESSION_TEXT)));
    struct vm_string *condition = text_join(vm, texts, " AND ");
    struct vm_string *sql = text_prefix(vm, "SELECT m.* FROM messages m WHERE ", condition);
    vm_local_set(vm, SQL, vm_string_value(sql));
    vm_object_set(vm, query, QUERY_SQL, vm_value_copy(vm, vm_string_value(sql)));
    vm_value_drop(vm, vm_string_value(condition));
    vm_value_drop(vm, vm_array_value(texts));
    work(idle, 5);
}

/* ---- Running it ---- */

/* Local of a middleware: the statement; and what its closure binds. */
enum { RUN_STATEMENT, RUN_NEXT };

/* The driver: the parameters are bound as a list, the rows are none. */
static struct sm_value run_driver(struct vm *vm, struct vm_closure *closure)
{
    struct idle *idle = (struct idle *)vm_context(vm);
    (void)closure;
    struct vm_object *statement = vm_as_object(vm_local_get(vm, RUN_STATEMENT));
    struct vm_array *bound = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    struct vm_array_entry entry;
    const struct vm_array *parameters = vm_as_array(vm_object_get(statement, STATEMENT_PARAMETERS));
    for (size_t position = 0; vm_array_next(parameters, &position, &entry);)
        vm_array_append(vm, bound, vm_value_copy(vm, entry.value));
    vm_object_set(vm, statement, STATEMENT_PARAMETERS, vm_array_value(bound));
    work(idle, 3);
    return vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 1));
}

static struct sm_value run_middleware(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    struct sm_value argument = vm_value_copy(vm, vm_local_get(vm, RUN_STATEMENT));
    return vm_closure_call(vm, vm_as_closure(vm_local_get(vm, RUN_NEXT)), &argument);
}

static const struct vm_function driver_function = {"driver", run_driver, 1, 1, 0};
static const struct vm_function middleware_function = {"middleware", run_middleware, 1, 1, 0};

static void run_statement(struct idle *idle)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *statement = new_object(idle, CLASS_STATEMENT);
    vm_local_set(vm, STATEMENT, vm_object_value(statement));
    vm_object_set(vm, statement, STATEMENT_SQL, vm_value_copy(vm, vm_local_get(vm, SQL)));
    struct sm_value parameters = vm_object_get(object_in(idle, QUERY), QUERY_PARAMETERS);
    vm_object_set(vm, statement, STATEMENT_PARAMETERS, vm_value_copy(vm, parameters));
    struct sm_value number = vm_int((int64_t)idle->poll);
    struct sm_value driver = vm_closure_value(vm_closure_new(vm, &driver_function, &number, vm_undef()));
    struct vm_closure *middleware = vm_closure_new(vm, &middleware_function, &driver, vm_undef());
    struct sm_value argument = vm_value_copy(vm, vm_object_value(statement));
    struct sm_value rows = vm_closure_call(vm, middleware, &argument);
    vm_value_drop(vm, vm_closure_value(middleware));
    vm_object_set(vm, statement, STATEMENT_ROWS, rows);
    work(idle, 6);
}

/* ---- Events, the log ---- */

/* Each listener gets a list of arguments. */
static void tell_listeners(struct idle *idle, uint64_t queue)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *event = new_object(idle, CLASS_EVENT);
    vm_object_set(vm, event, EVENT_NUMBER, vm_int((int64_t)queue));
    refer_to_container(idle, event, EVENT_CONTAINER);
    struct sm_value told = vm_object_value(event);
    struct vm_array_entry entry;
    const struct vm_array *listeners = vm_as_array(vm_object_get(idle->container, CONTAINER_LISTENERS));
    for (size_t position = 0; vm_array_next(listeners, &position, &entry);) {
        struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        vm_array_append(vm, arguments, vm_value_copy(vm, told));
        vm_array_append(vm, arguments, vm_value_copy(vm, entry.value));
        vm_value_drop(vm, vm_array_value(arguments));
        work(idle, 3);
    }
    vm_value_drop(vm, told);
}

/* A record of level, message and context, made into one line. Its hash and its context die with it. */
static void write_log(struct idle *idle, uint64_t queue)
{
    struct vm *vm = vm_of(idle);
    struct vm_array *context = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, context, idle->keys[KEY_TABLE], key_value(idle, KEY_MESSAGE));
    vm_array_set_key(vm, context, idle->keys[KEY_QUEUE], vm_string_value(text_number(vm, (int64_t)queue)));
    struct vm_array *record = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, record, idle->keys[KEY_LEVEL], vm_int(100));
    vm_array_set_key(vm, record, idle->keys[KEY_CONTEXT], vm_array_value(context));
    vm_array_set_key(vm, record, idle->keys[KEY_MESSAGE], vm_value_copy(vm, vm_local_get(vm, SQL)));
    struct vm_object *date = new_object(idle, CLASS_DATE);
    vm_object_set(vm, date, DATE_STAMP, vm_int(1700000000 + (int64_t)idle->poll));
    vm_object_set(vm, date, DATE_TEXT, vm_string_value(text_number(vm, 1700000000 + (int64_t)idle->poll)));
    vm_array_set_key(vm, record, idle->keys[KEY_AVAILABLE], vm_object_value(date));
    struct vm_string *line = vm_string_format(vm, "[%llu] messenger.DEBUG: no message in queue %llu",
                                              (unsigned long long)idle->poll, (unsigned long long)queue);
    vm_local_set(vm, LINE, vm_string_value(line));
    vm_value_drop(vm, vm_array_value(record));
    work(idle, 8);
}

/* What a collecting logger keeps: text of the size that the option says. */
static void leak_record(struct idle *idle)
{
    struct vm *vm = vm_of(idle);
    struct vm_string *text = vm_string_new(vm, NULL, (size_t)idle->leak_bytes);
    for (uint64_t i = 0; i < idle->leak_bytes; i++)
        text->data[i] = (char)('a' + (idle->poll + i) % 26);
    struct vm_array *records = vm_array_write(vm, vm_object_place(idle->container, CONTAINER_RECORDS));
    vm_array_append(vm, records, vm_string_value(text));
    work(idle, 2);
}

/* ---- Reading back, faults ---- */

static void inject_faults(struct idle *idle)
{
    struct vm *vm = vm_of(idle);
    if (vm_session_fault_strikes(&idle->session, WL_FAULT_FLIP_BYTE)) {
        struct vm_string *line = vm_as_string(vm_local_get(vm, LINE));
        line->data[line->length / 2] ^= 1;
    }
    if (vm_session_fault_strikes(&idle->session, WL_FAULT_FLIP_EDGE))
        vm_object_set(vm, object_in(idle, STATEMENT), STATEMENT_SQL, vm_value_copy(vm, vm_local_get(vm, LINE)));
    if (vm_session_leak_strikes(&idle->session))
        vm_session_leak(&idle->session, vm_local_get(vm, QUERY));
}

static void fold_service(struct idle *idle, uint64_t index)
{
    const struct vm_array *services = vm_as_array(vm_object_get(idle->container, CONTAINER_SERVICES));
    const struct vm_object *service = vm_as_object(vm_array_get_index(services, (int64_t)index));
    vm_session_fold_value(&idle->session, vm_object_get(service, SERVICE_NAME), 1);
    vm_session_fold_value(&idle->session, vm_object_get(service, SERVICE_CONFIG), 2);
}

static uint64_t service_count(const struct idle *idle)
{
    return vm_array_count(vm_as_array(vm_object_get(idle->container, CONTAINER_SERVICES)));
}

static void fold_poll(struct idle *idle)
{
    const struct vm_object *statement = object_in(idle, STATEMENT);
    for (uint32_t property = STATEMENT_SQL; property <= STATEMENT_ROWS; property++)
        vm_session_fold_value(&idle->session, vm_object_get(statement, property), 2);
    vm_session_fold_value(&idle->session, vm_local_get(vm_of(idle), LINE), 1);
}

static void run_poll(struct vm_session *session)
{
    struct idle *idle = idle_of(session);
    struct vm *vm = session->vm;
    idle->poll = session->instance.steps_done + 1;
    idle->random = vm_session_random(session, idle->poll);
    vm_frame_enter(vm, POLL_LOCALS);
    for (uint64_t queue = 0; queue < QUEUES; queue++) {
        make_query(idle, queue);
        compile(idle);
        run_statement(idle);
        tell_listeners(idle, queue);
        write_log(idle, queue);
        vm_safepoint(vm);
    }
    inject_faults(idle);
    fold_poll(idle);
    if (idle->leak_bytes > 0)
        leak_record(idle);
    for (int i = 0; i < SAMPLES_PER_POLL; i++)
        fold_service(idle, wl_random_below(&idle->random, service_count(idle)));
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(vm);
    if (idle->block_us > 0)
        vm_block(vm, idle->block_us);
}

/* ---- The workload ---- */

static void make_service(struct idle *idle, struct vm_array *services, uint64_t index)
{
    struct vm *vm = vm_of(idle);
    struct vm_object *service = new_object(idle, CLASS_SERVICE);
    vm_array_append(vm, services, vm_object_value(service));
    vm_object_set(vm, service, SERVICE_NAME, vm_string_value(text_number(vm, 100000 + (int64_t)index)));
    vm_object_set(vm, service, SERVICE_CONTAINER, vm_value_copy(vm, vm_object_value(idle->container)));
    struct vm_array *config = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_object_set(vm, service, SERVICE_CONFIG, vm_array_value(config));
    for (int key = KEY_DRIVER; key <= KEY_DSN; key++)
        vm_array_set_key(vm, config, idle->keys[key], vm_string_value(text_words(vm, &idle->random, SERVICE_WORDS)));
}

static void boot(struct vm_session *session)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"};
    struct idle *idle = idle_of(session);
    struct vm *vm = session->vm;
    idle->leak_bytes = session->options->value[OPTION_LEAK].count;
    idle->block_us = session->options->value[OPTION_BLOCK].count;
    idle->is_linked = session->options->value[OPTION_LINKED].count != 0;
    idle->random = vm_session_random(session, 0);
    for (int i = 0; i < KEY_COUNT; i++)
        idle->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < CLASS_COUNT; i++)
        idle->classes[i] = vm_class_define(vm, class_table[i].name, names, class_table[i].property_count, NULL);
    idle->container = new_object(idle, CLASS_CONTAINER);
    vm_global_set(vm, "app", vm_object_value(idle->container));
    uint64_t count = session->options->value[OPTION_SERVICES].count;
    struct vm_array *services = vm_array_new(vm, VM_ARRAY_PACKED, count);
    vm_object_set(vm, idle->container, CONTAINER_SERVICES, vm_array_value(services));
    vm_object_set(vm, idle->container, CONTAINER_RECORDS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array *listeners = vm_array_new(vm, VM_ARRAY_PACKED, LISTENERS);
    vm_object_set(vm, idle->container, CONTAINER_LISTENERS, vm_array_value(listeners));
    for (int64_t i = 0; i < LISTENERS; i++)
        vm_array_append(vm, listeners, vm_int(i));
    for (uint64_t i = 0; i < count; i++) {
        make_service(idle, services, i);
        vm_safepoint(vm);
    }
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct idle), &wl_cli_idle, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_poll);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct idle *idle = idle_of(vm_session_of(instance));
    for (uint64_t i = 0; i < service_count(idle); i++)
        fold_service(idle, i);
    vm_session_fold_value(&idle->session, vm_object_get(idle->container, CONTAINER_RECORDS), 2);
    return vm_session_finish(instance);
}

/* Without what is leaked, which grows. Words are 6.5 bytes long on average, and have a space between them. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t count = values->value[OPTION_SERVICES].count;
    uint64_t service = block_bytes_object(SERVICE_PROPERTIES) + block_bytes_string(6) + block_bytes_hash(4) +
                       4 * block_bytes_string(29);
    return count * service + block_bytes_packed(count) + block_bytes_object(CONTAINER_PROPERTIES) +
           mutator_work_block_bytes();
}

const struct wl_ops wl_cli_idle = {
    .name = "cli-idle",
    .summary = "idle worker: one poll a step, 200 allocations that die; a leak and a blocking call by option",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(6) << 30, /* 6 GiB */
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
