/* HTTP of the event loop: message objects as PSR-7's, their text, and the parser that makes objects of it. */
#include "eventloop.h"

#include "block_bytes.h"

#include <assert.h>
#include <ctype.h>

enum { READ_BYTES = 65536 };

struct vm_array *eventloop_list(struct eventloop *eventloop, const struct sm_value *values, size_t count)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, count);
    for (size_t i = 0; i < count; i++)
        vm_array_append(vm, list, values[i]);
    eventloop_work(eventloop, 1);
    return list;
}

struct vm_array *eventloop_writable(struct eventloop *eventloop, struct vm_object *object, uint32_t property)
{
    return vm_array_write(eventloop_vm(eventloop), vm_object_place(object, property));
}

/* substr() of what lies between two positions. */
static struct sm_value between(struct eventloop *eventloop, const struct vm_string *text, size_t start, size_t end)
{
    eventloop_work(eventloop, 1);
    return vm_string_value(text_slice(eventloop_vm(eventloop), text, start, end - start));
}

static size_t find(const struct vm_string *text, size_t start, char byte)
{
    const char *found = (const char *)memchr(text->data + start, byte, text->length - start);
    return found == NULL ? text->length : (size_t)(found - text->data);
}

/* ---- Headers: lists of values by name, and names by their lower case ---- */

static struct vm_string *lower_case(struct eventloop *eventloop, const char *text, size_t length)
{
    struct vm_string *lower = vm_string_new(eventloop_vm(eventloop), text, length);
    for (size_t i = 0; i < length; i++)
        lower->data[i] = (char)tolower((unsigned char)text[i]);
    eventloop_work(eventloop, 1);
    return lower;
}

struct headers {
    struct vm_array *values, *names; /* owned until they are stored */
};

static struct headers new_headers(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *values = vm_array_new(vm, VM_ARRAY_HASH, 0);
    return (struct headers){values, vm_array_new(vm, VM_ARRAY_HASH, 0)};
}

/* isset($names[strtolower($name)]): the value of an array by a key that is made for the question. Borrowed. */
static struct sm_value look_up(struct eventloop *eventloop, const struct vm_array *names, const char *name,
                               size_t length)
{
    struct vm_string *lower = lower_case(eventloop, name, length);
    struct sm_value known = vm_array_get_key(names, lower);
    vm_value_drop(eventloop_vm(eventloop), vm_string_value(lower));
    eventloop_work(eventloop, 1);
    return known;
}

/* withAddedHeader(): `name` and `value` are taken. */
static void add_header(struct eventloop *eventloop, struct headers *headers, struct sm_value name,
                       struct sm_value value)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_string *text = vm_as_string(name);
    struct sm_value known = look_up(eventloop, headers->names, text->data, (size_t)text->length);
    assert(vm_tag_of(known) == VM_UNDEF);
    (void)known;
    vm_array_set_key(vm, headers->values, text, vm_array_value(eventloop_list(eventloop, &value, 1)));
    struct vm_string *lower = lower_case(eventloop, text->data, (size_t)text->length);
    vm_array_set_key(vm, headers->names, lower, name);
    vm_value_drop(vm, vm_string_value(lower));
    eventloop_work(eventloop, 2);
}

/* foreach ($headers as &$values): each element becomes a reference, and stays one. */
static void refer_to_values(struct eventloop *eventloop, struct headers *headers)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(headers->names, &position, &entry);) {
        struct vm_string *name = vm_as_string(entry.value);
        struct sm_value list = vm_value_copy(vm, vm_array_get_key(headers->values, name));
        struct vm_reference *reference = vm_reference_new(vm, list);
        vm_array_set_key(vm, headers->values, name, vm_heap_value(reference, VM_REFERENCE));
        eventloop_work(eventloop, 1);
    }
}

static void store_headers(struct eventloop *eventloop, struct vm_object *message, uint32_t property,
                          struct headers headers)
{
    vm_object_set(eventloop_vm(eventloop), message, property, vm_array_value(headers.values));
    vm_object_set(eventloop_vm(eventloop), message, property + 1, vm_array_value(headers.names));
}

