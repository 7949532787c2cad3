/*
 * Workload "cli-cache": an in-process cache service (story S13 of the study; calibrated to cli-w-cache-svc).
 *
 * An iteration is a row of lookups in a least-recently-used cache that is one PHP array: a hit moves its entry to
 * the end, a miss makes a new entry and drops the first. Resident objects have entries in a weak map; each lookup
 * takes some of them in a variable and leaves them again, which makes possible roots that all live: under a policy
 * that counts, the collector runs in vain and its threshold climbs. With option `snapshot` the big array has a
 * second owner whenever it is written, and is copied each time. workloads/php/cli_cache.php does the same in PHP.
 */
#include "block_bytes.h"
#include "text.h"
#include "vm_session.h"

#include <assert.h>
#include <stdio.h>

enum { TEXT_WORDS_MAX = 48, SAMPLES_PER_STEP = 16, TOUCH_STRIDE = 7919, META_KEYS = 10, DATE_FIELDS = 12 };

enum cache_option {
    OPTION_ENTRIES,
    OPTION_LOOKUPS,
    OPTION_RANGE,
    OPTION_RESIDENT,
    OPTION_TOUCH,
    OPTION_SNAPSHOT,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_ENTRIES] = {"entries", SM_OPTION_COUNT, "entries", "7900", 16, 1e8, NULL,
                        "bound of the cache, one array; about 1.4 KB each with the entry's text"},
    [OPTION_LOOKUPS] = {"lookups", SM_OPTION_COUNT, "lookups", "1000", 2, 1e8, NULL, "keys asked for in an iteration"},
    [OPTION_RANGE] = {"range", SM_OPTION_REAL, "", "13", 1, 1e6, NULL,
                      "so many times as many keys are asked for as there are entries: 13 is 7 % hits"},
    [OPTION_RESIDENT] = {"resident", SM_OPTION_COUNT, "objects", "12000", 1, 1e8, NULL,
                         "objects that live on, each with an entry in a weak map"},
    [OPTION_TOUCH] = {"touch", SM_OPTION_REAL, "objects", "0.4", 0, 1e6, NULL,
                      "resident objects that a variable takes and leaves again, a lookup"},
    [OPTION_SNAPSHOT] = {"snapshot", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                         "the array has a second owner when an entry is stored, and is copied"},
};

/* Interned array keys. */
enum cache_key { KEY_VALUE, KEY_EXPIRY, KEY_STORED, KEY_ID, KEY_TEXT, KEY_TAGS, KEY_DATE, KEY_COUNT };
static const char *const key_texts[KEY_COUNT] = {"value", "expiry", "stored", "id", "text", "tags", "date"};

enum { CACHE_ENTRIES, CACHE_RESIDENT, CACHE_MAP, CACHE_LAST_ITEM, CACHE_STORES, CACHE_PROPERTIES };
enum { ITEM_KEY, ITEM_VALUE, ITEM_HIT, ITEM_FACTORY, ITEM_PROPERTIES = 9 };
enum { DATE_PROPERTIES = 1 };
enum { RESIDENT_NUMBER, RESIDENT_PROPERTIES };

/* Locals of a lookup's frame. */
enum { KEY, ITEM, ENTRY, CONTENT, META, SNAPSHOT, OBJECT, LOOKUP_LOCALS };

struct cache {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t entry_count, lookup_count, key_count;
    double touch;
    bool has_snapshot;
    struct vm_string *keys[KEY_COUNT]; /* borrowed: the interner holds them */
    struct vm_class *item_class, *date_class, *date_fields_class, *resident_class;
    struct vm_object *service; /* borrowed: the global "app" holds it */
    uint64_t touch_index, lookup_number;
    struct wl_random random; /* of the iteration under way */
};

extern const struct wl_ops wl_cli_cache;

static struct cache *cache_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_cache);
    return (struct cache *)session;
}

static struct vm *vm_of(const struct cache *cache)
{
    return cache->session.vm;
}

static void work(struct cache *cache, uint32_t operation_count)
{
    mutator_work_charge(&cache->session.work, operation_count);
}

static struct vm_array *array_in(const struct cache *cache, uint32_t local)
{
    return vm_as_array(vm_local_get(vm_of(cache), local));
}

