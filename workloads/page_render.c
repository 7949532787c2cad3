/* Templates: header, posts with their comments, sidebar; each buffers its output and hands it up. */
#include "page.h"

#include <stdlib.h>
#include <time.h>

enum { MENU_ITEMS = 12, WIDGET_COUNT = 8, OPTIONS_READ = 60 };

/* Locals of a template's frame: its output buffer, the thing shown, a text, a list, a link under way. */
enum { BUFFER, SUBJECT, TEXT, LIST, LINK, TEMPLATE_LOCALS };

static void put(struct page *page, const char *text)
{
    text_append(page_vm(page), vm_local_place(page_vm(page), BUFFER), text);
}

/* Print a string that nobody else needs (taken). */
static void put_value(struct page *page, struct sm_value text)
{
    struct vm *vm = page_vm(page);
    vm_local_set(vm, TEXT, text);
    text_append_string(vm, vm_local_place(vm, BUFFER), vm_as_string(text));
    vm_local_set(vm, TEXT, vm_undef());
    page_work(page, 1);
}

/* Filter a text (taken) and print it. */
static void put_filtered(struct page *page, enum page_hook hook, struct sm_value text)
{
    put_value(page, page_filter(page, hook, text, vm_local_get(page_vm(page), SUBJECT)));
}

static void begin(struct page *page, struct sm_value subject)
{
    struct vm *vm = page_vm(page);
    vm_frame_enter(vm, TEMPLATE_LOCALS);
    vm_local_set(vm, SUBJECT, subject);
    vm_local_set(vm, BUFFER, vm_string_value(vm_string_with_capacity(vm, 64)));
}

/* Leave the template; its output is owned by the caller. */
static struct sm_value end(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct sm_value output = vm_local_take(vm, BUFFER);
    vm_frame_leave(vm);
    return output;
}

static struct sm_value copy_property(struct page *page, uint32_t property)
{
    struct vm *vm = page_vm(page);
    return vm_value_copy(vm, vm_object_get(vm_as_object(vm_local_get(vm, SUBJECT)), property));
}

/* ---- What lives until a post is done: its comments, links, and the blocks of its template; inner ones die with a comment ---- */

static void keep(struct page *page, struct sm_value value)
{
    struct vm *vm = page_vm(page);
    vm_array_append(vm, page_global(page, "kept"), vm_value_copy(vm, value));
}

/* A parsed block, in a global's list: its name and attributes, and a list of what it contains. */
static void keep_block(struct page *page, const char *list, enum page_key name)
{
    struct vm *vm = page_vm(page);
    struct vm_array *block = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_append(vm, page_global(page, list), vm_array_value(block));
    vm_array_set_key(vm, block, page->keys[PAGE_KEY_NAME], vm_value_copy(vm, vm_string_value(page->keys[name])));
    struct vm_array *content = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_set_key(vm, block, page->keys[PAGE_KEY_TEXT], vm_array_value(content));
    vm_array_append(vm, content, vm_null());
    page_work(page, 4);
}

/* ---- Parts ---- */