struct sm_value eventloop_header(struct eventloop *eventloop, const struct vm_object *message, uint32_t property,
                                 const char *name)
{
    const struct vm_array *names = vm_as_array(vm_object_get(message, property + 1));
    struct sm_value known = look_up(eventloop, names, name, strlen(name));
    if (vm_tag_of(known) != VM_STRING)
        return vm_undef();
    struct sm_value values = vm_array_get_key(vm_as_array(vm_object_get(message, property)), vm_as_string(known));
    return vm_array_get_index(vm_as_array(vm_value_deref(values)), 0);
}

/* ---- Body streams ---- */

static struct sm_value forget_body(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    (void)closure;
    return vm_null();
}

static const struct vm_function forget_body_function = {"forget body", forget_body, 1, 1, 0};

/* A stream that tells one listener of its end. `content` is taken. */
static struct sm_value make_body(struct eventloop *eventloop, struct sm_value content)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *body = eventloop_object(eventloop, CLASS_STREAM);
    vm_object_set(vm, body, STREAM_CONTENT, content);
    vm_object_set(vm, body, STREAM_POSITION, vm_int(0));
    struct sm_value capture = vm_int((int64_t)eventloop->answered);
    struct sm_value listener =
        vm_closure_value(vm_closure_new(vm, &forget_body_function, &capture, eventloop_this(eventloop)));
    struct vm_array *listeners = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, listeners, eventloop->keys[KEY_CLOSE],
                     vm_array_value(eventloop_list(eventloop, &listener, 1)));
    vm_object_set(vm, body, STREAM_LISTENERS, vm_array_value(listeners));
    eventloop_work(eventloop, 3);
    return vm_object_value(body);
}

/* ---- Text out ---- */

/* A line that is a string of its own, appended and dropped. */
static void append_header(struct eventloop *eventloop, struct vm_place output, const struct vm_string *name,
                          const struct vm_string *value)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_string *line = vm_string_format(vm, "\n%s: %s", name->data, value->data);
    text_append_string(vm, output, line);
    vm_value_drop(vm, vm_string_value(line));
    eventloop_work(eventloop, 2);
}

static void append_headers(struct eventloop *eventloop, struct vm_place output, const struct vm_object *message,
                           uint32_t property)
{
    const struct vm_array *values = vm_as_array(vm_object_get(message, property));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(values, &position, &entry);) {
        const struct vm_array *list = vm_as_array(vm_value_deref(entry.value));
        append_header(eventloop, output, entry.key, vm_as_string(vm_array_get_index(list, 0)));
    }
}

/* What the string in local 0 of the frame holds goes to the socket. Returns its length. */
static size_t send_output(struct eventloop *eventloop, struct text_buffer *wire)
{
    const struct vm_string *output = vm_as_string(vm_local_get(eventloop_vm(eventloop), 0));
    wire->length = 0;
    text_buffer_put(wire, output->data, (size_t)output->length);
    if (wire->failed)
        vm_bailout(eventloop_vm(eventloop), SM_ERR_OUT_OF_MEMORY);
    return (size_t)output->length;
}

/* ---- The client's request ---- */

static struct vm_string *make_target(struct eventloop *eventloop, uint64_t number)
{
    struct wl_random random = wl_random_seeded(number);
    return vm_string_format(eventloop_vm(eventloop), "/%s/%s?id=%llu&page=%u", text_word(wl_random_next(&random)),
                            text_word(wl_random_next(&random)), (unsigned long long)number,
                            (unsigned)wl_random_below(&random, 10));
}

static struct vm_object *make_uri(struct eventloop *eventloop, const struct vm_string *target, struct sm_value host)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *uri = eventloop_object(eventloop, CLASS_URI);
    size_t question = find(target, 0, '?');
    vm_object_set(vm, uri, URI_SCHEME, eventloop_key(eventloop, KEY_HTTP));
    vm_object_set(vm, uri, URI_HOST, host);
    vm_object_set(vm, uri, URI_PORT, vm_int(8080));
    vm_object_set(vm, uri, URI_PATH, between(eventloop, target, 0, question));
    vm_object_set(vm, uri, URI_QUERY, between(eventloop, target, question + 1, target->length));
    eventloop_work(eventloop, 2);
    return uri;
}