static const struct vm_array *entries_of(const struct cache *cache)
{
    return vm_as_array(vm_object_get(cache->service, CACHE_ENTRIES));
}

static struct vm_array *writable_entries(struct cache *cache)
{
    return vm_array_write(vm_of(cache), vm_object_place(cache->service, CACHE_ENTRIES));
}

static void set(struct cache *cache, uint32_t local, enum cache_key key, struct sm_value value)
{
    vm_array_set_key(vm_of(cache), array_in(cache, local), cache->keys[key], value);
}

/* ---- An entry ---- */

/* "item." . $number: the number's text, then the key. Returns owned. */
static struct vm_string *make_key(struct vm *vm, uint64_t number)
{
    struct vm_string *digits = text_number(vm, (int64_t)number);
    struct vm_string *key = text_prefix(vm, "item.", digits);
    vm_value_drop(vm, vm_string_value(digits));
    return key;
}

/* A parser's pieces, and fields that are copied into the date's own. Returns owned. */
static struct vm_object *make_date(struct cache *cache, struct wl_random *random)
{
    struct vm *vm = vm_of(cache);
    int64_t stamp = 1700000000 + (int64_t)wl_random_below(random, 50000000);
    struct vm_object *date = vm_object_new(vm, cache->date_class);
    struct vm_string *text = text_number(vm, stamp);
    struct vm_object *fields = vm_object_new(vm, cache->date_fields_class);
    vm_object_set(vm, date, 0, vm_object_value(fields));
    struct vm_object *parsed = vm_object_new(vm, cache->date_fields_class);
    for (uint32_t piece = 0; piece < 5; piece++) {
        struct vm_string *slice = text_slice(vm, text, 2 * piece, 2);
        vm_object_set(vm, parsed, piece, vm_int(slice->data[0] * 10 + slice->data[1]));
        vm_object_set(vm, fields, piece, vm_value_copy(vm, vm_object_get(parsed, piece)));
        vm_value_drop(vm, vm_string_value(slice));
    }
    vm_value_drop(vm, vm_object_value(parsed));
    vm_value_drop(vm, vm_string_value(text));
    work(cache, 6);
    return date;
}

/* What the service computes for a key, in local CONTENT; all of it follows from the key's number. */
static void compute_content(struct cache *cache, uint64_t number)
{
    struct vm *vm = vm_of(cache);
    struct wl_random random = wl_random_seeded(number);
    vm_local_set(vm, CONTENT, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    set(cache, CONTENT, KEY_ID, vm_string_value(make_key(vm, number)));
    unsigned word_count = 1 + (unsigned)wl_random_below(&random, TEXT_WORDS_MAX);
    set(cache, CONTENT, KEY_TEXT, vm_string_value(text_words(vm, &random, word_count)));
    struct vm_array *tags = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    set(cache, CONTENT, KEY_TAGS, vm_array_value(tags));
    vm_array_append(vm, tags, vm_int((int64_t)(number % 64)));
    set(cache, CONTENT, KEY_DATE, vm_object_value(make_date(cache, &random)));
    work(cache, 5);
}

/* The entry as it is stored: what was computed and when it ends, in local ENTRY. */
static void make_entry(struct cache *cache, uint64_t number)
{
    struct vm *vm = vm_of(cache);
    compute_content(cache, number);
    vm_local_set(vm, ENTRY, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    set(cache, ENTRY, KEY_VALUE, vm_local_take(vm, CONTENT));
    set(cache, ENTRY, KEY_EXPIRY, vm_int((int64_t)number + 3600));
    set(cache, ENTRY, KEY_STORED, vm_int(0));
    work(cache, 2);
}

/* ---- Storing ---- */

static void drop_first(struct cache *cache, struct vm_array *entries)
{
    struct vm_array_entry first;
    size_t position = 0;
    bool found = vm_array_next(entries, &position, &first);
    assert(found);
    (void)found;
    if (vm_session_leak_strikes(&cache->session))
        vm_session_leak(&cache->session, first.value);
    (void)vm_array_unset_key(vm_of(cache), entries, first.key);
}

/* What the item's tags and times say, a temporary array of ten keys, in local META. */
static void describe(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    vm_local_set(vm, META, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, META_KEYS)));
    for (int64_t i = 0; i < META_KEYS; i++)
        vm_array_set_index(vm, array_in(cache, META), i * 3, vm_int(i));
    work(cache, 1);
}

