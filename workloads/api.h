/**
 * The state of fpm-api, and what its files share: the container and its services, models and resources.
 *
 * Everything lives in one request; borrowed pointers here are valid until its end. Borrowed values that functions
 * take are rooted by the caller. Errors: allocation failure bails out.
 */
#ifndef API_H
#define API_H

#include "request_session.h"

/** Interned array keys; their texts are in api_container.c in this order. */
enum api_key {
    API_KEY_ID,
    API_KEY_TITLE,
    API_KEY_SLUG,
    API_KEY_BODY,
    API_KEY_STATUS,
    API_KEY_CREATED_AT,
    API_KEY_UPDATED_AT,
    API_KEY_PARENT_ID,
    API_KEY_CONCRETE,
    API_KEY_SHARED,
    API_KEY_USES,
    API_KEY_MIDDLEWARE,
    API_KEY_AS,
    API_KEY_PREFIX,
    API_KEY_TYPE,
    API_KEY_COLUMN,
    API_KEY_OPERATOR,
    API_KEY_VALUE,
    API_KEY_ABSTRACT,
    API_KEY_CALLBACKS,
    API_KEY_DATA,
    API_KEY_RELATED,
    API_KEY_AUTHOR,
    API_KEY_META,
    API_KEY_COUNT
};

enum { API_COLUMNS = 8 }; /**< the first keys, which are the columns of every table */

enum api_class {
    API_CLASS_SERVICE,
    API_CLASS_PROVIDER,
    API_CLASS_ROUTE,
    API_CLASS_REQUEST,
    API_CLASS_BUILDER,
    API_CLASS_CLAUSE,
    API_CLASS_MODEL,
    API_CLASS_DATE,
    API_CLASS_RESOURCE,
    API_CLASS_COUNT
};

enum { API_CLASS_NAMES = 48 }; /**< classes that the program asks for by name */

struct api_options {
    uint64_t provider_count;
    uint64_t route_count;
    uint64_t post_count;
    uint64_t related_count; /**< models of each post's relation */
    uint64_t order_count;   /**< in the request's JSON body */
};

struct api {
    struct request_session request; /* First: the workload interface relies on it. */
    struct api_options options;
    struct vm_string *keys[API_KEY_COUNT];
    struct vm_string *class_names[API_CLASS_NAMES];
    struct vm_class *classes[API_CLASS_COUNT];
};

static inline struct vm *api_vm(const struct api *api)
{
    return api->request.session.vm;
}

/** Charge VM operations to the mutator-work kernel. */
static inline void api_work(struct api *api, uint32_t operation_count)
{
    mutator_work_charge(&api->request.session.work, operation_count);
}

static inline struct sm_value api_key_value(const struct api *api, enum api_key key)
{
    return vm_value_copy(api_vm(api), vm_string_value(api->keys[key]));
}

/* ---- api_container.c: names, bindings, services built when they are first asked for, routes ---- */

/** Make what a request finds: globals "classes", "config", "bindings", "instances", "listeners", "routes". */
void api_boot(struct api *api);

/** class_exists(): a lower-cased copy of the name is looked up and thrown away. */
bool api_class_exists(struct api *api, uint64_t class_number);

/** The service bound under a class name, built by its closure on first use. Returns borrowed. */
struct vm_object *api_make(struct api *api, uint64_t binding);

/** Tell listeners of "EVENT: CLASS". */
void api_fire(struct api *api, const char *event, uint64_t class_number);

/** Two entries in a hash array that is read once: compact(), array_merge(). `value` is taken. Returns owned. */
struct vm_array *api_pair(struct api *api, enum api_key first, enum api_key second, struct sm_value value);

/** The route of a path, borrowed: every pattern is put together and compared. */
struct vm_object *api_match_route(struct api *api, const struct vm_string *path);

/* ---- api_models.c: queries, hydration, resources, JSON ---- */

/** Query the posts with what belongs to them. Returns a packed list of models, owned. */
struct vm_array *api_fetch_posts(struct api *api);

/** Turn the models of `posts` into arrays; a hash array as the client gets it, owned. */
struct vm_array *api_resources(struct api *api, const struct vm_array *posts);

/** Append a value as JSON to the string in local `output` of the innermost frame. */
void api_encode(struct api *api, uint32_t output, struct sm_value value);

#endif
