/**
 * The page's state, and what its files share: boot data, filter hooks, templates.
 *
 * Everything lives in one request; borrowed pointers here are valid until its end. Borrowed values
 * that functions take are rooted by the caller. Errors: allocation failure bails out.
 */
#ifndef PAGE_H
#define PAGE_H

#include "request_session.h"

/** Interned array keys; their texts are in page_boot.c in this order. */
enum page_key {
    PAGE_KEY_ID,
    PAGE_KEY_NAME,
    PAGE_KEY_SLUG,
    PAGE_KEY_TITLE,
    PAGE_KEY_AUTHOR,
    PAGE_KEY_DATE,
    PAGE_KEY_TEXT,
    PAGE_KEY_KIND,
    PAGE_KEY_PRIORITY,
    PAGE_KEY_ACCEPTED,
    PAGE_KEY_BEFORE,
    PAGE_KEY_AFTER,
    PAGE_KEY_CLASS,
    PAGE_KEY_ECHO,
    PAGE_KEY_DEPTH,
    PAGE_KEY_FORMAT,
    PAGE_KEY_URL,
    PAGE_KEY_EMAIL,
    PAGE_KEY_PARENT,
    PAGE_KEY_STATUS,
    PAGE_KEY_COUNT
};

/** Filter hooks; the registry's names are in page_boot.c in this order. */
enum page_hook {
    HOOK_TITLE,
    HOOK_CONTENT,
    HOOK_PARAGRAPH,
    HOOK_EXCERPT,
    HOOK_DATE,
    HOOK_AUTHOR,
    HOOK_LINK,
    HOOK_TERM,
    HOOK_COMMENT_TEXT,
    HOOK_COMMENT_AUTHOR,
    HOOK_COMMENT_CLASS,
    HOOK_AVATAR,
    HOOK_MENU_ITEM,
    HOOK_WIDGET,
    HOOK_OPTION,
    HOOK_BODY_CLASS,
    HOOK_COUNT
};

enum page_class {
    CLASS_POST,
    CLASS_USER,
    CLASS_COMMENT,
    CLASS_QUERY,
    CLASS_LINK,
    CLASS_DATE,
    CLASS_BLOCK_TYPE,
    PAGE_CLASS_COUNT
};

enum { POST_ID, POST_TITLE, POST_CONTENT, POST_AUTHOR, POST_TERMS, POST_META, POST_DATE, POST_PROPERTIES = 24 };
enum { USER_ID, USER_NAME, USER_ROLES, USER_PROPERTIES = 8 };
enum { COMMENT_ID, COMMENT_AUTHOR, COMMENT_TEXT, COMMENT_DATE, COMMENT_PARENT, COMMENT_PROPERTIES = 16 };
enum { LINK_TARGET, LINK_LABEL, LINK_ARGUMENTS, LINK_PROPERTIES = 10 };
enum { QUERY_TOKEN, QUERY_ARGUMENTS, QUERY_PROPERTIES = 28 };
enum { DATE_SECONDS, DATE_FORMAT, DATE_PROPERTIES = 5 };
enum { BLOCK_TYPE_NAME, BLOCK_TYPE_TITLE, BLOCK_TYPE_ATTRIBUTES, BLOCK_TYPE_PROPERTIES = 20 };

struct page_options {
    uint64_t post_count;
    uint64_t comment_count;   /**< of each post */
    uint64_t paragraph_count; /**< of each post */
    uint64_t option_count;    /**< entries of the configuration array */
    uint64_t plugin_count;    /**< that register what they add at boot */
};

struct page {
    struct request_session request; /* First: the workload interface relies on it. */
    struct page_options options;
    struct vm_string *keys[PAGE_KEY_COUNT];
    struct vm_string *hook_names[HOOK_COUNT];
    struct vm_class *classes[PAGE_CLASS_COUNT];
};

static inline struct vm *page_vm(const struct page *page)
{
    return page->request.session.vm;
}

/** Charge VM operations to the mutator-work kernel. */
static inline void page_work(struct page *page, uint32_t operation_count)
{
    mutator_work_charge(&page->request.session.work, operation_count);
}

/** An array held by a global, borrowed. */
static inline struct vm_array *page_global(const struct page *page, const char *name)
{
    return request_global(page_vm(page), name);
}

/* ---- page_boot.c: constants, classes, options, hooks, rewrite rules, users ---- */

/** Make the boot data and hang it on globals "options", "hooks", "rules", "users"; "posts" and "cache" are empty. */
void page_boot(struct page *page);

/** add_filter(): one more callback of a hook, whose name is borrowed. */
void page_add_filter(struct page *page, struct vm_string *hook, int64_t kind);

/** Match the request's path against the rules; returns the matched pieces, a packed list, owned. */
struct vm_array *page_route(struct page *page);

/* ---- page_plugins.c: what plugins add ---- */

/** Filters in the global "hooks", block types and translations in globals of these names. Reaches safepoints. */
void page_load_plugins(struct page *page);

/* ---- page_content.c: what the database holds ---- */

/** Fetch a post with its terms, meta and author into the global "posts". Returns it, borrowed. */
struct vm_object *page_fetch_post(struct page *page, uint64_t index);

/** Fetch a comment. Returns owned. */
struct vm_object *page_fetch_comment(struct page *page, uint64_t index);

/** Run a query object over `arguments` (taken): its destructor closes the cursor. Returns owned. */
struct vm_object *page_query(struct page *page, struct sm_value arguments);

/* ---- page_hooks.c: filters and argument arrays ---- */

/** apply_filters(): `text` (taken) goes through the hook's callbacks. Returns the string, owned. */
struct sm_value page_filter(struct page *page, enum page_hook hook, struct sm_value text, struct sm_value subject);

/** wp_parse_args(): defaults overridden by one entry, a hash array, owned. */
struct vm_array *page_arguments(struct page *page, enum page_key key, struct sm_value value);

/* ---- page_render.c: templates ---- */

/** Render the whole page into local `output` of the innermost frame. */
void page_render(struct page *page, uint32_t output);

#endif
