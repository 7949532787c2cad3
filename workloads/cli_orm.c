/*
 * Workload "cli-orm": a batch import through an object-relational mapper (story S6 of the study; calibrated to
 * cli-w-doctrine-import, without clearing to cli-w-doctrine-import-noclear).
 *
 * A batch is one vm_iteration: entities are made from rows, persisted with what they cascade to, and flushed: change
 * sets of everything managed, then inserts. Clearing forgets all of it; products and their variants refer to each
 * other, so that only a cycle collection frees them. Without clearing every flush looks at all batches before it.
 * workloads/php/cli_orm.php does the same in PHP.
 */
#include "orm.h"

#include "block_bytes.h"

#include <assert.h>

enum orm_option { OPTION_BATCH, OPTION_RELATIONS, OPTION_CLEAR, OPTION_CYCLIC, OPTION_METADATA, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_BATCH] = {"batch", SM_OPTION_COUNT, "entities", "20", 2, 1e6, NULL,
                      "products of a batch, after which it is flushed"},
    [OPTION_RELATIONS] = {"relations", SM_OPTION_COUNT, "entities", "3", 1, 1e6, NULL, "variants of each product"},
    [OPTION_CLEAR] = {"clear", SM_OPTION_COUNT, "batches", "1", 0, 1e9, NULL,
                      "so many batches are flushed before all is cleared; 0: never, and each flush is slower"},
    [OPTION_CYCLIC] = {"cyclic", SM_OPTION_REAL, "", "1", 0, 1, NULL,
                       "share of products whose variants and collection point back, in cycles"},
    [OPTION_METADATA] = {"metadata", SM_OPTION_COUNT, "classes", "530", 1, 1e6, NULL,
                         "mapped classes whose metadata lives on, 4.4 KB each"},
};

/* Fields of a mapped class in the metadata; categories that products refer to. */
enum { FIELDS_PER_CLASS = 8, CATEGORY_COUNT = 16, TITLE_WORDS = 30, DESCRIPTION_WORDS = 47 };
/* Locals of a batch's frame, and of the one in which an entity is made. */
enum { PRODUCTS, BATCH_LOCALS };
enum { PRODUCT, VARIANT, ROW, ENTITY_LOCALS };

extern const struct wl_ops wl_cli_orm;

static const char *const key_texts[KEY_COUNT] = {
    "id",       "sku",      "name",    "description", "price",        "stock",      "created_at",
    "category", "variants", "product", "label",       "fieldName",    "columnName", "type",
    "length",   "nullable", "unique",  "cascade",     "targetEntity", "mappedBy",   "string",
};

/* Names in slot order: a class of N properties has the first N of these. */
static const char *const property_names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"};

static const struct {
    const char *name;
    uint32_t property_count;
} class_table[CLASS_COUNT] = {
    [CLASS_MANAGER] = {"EntityManager", MANAGER_PROPERTIES},
    [CLASS_METADATA] = {"ClassMetadata", METADATA_PROPERTIES},
    [CLASS_PRODUCT] = {"Product", PRODUCT_PROPERTIES},
    [CLASS_VARIANT] = {"Variant", VARIANT_PROPERTIES},
    [CLASS_CATEGORY] = {"Category", CATEGORY_PROPERTIES},
    [CLASS_COLLECTION] = {"Collection", COLLECTION_PROPERTIES},
    [CLASS_DATE] = {"Date", DATE_PROPERTIES},
    [CLASS_DATE_FIELDS] = {"DateFields", DATE_FIELDS_PROPERTIES},
    [CLASS_ITERATOR] = {"ListIterator", ITERATOR_PROPERTIES},
    [CLASS_EVENT] = {"LifecycleEvent", EVENT_PROPERTIES},
    [CLASS_PARAMETER] = {"Parameter", PARAMETER_PROPERTIES},
    [CLASS_RESULT] = {"Result", RESULT_PROPERTIES},
};

