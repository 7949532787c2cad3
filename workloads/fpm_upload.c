/*
 * Workload "fpm-upload": requests that upload files (story: few large buffers, grown; no recorded page is one, what
 * comes nearest is the string that cli-composer-dumpautoload grows by resizing).
 *
 * A step is one request: a multipart body read in chunks, each a string of its own, and appended to one string; the
 * body is hashed and parsed into parts; each file is written out through a base64 string that grows.
 * Four tenths of the bytes are growth of strings.
 */
#include "program.h"

#include <assert.h>

extern const struct wl_ops wl_fpm_upload;

enum upload_option { OPTION_FILES, OPTION_FILE_BYTES, OPTION_CHUNK, OPTION_FIELDS, OPTION_SOURCES, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_FILES] = {"files", SM_OPTION_COUNT, "files", "4", 1, 1e5, NULL, "files of a request"},
    [OPTION_FILE_BYTES] = {"file", SM_OPTION_SIZE, "bytes", "512K", 64, 1 << 30, NULL,
                           "size of the largest file; the others have three quarters and half of it in turn"},
    [OPTION_CHUNK] = {"chunk", SM_OPTION_SIZE, "bytes", "8K", 16, 1 << 24, NULL, "bytes that one read brings"},
    [OPTION_FIELDS] = {"fields", SM_OPTION_COUNT, "fields", "12", 0, 1e6, NULL, "form fields beside the files"},
    [OPTION_SOURCES] = PROGRAM_FILES_OPTION("sources", "270"),
};

enum { LINE_BYTES = 57, KEY_COUNT = 4 };
enum upload_key { KEY_NAME, KEY_TYPE, KEY_SIZE, KEY_CONTENT };
static const char *const key_texts[KEY_COUNT] = {"name", "type", "size", "content"};

static const char boundary[] = "--form-boundary-7d91f0c3";

struct upload {
    struct request_session request; /* First: the workload interface relies on it. */
    uint64_t file_count, file_bytes, chunk_bytes, field_count;
    struct vm_string *keys[KEY_COUNT];
    struct text_buffer incoming; /**< what the client sends */
};

/* Locals of a request's frame. */
enum { BODY, PARTS, PART, HEADERS, OUTPUT, REQUEST_LOCALS };

static struct upload *upload_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_fpm_upload);
    return (struct upload *)instance;
}

static void work(struct upload *upload, uint32_t operation_count)
{
    mutator_work_charge(&upload->request.session.work, operation_count);
}

/* ---- What the client sends ---- */

static uint64_t file_length(uint64_t file_bytes, uint64_t number)
{
    return file_bytes / 4 * (4 - number % 3);
}

/* Bytes without line ends, so that no part holds a boundary. */
static void put_content(struct upload *upload, uint64_t byte_count)
{
    char piece[64];
    while (byte_count > 0) {
        size_t length = byte_count < sizeof(piece) ? (size_t)byte_count : sizeof(piece);
        for (size_t i = 0; i < length; i += 8) {
            uint64_t word = wl_random_next(&upload->request.random);
            for (size_t j = i; j < i + 8; j++, word >>= 8)
                piece[j] = (char)('0' + word % 64);
        }
        text_buffer_put(&upload->incoming, piece, length);
        byte_count -= length;
    }
}

static void put_part(struct upload *upload, const char *kind, uint64_t number, uint64_t byte_count)
{
    struct text_buffer *buffer = &upload->incoming;
    text_buffer_put_text(buffer, boundary);
    text_buffer_put_text(buffer, "\nContent-Disposition: form-data; name=\"");
    text_buffer_put_text(buffer, kind);
    text_buffer_put_number(buffer, number);
    text_buffer_put_text(buffer, "\"\nContent-Type: application/octet-stream\n\n");
    put_content(upload, byte_count);
    text_buffer_put_text(buffer, "\n");
}

static void send(struct upload *upload)
{
    upload->incoming.length = 0;
    for (uint64_t i = 0; i < upload->field_count; i++)
        put_part(upload, "field", i, 16 + i % 32);
    for (uint64_t i = 0; i < upload->file_count; i++)
        put_part(upload, "file", i, file_length(upload->file_bytes, i));
    text_buffer_put_text(&upload->incoming, boundary);
    text_buffer_put_text(&upload->incoming, "--\n");
    if (upload->incoming.failed)
        vm_bailout(upload->request.session.vm, SM_ERR_OUT_OF_MEMORY);
}

