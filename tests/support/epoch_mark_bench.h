/**
 * Objects of every layout, and for each whether a cycle must keep it: compared with the walk, the record, the granule
 * bytes and the counts of blocks. An object's place in the table is in its header's count, which nobody reads.
 */
#ifndef EPOCH_MARK_BENCH_H
#define EPOCH_MARK_BENCH_H

#include "check.h"
#include "test_scale.h"

#include "epoch/chunks.h"
#include "epoch/epoch_internal.h"

#include "manager_internal.h"

#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)

struct item {
    struct sm_object *object;
    bool lives, is_seen;
};

struct bench {
    struct sm_manager *mm;
    sm_type_id two_pointers, keyed, head, opaque, lying;
    struct sm_cycle_record last;
    size_t root_count, root_capacity, root_repeats;
    struct sm_object **roots;
    size_t count, capacity;
    struct item *items;
    size_t destroyed;
};

/* ---- Types. ---- */

/* Plain pointers at odd places, and no elements. */
static inline void trace_two_pointers(const struct sm_object *object, struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    sm_visit_pointer(visitor, payload + 8);
    sm_visit_pointer(visitor, payload + 24);
}

static const struct sm_layout two_pointers = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 2, .pointers = {8, 24}};

/* Two pointers, elements of a value and a key, and behind all of them eight more bytes for each: a hash table's shape. */
enum { KEYED_FIRST = 16, KEYED_STRIDE = 32, KEYED_BYTES = 40, KEYED_KEY = 16 };

static inline size_t keyed_payload(size_t count)
{
    return KEYED_FIRST + count * KEYED_BYTES;
}

static inline void trace_keyed(const struct sm_object *object, struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    size_t count = ((size_t)object->payload_bytes - KEYED_FIRST) / KEYED_BYTES;
    sm_visit_pointer(visitor, payload);
    sm_visit_pointer(visitor, payload + 8);
    for (size_t i = 0; i < count; i++) {
        const char *element = payload + KEYED_FIRST + i * KEYED_STRIDE;
        sm_visit_value(visitor, (const struct sm_value *)(const void *)element);
        sm_visit_pointer(visitor, element + KEYED_KEY);
    }
}

static const struct sm_layout keyed = {.kind = SM_LAYOUT_SLOTS,
                                       .pointer_count = 2,
                                       .pointers = {0, 8},
                                       .first = KEYED_FIRST,
                                       .stride = KEYED_STRIDE,
                                       .element_bytes = KEYED_BYTES,
                                       .key = KEYED_KEY};

static inline void trace_head(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, sm_payload_const(object));
}

static const struct sm_layout head = {.kind = SM_LAYOUT_HEAD, .pointer_count = 1, .pointers = {0}, .used = 8};

/* One edge, kept as its complement in a value that is a number, so that none but this function finds it. */
static inline void trace_opaque(const struct sm_object *object, struct sm_visitor *visitor)
{
    uint64_t hidden = ((const struct sm_value *)sm_payload_const(object))->payload;
    if (hidden != 0)
        visitor->edge(visitor, (struct sm_object *)(uintptr_t)~hidden);
}

static inline void count_destroyed(struct sm_manager *mm, struct sm_object *object, void *context)
{
    (void)mm;
    (void)object;
    ((struct bench *)context)->destroyed++;
}

/* For the control: the layout leaves out one of the two. */
static const struct sm_layout lying = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 1, .pointers = {8}};

/* ---- The bench. ---- */

static inline void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    const struct bench *bench = context;
    for (size_t repeat = 0; repeat <= bench->root_repeats; repeat++)
        for (size_t i = 0; i < bench->root_count; i++)
            sm_visit_pointer(visitor, &bench->roots[i]);
}

static inline void note_cycle(void *context, const struct sm_cycle_record *record)
{
    ((struct bench *)context)->last = *record;
}

static inline void add_type(struct bench *bench, const char *name,
                            void (*trace)(const struct sm_object *, struct sm_visitor *), struct sm_layout layout,
                            sm_type_id *id)
{
    const struct sm_type type = {
        .name = name, .trace = trace, .finalize = count_destroyed, .context = bench, .layout = layout};
    assert_int_equal(sm_type_register(bench->mm, &type, id), SM_OK);
}