static void add_client_headers(struct eventloop *eventloop, struct vm_object *request, uint64_t number)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct headers headers = new_headers(eventloop);
    unsigned long long session = wl_mix(number) % eventloop->options.session_count;
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_HOST),
               vm_string_value(vm_string_format(vm, "%s.example", text_word(number))));
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_COOKIE),
               vm_string_value(vm_string_format(vm, "session=%llu", session)));
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_USER_AGENT), eventloop_key(eventloop, KEY_PRODUCT));
    store_headers(eventloop, request, REQUEST_HEADERS, headers);
}

static void send_request(struct eventloop *eventloop, const struct vm_object *request, struct text_buffer *wire)
{
    struct vm *vm = eventloop_vm(eventloop);
    vm_frame_enter(vm, 1);
    struct vm_string *output = vm_string_with_capacity(vm, 40);
    vm_local_set(vm, 0, vm_string_value(output));
    struct vm_place place = vm_local_place(vm, 0);
    text_append_string(vm, place, vm_as_string(vm_object_get(request, REQUEST_METHOD)));
    text_append(vm, place, " ");
    text_append_string(vm, place, vm_as_string(vm_object_get(request, REQUEST_TARGET)));
    text_append(vm, place, " HTTP/1.1");
    append_headers(eventloop, place, request, REQUEST_HEADERS);
    text_append(vm, place, "\nAccept: text/html\nConnection: keep-alive\n\n");
    eventloop_work(eventloop, 3);
    (void)send_output(eventloop, wire);
    vm_frame_leave(vm);
}

struct vm_string *eventloop_request(struct eventloop *eventloop, uint64_t number, struct text_buffer *wire)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *request = eventloop_object(eventloop, CLASS_REQUEST);
    vm_object_set(vm, request, REQUEST_METHOD, eventloop_key(eventloop, KEY_GET));
    struct sm_value target = vm_string_value(make_target(eventloop, number));
    vm_object_set(vm, request, REQUEST_TARGET, vm_value_copy(vm, target));
    add_client_headers(eventloop, request, number);
    struct sm_value host = vm_value_copy(vm, eventloop_header(eventloop, request, REQUEST_HEADERS, "Host"));
    vm_object_set(vm, request, REQUEST_URI, vm_object_value(make_uri(eventloop, vm_as_string(target), host)));
    send_request(eventloop, request, wire);
    vm_value_drop(vm, vm_object_value(request));
    eventloop_work(eventloop, 3);
    return vm_as_string(target);
}

/* ---- Text in ---- */

/* The buffer is as large as a read may be, and the string is cut out of it: PHP shortens it in place. */
struct vm_string *eventloop_read(struct eventloop *eventloop, struct text_buffer *wire)
{
    struct vm *vm = eventloop_vm(eventloop);
    assert(wire->length <= READ_BYTES);
    struct vm_string *buffer = vm_string_with_capacity(vm, READ_BYTES);
    memcpy(buffer->data, wire->bytes, wire->length);
    buffer->length = wire->length;
    struct vm_string *data = text_slice(vm, buffer, 0, wire->length);
    vm_value_drop(vm, vm_string_value(buffer));
    eventloop_work(eventloop, 2);
    return data;
}

/* preg_match() of one line: a list of line, name and value, of which the latter two are kept. */
static void parse_header(struct eventloop *eventloop, struct headers *headers, const struct vm_string *head,
                         size_t start, size_t end)
{
    struct vm *vm = eventloop_vm(eventloop);
    size_t colon = find(head, start, ':');
    struct sm_value parts[] = {between(eventloop, head, start, end), between(eventloop, head, start, colon),
                               between(eventloop, head, colon + 2, end)};
    struct vm_array *match = eventloop_list(eventloop, parts, sizeof(parts) / sizeof(parts[0]));
    struct sm_value name = vm_value_copy(vm, vm_array_get_index(match, 1));
    add_header(eventloop, headers, name, vm_value_copy(vm, vm_array_get_index(match, 2)));
    vm_value_drop(vm, vm_array_value(match));
}

/* A message's text in parts: the start line's words, its headers, the body. All owned. */
struct message {
    struct vm_array *start;
    struct headers headers;
    struct sm_value body;
};

