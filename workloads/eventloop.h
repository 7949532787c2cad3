/**
 * The event loop's state, and what its files share: promises, the HTTP messages, the connections.
 *
 * All functions run inside one vm_iteration and reach no safepoint. Borrowed objects that they take are rooted by the
 * caller or younger than the last safepoint. Errors: allocation failure bails out.
 */
#ifndef EVENTLOOP_H
#define EVENTLOOP_H

#include "text.h"
#include "vm_session.h"

/** Interned array keys; their texts are in cli_eventloop.c in this order. */
enum eventloop_key {
    KEY_DATA,
    KEY_END,
    KEY_ERROR,
    KEY_CLOSE,
    KEY_FILE,
    KEY_LINE,
    KEY_FUNCTION,
    KEY_CLASS,
    KEY_ARGS,
    KEY_USER,
    KEY_SEEN,
    KEY_TOKEN,
    KEY_CART,
    KEY_PATH,
    KEY_STATUS,
    KEY_BYTES,
    KEY_SESSION,
    KEY_PEER,
    KEY_TIME,
    KEY_HOST,
    KEY_COOKIE,
    KEY_USER_AGENT,
    KEY_CONTENT_TYPE,
    KEY_CONTENT_LENGTH,
    KEY_SERVER,
    KEY_GET,
    KEY_HTTP,
    KEY_HTML,
    KEY_PRODUCT,
    KEY_OK,
    KEY_FAILED,
    KEY_COUNT
};

enum eventloop_class {
    CLASS_LOOP,
    CLASS_CONNECTION,
    CLASS_STREAM,
    CLASS_EXCHANGE,
    CLASS_REQUEST,
    CLASS_URI,
    CLASS_RESPONSE,
    CLASS_PROMISE,
    CLASS_TIMER,
    CLASS_EXCEPTION,
    CLASS_COUNT
};

/* Property slots that the code names; numbers of properties are those of React's and PSR-7's classes. */
enum { LOOP_CONNECTIONS, LOOP_TIMERS, LOOP_WRITTEN, LOOP_ANSWERED, LOOP_SESSIONS, LOOP_LOG, LOOP_PROPERTIES };
enum {
    CONNECTION_LOOP,
    CONNECTION_LISTENERS,
    CONNECTION_STREAM,
    CONNECTION_ID,
    CONNECTION_PEER,
    CONNECTION_OTHER,
    CONNECTION_INDEX,
    CONNECTION_SERVED,
    CONNECTION_PENDING,
    CONNECTION_PROPERTIES = 13
};
enum { STREAM_CONTENT, STREAM_POSITION, STREAM_LISTENERS, STREAM_PROPERTIES };
enum {
    EXCHANGE_NUMBER,
    EXCHANGE_CONNECTION,
    EXCHANGE_TARGET,
    EXCHANGE_RESOLVE,
    EXCHANGE_TIMER,
    EXCHANGE_RESULT,
    EXCHANGE_PROPERTIES
};
enum {
    REQUEST_METHOD,
    REQUEST_TARGET,
    REQUEST_URI,
    REQUEST_HEADERS,
    REQUEST_NAMES,
    REQUEST_BODY,
    REQUEST_QUERY,
    REQUEST_SERVER,
    REQUEST_ATTRIBUTES,
    REQUEST_PROPERTIES = 13
};
enum { URI_SCHEME, URI_HOST, URI_PORT, URI_PATH, URI_QUERY, URI_PROPERTIES = 7 };
enum { RESPONSE_STATUS, RESPONSE_REASON, RESPONSE_HEADERS, RESPONSE_NAMES, RESPONSE_BODY, RESPONSE_PROPERTIES = 6 };
enum { PROMISE_STATE, PROMISE_RESULT, PROMISE_HANDLERS, PROMISE_PROPERTIES = 6 };
enum { TIMER_DUE, TIMER_CALLBACK, TIMER_ID, TIMER_PROPERTIES };