/* class="a b c": words in a list, filtered each, joined. */
static void put_classes(struct page *page, enum page_hook hook, unsigned count)
{
    struct vm *vm = page_vm(page);
    vm_local_set(vm, LIST, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (unsigned i = 0; i < count; i++) {
        struct vm_string *word = text_words(vm, &page->request.random, 1);
        struct vm_string *name = text_prefix(vm, "type-", word);
        vm_value_drop(vm, vm_string_value(word));
        struct sm_value filtered = page_filter(page, hook, vm_string_value(name), vm_undef());
        vm_array_append(vm, vm_as_array(vm_local_get(vm, LIST)), filtered);
    }
    put(page, " class=\"");
    put_value(page, vm_string_value(text_join(vm, vm_as_array(vm_local_get(vm, LIST)), " ")));
    put(page, "\">");
    vm_local_set(vm, LIST, vm_undef());
}

/* A link object takes its label (taken) and its arguments; it is kept with the post. */
static void make_link(struct page *page, const char *base, struct sm_value label)
{
    struct vm *vm = page_vm(page);
    vm_local_set(vm, TEXT, label);
    struct vm_object *link = vm_object_new(vm, page->classes[CLASS_LINK]);
    vm_local_set(vm, LINK, vm_object_value(link));
    keep(page, vm_object_value(link));
    struct vm_string *slug = text_words(vm, &page->request.random, 2);
    vm_object_set(vm, link, LINK_TARGET, vm_string_value(text_prefix(vm, base, slug)));
    vm_object_set(vm, link, LINK_ARGUMENTS, vm_array_value(page_arguments(page, PAGE_KEY_URL, vm_string_value(slug))));
    vm_object_set(vm, link, LINK_LABEL, vm_local_take(vm, TEXT));
}

static struct sm_value link_property(struct page *page, uint32_t property)
{
    struct vm *vm = page_vm(page);
    return vm_value_copy(vm, vm_object_get(vm_as_object(vm_local_get(vm, LINK)), property));
}

static void put_link(struct page *page, enum page_hook hook, const char *base, struct sm_value label)
{
    make_link(page, base, label);
    put(page, "<a href=\"");
    put_filtered(page, HOOK_LINK, link_property(page, LINK_TARGET));
    put(page, "\">");
    put_filtered(page, hook, link_property(page, LINK_LABEL));
    put(page, "</a>");
    vm_local_set(page_vm(page), LINK, vm_undef());
}

static struct sm_value words_value(struct page *page, unsigned word_count)
{
    return vm_string_value(text_words(page_vm(page), &page->request.random, word_count));
}

/* A date object of the subject's property, which lives until it is printed, as text. */
static struct sm_value date_text(struct page *page, uint32_t property)
{
    struct vm *vm = page_vm(page);
    struct vm_object *date = vm_object_new(vm, page->classes[CLASS_DATE]);
    vm_local_set(vm, TEXT, vm_object_value(date));
    struct vm_string *seconds = vm_as_string(vm_object_get(vm_as_object(vm_local_get(vm, SUBJECT)), property));
    time_t moment = (time_t)strtoll(seconds->data, NULL, 10);
    struct tm parts;
    char text[32];
    (void)gmtime_r(&moment, &parts);
    size_t length = strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts);
    vm_object_set(vm, date, DATE_SECONDS, vm_int(moment));
    vm_object_set(vm, date, DATE_FORMAT, vm_value_copy(vm, vm_string_value(page->keys[PAGE_KEY_FORMAT])));
    page_work(page, 2);
    return vm_string_value(vm_string_new(vm, text, length));
}

/* ---- Comments ---- */

static void put_avatar(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_string *name = vm_as_string(vm_object_get(vm_as_object(vm_local_get(vm, SUBJECT)), COMMENT_AUTHOR));
    vm_local_set(vm, LIST,
                 vm_array_value(page_arguments(page, PAGE_KEY_NAME, vm_value_copy(vm, vm_string_value(name)))));
    struct vm_string *image =
        vm_string_format(vm, "<img alt='' src='https://avatars.example/%016llx?s=56&d=mm' height='56'/>",
                         (unsigned long long)vm_string_hash(name));
    put_filtered(page, HOOK_AVATAR, vm_string_value(image));
    vm_local_set(vm, LIST, vm_undef());
}

static struct sm_value comment_template(struct page *page, uint64_t index)
{
    static const enum page_key blocks[] = {PAGE_KEY_AUTHOR, PAGE_KEY_DATE, PAGE_KEY_TEXT, PAGE_KEY_URL};
    begin(page, vm_object_value(page_fetch_comment(page, index)));
    keep(page, vm_local_get(page_vm(page), SUBJECT));
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        keep_block(page, "kept", blocks[i]);
    (void)request_global_new(page_vm(page), "inner_blocks", VM_ARRAY_PACKED);
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        keep_block(page, "inner_blocks", blocks[i]);
    put(page, "<li");
    put_classes(page, HOOK_COMMENT_CLASS, 3);
    put_avatar(page);
    put_link(page, HOOK_COMMENT_AUTHOR, "https://example.org/", copy_property(page, COMMENT_AUTHOR));
    put_filtered(page, HOOK_DATE, date_text(page, COMMENT_DATE));
    put(page, "<p>");
    put_filtered(page, HOOK_COMMENT_TEXT, copy_property(page, COMMENT_TEXT));
    put(page, "</p></li>\n");
    vm_safepoint(page_vm(page));
    return end(page);
}

/* ---- Posts ---- */

static void put_terms(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct sm_value terms = vm_object_get(vm_as_object(vm_local_get(vm, SUBJECT)), POST_TERMS);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(terms), &position, &entry);) {
        struct sm_value name = vm_array_get_key(vm_as_array(entry.value), page->keys[PAGE_KEY_NAME]);
        put_link(page, HOOK_TERM, "/category/", vm_value_copy(vm, name));
        vm_safepoint(vm);
    }
}