static struct orm *orm_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_orm);
    return (struct orm *)session;
}

static struct orm_options read_options(const struct sm_option_values *values)
{
    return (struct orm_options){
        .batch_entities = values->value[OPTION_BATCH].count,
        .variant_count = values->value[OPTION_RELATIONS].count,
        .clear_batches = values->value[OPTION_CLEAR].count,
        .cyclic = values->value[OPTION_CYCLIC].real,
        .metadata_count = values->value[OPTION_METADATA].count,
    };
}

/* ---- Entities ---- */

/* A number out of two digits, by way of a string of its own, as substr() and a cast do. */
static int64_t parse_pair(struct vm *vm, const struct vm_string *text, size_t start)
{
    struct vm_string *digits = text_slice(vm, text, start, 2);
    int64_t number = (digits->data[0] - '0') * 10 + digits->data[1] - '0';
    vm_value_drop(vm, vm_string_value(digits));
    return number;
}

/* A parser fills fields of its own, which are copied into the date's. Returns owned. */
static struct vm_object *parse_date(struct orm *orm, const struct vm_string *text)
{
    struct vm *vm = orm_vm(orm);
    struct vm_object *date = vm_object_new(vm, orm->classes[CLASS_DATE]);
    struct vm_object *parsed = vm_object_new(vm, orm->classes[CLASS_DATE_FIELDS]);
    struct vm_object *fields = vm_object_new(vm, orm->classes[CLASS_DATE_FIELDS]);
    vm_object_set(vm, date, DATE_FIELDS, vm_object_value(fields));
    int64_t day = parse_pair(vm, text, 8), hour = parse_pair(vm, text, 11), minute = parse_pair(vm, text, 14);
    vm_object_set(vm, parsed, DATE_STAMP, vm_int((day * 24 + hour) * 60 + minute));
    vm_object_set(vm, parsed, DATE_DAY, vm_int(day));
    vm_object_set(vm, parsed, DATE_ZONE, vm_string_value(text_slice(vm, text, 19, 1)));
    for (uint32_t field = DATE_STAMP; field <= DATE_ZONE; field++)
        vm_object_set(vm, fields, field, vm_value_copy(vm, vm_object_get(parsed, field)));
    vm_value_drop(vm, vm_object_value(parsed));
    orm_work(orm, 4);
    return date;
}

static struct vm_string *format_date(struct orm *orm)
{
    unsigned fields[4];
    for (size_t i = 0; i < 4; i++)
        fields[i] = 10 + (unsigned)wl_random_below(&orm->random, i == 0 ? 3 : 14);
    return vm_string_format(orm_vm(orm), "2023-%02u-%02u %02u:%02u:00Z", fields[0], fields[1], fields[2], fields[3]);
}

/* The first of the words that a generator made of them. Returns owned. */
static struct vm_string *make_title(struct orm *orm, size_t length)
{
    struct vm *vm = orm_vm(orm);
    struct vm_string *words = text_words(vm, &orm->random, TITLE_WORDS);
    struct vm_string *title = text_slice(vm, words, 0, length);
    vm_value_drop(vm, vm_string_value(words));
    orm_work(orm, 1);
    return title;
}

/* "Ticket": by id from the identity map, or a reference made for it. */
static struct vm_object *refer_to_category(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    int64_t id = 1 + (int64_t)wl_random_below(&orm->random, CATEGORY_COUNT);
    struct vm_object *found = orm_identity_find(orm, CLASS_CATEGORY, id);
    if (found != NULL)
        return vm_as_object(vm_value_copy(vm, vm_object_value(found)));
    struct vm_object *category = vm_object_new(vm, orm->classes[CLASS_CATEGORY]);
    vm_object_set(vm, category, CATEGORY_ID, vm_int(id));
    vm_object_set(vm, category, CATEGORY_NAME, vm_string_value(text_prefix(vm, "category ", orm->keys[id])));
    orm_identity_add(orm, category, id);
    return category;
}