/* ---- Reading ---- */

/* The body grows by what each read brings, as `$body .= fread($input, 8192)` does. */
static void receive(struct upload *upload)
{
    struct vm *vm = upload->request.session.vm;
    const struct text_buffer *incoming = &upload->incoming;
    vm_local_set(vm, BODY, vm_string_value(vm_string_with_capacity(vm, 0)));
    for (size_t position = 0; position < incoming->length; position += (size_t)upload->chunk_bytes) {
        size_t rest = incoming->length - position;
        size_t length = rest < upload->chunk_bytes ? rest : (size_t)upload->chunk_bytes;
        struct vm_string *chunk = vm_string_new(vm, incoming->bytes + position, length);
        text_append_string(vm, vm_local_place(vm, BODY), chunk);
        vm_value_drop(vm, vm_string_value(chunk));
        work(upload, 4);
        vm_safepoint(vm);
    }
}

/* ---- Parsing ---- */

/* "Name: value" lines become a hash array in local HEADERS. */
static void parse_headers(struct upload *upload, const struct vm_string *head)
{
    struct vm *vm = upload->request.session.vm;
    struct vm_array *lines = text_split(vm, head, '\n');
    struct vm_array *headers = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, HEADERS, vm_array_value(headers));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(lines, &position, &entry);) {
        struct vm_array *pair = text_split(vm, vm_as_string(entry.value), ':');
        if (vm_array_count(pair) == 2) {
            struct sm_value value = vm_array_get_index(pair, 1);
            vm_array_set_key(vm, headers, vm_as_string(vm_array_get_index(pair, 0)), vm_value_copy(vm, value));
        }
        vm_value_drop(vm, vm_array_value(pair));
        work(upload, 4);
    }
    vm_value_drop(vm, vm_array_value(lines));
}

static void add_part(struct upload *upload, size_t start, size_t end)
{
    struct vm *vm = upload->request.session.vm;
    const struct vm_string *body = vm_as_string(vm_local_get(vm, BODY));
    const char *gap = (const char *)memmem(body->data + start, end - start, "\n\n", 2);
    assert(gap != NULL);
    size_t content = (size_t)(gap - body->data) + 2;
    struct vm_string *head = text_slice(vm, body, start, content - 2 - start);
    parse_headers(upload, head);
    vm_value_drop(vm, vm_string_value(head));
    struct vm_array *part = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_append(vm, vm_as_array(vm_local_get(vm, PARTS)), vm_array_value(part));
    vm_array_set_key(vm, part, upload->keys[KEY_TYPE], vm_local_take(vm, HEADERS));
    vm_array_set_key(vm, part, upload->keys[KEY_SIZE], vm_int((int64_t)(end - content)));
    vm_array_set_key(vm, part, upload->keys[KEY_CONTENT],
                     vm_string_value(text_slice(vm, body, content, end - content)));
    work(upload, 6);
    vm_safepoint(vm);
}

