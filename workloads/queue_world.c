/* What lives on between jobs: container, services, the bounded cache, the log ring. */
#include "queue.h"

#include "block_bytes.h"

#include <assert.h>
#include <stdio.h>

/* A miss looks this far for an entry that was not used since the hand last passed. */
enum { EVICTION_LOOKS_MAX = 8 };
enum { LISTENER_COUNT = 4, SAMPLES_PER_FOLD = 4 };

static const char *const key_texts[KEY_COUNT] = {
    "id",     "name",    "title",  "tags",     "hits",       "price",      "quantity", "note",   "customer",
    "status", "items",   "orders", "order_id", "created_at", "updated_at", "type",     "column", "operator",
    "value",  "boolean", "select", "where",    "driver",     "host",       "retry",    "dsn",    "Europe/Zurich",
};

/* Names in slot order: a class of N properties has the first N of these. */
static const char *const property_names[] = {
    "p0",  "p1",  "p2",  "p3",  "p4",  "p5",  "p6",  "p7",  "p8",  "p9",  "p10", "p11",
    "p12", "p13", "p14", "p15", "p16", "p17", "p18", "p19", "p20", "p21", "p22", "p23",
    "p24", "p25", "p26", "p27", "p28", "p29", "p30", "p31", "p32", "p33",
};

static const struct {
    const char *name;
    uint32_t property_count;
    vm_destructor *destructor;
} class_table[CLASS_COUNT] = {
    [CLASS_CONTAINER] = {"Container", CONTAINER_PROPERTIES, NULL},
    [CLASS_SERVICE] = {"Service", SERVICE_PROPERTIES, NULL},
    [CLASS_CACHE] = {"CacheStore", CACHE_PROPERTIES, NULL},
    [CLASS_LOG] = {"Log", LOG_PROPERTIES, NULL},
    [CLASS_CALLBACK] = {"Callback", CALLBACK_PROPERTIES, NULL},
    [CLASS_MODEL] = {"Model", MODEL_PROPERTIES, NULL},
    [CLASS_BUILDER] = {"Builder", BUILDER_PROPERTIES, NULL},
    [CLASS_STATEMENT] = {"Statement", STATEMENT_PROPERTIES, NULL},
    [CLASS_COLLECTION] = {"Collection", COLLECTION_PROPERTIES, NULL},
    [CLASS_DATE] = {"Date", DATE_PROPERTIES, NULL},
    [CLASS_EVENT] = {"Event", 0, NULL},
    [CLASS_JOB] = {"Job", JOB_PROPERTIES, NULL},
    [CLASS_TRANSACTION] = {"Transaction", TRANSACTION_PROPERTIES, vm_session_destructor},
};

static void define_names(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    for (int i = 0; i < KEY_COUNT; i++)
        queue->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < CLASS_COUNT; i++)
        queue->classes[i] = vm_class_define(vm, class_table[i].name, property_names, class_table[i].property_count,
                                            class_table[i].destructor);
}

/* ---- Services ---- */

static struct vm_array *make_service_config(struct queue *queue, uint64_t index)
{
    struct vm *vm = queue_vm(queue);
    struct wl_random random = wl_random_seeded(index);
    struct vm_array *config = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, config, queue->keys[KEY_DRIVER], vm_string_value(text_words(vm, &random, 1)));
    vm_array_set_key(vm, config, queue->keys[KEY_HOST], vm_string_value(text_words(vm, &random, 2)));
    vm_array_set_key(vm, config, queue->keys[KEY_RETRY], vm_int((int64_t)wl_random_below(&random, 1000)));
    vm_array_set_key(vm, config, queue->keys[KEY_DSN], vm_string_value(text_words(vm, &random, 5)));
    return config;
}

static struct vm_object *make_service(struct queue *queue, uint64_t index)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *service = vm_object_new(vm, queue->classes[CLASS_SERVICE]);
    vm_object_set(vm, service, SERVICE_NAME, vm_string_value(text_number(vm, 100000 + (int64_t)index)));
    vm_object_set(vm, service, SERVICE_CONTAINER, vm_value_copy(vm, vm_object_value(queue->container)));
    vm_object_set(vm, service, SERVICE_CONFIG, vm_array_value(make_service_config(queue, index)));
    vm_object_set(vm, service, SERVICE_CALLS, vm_int(0));
    return service;
}

static struct vm_array *container_array(struct queue *queue, uint32_t property, enum vm_array_kind kind,
                                        uint64_t capacity)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *array = vm_array_new(vm, kind, capacity);
    vm_object_set(vm, queue->container, property, vm_array_value(array));
    return array;
}