static struct message parse(struct eventloop *eventloop, const struct vm_string *data)
{
    struct vm *vm = eventloop_vm(eventloop);
    const char *gap = (const char *)memmem(data->data, (size_t)data->length, "\n\n", 2);
    assert(gap != NULL);
    size_t head_length = (size_t)(gap - data->data);
    struct sm_value head = between(eventloop, data, 0, head_length);
    size_t line_end = find(vm_as_string(head), 0, '\n');
    struct sm_value line = between(eventloop, vm_as_string(head), 0, line_end);
    struct message message = {.start = text_split(vm, vm_as_string(line), ' '), .headers = new_headers(eventloop)};
    for (size_t start = line_end + 1, end; start < head_length; start = end + 1) {
        end = find(vm_as_string(head), start, '\n');
        parse_header(eventloop, &message.headers, vm_as_string(head), start, end);
    }
    message.body = between(eventloop, data, head_length + 2, (size_t)data->length);
    vm_value_drop(vm, head);
    vm_value_drop(vm, line);
    return message;
}

static struct sm_value start_word(struct eventloop *eventloop, const struct message *message, int64_t index)
{
    return vm_value_copy(eventloop_vm(eventloop), vm_array_get_index(message->start, index));
}

/* parse_str() */
static struct vm_array *parse_query(struct eventloop *eventloop, const struct vm_string *query)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_array *parameters = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (size_t start = 0; start < query->length;) {
        size_t end = find(query, start, '&'), equals = find(query, start, '=');
        struct sm_value name = between(eventloop, query, start, equals);
        vm_array_set_key(vm, parameters, vm_as_string(name), between(eventloop, query, equals + 1, end));
        vm_value_drop(vm, name);
        start = end + 1;
    }
    return parameters;
}

static struct vm_array *make_server_parameters(struct eventloop *eventloop)
{
    struct vm *vm = eventloop_vm(eventloop);
    const struct vm_object *connection = vm_as_object(vm_object_get(eventloop->exchange, EXCHANGE_CONNECTION));
    struct vm_array *parameters = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, parameters, eventloop->keys[KEY_TIME], vm_float((double)eventloop->turn / 1000));
    vm_array_set_key(vm, parameters, eventloop->keys[KEY_PEER],
                     eventloop_property(eventloop, connection, CONNECTION_PEER));
    eventloop_work(eventloop, 2);
    return parameters;
}

static void set_addresses(struct eventloop *eventloop, struct vm_object *request)
{
    struct vm *vm = eventloop_vm(eventloop);
    const struct vm_string *target = vm_as_string(vm_object_get(request, REQUEST_TARGET));
    struct sm_value host = vm_value_copy(vm, eventloop_header(eventloop, request, REQUEST_HEADERS, "Host"));
    struct vm_object *uri = make_uri(eventloop, target, host);
    vm_object_set(vm, request, REQUEST_URI, vm_object_value(uri));
    struct vm_array *query = parse_query(eventloop, vm_as_string(vm_object_get(uri, URI_QUERY)));
    vm_object_set(vm, request, REQUEST_QUERY, vm_array_value(query));
}

struct vm_object *eventloop_parse_request(struct eventloop *eventloop, struct vm_string *data)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct message message = parse(eventloop, data);
    struct vm_object *request = eventloop_object(eventloop, CLASS_REQUEST);
    refer_to_values(eventloop, &message.headers);
    store_headers(eventloop, request, REQUEST_HEADERS, message.headers);
    vm_object_set(vm, request, REQUEST_METHOD, start_word(eventloop, &message, 0));
    vm_object_set(vm, request, REQUEST_TARGET, start_word(eventloop, &message, 1));
    vm_value_drop(vm, vm_array_value(message.start));
    vm_object_set(vm, request, REQUEST_BODY, make_body(eventloop, message.body));
    vm_object_set(vm, request, REQUEST_SERVER, vm_array_value(make_server_parameters(eventloop)));
    set_addresses(eventloop, request);
    static const char *const asked[] = {"Content-Length", "Transfer-Encoding", "Upgrade", "Connection"};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        (void)eventloop_header(eventloop, request, REQUEST_HEADERS, asked[i]);
    eventloop_work(eventloop, 3);
    return request;
}