/* The second owner goes only after the write: the mishap. */
static void store(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    if (cache->has_snapshot)
        vm_local_set(vm, SNAPSHOT, vm_value_copy(vm, vm_object_get(cache->service, CACHE_ENTRIES)));
    struct vm_array *entries = writable_entries(cache);
    if (vm_array_count(entries) == cache->entry_count)
        drop_first(cache, entries);
    vm_array_set_key(vm, entries, vm_as_string(vm_local_get(vm, KEY)), vm_local_take(vm, ENTRY));
    vm_local_set(vm, SNAPSHOT, vm_undef());
    int64_t stores = vm_as_int(vm_object_get(cache->service, CACHE_STORES));
    vm_object_set(vm, cache->service, CACHE_STORES, vm_int(stores + 1));
    work(cache, 3);
}

/* ---- A lookup ---- */

static struct sm_value call_factory(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    return vm_value_copy(vm, vm_local_get(vm, 0));
}

static const struct vm_function factory = {"factory", call_factory, 0, 1, 0};

/* The item is made by a closure that carries the key; the service keeps the last one. */
static void make_item(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    struct sm_value key = vm_value_copy(vm, vm_local_get(vm, KEY));
    struct vm_closure *closure = vm_closure_new(vm, &factory, &key, vm_undef());
    struct vm_object *item = vm_object_new(vm, cache->item_class);
    vm_local_set(vm, ITEM, vm_object_value(item));
    vm_object_set(vm, item, ITEM_FACTORY, vm_closure_value(closure));
    vm_object_set(vm, item, ITEM_KEY, vm_closure_call(vm, closure, NULL));
    vm_object_set(vm, item, ITEM_HIT, vm_bool(false));
    vm_object_set(vm, cache->service, CACHE_LAST_ITEM, vm_value_copy(vm, vm_local_get(vm, ITEM)));
    work(cache, 5);
}

/* The entry moves to the end. */
static bool hit(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    struct vm_string *key = vm_as_string(vm_local_get(vm, KEY));
    struct sm_value entry = vm_array_get_key(entries_of(cache), key);
    if (vm_tag_of(entry) == VM_UNDEF)
        return false;
    vm_local_set(vm, ENTRY, vm_value_copy(vm, entry));
    struct vm_array *entries = writable_entries(cache);
    (void)vm_array_unset_key(vm, entries, key);
    vm_array_set_key(vm, entries, key, vm_local_take(vm, ENTRY));
    vm_object_set(vm, vm_as_object(vm_local_get(vm, ITEM)), ITEM_HIT, vm_bool(true));
    work(cache, 3);
    return true;
}

static struct vm_object *resident_at(const struct cache *cache, uint64_t index)
{
    const struct vm_array *list = vm_as_array(vm_object_get(cache->service, CACHE_RESIDENT));
    return vm_as_object(vm_array_get_index(list, (int64_t)(index % vm_array_count(list))));
}

static struct vm_weak_map *map_of(const struct cache *cache)
{
    return vm_as_weak_map(vm_object_get(cache->service, CACHE_MAP));
}

/* $object = $resident[...]; $map[$object]++: taking and leaving it makes a possible root of what lives on. */
static void touch_resident(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    uint64_t before = (uint64_t)((double)cache->lookup_number * cache->touch);
    uint64_t count = (uint64_t)((double)(cache->lookup_number + 1) * cache->touch) - before;
    for (uint64_t i = 0; i < count; i++, cache->touch_index += TOUCH_STRIDE) {
        struct sm_value object = vm_object_value(resident_at(cache, cache->touch_index));
        vm_local_set(vm, OBJECT, vm_value_copy(vm, object));
        vm_safepoint(vm);
        struct sm_value count_before = vm_weak_map_get(map_of(cache), vm_local_get(vm, OBJECT));
        vm_weak_map_set(vm, map_of(cache), vm_local_get(vm, OBJECT), vm_int(vm_as_int(count_before) + 1));
        vm_local_set(vm, OBJECT, vm_undef());
        work(cache, 2);
        vm_safepoint(vm);
    }
}

