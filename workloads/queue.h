/**
 * The queue worker's state, and what its files share: the world that lives on, the models of a job, their rendering.
 *
 * A job's functions run inside one vm_iteration. Borrowed values that they take are rooted by the
 * caller, for there are safepoints inside. Errors: allocation failure bails out.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "message.h"
#include "vm_session.h"

/** Interned array keys; their texts are in queue_world.c in this order. */
enum queue_key {
    KEY_ID,
    KEY_NAME,
    KEY_TITLE,
    KEY_TAGS,
    KEY_HITS,
    KEY_PRICE,
    KEY_QUANTITY,
    KEY_NOTE,
    KEY_CUSTOMER,
    KEY_STATUS,
    KEY_ITEMS,
    KEY_ORDERS,
    KEY_ORDER_ID,
    KEY_CREATED_AT,
    KEY_UPDATED_AT,
    KEY_TYPE,
    KEY_COLUMN,
    KEY_OPERATOR,
    KEY_VALUE,
    KEY_BOOLEAN,
    KEY_SELECT,
    KEY_WHERE,
    KEY_DRIVER,
    KEY_HOST,
    KEY_RETRY,
    KEY_DSN,
    KEY_ZONE,
    KEY_COUNT
};

enum queue_class {
    CLASS_CONTAINER,
    CLASS_SERVICE,
    CLASS_CACHE,
    CLASS_LOG,
    CLASS_CALLBACK,
    CLASS_MODEL,
    CLASS_BUILDER,
    CLASS_STATEMENT,
    CLASS_COLLECTION,
    CLASS_DATE,
    CLASS_EVENT,
    CLASS_JOB,
    CLASS_TRANSACTION,
    CLASS_COUNT
};

/* Property slots that the code names; the classes have more, as large framework classes do. */
enum {
    CONTAINER_SERVICES,
    CONTAINER_BINDINGS,
    CONTAINER_CACHE,
    CONTAINER_LOG,
    CONTAINER_LISTENERS,
    CONTAINER_PROPERTIES
};
enum { SERVICE_NAME, SERVICE_CONTAINER, SERVICE_CONFIG, SERVICE_CALLS, SERVICE_PROPERTIES = 10 };
enum { CACHE_ENTRIES, CACHE_ORDER, CACHE_HAND, CACHE_STORED, CACHE_PROPERTIES };
enum { LOG_LINES, LOG_POSITION, LOG_WRITTEN, LOG_IGNORED, LOG_PROPERTIES };
enum { CALLBACK_KIND, CALLBACK_TARGET, CALLBACK_ARGUMENTS, CALLBACK_RESULT, CALLBACK_PROPERTIES };
enum {
    MODEL_ATTRIBUTES,
    MODEL_ORIGINAL,
    MODEL_RELATIONS,
    MODEL_PARENT,
    MODEL_CONTAINER,
    MODEL_TABLE,
    MODEL_EXISTS,
    MODEL_KEY_NAME,
    MODEL_TOTAL,
    MODEL_PROPERTIES = 32
};
enum { BUILDER_TABLE, BUILDER_WHERES, BUILDER_BINDINGS, BUILDER_COLUMNS, BUILDER_LIMIT, BUILDER_PROPERTIES = 34 };
enum { STATEMENT_SQL, STATEMENT_BINDINGS, STATEMENT_ROWS, STATEMENT_COUNT, STATEMENT_PROPERTIES = 20 };
enum { COLLECTION_ITEMS, COLLECTION_CLASS, COLLECTION_PROPERTIES };
enum { DATE_TIMESTAMP, DATE_ZONE, DATE_TEXT, DATE_PROPERTIES };
enum { JOB_CONTAINER, JOB_OUTPUT, JOB_ATTEMPTS, JOB_PROPERTIES = 12 };
enum { TRANSACTION_TOKEN, TRANSACTION_MODEL, TRANSACTION_PROPERTIES };

struct queue_options {
    uint64_t order_count;    /**< parent models of a job */
    uint64_t relation_count; /**< children of each */
    double cyclic;           /**< share of parents whose children point back */
    uint64_t cache_entries;
    uint64_t log_lines;
    uint64_t service_count;
    bool linked;
};