/* A row of the source: texts by column, in local ROW. */
static void read_row(struct orm *orm, enum orm_key label, uint64_t number, uint64_t price)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *row = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ROW, vm_array_value(row));
    vm_array_set_key(vm, row, orm->keys[label], vm_string_value(text_number(vm, (int64_t)number)));
    vm_array_set_key(vm, row, orm->keys[KEY_PRICE], vm_string_value(text_number(vm, (int64_t)price)));
    vm_array_set_key(vm, row, orm->keys[KEY_CREATED], vm_string_value(format_date(orm)));
    orm_work(orm, 3);
}

static const struct vm_string *row_text(const struct orm *orm, enum orm_key column)
{
    return vm_as_string(vm_array_get_key(orm_local_array(orm, ROW), orm->keys[column]));
}

static int64_t row_number(const struct orm *orm, enum orm_key column)
{
    const struct vm_string *text = row_text(orm, column);
    int64_t number = 0;
    for (size_t i = 0; i < text->length; i++)
        number = number * 10 + (text->data[i] - '0');
    return number;
}

static void fill_product(struct orm *orm, struct vm_object *product, uint64_t number)
{
    struct vm *vm = orm_vm(orm);
    read_row(orm, KEY_SKU, number, wl_random_below(&orm->random, 1000));
    vm_object_set(vm, product, PRODUCT_CREATED, vm_object_value(parse_date(orm, row_text(orm, KEY_CREATED))));
    vm_object_set(vm, product, PRODUCT_SKU, vm_string_value(text_prefix(vm, "S", row_text(orm, KEY_SKU))));
    vm_object_set(vm, product, PRODUCT_NAME, vm_string_value(make_title(orm, 14)));
    vm_object_set(vm, product, PRODUCT_PRICE, vm_string_value(make_title(orm, 12)));
    vm_object_set(vm, product, PRODUCT_DESCRIPTION, vm_string_value(text_words(vm, &orm->random, DESCRIPTION_WORDS)));
    vm_object_set(vm, product, PRODUCT_STOCK, vm_int(row_number(orm, KEY_PRICE)));
    vm_object_set(vm, product, PRODUCT_CATEGORY, vm_object_value(refer_to_category(orm)));
    orm_work(orm, 7);
}