static inline void open_bench(struct bench *bench)
{
    const struct sm_root_provider provider = {"bench", enumerate_roots, bench};
    const struct sm_config config = {
        .policy = "epoch:reclaim=inline", .pacing = "never", .hooks = {.context = bench, .on_cycle = note_cycle}};
    struct sm_error error = {0};
    memset(bench, 0, sizeof(*bench));
    if (sm_manager_create(&config, &bench->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    assert_int_equal(sm_roots_register(bench->mm, &provider), SM_OK);
    add_type(bench, "two-pointers", trace_two_pointers, two_pointers, &bench->two_pointers);
    add_type(bench, "keyed", trace_keyed, keyed, &bench->keyed);
    add_type(bench, "head", trace_head, head, &bench->head);
    add_type(bench, "opaque", trace_opaque, (struct sm_layout){0}, &bench->opaque);
    add_type(bench, "lying", trace_two_pointers, lying, &bench->lying);
}

static inline void close_bench(struct bench *bench)
{
    bench->root_count = 0;
    sm_manager_destroy(bench->mm);
    free(bench->items);
    free(bench->roots);
}

static inline struct epoch_heap *heap_of(const struct bench *bench)
{
    return &epoch_of_base(bench->mm->policy)->heap;
}

static inline void *grown(void *array, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 1024 : *capacity * 2;
    array = realloc(array, *capacity * element_bytes);
    assert_non_null(array);
    return array;
}

static inline struct sm_object *enter(struct bench *bench, struct sm_object *object, bool lives)
{
    assert_non_null(object);
    bench->items = grown(bench->items, bench->count, &bench->capacity, sizeof(struct item));
    object->count = (uint32_t)bench->count;
    bench->items[bench->count++] = (struct item){object, lives, false};
    return object;
}

static inline struct sm_object *make(struct bench *bench, sm_type_id type, size_t payload_bytes, bool lives)
{
    return enter(bench, sm_alloc(bench->mm, type, payload_bytes), lives);
}

static inline struct sm_object *make_leaf(struct bench *bench, size_t payload_bytes, bool lives)
{
    return enter(bench, sm_alloc_leaf(bench->mm, SM_TYPE_BYTES, payload_bytes), lives);
}

static inline struct sm_object *make_values(struct bench *bench, size_t count, bool lives)
{
    return make(bench, SM_TYPE_VALUES, count * sizeof(struct sm_value), lives);
}

static inline struct sm_object *root(struct bench *bench, struct sm_object *object)
{
    bench->roots = grown(bench->roots, bench->root_count, &bench->root_capacity, sizeof(struct sm_object *));
    return bench->roots[bench->root_count++] = object;
}

static inline void set_value(struct bench *bench, struct sm_object *owner, size_t offset, struct sm_object *target)
{
    char *slot = (char *)sm_payload(owner) + offset;
    sm_store(bench->mm, owner, (struct sm_value *)(void *)slot, sm_value_from_object(target, 1));
}

static inline void set_element(struct bench *bench, struct sm_object *array, size_t index, struct sm_object *target)
{
    set_value(bench, array, index * sizeof(struct sm_value), target);
}

static inline void set_pointer(struct bench *bench, struct sm_object *owner, size_t offset, struct sm_object *target)
{
    sm_store_pointer(bench->mm, owner, (char *)sm_payload(owner) + offset, target);
}

static inline void set_hidden(struct bench *bench, struct sm_object *owner, const struct sm_object *target)
{
    struct sm_value value = {~(uint64_t)(uintptr_t)target, 1};
    sm_store(bench->mm, owner, (struct sm_value *)sm_payload(owner), value);
}

/* So that garbage is in every block, beside what lives. */
static inline void make_garbage(struct bench *bench)
{
    make_leaf(bench, 8, false);
    make_values(bench, 2, false);
}

/* ---- After the cycle. ---- */

struct sighting {
    struct bench *bench;
    bool agrees;
};

static inline void see_object(void *context, struct sm_object *object)
{
    struct sighting *sighting = context;
    struct item *item = object->count < sighting->bench->count ? &sighting->bench->items[object->count] : NULL;
    bool is_known = item != NULL && item->object == object && item->lives && !item->is_seen;
    sighting->agrees = sighting->agrees && is_known;
    if (is_known)
        item->is_seen = true;
}

/* Exactly those that must live are there, once each. */
static inline bool walk_agrees(struct bench *bench)
{
    struct sighting sighting = {bench, true};
    sm_walk(bench->mm, see_object, &sighting);
    for (size_t i = 0; i < bench->count; i++) {
        sighting.agrees = sighting.agrees && bench->items[i].is_seen == bench->items[i].lives;
        bench->items[i].is_seen = false;
    }
    return sighting.agrees;
}

static inline bool record_agrees(const struct bench *bench)
{
    uint64_t objects = 0, bytes = 0;
    for (size_t i = 0; i < bench->count; i++) {
        objects += bench->items[i].lives;
        bytes += bench->items[i].lives ? bench->items[i].object->payload_bytes : 0;
    }
    return bench->last.live_objects == objects && bench->last.live_bytes == bytes &&
           bench->last.retired_objects == bench->count - objects && sm_live_objects(bench->mm) == objects;
}

static inline uint32_t granules_of(const struct sm_object *object)
{
    return (uint32_t)(sm_block_bytes((size_t)object->payload_bytes) / EPOCH_GRANULE_BYTES);
}

/* The bytes of one survivor: first, last, and none of this colour between. */
static inline bool bytes_agree(const struct sm_object *object, uint8_t colour)
{
    const uint8_t *granules = epoch_granule_of(object);
    uint32_t count = granules_of(object);
    if (count == 1 || epoch_block_of(object)->state == EPOCH_BLOCK_LARGE)
        return granules[0] == (colour | EPOCH_START | EPOCH_END);
    for (uint32_t i = 1; i + 1 < count; i++)
        if ((granules[i] & EPOCH_COLOUR_MASK) == colour)
            return false;
    return granules[0] == (colour | EPOCH_START) && granules[count - 1] == (colour | EPOCH_END);
}

static inline bool all_bytes_agree(const struct bench *bench)
{
    bool agree = true;
    for (size_t i = 0; i < bench->count && agree; i++)
        agree = !bench->items[i].lives || bytes_agree(bench->items[i].object, heap_of(bench)->colour);
    return agree;
}

struct block_counts {
    size_t index; /* of the heap's colour */
    bool agree;
};

/* The other colour's count means nothing, and what the owner counts apart is taken in at the end of a cycle. */
static inline void see_block(void *context, struct epoch_block *block)
{
    struct block_counts *counts = context;
    if (block->live_granules[counts->index] != 0 || block->black_granules != 0)
        counts->agree = false;
}

/* A large object, which may have more granules than a count holds, counts as one. */
static inline void add_to_block(const struct bench *bench, const struct sm_object *object, uint32_t sign)
{
    struct epoch_block *block = epoch_block_of(object);
    uint32_t granules = block->state == EPOCH_BLOCK_LARGE ? 1 : granules_of(object);
    block->live_granules[epoch_colour_index(heap_of(bench)->colour)] += sign * granules;
}

static inline void add_survivors(const struct bench *bench, uint32_t sign)
{
    for (size_t i = 0; i < bench->count; i++)
        if (bench->items[i].lives)
            add_to_block(bench, bench->items[i].object, sign);
}

/* Take from each block what its survivors account for: nothing may be left. Then put it back. */
static inline bool blocks_agree(const struct bench *bench)
{
    struct block_counts counts = {epoch_colour_index(heap_of(bench)->colour), true};
    add_survivors(bench, UINT32_MAX); /* modulo 2^32, less */
    for (uint64_t position = 0; epoch_pool_visit_next(&heap_of(bench)->pool, &position, see_block, &counts);)
        ;
    add_survivors(bench, 1);
    return counts.agree;
}

static inline bool survivors_agree(struct bench *bench)
{
    return walk_agrees(bench) && record_agrees(bench) && all_bytes_agree(bench) && blocks_agree(bench) &&
           epoch_heap_is_consistent(heap_of(bench));
}

static inline void forget_dead(struct bench *bench)
{
    size_t kept = 0;
    for (size_t i = 0; i < bench->count; i++) {
        if (!bench->items[i].lives)
            continue;
        bench->items[kept] = bench->items[i];
        bench->items[kept].object->count = (uint32_t)kept;
        kept++;
    }
    bench->count = kept;
}

static inline void collect(struct bench *bench)
{
    uint8_t before = heap_of(bench)->colour;
    assert_int_equal(sm_collect(bench->mm, SM_COLLECT_FULL), SM_OK);
    uint8_t after = heap_of(bench)->colour;
    assert_true(after != before && (after == EPOCH_COLOUR_A || after == EPOCH_COLOUR_B));
}

/* Twice: what the first cycle found, the second finds with the other colour. */
static inline void expect_survivors(struct bench *bench)
{
    for (int i = 0; i < 2; i++) {
        collect(bench);
        assert_true(walk_agrees(bench));
        assert_true(record_agrees(bench));
        assert_true(all_bytes_agree(bench));
        assert_true(blocks_agree(bench));
        assert_true(epoch_heap_is_consistent(heap_of(bench)));
        forget_dead(bench);
    }
}

/* Everything that is left dies when the roots go. */
static inline void expect_none_without_roots(struct bench *bench)
{
    bench->root_count = 0;
    for (size_t i = 0; i < bench->count; i++)
        bench->items[i].lives = false;
    collect(bench);
    assert_true(survivors_agree(bench));
    bench->count = 0;
}

static inline void with_bench(void (*body)(struct bench *bench))
{
    struct bench bench;
    open_bench(&bench);
    body(&bench);
    expect_survivors(&bench);
    expect_none_without_roots(&bench);
    close_bench(&bench);
}

#endif