enum promise_state { PROMISE_PENDING, PROMISE_FULFILLED, PROMISE_REJECTED };

struct eventloop_options {
    uint64_t connection_count;
    uint64_t request_count; /**< begun in a turn */
    double errors;          /**< share of requests whose handler throws */
    uint64_t session_count;
    uint64_t log_lines;
    uint64_t keepalive; /**< requests that a connection serves */
    bool linked;
};

struct eventloop {
    struct vm_session session; /* First: the workload interface relies on it. */
    struct eventloop_options options;
    struct vm_string *keys[KEY_COUNT];     /**< borrowed: the interner holds them */
    struct vm_class *classes[CLASS_COUNT]; /**< borrowed: the class table holds them */
    struct vm_object *loop;                /**< borrowed: the global "loop" holds it */
    struct text_buffer *to_server,
        *to_client;          /**< what the sockets hold, one buffer a request in flight: not the heap's */
    struct wl_random random; /**< of the turn under way */
    uint64_t turn;           /**< its number, from 1 */
    uint64_t request_number, connection_number, timer_number, log_number, timeouts, answered;
    /* The request that is being served. */
    struct vm_object *exchange; /**< borrowed: a local holds it */
    struct text_buffer *output;
    bool failing;
    const struct vm_function *on_data; /**< the server's listener */
};

static inline struct vm *eventloop_vm(const struct eventloop *eventloop)
{
    return eventloop->session.vm;
}

/** The state that a closure's body runs for. */
static inline struct eventloop *eventloop_of(struct vm *vm)
{
    return (struct eventloop *)vm_context(vm);
}

/** Charge VM operations to the mutator-work kernel. */
static inline void eventloop_work(struct eventloop *eventloop, uint32_t operation_count)
{
    mutator_work_charge(&eventloop->session.work, operation_count);
}

/** An interned key as a value, owned. */
static inline struct sm_value eventloop_key(const struct eventloop *eventloop, enum eventloop_key key)
{
    return vm_value_copy(eventloop_vm(eventloop), vm_string_value(eventloop->keys[key]));
}

/** A new object of a class of the loop's, owned. */
static inline struct vm_object *eventloop_object(struct eventloop *eventloop, enum eventloop_class which)
{
    eventloop_work(eventloop, 1);
    return vm_object_new(eventloop_vm(eventloop), eventloop->classes[which]);
}

/** A property's value once more, owned. */
static inline struct sm_value eventloop_property(const struct eventloop *eventloop, const struct vm_object *object,
                                                 uint32_t property)
{
    return vm_value_copy(eventloop_vm(eventloop), vm_object_get(object, property));
}

/** The loop as `$this` of a closure: what links garbage to all that lives. Undefined without option `linked`. Owned. */
static inline struct sm_value eventloop_this(const struct eventloop *eventloop)
{
    if (!eventloop->options.linked)
        return vm_undef();
    return vm_value_copy(eventloop_vm(eventloop), vm_object_value(eventloop->loop));
}

/** A list of values, each taken. Returns owned. */
struct vm_array *eventloop_list(struct eventloop *eventloop, const struct sm_value *values, size_t count);

/** The array in a property, made writable. */
struct vm_array *eventloop_writable(struct eventloop *eventloop, struct vm_object *object, uint32_t property);

/** An array of the loop's, borrowed. */
static inline struct vm_array *eventloop_array(const struct eventloop *eventloop, uint32_t property)
{
    return vm_as_array(vm_object_get(eventloop->loop, property));
}

/* ---- eventloop_world.c: what lives on between turns ---- */

/** Define classes and keys, make the loop, its connections, sessions and log. */
void eventloop_world_boot(struct eventloop *eventloop);

/** A timer that is due in so many turns; its callback binds `reject` (taken). Returns it borrowed from the loop. */
struct vm_object *eventloop_start_timeout(struct eventloop *eventloop, uint64_t turns, struct sm_value reject);
void eventloop_cancel_timer(struct eventloop *eventloop, const struct vm_object *timer);
/** Run what is due. */
void eventloop_run_timers(struct eventloop *eventloop);