struct vm_object *eventloop_with_attribute(struct eventloop *eventloop, const struct vm_object *request,
                                           enum eventloop_key key, struct sm_value value)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *clone = eventloop_object(eventloop, CLASS_REQUEST);
    for (uint32_t i = 0; i < REQUEST_PROPERTIES; i++)
        vm_object_set(vm, clone, i, eventloop_property(eventloop, request, i));
    if (vm_tag_of(vm_object_get(clone, REQUEST_ATTRIBUTES)) != VM_ARRAY)
        vm_object_set(vm, clone, REQUEST_ATTRIBUTES, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    struct vm_array *attributes = eventloop_writable(eventloop, clone, REQUEST_ATTRIBUTES);
    vm_array_set_key(vm, attributes, eventloop->keys[key], value);
    eventloop_work(eventloop, 2);
    return clone;
}

/* ---- Responses ---- */

struct vm_object *eventloop_make_response(struct eventloop *eventloop, int64_t status, struct vm_string *body)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct vm_object *response = eventloop_object(eventloop, CLASS_RESPONSE);
    vm_object_set(vm, response, RESPONSE_STATUS, vm_int(status));
    vm_object_set(vm, response, RESPONSE_REASON, eventloop_key(eventloop, status == 200 ? KEY_OK : KEY_FAILED));
    struct headers headers = new_headers(eventloop);
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_CONTENT_TYPE), eventloop_key(eventloop, KEY_HTML));
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_CONTENT_LENGTH),
               vm_string_value(text_number(vm, (int64_t)body->length)));
    add_header(eventloop, &headers, eventloop_key(eventloop, KEY_SERVER), eventloop_key(eventloop, KEY_PRODUCT));
    refer_to_values(eventloop, &headers);
    store_headers(eventloop, response, RESPONSE_HEADERS, headers);
    vm_object_set(vm, response, RESPONSE_BODY, make_body(eventloop, vm_string_value(body)));
    return response;
}

size_t eventloop_send_response(struct eventloop *eventloop, const struct vm_object *response, struct text_buffer *wire)
{
    struct vm *vm = eventloop_vm(eventloop);
    const struct vm_object *body = vm_as_object(vm_object_get(response, RESPONSE_BODY));
    vm_frame_enter(vm, 1);
    int64_t status = vm_as_int(vm_object_get(response, RESPONSE_STATUS));
    vm_local_set(vm, 0, vm_string_value(text_number(vm, status)));
    struct vm_string *line = text_prefix(vm, "HTTP/1.1 ", vm_as_string(vm_local_get(vm, 0)));
    vm_local_set(vm, 0, vm_string_value(line));
    struct vm_place place = vm_local_place(vm, 0);
    text_append(vm, place, " ");
    text_append_string(vm, place, vm_as_string(vm_object_get(response, RESPONSE_REASON)));
    append_headers(eventloop, place, response, RESPONSE_HEADERS);
    text_append(vm, place, "\n\n");
    text_append_string(vm, place, vm_as_string(vm_object_get(body, STREAM_CONTENT)));
    eventloop_work(eventloop, 4);
    size_t length = send_output(eventloop, wire);
    vm_frame_leave(vm);
    return length;
}

struct vm_object *eventloop_parse_response(struct eventloop *eventloop, struct vm_string *data)
{
    struct vm *vm = eventloop_vm(eventloop);
    struct message message = parse(eventloop, data);
    struct vm_object *response = eventloop_object(eventloop, CLASS_RESPONSE);
    const struct vm_string *status = vm_as_string(vm_array_get_index(message.start, 1));
    vm_object_set(vm, response, RESPONSE_STATUS, vm_int(status->data[0] - '0'));
    vm_object_set(vm, response, RESPONSE_REASON, start_word(eventloop, &message, 2));
    vm_value_drop(vm, vm_array_value(message.start));
    store_headers(eventloop, response, RESPONSE_HEADERS, message.headers);
    vm_object_set(vm, response, RESPONSE_BODY, make_body(eventloop, message.body));
    (void)eventloop_header(eventloop, response, RESPONSE_HEADERS, "Transfer-Encoding");
    (void)eventloop_header(eventloop, response, RESPONSE_HEADERS, "Content-Length");
    eventloop_work(eventloop, 3);
    return response;
}
