/* The start of a request: constants, classes, configuration, hooks, rewrite rules, users, and routing. */
#include "page.h"

#include <stdio.h>

enum { CONSTANT_COUNT = 60, RULE_COUNT = 90, USER_COUNT = 4, CALLBACKS_PER_HOOK = 3 };

static const char *const key_texts[PAGE_KEY_COUNT] = {
    "id",     "name",  "slug",  "title", "author", "date",   "text", "kind",  "priority", "accepted",
    "before", "after", "class", "echo",  "depth",  "format", "url",  "email", "parent",   "status",
};

static const char *const hook_texts[HOOK_COUNT] = {
    "the_title",     "the_content", "the_paragraph", "the_excerpt",         "the_date",      "the_author",
    "post_link",     "term_link",   "comment_text",  "comment_author_link", "comment_class", "get_avatar",
    "nav_menu_item", "widget_text", "option",        "body_class",
};

static const struct {
    const char *name;
    uint32_t property_count;
    vm_destructor *destructor;
} class_table[PAGE_CLASS_COUNT] = {
    [CLASS_POST] = {"Post", POST_PROPERTIES, NULL},
    [CLASS_USER] = {"User", USER_PROPERTIES, NULL},
    [CLASS_COMMENT] = {"Comment", COMMENT_PROPERTIES, NULL},
    [CLASS_LINK] = {"Link", LINK_PROPERTIES, NULL},
    [CLASS_DATE] = {"Date", DATE_PROPERTIES, NULL},
    [CLASS_BLOCK_TYPE] = {"BlockType", BLOCK_TYPE_PROPERTIES, NULL},
    [CLASS_QUERY] = {"Query", QUERY_PROPERTIES, vm_session_destructor},
};

static void define_names(struct page *page)
{
    struct vm *vm = page_vm(page);
    for (int i = 0; i < PAGE_KEY_COUNT; i++)
        page->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < HOOK_COUNT; i++)
        page->hook_names[i] = vm_intern(vm, hook_texts[i], strlen(hook_texts[i]));
    for (int i = 0; i < PAGE_CLASS_COUNT; i++)
        page->classes[i] =
            request_class_define(vm, class_table[i].name, class_table[i].property_count, class_table[i].destructor);
}

static void define_constants(struct page *page)
{
    struct vm *vm = page_vm(page);
    for (int i = 0; i < CONSTANT_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "SITE_CONSTANT_%02d", i);
        bool is_text = i % 3 == 0;
        vm_constant_set(vm, name, is_text ? vm_string_value(text_words(vm, &page->request.random, 3)) : vm_int(i));
        page_work(page, 2);
    }
}

/* ---- Options: strings, numbers, and lists that were stored serialized ---- */

static struct sm_value make_option(struct page *page, uint64_t index)
{
    struct vm *vm = page_vm(page);
    if (index % 4 == 1)
        return vm_int((int64_t)index);
    if (index % 4 != 3)
        return vm_string_value(text_words(vm, &page->request.random, 1 + (unsigned)(index % 6)));
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 3; i++)
        vm_array_append(vm, list, vm_string_value(text_words(vm, &page->request.random, 2)));
    return vm_array_value(list);
}

static void load_options(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_array *options = request_global_new(page_vm(page), "options", VM_ARRAY_HASH);
    for (uint64_t i = 0; i < page->options.option_count; i++) {
        struct vm_string *number = text_number(vm, (int64_t)i);
        struct vm_string *key = text_prefix(vm, "option_", number);
        vm_value_drop(vm, vm_string_value(number));
        vm_array_set_key(vm, options, key, make_option(page, i));
        vm_value_drop(vm, vm_string_value(key));
        page_work(page, 3);
        vm_safepoint(vm);
    }
}

/* ---- Hooks: name => list of callbacks, each an array as add_filter() stores it ---- */

static struct vm_array *make_callback(struct page *page, int64_t kind)
{
    struct vm *vm = page_vm(page);
    struct vm_array *callback = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, callback, page->keys[PAGE_KEY_KIND], vm_int(kind));
    vm_array_set_key(vm, callback, page->keys[PAGE_KEY_PRIORITY], vm_int(10));
    vm_array_set_key(vm, callback, page->keys[PAGE_KEY_ACCEPTED], vm_int(1 + kind % 3));
    return callback;
}