static void make_collection(struct orm *orm, struct vm_object *product, bool cyclic)
{
    struct vm *vm = orm_vm(orm);
    struct vm_object *collection = vm_object_new(vm, orm->classes[CLASS_COLLECTION]);
    vm_object_set(vm, product, PRODUCT_VARIANTS, vm_object_value(collection));
    vm_object_set(vm, collection, COLLECTION_ITEMS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    if (cyclic)
        vm_object_set(vm, collection, COLLECTION_OWNER, vm_value_copy(vm, vm_object_value(product)));
    orm_work(orm, 2);
}

static void add_variant(struct orm *orm, struct vm_object *product, uint64_t number, bool cyclic)
{
    struct vm *vm = orm_vm(orm);
    struct vm_object *variant = vm_object_new(vm, orm->classes[CLASS_VARIANT]);
    vm_local_set(vm, VARIANT, vm_object_value(variant));
    read_row(orm, KEY_LABEL, number, wl_random_below(&orm->random, 100000));
    vm_object_set(vm, variant, VARIANT_CREATED, vm_object_value(parse_date(orm, row_text(orm, KEY_CREATED))));
    vm_object_set(vm, variant, VARIANT_LABEL,
                  vm_string_value(text_prefix(vm, "variant number ", row_text(orm, KEY_LABEL))));
    vm_object_set(vm, variant, VARIANT_PRICE, vm_int(row_number(orm, KEY_PRICE)));
    if (cyclic)
        vm_object_set(vm, variant, VARIANT_PRODUCT, vm_value_copy(vm, vm_object_value(product)));
    struct vm_array *items =
        vm_array_write(vm, vm_object_place(vm_as_object(vm_object_get(product, PRODUCT_VARIANTS)), COLLECTION_ITEMS));
    vm_array_append(vm, items, vm_local_take(vm, VARIANT));
    orm_work(orm, 4);
    vm_safepoint(vm);
}

/* The share is spread evenly over all products of all batches, so that it holds in any stretch of the run. */
static bool is_cyclic(const struct orm *orm, uint64_t number)
{
    double share = orm->options.cyclic;
    return (uint64_t)((double)(number + 1) * share) > (uint64_t)((double)number * share);
}

static void import_product(struct orm *orm, uint64_t number)
{
    struct vm *vm = orm_vm(orm);
    bool cyclic = is_cyclic(orm, number);
    vm_frame_enter(vm, ENTITY_LOCALS);
    struct vm_object *product = vm_object_new(vm, orm->classes[CLASS_PRODUCT]);
    vm_local_set(vm, PRODUCT, vm_object_value(product));
    make_collection(orm, product, cyclic);
    fill_product(orm, product, number);
    for (uint64_t i = 0; i < orm->options.variant_count; i++)
        add_variant(orm, product, i, cyclic);
    orm_persist(orm, product);
    struct sm_value made = vm_local_take(vm, PRODUCT);
    vm_frame_leave(vm);
    vm_array_append(vm, orm_local_array(orm, PRODUCTS), made);
}

/* ---- Faults ---- */

static struct vm_object *product_at(const struct orm *orm, int64_t index)
{
    return vm_as_object(vm_array_get_index(orm_local_array(orm, PRODUCTS), index));
}

/* The first product's collection becomes the second one's. */
static void flip_edge(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    vm_object_set(vm, product_at(orm, 0), PRODUCT_VARIANTS,
                  vm_value_copy(vm, vm_object_get(product_at(orm, 1), PRODUCT_VARIANTS)));
}

static void inject_faults(struct orm *orm)
{
    struct vm_session *session = &orm->session;
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE))
        flip_edge(orm);
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_BYTE))
        vm_as_string(vm_object_get(product_at(orm, 0), PRODUCT_NAME))->data[0] ^= 1;
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_local_array(orm, PRODUCTS), &position, &entry);)
        if (vm_session_leak_strikes(session))
            vm_session_leak(session, entry.value);
}

/* ---- Reading back ---- */

static void fold_product(struct orm *orm, const struct vm_object *product)
{
    struct vm_session *session = &orm->session;
    vm_session_fold_value(session, vm_object_get(product, PRODUCT_ID), 1);
    vm_session_fold_value(session, vm_object_get(product, PRODUCT_NAME), 1);
    vm_session_fold_value(session, vm_object_get(product, PRODUCT_DESCRIPTION), 1);
    vm_session_fold_value(session, vm_object_get(product, PRODUCT_CREATED), 2);
    vm_session_fold_value(session, vm_object_get(product, PRODUCT_CATEGORY), 1);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_variants(product), &position, &entry);) {
        const struct vm_object *variant = vm_as_object(entry.value);
        vm_session_fold_value(session, vm_object_get(variant, VARIANT_ID), 1);
        vm_session_fold_value(session, vm_object_get(variant, VARIANT_LABEL), 1);
        struct sm_value owner = vm_object_get(variant, VARIANT_PRODUCT);
        vm_session_fold(session, vm_tag_of(owner) != VM_OBJECT ? 0 : vm_as_object(owner) == product ? 1 : 2);
    }
}

/* What the identity map has of this batch is the entity itself, found by its id. */
static void read_back(struct orm *orm)
{
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_local_array(orm, PRODUCTS), &position, &entry);) {
        const struct vm_object *product = vm_as_object(entry.value);
        fold_product(orm, product);
        int64_t id = vm_as_int(vm_object_get(product, PRODUCT_ID));
        vm_session_fold(&orm->session, orm_identity_find(orm, CLASS_PRODUCT, id) == product);
    }
    vm_session_fold_value(&orm->session, vm_object_get(orm->manager, MANAGER_SQL), 1);
    vm_session_fold(&orm->session, orm->session.work.accumulator);
}

