/*
 * Workload "fpm-page": request bursts of a content-management page (calibrated to fpm-wordpress-home and
 * fpm-mediawiki-main).
 *
 * A step is one request: boot data, routing, a loop of posts rendered through nested templates with
 * filter hooks and growing strings, request end. Under a CLI policy the requests just begin and end.
 */
#include "page.h"
#include "program.h"

#include <assert.h>

extern const struct wl_ops wl_fpm_page;

enum page_option {
    OPTION_POSTS,
    OPTION_COMMENTS,
    OPTION_PARAGRAPHS,
    OPTION_OPTIONS,
    OPTION_PLUGINS,
    OPTION_FILES,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_POSTS] = {"posts", SM_OPTION_COUNT, "posts", "20", 1, 1e6, NULL, "posts of the page"},
    [OPTION_COMMENTS] = {"comments", SM_OPTION_COUNT, "comments", "48", 0, 1e6, NULL, "comments of each post"},
    [OPTION_PARAGRAPHS] = {"paragraphs", SM_OPTION_COUNT, "paragraphs", "16", 1, 1e5, NULL,
                           "paragraphs of each post, about 0.4 KB each"},
    [OPTION_OPTIONS] = {"options", SM_OPTION_COUNT, "entries", "600", 1, 1e7, NULL,
                        "configuration entries loaded at boot"},
    [OPTION_PLUGINS] = {"plugins", SM_OPTION_COUNT, "plugins", "25", 0, 1e5, NULL,
                        "plugins that add filters, block types and translations at boot, 29 KB each"},
    [OPTION_FILES] = PROGRAM_FILES_OPTION("files", "450"),
};

/* Locals of a request's frame. */
enum { MATCHES, OUTPUT, REQUEST_LOCALS };

static struct page *page_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_fpm_page);
    return (struct page *)instance;
}

/* ---- Faults ---- */

static void flip_byte(struct vm *vm)
{
    struct vm_string *output = vm_as_string(vm_local_get(vm, OUTPUT));
    output->data[output->length / 2] ^= 1;
}

/* The first post gets another author. */
static void flip_edge(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_object *post = vm_as_object(vm_array_get_index(page_global(page, "posts"), 0));
    struct sm_value other = vm_array_get_index(page_global(page, "users"), 1);
    vm_object_set(vm, post, POST_AUTHOR, vm_value_copy(vm, other));
}

static void inject_faults(struct page *page)
{
    if (request_fault_strikes(&page->request, WL_FAULT_FLIP_BYTE))
        flip_byte(page_vm(page));
    if (request_fault_strikes(&page->request, WL_FAULT_FLIP_EDGE))
        flip_edge(page);
}

/* ---- A request ---- */

static void read_back(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_session *session = &page->request.session;
    vm_session_fold_value(session, vm_local_get(vm, MATCHES), 2);
    vm_session_fold_value(session, vm_array_value(page_global(page, "options")), 3);
    vm_session_fold_value(session, vm_array_value(page_global(page, "posts")), 3);
    vm_session_fold_value(session, vm_local_get(vm, OUTPUT), 1);
    program_fold(&page->request);
    vm_session_fold(session, session->work.accumulator);
}

static void run_request(struct vm_session *session)
{
    struct page *page = (struct page *)session;
    struct vm *vm = session->vm;
    vm_frame_enter(vm, REQUEST_LOCALS);
    program_compile(&page->request);
    page_boot(page);
    vm_local_set(vm, MATCHES, vm_array_value(page_route(page)));
    vm_local_set(vm, OUTPUT, vm_string_value(vm_string_with_capacity(vm, 4096)));
    page_render(page, OUTPUT);
    inject_faults(page);
    read_back(page);
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

static struct page_options read_options(const struct sm_option_values *values)
{
    return (struct page_options){
        .post_count = values->value[OPTION_POSTS].count,
        .comment_count = values->value[OPTION_COMMENTS].count,
        .paragraph_count = values->value[OPTION_PARAGRAPHS].count,
        .option_count = values->value[OPTION_OPTIONS].count,
        .plugin_count = values->value[OPTION_PLUGINS].count,
    };
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    sm_status status = request_session_create(sizeof(struct page), &wl_fpm_page, config, run_request, instance, error);
    if (status != SM_OK)
        return status;
    page_of(*instance)->options = read_options(config->options);
    page_of(*instance)->request.file_count = config->options->value[OPTION_FILES].count;
    return SM_OK;
}

const struct wl_ops wl_fpm_page = {
    .name = "fpm-page",
    .summary = "page requests: boot data, templates with filter hooks, growing strings, request end",
    .sapi = SM_SAPI_FPM,
    .step_unit = "request",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(7) << 30, /* 7 GiB */
    .create = create,
    .step = request_session_step,
    .serve = request_session_serve,
    .finish = vm_session_finish,
    .destroy = request_session_destroy,
};