static void make_services(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    uint64_t count = queue->options.service_count;
    struct vm_array *services = container_array(queue, CONTAINER_SERVICES, VM_ARRAY_PACKED, count);
    struct vm_array *bindings = container_array(queue, CONTAINER_BINDINGS, VM_ARRAY_HASH, count);
    for (uint64_t i = 0; i < count; i++) {
        struct vm_object *service = make_service(queue, i);
        vm_array_append(vm, services, vm_object_value(service));
        vm_array_set_key(vm, bindings, vm_as_string(vm_object_get(service, SERVICE_NAME)), vm_int((int64_t)i));
        vm_safepoint(vm);
    }
}

static void make_listeners(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *listeners = container_array(queue, CONTAINER_LISTENERS, VM_ARRAY_PACKED, LISTENER_COUNT);
    for (int64_t i = 0; i < LISTENER_COUNT; i++) {
        struct vm_object *listener = vm_object_new(vm, queue->classes[CLASS_CALLBACK]);
        vm_object_set(vm, listener, CALLBACK_KIND, vm_int(i));
        vm_array_append(vm, listeners, vm_object_value(listener));
    }
}

/* ---- Cache: entries in a hash array, evicted by a clock hand over a ring of their keys (Corbato 1968) ---- */

static struct vm_string *make_cache_key(struct vm *vm, uint64_t product)
{
    char text[40] = "product:";
    return vm_string_new(vm, text, 8 + text_format_number(text + 8, (int64_t)product));
}

static struct vm_array *make_cache_entry(struct queue *queue, uint64_t product)
{
    struct vm *vm = queue_vm(queue);
    struct wl_random random = wl_random_seeded(product);
    struct vm_array *entry = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, entry, queue->keys[KEY_ID], vm_int((int64_t)product));
    vm_array_set_key(vm, entry, queue->keys[KEY_TITLE], vm_string_value(text_words(vm, &random, 3)));
    struct vm_array *tags = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_set_key(vm, entry, queue->keys[KEY_TAGS], vm_array_value(tags));
    for (int i = 0; i < 2; i++)
        vm_array_append(vm, tags, vm_string_value(text_words(vm, &random, 1)));
    vm_array_set_key(vm, entry, queue->keys[KEY_HITS], vm_int(0));
    vm_array_set_key(vm, entry, queue->keys[KEY_PRICE], vm_int((int64_t)wl_random_below(&random, 10000)));
    return entry;
}

static struct vm_array *writable(struct vm *vm, struct vm_object *object, uint32_t property)
{
    return vm_array_write(vm, vm_object_place(object, property));
}

static int64_t increment(struct vm *vm, struct vm_object *object, uint32_t property, int64_t modulus)
{
    int64_t old = vm_as_int(vm_object_get(object, property));
    assert(old >= 0 && old < modulus);
    vm_object_set(vm, object, property, vm_int((old + 1) % modulus));
    return old;
}

/* The ring position whose entry goes. Entries that were hit since lose their hits and stay once more. */
static int64_t find_victim(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *entries = writable(vm, queue->cache, CACHE_ENTRIES);
    const struct vm_array *order = vm_as_array(vm_object_get(queue->cache, CACHE_ORDER));
    int64_t ring = (int64_t)queue->options.cache_entries;
    int64_t position = increment(vm, queue->cache, CACHE_HAND, ring);
    for (int looks = 0; looks < EVICTION_LOOKS_MAX; looks++) {
        struct vm_string *key = vm_as_string(vm_array_get_index(order, position));
        struct vm_place place = vm_array_place_key(entries, key);
        assert(place.slot != NULL);
        if (vm_array_get_key(vm_as_array(*place.slot), queue->keys[KEY_HITS]).payload == 0)
            break;
        vm_array_set_key(vm, vm_array_write(vm, place), queue->keys[KEY_HITS], vm_int(0));
        position = increment(vm, queue->cache, CACHE_HAND, ring);
    }
    return position;
}

/* `key` is borrowed and rooted by the caller; so is the entry, by the cache, once it is in. */
static void store_entry(struct queue *queue, struct vm_string *key, uint64_t product, int64_t position, bool evict)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *entry = make_cache_entry(queue, product);
    struct vm_array *entries = writable(vm, queue->cache, CACHE_ENTRIES);
    struct vm_array *order = writable(vm, queue->cache, CACHE_ORDER);
    if (evict)
        vm_array_unset_key(vm, entries, vm_as_string(vm_array_get_index(order, position)));
    vm_array_set_key(vm, entries, key, vm_array_value(entry));
    assert(vm_array_count(entries) <= queue->options.cache_entries);
    vm_array_set_index(vm, order, position, vm_value_copy(vm, vm_string_value(key)));
    (void)increment(vm, queue->cache, CACHE_STORED, INT64_MAX);
}