static void run_batch(struct vm_session *session)
{
    struct orm *orm = orm_of(session);
    struct vm *vm = session->vm;
    orm->batch = session->instance.steps_done + 1;
    orm->random = vm_session_random(session, orm->batch);
    vm_frame_enter(vm, BATCH_LOCALS);
    vm_local_set(vm, PRODUCTS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (uint64_t i = 0; i < orm->options.batch_entities; i++)
        import_product(orm, (orm->batch - 1) * orm->options.batch_entities + i);
    vm_session_fold(session, orm_flush(orm));
    inject_faults(orm);
    read_back(orm);
    if (orm->options.clear_batches > 0 && orm->batch % orm->options.clear_batches == 0)
        orm_clear(orm);
    vm_frame_leave(vm);
}

/* ---- The workload ---- */

static void define_names(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    for (int i = 0; i < KEY_COUNT; i++)
        orm->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < CLASS_COUNT; i++)
        orm->classes[i] = vm_class_define(vm, class_table[i].name, property_names, class_table[i].property_count, NULL);
}

static struct vm_array *make_field_mapping(struct orm *orm, uint64_t field)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *mapping = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, mapping, orm->keys[KEY_FIELD], orm_key_value(orm, KEY_NAME));
    vm_array_set_key(vm, mapping, orm->keys[KEY_TYPE], orm_key_value(orm, KEY_STRING));
    vm_array_set_key(vm, mapping, orm->keys[KEY_COLUMN], vm_string_value(text_number(vm, 100 + (int64_t)field)));
    vm_array_set_key(vm, mapping, orm->keys[KEY_NULLABLE], vm_bool(false));
    return mapping;
}

static void make_metadata(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, orm->options.metadata_count);
    vm_object_set(vm, orm->manager, MANAGER_METADATA, vm_array_value(list));
    for (uint64_t i = 0; i < orm->options.metadata_count; i++) {
        struct vm_object *metadata = vm_object_new(vm, orm->classes[CLASS_METADATA]);
        vm_array_append(vm, list, vm_object_value(metadata));
        vm_object_set(vm, metadata, METADATA_NAME, vm_string_value(text_number(vm, 100000 + (int64_t)i)));
        struct vm_array *mappings = vm_array_new(vm, VM_ARRAY_PACKED, FIELDS_PER_CLASS);
        vm_object_set(vm, metadata, METADATA_MAPPINGS, vm_array_value(mappings));
        for (uint64_t field = 0; field < FIELDS_PER_CLASS; field++)
            vm_array_append(vm, mappings, vm_array_value(make_field_mapping(orm, field)));
        vm_safepoint(vm);
    }
}

static void boot(struct vm_session *session)
{
    struct orm *orm = orm_of(session);
    orm->options = read_options(session->options);
    define_names(orm);
    orm->manager = vm_object_new(session->vm, orm->classes[CLASS_MANAGER]);
    vm_global_set(session->vm, "app", vm_object_value(orm->manager));
    vm_object_set(session->vm, orm->manager, MANAGER_SQL, vm_string_value(vm_string_new(session->vm, "", 0)));
    orm_clear(orm);
    make_metadata(orm);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct orm), &wl_cli_orm, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_batch);
}

/* Everything that is still managed, by class, and the metadata. */
static enum wl_step finish(struct wl_instance *instance)
{
    struct orm *orm = orm_of(vm_session_of(instance));
    vm_session_fold_value(&orm->session, vm_object_get(orm->manager, MANAGER_METADATA), 5);
    struct vm_array_entry of_class, entry;
    const struct vm_array *identity = vm_as_array(vm_object_get(orm->manager, MANAGER_IDENTITY));
    for (size_t position = 0; vm_array_next(identity, &position, &of_class);)
        for (size_t inner = 0; vm_array_next(vm_as_array(of_class.value), &inner, &entry);)
            vm_session_fold_value(&orm->session, entry.value, 2);
    vm_session_fold(&orm->session, instance->steps_done);
    return WL_STEP_DONE;
}

