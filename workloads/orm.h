/**
 * The batch importer's state, and what its files share: entities, and the unit of work that keeps track of them.
 *
 * Functions run inside one vm_iteration. Borrowed values that they take are rooted by the caller, for there are
 * safepoints inside. Errors: allocation failure bails out.
 */
#ifndef ORM_H
#define ORM_H

#include "text.h"
#include "vm_session.h"

/** Interned array keys; their texts are in cli_orm.c in this order. */
enum orm_key {
    KEY_ID,
    KEY_SKU,
    KEY_NAME,
    KEY_DESCRIPTION,
    KEY_PRICE,
    KEY_STOCK,
    KEY_CREATED,
    KEY_CATEGORY,
    KEY_VARIANTS,
    KEY_PRODUCT,
    KEY_LABEL,
    KEY_FIELD,
    KEY_COLUMN,
    KEY_TYPE,
    KEY_LENGTH,
    KEY_NULLABLE,
    KEY_UNIQUE,
    KEY_CASCADE,
    KEY_TARGET,
    KEY_MAPPED_BY,
    KEY_STRING,
    KEY_COUNT
};

enum orm_class {
    CLASS_MANAGER,
    CLASS_METADATA,
    CLASS_PRODUCT,
    CLASS_VARIANT,
    CLASS_CATEGORY,
    CLASS_COLLECTION,
    CLASS_DATE,
    CLASS_DATE_FIELDS,
    CLASS_ITERATOR,
    CLASS_EVENT,
    CLASS_PARAMETER,
    CLASS_RESULT,
    CLASS_COUNT
};

enum {
    MANAGER_METADATA,
    MANAGER_IDENTITY,    /**< class name => (id => entity) */
    MANAGER_STATES,      /**< handle => state */
    MANAGER_MANAGED,     /**< handle => entity: what a flush looks at */
    MANAGER_ORIGINAL,    /**< handle => data as last seen in the database */
    MANAGER_CHANGES,     /**< handle => change set */
    MANAGER_INSERTIONS,  /**< handle => entity */
    MANAGER_IDENTIFIERS, /**< handle => [id => reference] */
    MANAGER_STATEMENT,   /**< parameters of the statement executed last */
    MANAGER_SQL,
    MANAGER_PROPERTIES
};
enum { METADATA_NAME, METADATA_MAPPINGS, METADATA_PROPERTIES = 12 };
enum {
    PRODUCT_ID,
    PRODUCT_SKU,
    PRODUCT_NAME,
    PRODUCT_DESCRIPTION,
    PRODUCT_PRICE,
    PRODUCT_STOCK,
    PRODUCT_CREATED,
    PRODUCT_CATEGORY,
    PRODUCT_VARIANTS,
    PRODUCT_PROPERTIES
};
enum { VARIANT_ID, VARIANT_PRODUCT, VARIANT_LABEL, VARIANT_PRICE, VARIANT_CREATED, VARIANT_PROPERTIES };
enum { CATEGORY_ID, CATEGORY_NAME, CATEGORY_PROPERTIES = 5 };
enum { COLLECTION_ITEMS, COLLECTION_OWNER, COLLECTION_PROPERTIES };
enum { DATE_FIELDS, DATE_PROPERTIES };
enum { DATE_STAMP, DATE_DAY, DATE_ZONE, DATE_FIELDS_PROPERTIES = 12 };
enum { ITERATOR_LIST, ITERATOR_POSITION, ITERATOR_COUNT, ITERATOR_PROPERTIES };
enum { EVENT_ENTITY, EVENT_PROPERTIES };
enum { PARAMETER_NAME, PARAMETER_VALUE, PARAMETER_PROPERTIES };
enum { RESULT_ID, RESULT_PROPERTIES };

struct orm_options {
    uint64_t batch_entities;
    uint64_t variant_count;
    uint64_t clear_batches; /**< 0: never */
    double cyclic;
    uint64_t metadata_count;
};

struct orm {
    struct vm_session session; /* First: the workload interface relies on it. */
    struct orm_options options;
    struct vm_string *keys[KEY_COUNT];     /**< borrowed: the interner holds them */
    struct vm_class *classes[CLASS_COUNT]; /**< borrowed: the class table holds them */
    struct vm_object *manager;             /**< borrowed: the global "app" holds it */
    struct wl_random random;               /**< of the batch under way */
    uint64_t batch;                        /**< its number, from 1 */
    uint64_t last_product, last_variant;   /**< ids that the database gave */
};

static inline struct vm *orm_vm(const struct orm *orm)
{
    return orm->session.vm;
}

/** Charge VM operations to the mutator-work kernel. */
static inline void orm_work(struct orm *orm, uint32_t operation_count)
{
    mutator_work_charge(&orm->session.work, operation_count);
}

/** An interned key as a value, owned. */
static inline struct sm_value orm_key_value(const struct orm *orm, enum orm_key key)
{
    return vm_value_copy(orm_vm(orm), vm_string_value(orm->keys[key]));
}

static inline struct vm_object *orm_local_object(const struct orm *orm, uint32_t local)
{
    return vm_as_object(vm_local_get(orm_vm(orm), local));
}

static inline struct vm_array *orm_local_array(const struct orm *orm, uint32_t local)
{
    return vm_as_array(vm_local_get(orm_vm(orm), local));
}

/** Items of an entity's collection, borrowed. */
static inline struct vm_array *orm_variants(const struct vm_object *product)
{
    const struct vm_object *collection = vm_as_object(vm_object_get(product, PRODUCT_VARIANTS));
    return vm_as_array(vm_object_get(collection, COLLECTION_ITEMS));
}

/* ---- orm_unit_of_work.c ---- */

/** Replace all maps by empty ones: EntityManager::clear(). */
void orm_clear(struct orm *orm);

/** Schedule a product (borrowed) and what it cascades to for insertion. */
void orm_persist(struct orm *orm, struct vm_object *product);

/** Compute change sets of everything managed, insert what is scheduled. Returns the number of fields written. */
uint64_t orm_flush(struct orm *orm);

/** Put `entity` (borrowed) into the identity map, under its class's name and `id`. */
void orm_identity_add(struct orm *orm, struct vm_object *entity, int64_t id);

/** The entity of that class and id, borrowed, or NULL when the identity map has none. */
struct vm_object *orm_identity_find(const struct orm *orm, enum orm_class class_number, int64_t id);

#endif