static void look_up(struct cache *cache, uint64_t number)
{
    struct vm *vm = vm_of(cache);
    vm_frame_enter(vm, LOOKUP_LOCALS);
    vm_local_set(vm, KEY, vm_string_value(make_key(vm, number)));
    make_item(cache);
    if (!hit(cache)) {
        make_entry(cache, number);
        describe(cache);
        store(cache);
    }
    touch_resident(cache);
    cache->lookup_number++;
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

/* ---- Faults, reading back ---- */

/* Of the entry used last. */
static void inject_faults(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    struct vm_session *session = &cache->session;
    const struct vm_object *item = vm_as_object(vm_object_get(cache->service, CACHE_LAST_ITEM));
    struct vm_string *key = vm_as_string(vm_object_get(item, ITEM_KEY));
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_BYTE)) {
        const struct vm_array *entry = vm_as_array(vm_array_get_key(entries_of(cache), key));
        const struct vm_array *content = vm_as_array(vm_array_get_key(entry, cache->keys[KEY_VALUE]));
        vm_as_string(vm_array_get_key(content, cache->keys[KEY_TEXT]))->data[0] ^= 1;
    }
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE)) {
        struct vm_array_entry first;
        size_t position = 0;
        (void)vm_array_next(entries_of(cache), &position, &first);
        vm_array_set_key(vm, writable_entries(cache), key, vm_value_copy(vm, first.value));
    }
}

static void fold_entry(struct cache *cache, struct vm_string *key)
{
    vm_session_fold_value(&cache->session, vm_string_value(key), 1);
    vm_session_fold_value(&cache->session, vm_array_get_key(entries_of(cache), key), 5);
}

/* The entry used last, entries of keys drawn at random, which may have gone, and counts in the weak map. */
static void read_back(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    const struct vm_object *item = vm_as_object(vm_object_get(cache->service, CACHE_LAST_ITEM));
    fold_entry(cache, vm_as_string(vm_object_get(item, ITEM_KEY)));
    vm_session_fold_value(&cache->session, vm_object_get(item, ITEM_HIT), 1);
    for (int i = 0; i < SAMPLES_PER_STEP; i++) {
        struct vm_string *key = make_key(vm, wl_random_below(&cache->random, cache->key_count));
        fold_entry(cache, key);
        vm_value_drop(vm, vm_string_value(key));
        struct vm_object *object = resident_at(cache, wl_random_next(&cache->random));
        vm_session_fold_value(&cache->session, vm_weak_map_get(map_of(cache), vm_object_value(object)), 1);
    }
    vm_session_fold(&cache->session, cache->session.work.accumulator);
}

static void run_iteration(struct vm_session *session)
{
    struct cache *cache = cache_of(session);
    cache->random = vm_session_random(session, session->instance.steps_done + 1);
    for (uint64_t i = 0; i < cache->lookup_count; i++)
        look_up(cache, wl_random_below(&cache->random, cache->key_count));
    inject_faults(cache);
    read_back(cache);
}

/* ---- The workload ---- */

static void make_resident(struct cache *cache, uint64_t count)
{
    struct vm *vm = vm_of(cache);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, count);
    vm_object_set(vm, cache->service, CACHE_RESIDENT, vm_array_value(list));
    vm_object_set(vm, cache->service, CACHE_MAP, vm_weak_map_value(vm_weak_map_new(vm)));
    for (uint64_t i = 0; i < count; i++) {
        struct vm_object *object = vm_object_new(vm, cache->resident_class);
        vm_array_append(vm, list, vm_object_value(object));
        vm_object_set(vm, object, RESIDENT_NUMBER, vm_int((int64_t)i));
        vm_weak_map_set(vm, map_of(cache), vm_object_value(object), vm_int(0));
        vm_safepoint(vm);
    }
}

/* The table is compacted where that frees one slot in 32, and doubles otherwise. */
static uint64_t table_capacity(uint64_t entry_count)
{
    return entry_count + entry_count / 32 + 2;
}

static void fill_cache(struct cache *cache)
{
    struct vm *vm = vm_of(cache);
    vm_object_set(vm, cache->service, CACHE_ENTRIES,
                  vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, table_capacity(cache->entry_count))));
    for (uint64_t i = 0; i < cache->entry_count; i++) {
        vm_frame_enter(vm, LOOKUP_LOCALS);
        vm_local_set(vm, KEY, vm_string_value(make_key(vm, i)));
        make_entry(cache, i);
        vm_array_set_key(vm, writable_entries(cache), vm_as_string(vm_local_get(vm, KEY)), vm_local_take(vm, ENTRY));
        vm_frame_leave(vm);
        vm_safepoint(vm);
    }
}

