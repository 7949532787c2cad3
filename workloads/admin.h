/**
 * The state of fpm-admin, and what its files share: configuration, links, templates, cells.
 *
 * Everything lives in one request; borrowed pointers here are valid until its end. Borrowed values that functions
 * take are rooted by the caller. Errors: allocation failure bails out.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "request_session.h"

/** Interned array keys; their texts are in fpm_admin.c in this order. */
enum admin_key {
    ADMIN_KEY_DB,
    ADMIN_KEY_TABLE,
    ADMIN_KEY_POS,
    ADMIN_KEY_TOKEN,
    ADMIN_KEY_LANG,
    ADMIN_KEY_SQL_QUERY,
    ADMIN_KEY_WHERE_CLAUSE,
    ADMIN_KEY_GOTO,
    ADMIN_KEY_VALUE,
    ADMIN_KEY_CLASSES,
    ADMIN_KEY_LINK,
    ADMIN_KEY_TYPE,
    ADMIN_KEY_COUNT
};

enum { ADMIN_LINK_KEYS = 8 }; /**< the first keys, which are the parameters of every link */

enum admin_class {
    ADMIN_CLASS_FIELD,
    ADMIN_CLASS_PLUGIN,
    ADMIN_CLASS_TEMPLATE,
    ADMIN_CLASS_ITERATOR,
    ADMIN_CLASS_MESSAGE,
    ADMIN_CLASS_RESULT,
    ADMIN_CLASS_COUNT
};

struct admin_options {
    uint64_t row_count;
    uint64_t column_count;
    uint64_t section_count; /**< of the configuration */
    uint64_t global_count;  /**< values that every template is given beside its own */
};

struct admin {
    struct request_session request; /* First: the workload interface relies on it. */
    struct admin_options options;
    struct vm_string *keys[ADMIN_KEY_COUNT];
    struct vm_class *classes[ADMIN_CLASS_COUNT];
};

static inline struct vm *admin_vm(const struct admin *admin)
{
    return admin->request.session.vm;
}

/** Charge VM operations to the mutator-work kernel. */
static inline void admin_work(struct admin *admin, uint32_t operation_count)
{
    mutator_work_charge(&admin->request.session.work, operation_count);
}

static inline struct sm_value admin_words(struct admin *admin, unsigned count)
{
    return vm_string_value(text_words(admin_vm(admin), &admin->request.random, count));
}

/* ---- admin_cells.c ---- */

/** The HTML of one cell: `value` escaped, with its classes and links, put into a template. Returns owned. */
struct sm_value admin_cell(struct admin *admin, uint64_t column, struct sm_value value);

/** Whether the configuration knows the setting "SECTION/NAME": the path is put together and thrown away. */
bool admin_has_setting(struct admin *admin, uint64_t section, uint64_t name);

#endif