/* Each part begins behind a boundary's line and ends before the line end in front of the next one. */
static void parse(struct upload *upload)
{
    struct vm *vm = upload->request.session.vm;
    const size_t boundary_length = sizeof(boundary) - 1;
    vm_local_set(vm, PARTS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    const struct vm_string *body = vm_as_string(vm_local_get(vm, BODY));
    for (size_t start = boundary_length + 1; start < body->length;) {
        const char *next =
            (const char *)memmem(body->data + start, (size_t)body->length - start, boundary, boundary_length);
        if (next == NULL)
            break;
        size_t end = (size_t)(next - body->data);
        add_part(upload, start, end - 1);
        start = end + boundary_length + 1;
    }
}

/* ---- Writing out ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* base64_encode() of a line's bytes, as a string of its own. */
static struct vm_string *encode_line(struct vm *vm, const struct vm_string *piece)
{
    const char *bytes = piece->data;
    size_t byte_count = (size_t)piece->length;
    struct vm_string *line = vm_string_new(vm, NULL, (byte_count + 2) / 3 * 4 + 1);
    char *target = line->data;
    for (size_t i = 0; i < byte_count; i += 3) {
        uint32_t word = 0;
        for (size_t j = i; j < i + 3; j++)
            word = word << 8 | (j < byte_count ? (unsigned char)bytes[j] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            *target++ = digits[word >> shift & 63];
    }
    *target = '\n';
    return line;
}

/* chunk_split(base64_encode()), line by line onto a string that grows. */
static void store(struct upload *upload, const struct vm_array *part)
{
    struct vm *vm = upload->request.session.vm;
    const struct vm_string *content = vm_as_string(vm_array_get_key(part, upload->keys[KEY_CONTENT]));
    vm_local_set(vm, OUTPUT, vm_string_value(vm_string_with_capacity(vm, 0)));
    for (size_t position = 0; position < content->length; position += LINE_BYTES) {
        size_t rest = (size_t)content->length - position;
        struct vm_string *piece = text_slice(vm, content, position, rest < LINE_BYTES ? rest : LINE_BYTES);
        struct vm_string *line = encode_line(vm, piece);
        vm_value_drop(vm, vm_string_value(piece));
        text_append_string(vm, vm_local_place(vm, OUTPUT), line);
        vm_value_drop(vm, vm_string_value(line));
        work(upload, 2);
    }
    vm_session_fold_value(&upload->request.session, vm_local_get(vm, OUTPUT), 1);
    vm_local_set(vm, OUTPUT, vm_undef());
    vm_safepoint(vm);
}

static void store_parts(struct upload *upload)
{
    struct vm *vm = upload->request.session.vm;
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, PARTS)), &position, &entry);)
        store(upload, vm_as_array(entry.value));
}

/* ---- A request ---- */

static void inject_faults(struct upload *upload)
{
    struct vm *vm = upload->request.session.vm;
    struct vm_array *parts = vm_as_array(vm_local_get(vm, PARTS));
    if (request_fault_strikes(&upload->request, WL_FAULT_FLIP_BYTE)) {
        struct vm_string *body = vm_as_string(vm_local_get(vm, BODY));
        body->data[body->length / 2] ^= 1;
    }
    if (request_fault_strikes(&upload->request, WL_FAULT_FLIP_EDGE))
        vm_array_set_index(vm, parts, 0, vm_null());
}

static void boot(struct upload *upload)
{
    struct vm *vm = upload->request.session.vm;
    mutator_work_boot(&upload->request.session.work, vm, upload->request.session.mutator_work_enabled);
    for (int i = 0; i < KEY_COUNT; i++)
        upload->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
}

static void run_request(struct vm_session *session)
{
    struct upload *upload = (struct upload *)session;
    struct vm *vm = session->vm;
    vm_frame_enter(vm, REQUEST_LOCALS);
    program_compile(&upload->request);
    boot(upload);
    send(upload);
    receive(upload);
    parse(upload);
    store_parts(upload);
    inject_faults(upload);
    vm_session_fold_value(session, vm_local_get(vm, BODY), 1);
    vm_session_fold_value(session, vm_local_get(vm, PARTS), 3);
    program_fold(&upload->request);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    sm_status status =
        request_session_create(sizeof(struct upload), &wl_fpm_upload, config, run_request, instance, error);
    if (status != SM_OK)
        return status;
    struct upload *upload = upload_of(*instance);
    upload->file_count = config->options->value[OPTION_FILES].count;
    upload->file_bytes = config->options->value[OPTION_FILE_BYTES].count;
    upload->chunk_bytes = config->options->value[OPTION_CHUNK].count;
    upload->field_count = config->options->value[OPTION_FIELDS].count;
    upload->request.file_count = config->options->value[OPTION_SOURCES].count;
    return SM_OK;
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&upload_of(instance)->incoming);
    request_session_destroy(instance);
}

const struct wl_ops wl_fpm_upload = {
    .name = "fpm-upload",
    .summary = "uploads: a body grown chunk by chunk to megabytes, hashed, parsed and written out",
    .sapi = SM_SAPI_FPM,
    .step_unit = "request",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(8) << 30, /* 8 GiB */
    .create = create,
    .step = request_session_step,
    .serve = request_session_serve,
    .finish = vm_session_finish,
    .destroy = destroy,
};