/** The connection that request `number` takes, borrowed from the loop. */
struct vm_object *eventloop_take_connection(struct eventloop *eventloop, uint64_t number);
/** One of its requests has been answered: it is closed, and another opened, when it has served long enough. */
void eventloop_release_connection(struct eventloop *eventloop, struct vm_object *connection);

/** A session is seen once more and gets a new token. Returns the user's name, borrowed. */
struct vm_string *eventloop_touch_session(struct eventloop *eventloop, uint64_t number);

/** Write a line over the oldest one of the access log. `path` is borrowed. */
void eventloop_log(struct eventloop *eventloop, struct sm_value path, int64_t status, size_t bytes);

/** Fold samples of sessions and log into the checksum; `everything`: all of both. */
void eventloop_world_fold(struct eventloop *eventloop, bool everything);

/** Block bytes of the world and of what is in flight between two turns, by construction. */
uint64_t eventloop_world_block_bytes(const struct eventloop_options *options);

/* ---- eventloop_promise.c ---- */

/** A promise and the two closures that settle it; all owned. */
struct eventloop_deferred {
    struct vm_object *promise;
    struct sm_value resolve, reject;
};

struct eventloop_deferred eventloop_defer(struct eventloop *eventloop);

/** then(): `callback` (a closure, taken) gets the result. Returns the promise of what it returns, owned. */
struct vm_object *eventloop_then(struct eventloop *eventloop, struct vm_object *promise, struct sm_value callback);

/** Call a closure (borrowed) with one argument (taken). Returns owned. */
struct sm_value eventloop_call(struct eventloop *eventloop, struct sm_value closure, struct sm_value argument);

/** Throw an exception whose trace holds the arguments of the frames: `arguments`, a list (borrowed), in the innermost. */
void eventloop_throw(struct eventloop *eventloop, const struct sm_value *arguments, size_t count);

/** Blocks of a deferred promise: the promise, a reference, two closures with one bound variable each. */
uint64_t eventloop_deferred_block_bytes(void);
/** Of a closure with so many bound variables. */
uint64_t eventloop_closure_block_bytes(uint64_t capture_count);

/* ---- eventloop_http.c ---- */

/** The client's request with number `number`; writes it to `wire` as text, and drops it. Returns its target, owned. */
struct vm_string *eventloop_request(struct eventloop *eventloop, uint64_t number, struct text_buffer *wire);

/** What a socket delivers: one read of up to 64 KiB, cut to what came. Returns owned. */
struct vm_string *eventloop_read(struct eventloop *eventloop, struct text_buffer *wire);

/** The request object that the server makes of a message's text. Returns owned. */
struct vm_object *eventloop_parse_request(struct eventloop *eventloop, struct vm_string *data);

/** withAttribute(): another request that shares all but the attributes; `value` taken. Returns owned. */
struct vm_object *eventloop_with_attribute(struct eventloop *eventloop, const struct vm_object *request,
                                           enum eventloop_key key, struct sm_value value);

/** The handler's response. Returns owned. */
struct vm_object *eventloop_make_response(struct eventloop *eventloop, int64_t status, struct vm_string *body);

/** Write a response to `wire`; returns the number of bytes. */
size_t eventloop_send_response(struct eventloop *eventloop, const struct vm_object *response, struct text_buffer *wire);

/** getHeaderLine(), of a message whose header values are in `property` and their names behind: borrowed; undefined when there is none. */
struct sm_value eventloop_header(struct eventloop *eventloop, const struct vm_object *message, uint32_t property,
                                 const char *name);

/** The response object that the client makes of a message's text. Returns owned. */
struct vm_object *eventloop_parse_response(struct eventloop *eventloop, struct vm_string *data);

#endif