static bool hit_entry(struct queue *queue, struct vm_string *key)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *entries = writable(vm, queue->cache, CACHE_ENTRIES);
    struct vm_place place = vm_array_place_key(entries, key);
    if (place.slot == NULL)
        return false;
    struct vm_array *entry = vm_array_write(vm, place);
    int64_t hits = vm_as_int(vm_array_get_key(entry, queue->keys[KEY_HITS]));
    vm_array_set_key(vm, entry, queue->keys[KEY_HITS], vm_int(hits + 1));
    return true;
}

struct sm_value queue_cache_fetch(struct queue *queue, uint64_t product)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, 1);
    struct vm_string *key = make_cache_key(vm, product);
    vm_local_set(vm, 0, vm_string_value(key));
    if (!hit_entry(queue, key))
        store_entry(queue, key, product, find_victim(queue), true);
    struct sm_value entry = vm_array_get_key(vm_as_array(vm_object_get(queue->cache, CACHE_ENTRIES)), key);
    vm_frame_leave(vm);
    return entry;
}

/* Room for tombstones, so that the table is compacted in place and never doubles. */
static uint64_t cache_capacity(uint64_t entry_count)
{
    return entry_count + entry_count / 16 + 1;
}

static void make_cache(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    uint64_t count = queue->options.cache_entries;
    queue->cache = vm_object_new(vm, queue->classes[CLASS_CACHE]);
    vm_object_set(vm, queue->container, CONTAINER_CACHE, vm_object_value(queue->cache));
    vm_object_set(vm, queue->cache, CACHE_ENTRIES,
                  vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, cache_capacity(count))));
    vm_object_set(vm, queue->cache, CACHE_ORDER, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, count)));
    vm_object_set(vm, queue->cache, CACHE_HAND, vm_int(0));
    vm_object_set(vm, queue->cache, CACHE_STORED, vm_int(0));
    for (uint64_t i = 0; i < count; i++) {
        struct vm_string *key = make_cache_key(vm, i);
        store_entry(queue, key, i, (int64_t)i, false);
        vm_value_drop(vm, vm_string_value(key));
        vm_safepoint(vm);
    }
}

/* ---- Log ---- */

static struct vm_string *format_line(struct vm *vm, uint64_t job, uint64_t model_count, uint64_t output_bytes)
{
    return vm_string_format(
        vm, "[job %010llu] queue.INFO: App\\Jobs\\SynchroniseOrders processed %05llu models {\"output_bytes\":%07llu}",
        (unsigned long long)job, (unsigned long long)model_count, (unsigned long long)output_bytes);
}

void queue_log(struct queue *queue, uint64_t model_count, uint64_t output_bytes)
{
    struct vm *vm = queue_vm(queue);
    struct vm_string *line = format_line(vm, queue->job, model_count, output_bytes);
    struct vm_array *lines = writable(vm, queue->log, LOG_LINES);
    int64_t position = increment(vm, queue->log, LOG_POSITION, (int64_t)queue->options.log_lines);
    vm_array_set_index(vm, lines, position, vm_string_value(line));
    (void)increment(vm, queue->log, LOG_WRITTEN, INT64_MAX);
}

void queue_log_detail(struct queue *queue, const struct vm_object *model)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *fields = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, fields, queue->keys[KEY_TYPE], vm_value_copy(vm, vm_object_get(model, MODEL_TABLE)));
    vm_array_set_key(vm, fields, queue->keys[KEY_ID], vm_value_copy(vm, queue_attribute(queue, model, KEY_ID)));
    vm_array_set_key(vm, fields, queue->keys[KEY_RETRY], vm_bool(false));
    (void)increment(vm, queue->log, LOG_IGNORED, INT64_MAX);
    vm_value_drop(vm, vm_array_value(fields));
    queue_work(queue, 1);
}

static void make_log(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    queue->log = vm_object_new(vm, queue->classes[CLASS_LOG]);
    vm_object_set(vm, queue->container, CONTAINER_LOG, vm_object_value(queue->log));
    vm_object_set(vm, queue->log, LOG_LINES,
                  vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, queue->options.log_lines)));
    vm_object_set(vm, queue->log, LOG_POSITION, vm_int(0));
    vm_object_set(vm, queue->log, LOG_WRITTEN, vm_int(0));
    vm_object_set(vm, queue->log, LOG_IGNORED, vm_int(0));
    for (uint64_t i = 0; i < queue->options.log_lines; i++) {
        queue_log(queue, i, 0);
        vm_safepoint(vm);
    }
}

void queue_world_boot(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    mutator_work_boot(&queue->session.work, vm, queue->session.mutator_work_enabled);
    define_names(queue);
    queue->container = vm_object_new(vm, queue->classes[CLASS_CONTAINER]);
    vm_global_set(vm, "app", vm_object_value(queue->container));
    make_services(queue);
    make_listeners(queue);
    make_cache(queue);
    make_log(queue);
}

/* ---- Reading back ---- */