void page_add_filter(struct page *page, struct vm_string *hook, int64_t kind)
{
    struct vm *vm = page_vm(page);
    struct vm_array *hooks = page_global(page, "hooks");
    if (vm_tag_of(vm_array_get_key(hooks, hook)) == VM_UNDEF)
        vm_array_set_key(vm, hooks, hook, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_append(vm, vm_as_array(vm_array_get_key(hooks, hook)), vm_array_value(make_callback(page, kind)));
    page_work(page, 3);
}

static void add_filters(struct page *page)
{
    (void)request_global_new(page_vm(page), "hooks", VM_ARRAY_HASH);
    for (int hook = 0; hook < HOOK_COUNT; hook++)
        for (int i = 0; i < CALLBACKS_PER_HOOK; i++)
            page_add_filter(page, page->hook_names[hook], hook + 3 * i);
}

/* ---- Rewrite rules and routing ---- */

static void load_rules(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_array *rules = request_global_new(page_vm(page), "rules", VM_ARRAY_HASH);
    for (int64_t i = 0; i < RULE_COUNT; i++) {
        struct vm_string *pattern =
            vm_string_format(vm, "%s/%02lld/([^/]+)/page/?$", text_word((uint64_t)i), (long long)i);
        struct vm_string *query = vm_string_format(vm, "index.php?kind=%lld&name=$matches[1]", (long long)i);
        vm_array_set_key(vm, rules, pattern, vm_string_value(query));
        vm_value_drop(vm, vm_string_value(pattern));
        page_work(page, 2);
    }
}

/* A rule matches when the path's first piece begins it; the last one always stands in. */
static struct vm_string *match_rule(struct page *page, const struct vm_string *first)
{
    struct vm_array_entry entry;
    struct vm_string *query = NULL;
    for (size_t position = 0; vm_array_next(page_global(page, "rules"), &position, &entry);) {
        query = vm_as_string(entry.value);
        page_work(page, 1);
        if (entry.key->length >= first->length && memcmp(entry.key->data, first->data, first->length) == 0)
            break;
    }
    return query;
}

struct vm_array *page_route(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_string *path = vm_string_format(vm, "%s/%llu/page", text_word(wl_random_next(&page->request.random)),
                                              (unsigned long long)page->request.number);
    struct vm_array *pieces = text_split(vm, path, '/');
    struct vm_string *query = match_rule(page, vm_as_string(vm_array_get_index(pieces, 0)));
    struct vm_array *matches = text_split(vm, query, '&');
    vm_array_append(vm, matches, vm_string_value(path));
    vm_value_drop(vm, vm_array_value(pieces));
    return matches;
}

static void load_users(struct page *page)
{
    struct vm *vm = page_vm(page);
    struct vm_array *users = request_global_new(page_vm(page), "users", VM_ARRAY_PACKED);
    for (int64_t i = 0; i < USER_COUNT; i++) {
        struct vm_object *user = vm_object_new(vm, page->classes[CLASS_USER]);
        vm_array_append(vm, users, vm_object_value(user));
        vm_object_set(vm, user, USER_ID, vm_int(i + 1));
        vm_object_set(vm, user, USER_NAME, vm_string_value(text_words(vm, &page->request.random, 2)));
        struct vm_array *roles = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        vm_object_set(vm, user, USER_ROLES, vm_array_value(roles));
        vm_array_append(vm, roles, vm_string_value(text_words(vm, &page->request.random, 1)));
    }
}

void page_boot(struct page *page)
{
    mutator_work_boot(&page->request.session.work, page_vm(page), page->request.session.mutator_work_enabled);
    define_names(page);
    define_constants(page);
    load_options(page);
    add_filters(page);
    page_load_plugins(page);
    load_rules(page);
    load_users(page);
    (void)request_global_new(page_vm(page), "posts", VM_ARRAY_PACKED);
    (void)request_global_new(page_vm(page), "cache", VM_ARRAY_HASH);
    (void)request_global_new(page_vm(page), "kept", VM_ARRAY_PACKED);
}
