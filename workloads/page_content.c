/* What the database holds: rows that become posts and comments, kept in the request's object cache. */
#include "page.h"

enum { TERMS_PER_POST = 3, META_PER_POST = 6, WORDS_PER_PARAGRAPH = 45 };

/* Locals of a fetch's frame. */
enum { ENTITY, ROW, FETCH_LOCALS };

static struct vm_array *make_row(struct page *page, uint64_t id, unsigned text_words_count)
{
    struct vm *vm = page_vm(page);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_ID], vm_string_value(text_number(vm, (int64_t)id)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_AUTHOR], vm_string_value(text_words(vm, &page->request.random, 2)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_EMAIL], vm_string_value(text_words(vm, &page->request.random, 1)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_URL], vm_string_value(text_words(vm, &page->request.random, 1)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_DATE], vm_string_value(text_number(vm, 1700000000 + (int64_t)id)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_TEXT],
                     vm_string_value(text_words(vm, &page->request.random, text_words_count)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_STATUS], vm_int(1));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_PARENT], vm_int((int64_t)(id % 3)));
    vm_array_set_key(vm, row, page->keys[PAGE_KEY_KIND], vm_int((int64_t)(id % 5)));
    page_work(page, 6);
    return row;
}

static struct sm_value row_field(struct page *page, const struct vm_array *row, enum page_key key)
{
    return vm_value_copy(page_vm(page), vm_array_get_key(row, page->keys[key]));
}

/* ---- Posts ---- */

static void append_paragraph(struct page *page, struct vm_place content)
{
    struct vm *vm = page_vm(page);
    text_append(vm, content, "It's a \"");
    for (unsigned i = 0; i < WORDS_PER_PARAGRAPH; i++) {
        text_append(vm, content, text_word(wl_random_next(&page->request.random)));
        text_append(vm, content, i % 9 == 8 ? " & " : " ");
    }
    text_append(vm, content, "end\"\n");
}

static void fill_content(struct page *page, struct vm_object *post)
{
    struct vm *vm = page_vm(page);
    vm_object_set(vm, post, POST_CONTENT, vm_string_value(vm_string_with_capacity(vm, 512)));
    for (uint64_t i = 0; i < page->options.paragraph_count; i++)
        append_paragraph(page, vm_object_place(post, POST_CONTENT));
}

static struct vm_array *make_terms(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_array *terms = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < TERMS_PER_POST; i++) {
        struct vm_array *term = vm_array_new(vm, VM_ARRAY_HASH, 0);
        vm_array_append(vm, terms, vm_array_value(term));
        vm_array_set_key(vm, term, page->keys[PAGE_KEY_NAME],
                         vm_string_value(text_words(vm, &page->request.random, 1)));
        vm_array_set_key(vm, term, page->keys[PAGE_KEY_SLUG],
                         vm_string_value(text_words(vm, &page->request.random, 2)));
        vm_array_set_key(vm, term, page->keys[PAGE_KEY_ID], vm_int(i));
    }
    page_work(page, 6);
    return terms;
}

/* Every meta value is a list of its own, as get_post_meta() keeps them. */
static struct vm_array *make_meta(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_array *meta = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (unsigned i = 0; i < META_PER_POST; i++) {
        struct vm_array *values = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        struct vm_string *key = text_prefix(vm, "_meta_", page->keys[i]);
        vm_array_set_key(vm, meta, key, vm_array_value(values));
        vm_array_append(vm, values, vm_string_value(text_words(vm, &page->request.random, 2)));
        vm_value_drop(vm, vm_string_value(key));
    }
    page_work(page, 6);
    return meta;
}

static void remember(struct page *page, const char *group, uint64_t id, struct sm_value value)
{
    struct vm *vm = page_vm(page);
    struct vm_string *number = text_number(vm, (int64_t)id);
    struct vm_string *key = text_prefix(vm, group, number);
    vm_array_set_key(vm, page_global(page, "cache"), key, vm_value_copy(vm, value));
    vm_value_drop(vm, vm_string_value(key));
    vm_value_drop(vm, vm_string_value(number));
}

struct vm_object *page_fetch_post(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    vm_frame_enter(vm, FETCH_LOCALS);
    struct vm_array *row = make_row(page, index, 8);
    struct vm_object *post = vm_object_new(vm, page->classes[CLASS_POST]);
    vm_array_append(vm, page_global(page, "posts"), vm_object_value(post));
    vm_object_set(vm, post, POST_ID, vm_int((int64_t)index));
    vm_object_set(vm, post, POST_TITLE, row_field(page, row, PAGE_KEY_TEXT));
    vm_object_set(vm, post, POST_DATE, row_field(page, row, PAGE_KEY_DATE));
    struct sm_value author = vm_array_get_index(page_global(page, "users"), (int64_t)(index % 4));
    vm_object_set(vm, post, POST_AUTHOR, vm_value_copy(vm, author));
    fill_content(page, post);
    vm_object_set(vm, post, POST_TERMS, vm_array_value(make_terms(page)));
    vm_object_set(vm, post, POST_META, vm_array_value(make_meta(page)));
    remember(page, "post:", index, vm_local_get(vm, ROW));
    vm_safepoint(vm);
    vm_frame_leave(vm);
    return post;
}

/* ---- Comments ---- */

struct vm_object *page_fetch_comment(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    vm_frame_enter(vm, FETCH_LOCALS);
    struct vm_array *row = make_row(page, index, 27);
    struct vm_object *comment = vm_object_new(vm, page->classes[CLASS_COMMENT]);
    vm_local_set(vm, ENTITY, vm_object_value(comment));
    vm_object_set(vm, comment, COMMENT_ID, vm_int((int64_t)index));
    vm_object_set(vm, comment, COMMENT_AUTHOR, row_field(page, row, PAGE_KEY_AUTHOR));
    vm_object_set(vm, comment, COMMENT_TEXT, row_field(page, row, PAGE_KEY_TEXT));
    vm_object_set(vm, comment, COMMENT_DATE, row_field(page, row, PAGE_KEY_DATE));
    vm_object_set(vm, comment, COMMENT_PARENT, row_field(page, row, PAGE_KEY_PARENT));
    if (index % 2 == 0)
        remember(page, "comment:", index, vm_local_get(vm, ROW));
    struct sm_value result = vm_local_take(vm, ENTITY);
    vm_frame_leave(vm);
    return vm_as_object(result);
}

struct vm_object *page_query(struct page *page, struct sm_value arguments)
{
    struct vm *vm = page_vm(page);
    vm_temporary_push(vm, arguments);
    struct vm_object *query = vm_object_new(vm, page->classes[CLASS_QUERY]);
    vm_object_set(vm, query, QUERY_TOKEN, vm_int((int64_t)wl_random_below(&page->request.random, UINT64_C(1) << 32)));
    vm_object_set(vm, query, QUERY_ARGUMENTS, vm_temporary_pop(vm));
    page_work(page, 4);
    return query;
}