static void fold_samples(struct queue *queue, const struct vm_array *list, uint64_t sample_count)
{
    uint64_t count = vm_array_count(list);
    for (uint64_t i = 0; i < sample_count; i++) {
        uint64_t position = sample_count == count ? i : wl_random_below(&queue->random, count);
        vm_session_fold_value(&queue->session, vm_array_get_index(list, (int64_t)position), 2);
    }
}

void queue_world_fold(struct queue *queue, bool everything)
{
    const struct vm_array *order = vm_as_array(vm_object_get(queue->cache, CACHE_ORDER));
    const struct vm_array *entries = vm_as_array(vm_object_get(queue->cache, CACHE_ENTRIES));
    const struct vm_array *lines = vm_as_array(vm_object_get(queue->log, LOG_LINES));
    const struct vm_array *services = vm_as_array(vm_object_get(queue->container, CONTAINER_SERVICES));
    uint64_t key_samples = everything ? vm_array_count(order) : SAMPLES_PER_FOLD;
    for (uint64_t i = 0; i < key_samples; i++) {
        uint64_t position = everything ? i : wl_random_below(&queue->random, vm_array_count(order));
        struct vm_string *key = vm_as_string(vm_array_get_index(order, (int64_t)position));
        vm_session_fold_value(&queue->session, vm_string_value(key), 1);
        vm_session_fold_value(&queue->session, vm_array_get_key(entries, key), 3);
    }
    fold_samples(queue, lines, everything ? vm_array_count(lines) : SAMPLES_PER_FOLD);
    fold_samples(queue, services, everything ? vm_array_count(services) : 1);
}

/* ---- Analytic size ---- */

static uint64_t words_block_bytes(struct wl_random *random, unsigned word_count)
{
    uint64_t length = word_count - 1;
    for (unsigned i = 0; i < word_count; i++)
        length += strlen(text_word(wl_random_next(random)));
    return block_bytes_string(length);
}

/* Mean over the first entries, whose content follows from their numbers alone. */
static double cache_entry_block_bytes(uint64_t entry_count)
{
    uint64_t sample_count = entry_count < 4096 ? entry_count : 4096, total = 0;
    for (uint64_t product = 0; product < sample_count; product++) {
        struct wl_random random = wl_random_seeded(product);
        char digits[24];
        total += block_bytes_string(8 + text_format_number(digits, (int64_t)product));
        total += block_bytes_hash(5) + words_block_bytes(&random, 3) + block_bytes_packed(2);
        total += words_block_bytes(&random, 1) + words_block_bytes(&random, 1);
    }
    return (double)total / (double)sample_count;
}

static uint64_t service_block_bytes(uint64_t index)
{
    struct wl_random random = wl_random_seeded(index);
    uint64_t total = block_bytes_object(SERVICE_PROPERTIES) + block_bytes_string(6) + block_bytes_hash(4);
    total += words_block_bytes(&random, 1) + words_block_bytes(&random, 2);
    (void)wl_random_next(&random);
    return total + words_block_bytes(&random, 5);
}

static uint64_t names_block_bytes(void)
{
    uint64_t total = block_bytes_hash(128) + block_bytes_hash(CLASS_COUNT + 2);
    for (int i = 0; i < KEY_COUNT; i++)
        total += block_bytes_string(strlen(key_texts[i]));
    for (int i = 0; i < CLASS_COUNT; i++)
        total += sm_block_bytes(sizeof(struct vm_class) - SM_HEADER_BYTES) +
                 block_bytes_packed(class_table[i].property_count);
    return total + (CLASS_COUNT + sizeof(property_names) / sizeof(property_names[0])) * block_bytes_string(8);
}

uint64_t queue_world_block_bytes(const struct queue_options *options)
{
    uint64_t total = names_block_bytes() + mutator_work_block_bytes();
    total += block_bytes_object(CONTAINER_PROPERTIES) + block_bytes_object(CACHE_PROPERTIES) +
             block_bytes_object(LOG_PROPERTIES);
    total += block_bytes_packed(LISTENER_COUNT) + LISTENER_COUNT * block_bytes_object(CALLBACK_PROPERTIES);
    total += block_bytes_packed(options->service_count) + block_bytes_hash(options->service_count);
    for (uint64_t i = 0; i < options->service_count; i++)
        total += service_block_bytes(i);
    total += block_bytes_hash(cache_capacity(options->cache_entries)) + block_bytes_packed(options->cache_entries);
    total += (uint64_t)((double)options->cache_entries * cache_entry_block_bytes(options->cache_entries));
    uint64_t line_length = sizeof("[job 0123456789] queue.INFO: App\\Jobs\\SynchroniseOrders processed 01234 models "
                                  "{\"output_bytes\":0123456}") -
                           1;
    return total + block_bytes_packed(options->log_lines) + options->log_lines * block_bytes_string(line_length);
}