/* The content is split into paragraphs, each of which is filtered and wrapped. */
static struct sm_value content_template(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct sm_value post = vm_value_copy(vm, vm_local_get(vm, SUBJECT));
    begin(page, post);
    struct sm_value content = copy_property(page, POST_CONTENT);
    vm_local_set(vm, TEXT, page_filter(page, HOOK_CONTENT, content, post));
    vm_local_set(vm, LIST, vm_array_value(text_split(vm, vm_as_string(vm_local_get(vm, TEXT)), '\n')));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, LIST)), &position, &entry);) {
        put(page, "<p>");
        put_filtered(page, HOOK_PARAGRAPH, vm_value_copy(vm, entry.value));
        put(page, "</p>\n");
        vm_safepoint(vm);
    }
    return end(page);
}

static void put_comments(struct page *page, uint64_t post_index)
{
    struct vm *vm = page_vm(page);
    for (uint64_t i = 0; i < page->options.comment_count; i++) {
        put_value(page, comment_template(page, post_index * page->options.comment_count + i));
        vm_safepoint(vm);
    }
}

static struct sm_value post_template(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    (void)request_global_new(vm, "kept", VM_ARRAY_PACKED);
    begin(page, vm_value_copy(vm, vm_object_value(page_fetch_post(page, index))));
    put(page, "<article");
    put_classes(page, HOOK_BODY_CLASS, 5);
    put_link(page, HOOK_TITLE, "/post/", copy_property(page, POST_TITLE));
    struct vm_object *post = vm_as_object(vm_local_get(vm, SUBJECT));
    struct vm_object *author = vm_as_object(vm_object_get(post, POST_AUTHOR));
    put_filtered(page, HOOK_AUTHOR, vm_value_copy(vm, vm_object_get(author, USER_NAME)));
    put_filtered(page, HOOK_DATE, date_text(page, POST_DATE));
    put_terms(page);
    put_value(page, content_template(page));
    put_comments(page, index);
    put(page, "</article>\n");
    return end(page);
}

/* ---- The rest of the page ---- */

static struct sm_value header_template(struct page *page)
{
    begin(page, vm_null());
    put(page, "<!doctype html><html><head><title>");
    put_filtered(page, HOOK_TITLE, words_value(page, 4));
    put(page, "</title></head><body");
    put_classes(page, HOOK_BODY_CLASS, 6);
    for (int i = 0; i < MENU_ITEMS; i++) {
        put_link(page, HOOK_MENU_ITEM, "/menu/", words_value(page, 2));
        vm_safepoint(page_vm(page));
    }
    return end(page);
}

/* get_option(): looked up by a name that is put together, then filtered when it is text. */
static void put_option(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    struct vm_string *number = text_number(vm, (int64_t)(index % page->options.option_count));
    struct vm_string *key = text_prefix(vm, "option_", number);
    struct sm_value option = vm_array_get_key(page_global(page, "options"), key);
    vm_value_drop(vm, vm_string_value(number));
    vm_value_drop(vm, vm_string_value(key));
    if (vm_tag_of(option) == VM_STRING)
        put_filtered(page, HOOK_OPTION, vm_value_copy(vm, option));
}

static struct sm_value sidebar_template(struct page *page)
{
    begin(page, vm_null());
    for (unsigned i = 0; i < WIDGET_COUNT; i++) {
        put_link(page, HOOK_WIDGET, "/widget/", words_value(page, 3));
        put_filtered(page, HOOK_WIDGET, words_value(page, 24));
        vm_safepoint(page_vm(page));
    }
    for (uint64_t i = 0; i < OPTIONS_READ; i++)
        put_option(page, i * 7);
    put(page, "</body></html>\n");
    return end(page);
}

/* Hand a template's output (taken) up into the page. */
static void print(struct page *page, uint32_t output, struct sm_value text)
{
    struct vm *vm = page_vm(page);
    vm_temporary_push(vm, text);
    text_append_string(vm, vm_local_place(vm, output), vm_as_string(text));
    vm_value_drop(vm, vm_temporary_pop(vm));
    vm_safepoint(vm);
}

static void run_query(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    struct vm_array *arguments = page_arguments(page, PAGE_KEY_ID, vm_int((int64_t)index));
    struct vm_object *query = page_query(page, vm_array_value(arguments));
    vm_value_drop(vm, vm_object_value(query));
}

void page_render(struct page *page, uint32_t output)
{
    print(page, output, header_template(page));
    run_query(page, 0);
    for (uint64_t i = 0; i < page->options.post_count; i++) {
        print(page, output, post_template(page, i));
        run_query(page, i + 1);
    }
    print(page, output, sidebar_template(page));
}