static void define_names(struct cache *cache)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"};
    struct vm *vm = vm_of(cache);
    for (int i = 0; i < KEY_COUNT; i++)
        cache->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    cache->item_class = vm_class_define(vm, "CacheItem", names, ITEM_PROPERTIES, NULL);
    cache->date_class = vm_class_define(vm, "Date", names, DATE_PROPERTIES, NULL);
    cache->date_fields_class = vm_class_define(vm, "DateFields", names, DATE_FIELDS, NULL);
    cache->resident_class = vm_class_define(vm, "Resident", names, RESIDENT_PROPERTIES, NULL);
    cache->service = vm_object_new(vm, vm_class_define(vm, "CacheService", names, CACHE_PROPERTIES, NULL));
    vm_global_set(vm, "app", vm_object_value(cache->service));
}

static void boot(struct vm_session *session)
{
    struct cache *cache = cache_of(session);
    const union sm_option_value *values = session->options->value;
    cache->entry_count = values[OPTION_ENTRIES].count;
    cache->lookup_count = values[OPTION_LOOKUPS].count;
    double keys = (double)cache->entry_count * values[OPTION_RANGE].real;
    cache->key_count = keys > UINT32_MAX ? UINT32_MAX : (uint64_t)keys;
    cache->touch = values[OPTION_TOUCH].real;
    cache->has_snapshot = values[OPTION_SNAPSHOT].count != 0;
    define_names(cache);
    vm_object_set(session->vm, cache->service, CACHE_STORES, vm_int(0));
    make_resident(cache, values[OPTION_RESIDENT].count);
    fill_cache(cache);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct cache), &wl_cli_cache, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, run_iteration);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct cache *cache = cache_of(vm_session_of(instance));
    struct vm_session *session = &cache->session;
    struct sm_value object, count;
    vm_session_fold_value(session, vm_object_get(cache->service, CACHE_ENTRIES), 6);
    vm_session_fold_value(session, vm_object_get(cache->service, CACHE_STORES), 1);
    for (size_t position = 0; vm_weak_map_next(session->vm, map_of(cache), &position, &object, &count);) {
        vm_session_fold_value(session, object, 1);
        vm_session_fold_value(session, count, 1);
    }
    vm_session_fold(session, instance->steps_done);
    return WL_STEP_DONE;
}

/* Mean over the first entries, whose content follows from their numbers alone. */
static double entry_block_bytes(uint64_t entry_count)
{
    uint64_t sample_count = entry_count < 4096 ? entry_count : 4096, letters = 0, total = 0;
    for (uint64_t word = 0; word < 64; word++)
        letters += strlen(text_word(word));
    for (uint64_t number = 0; number < sample_count; number++) {
        struct wl_random random = wl_random_seeded(number);
        uint64_t words = 1 + wl_random_below(&random, TEXT_WORDS_MAX);
        total += block_bytes_string(words * letters / 64 + words - 1);
    }
    uint64_t rest = 2 * block_bytes_string(10) + block_bytes_hash(4) + block_bytes_hash(3) + block_bytes_packed(1) +
                    block_bytes_object(DATE_PROPERTIES) + block_bytes_object(DATE_FIELDS);
    return (double)rest + (double)total / (double)sample_count;
}

/* With snapshots the array is there twice while an entry is stored. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t entries = values->value[OPTION_ENTRIES].count, resident = values->value[OPTION_RESIDENT].count;
    uint64_t table = block_bytes_hash(table_capacity(entries));
    return table * (values->value[OPTION_SNAPSHOT].count != 0 ? 2 : 1) +
           (uint64_t)((double)entries * entry_block_bytes(entries)) + block_bytes_packed(resident) +
           block_bytes_hash(resident) + resident * (block_bytes_object(RESIDENT_PROPERTIES) + sm_block_bytes(32)) +
           mutator_work_block_bytes();
}

const struct wl_ops wl_cli_cache = {
    .name = "cli-cache",
    .summary = "in-process cache: one large array, a weak map over resident objects, collections in vain",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 1100,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