struct queue {
    struct vm_session session; /* First: the workload interface relies on it. */
    struct queue_options options;
    struct vm_string *keys[KEY_COUNT];     /**< borrowed: the interner holds them */
    struct vm_class *classes[CLASS_COUNT]; /**< borrowed: the class table holds them */
    struct vm_object *container;           /**< borrowed: the global "app" holds it */
    struct vm_object *cache;               /**< borrowed: the container holds it */
    struct vm_object *log;                 /**< likewise */
    struct text_buffer message;
    struct wl_random random; /**< of the job under way */
    uint64_t job;            /**< its number, from 1 */
    bool failed_check;       /**< a message could not be decoded */
};

static inline struct vm *queue_vm(const struct queue *queue)
{
    return queue->session.vm;
}

/** Charge VM operations to the mutator-work kernel. */
static inline void queue_work(struct queue *queue, uint32_t operation_count)
{
    mutator_work_charge(&queue->session.work, operation_count);
}

/** An interned key as a value, owned. */
static inline struct sm_value queue_key_value(const struct queue *queue, enum queue_key key)
{
    return vm_value_copy(queue_vm(queue), vm_string_value(queue->keys[key]));
}

/** What a local of the innermost frame holds, borrowed. */
static inline struct vm_object *queue_local_object(const struct queue *queue, uint32_t local)
{
    return vm_as_object(vm_local_get(queue_vm(queue), local));
}

static inline struct vm_array *queue_local_array(const struct queue *queue, uint32_t local)
{
    return vm_as_array(vm_local_get(queue_vm(queue), local));
}

/* ---- queue_world.c: what lives on between jobs ---- */

/** Define classes and keys, make the container and fill caches and log to their bounds. */
void queue_world_boot(struct queue *queue);

/**
 * Look a product up in the cache, storing it first, with an eviction, when it is not there.
 *
 * Returns:     the entry, borrowed from the cache.
 */
struct sm_value queue_cache_fetch(struct queue *queue, uint64_t product);

/** Write a line over the oldest one of the log ring. */
void queue_log(struct queue *queue, uint64_t model_count, uint64_t output_bytes);

/** A line of detail about a model, below the level that is logged: its context is made, counted and dropped. */
void queue_log_detail(struct queue *queue, const struct vm_object *model);

/** Fold samples of cache and log into the checksum; `everything`: all of both. */
void queue_world_fold(struct queue *queue, bool everything);

/** Block bytes of the world, by construction. */
uint64_t queue_world_block_bytes(const struct queue_options *options);

/* ---- queue_query.c: query builder, statement, rows ---- */

/**
 * Build, compile and run the query that finds `sources` (a decoded order, or the list of its items) in `table`.
 *
 * Returns:     the packed list of row arrays, owned.
 */
struct sm_value queue_query(struct queue *queue, const char *table, const struct vm_array *sources, int64_t parent_id);

/* ---- queue_casts.c: attributes that become objects ---- */

/** How the database writes a date, and how one is shown, for queue_date_text. */
#define QUEUE_DATE_STORED "%Y-%m-%d %H:%M:%S"
#define QUEUE_DATE_SHOWN "%Y-%m-%dT%H:%M:%S.000000Z"

/** Text of a time in seconds, as strftime makes it of UTC. Returns owned. */
struct vm_string *queue_date_text(struct vm *vm, int64_t stamp, const char *format);

/** hasGetMutator(): whether the container binds something to the attribute's method, whose name is made to ask. */
bool queue_has_mutator(struct queue *queue, enum queue_key key);

/** Make an object of an attribute that is a date, once the model's class was asked. `model` is rooted by the caller. */
void queue_cast_date(struct queue *queue, struct vm_object *model, enum queue_key key);

/* ---- queue_models.c: hydration and relations ---- */

/** Hydrate the model of a decoded order (taken: it goes once rows are made), with its children. Returns it, owned. */
struct vm_object *queue_hydrate_order(struct queue *queue, struct sm_value order, bool cyclic);

/** The children of a parent model: a packed list, borrowed. */
struct vm_array *queue_children(const struct queue *queue, const struct vm_object *parent);

/** Value of an attribute, borrowed. */
struct sm_value queue_attribute(const struct queue *queue, const struct vm_object *model, enum queue_key key);

/** Fold a family, read back from memory edge by edge. */
void queue_fold_family(struct queue *queue, const struct vm_object *parent);

/* ---- queue_render.c: arrays and text from models ---- */

/** Append a parent and its children to the string in place `output`, whose owner the caller has rooted. */
void queue_render_family(struct queue *queue, struct vm_object *parent, struct vm_place output);

#endif