/* ---- Analytic size ---- */

static uint64_t date_block_bytes(void)
{
    return block_bytes_object(DATE_PROPERTIES) + block_bytes_object(DATE_FIELDS_PROPERTIES) + block_bytes_string(1);
}

static uint64_t description_block_bytes(void)
{
    uint64_t letters = 0;
    for (uint64_t word = 0; word < 64; word++)
        letters += strlen(text_word(word));
    return block_bytes_string(DESCRIPTION_WORDS * letters / 64 + DESCRIPTION_WORDS - 1);
}

/* A product, its variants, and the arrays that hold what the database has of them. */
static uint64_t family_block_bytes(const struct orm_options *options)
{
    uint64_t product = block_bytes_object(PRODUCT_PROPERTIES) + date_block_bytes() + block_bytes_string(6) +
                       block_bytes_string(14) + block_bytes_string(12) + description_block_bytes() +
                       block_bytes_object(COLLECTION_PROPERTIES) + block_bytes_packed(options->variant_count) +
                       block_bytes_hash(PRODUCT_PROPERTIES - 1);
    uint64_t variant = block_bytes_object(VARIANT_PROPERTIES) + date_block_bytes() + block_bytes_string(16) +
                       block_bytes_hash(VARIANT_PROPERTIES);
    uint64_t identifier = block_bytes_hash(1) + sm_block_bytes(32);
    return product + identifier + options->variant_count * (variant + identifier);
}

/* Change sets and the list of insertions, which a flush forgets at its end. */
static uint64_t flush_block_bytes(const struct orm_options *options)
{
    uint64_t families = options->batch_entities, entities = families * (1 + options->variant_count);
    uint64_t changes = block_bytes_hash(7) + 7 * block_bytes_packed(2) +
                       options->variant_count * (block_bytes_hash(4) + 4 * block_bytes_packed(2));
    return families * changes + 2 * block_bytes_hash(entities);
}

static uint64_t world_block_bytes(const struct orm_options *options)
{
    uint64_t names = block_bytes_hash(64) + block_bytes_hash(CLASS_COUNT + 2) + KEY_COUNT * block_bytes_string(9) +
                     CLASS_COUNT * (sm_block_bytes(sizeof(struct vm_class) - SM_HEADER_BYTES) +
                                    2 * block_bytes_packed(1) + block_bytes_string(10));
    uint64_t metadata = block_bytes_object(METADATA_PROPERTIES) + block_bytes_string(6) +
                        block_bytes_packed(FIELDS_PER_CLASS) +
                        FIELDS_PER_CLASS * (block_bytes_hash(4) + block_bytes_string(3));
    return names + block_bytes_object(MANAGER_PROPERTIES) + block_bytes_packed(options->metadata_count) +
           options->metadata_count * metadata + mutator_work_block_bytes();
}

/* At the end of the flush before everything is cleared; without clearing, of the first one. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct orm_options options = read_options(values);
    uint64_t batches = options.clear_batches == 0 ? 1 : options.clear_batches;
    uint64_t families = batches * options.batch_entities;
    uint64_t maps = 4 * block_bytes_hash(families * (1 + options.variant_count)) + block_bytes_hash(families) +
                    block_bytes_hash(families * options.variant_count);
    return world_block_bytes(&options) + families * family_block_bytes(&options) + maps + flush_block_bytes(&options);
}

const struct wl_ops wl_cli_orm = {
    .name = "cli-orm",
    .summary = "batch import through an ORM: identity map, change sets, flush and clear, cycles of relations",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(6) << 30,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
