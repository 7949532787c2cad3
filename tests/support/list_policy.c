#include "list_policy.h"

#include "../../lib/mm/src/manager_internal.h"
#include "../../lib/mm/src/store.h"

#include <stdlib.h>
#include <string.h>

/* Header bits of this policy: the high byte. */
enum { FLAG_OLD = 1u << 8, FLAG_MARKED = 1u << 9 };

/* A free block says so in the payload size, which allocation overwrites and the list link does not reach. */
#define FREE_BLOCK UINT64_MAX
#define CHUNK_HEADER_BYTES 64u
#define SMALLEST_BLOCK_BYTES 32u

/* A run of blocks of one size, or one large object. */
struct list_chunk {
    struct list_chunk *next;
    size_t mapped_bytes;
    size_t block_bytes;
    size_t block_count;
};

struct marker {
    struct sm_visitor visitor;
    size_t count, capacity;
    struct sm_object **stack;
    struct sm_cycle_record *record;
};

static struct list_policy *of_base(struct sm_policy *policy)
{
    return (struct list_policy *)policy;
}

struct list_policy *list_policy_of(struct sm_manager *mm)
{
    SM_ASSERT(mm->ops == &list_policy_ops || mm->ops == &list_policy_tracing_ops);
    return of_base(mm->policy);
}

struct sm_manager *list_policy_manager(const struct sm_policy_ops *ops, const struct sm_config *config)
{
    struct sm_config chosen = config == NULL ? (struct sm_config){0} : *config;
    struct sm_manager *mm = NULL;
    struct sm_error error;
    chosen.custom_policy = ops;
    if (sm_manager_create(&chosen, &mm, &error) != SM_OK) {
        fprintf(stderr, "list_policy_manager: %s\n", error.detail);
        abort();
    }
    return mm;
}

static void count_call(uint64_t *calls)
{
    __atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
}

static size_t class_block_bytes(unsigned size_class)
{
    return (size_t)SMALLEST_BLOCK_BYTES << size_class;
}

static unsigned class_of_block(size_t block_bytes)
{
    unsigned size_class = 0;
    while (class_block_bytes(size_class) < block_bytes)
        size_class++;
    return size_class;
}

static struct sm_object *chunk_block(struct list_chunk *chunk, size_t index)
{
    return (struct sm_object *)((char *)chunk + CHUNK_HEADER_BYTES + index * chunk->block_bytes);
}

static struct list_chunk *chunk_make(struct list_policy *lists, size_t mapped_bytes, size_t block_bytes)
{
    struct list_chunk *chunk = sm_chunk_map(lists->base.mm, mapped_bytes, 4096);
    if (chunk == NULL)
        return NULL;
    chunk->mapped_bytes = mapped_bytes;
    chunk->block_bytes = block_bytes;
    chunk->block_count = (mapped_bytes - CHUNK_HEADER_BYTES) / block_bytes;
    chunk->next = lists->chunks;
    lists->chunks = chunk;
    return chunk;
}

static struct list_chunk *chunk_of(struct list_policy *lists, const struct sm_object *object)
{
    struct list_chunk *chunk = lists->chunks;
    while (chunk != NULL && (uintptr_t)object - (uintptr_t)chunk >= chunk->mapped_bytes)
        chunk = chunk->next;
    return chunk;
}

static void push_free(struct list_policy *lists, struct sm_object *block, unsigned size_class)
{
    struct sm_free_cell *cell = (struct sm_free_cell *)block;
    struct sm_free_cell **head = &sm_hot(lists->base.mm)->heads[size_class];
    block->payload_bytes = FREE_BLOCK;
    cell->next = *head;
    *head = cell;
}

static sm_status create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    (void)options;
    struct list_policy *lists = calloc(1, sizeof(*lists));
    if (lists == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    lists->base.ops = mm->ops;
    lists->base.mm = mm;
    for (size_t word = 0; word < sizeof(lists->size_class_of); word++)
        lists->size_class_of[word] = (uint8_t)class_of_block(sm_block_bytes(word * 8));
    sm_hot(mm)->size_class_of = lists->size_class_of;
    *policy = &lists->base;
    return SM_OK;
}

static void destroy(struct sm_policy *policy)
{
    struct list_policy *lists = of_base(policy);
    while (lists->chunks != NULL) {
        struct list_chunk *next = lists->chunks->next;
        sm_chunk_unmap(policy->mm, lists->chunks, lists->chunks->mapped_bytes);
        lists->chunks = next;
    }
    free(lists);
}

static void *alloc_slow(struct sm_policy *policy, size_t payload_bytes)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.alloc_slow++;
    if (payload_bytes <= SM_INLINE_PAYLOAD_MAX)
        return NULL;
    size_t block_bytes = sm_block_bytes(payload_bytes);
    size_t mapped_bytes = (block_bytes + CHUNK_HEADER_BYTES + 4095) & ~(size_t)4095;
    struct list_chunk *chunk = chunk_make(lists, mapped_bytes, block_bytes);
    return chunk == NULL ? NULL : chunk_block(chunk, 0);
}

static bool refill(struct sm_policy *policy, size_t payload_bytes)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.refill++;
    unsigned size_class = lists->size_class_of[(payload_bytes + 7) / 8];
    struct list_chunk *chunk = chunk_make(lists, LIST_CHUNK_BYTES, class_block_bytes(size_class));
    if (chunk == NULL)
        return false;
    for (size_t i = chunk->block_count; i > 0; i--)
        push_free(lists, chunk_block(chunk, i - 1), size_class);
    return true;
}

static bool resize(struct sm_policy *policy, struct sm_object *object, size_t payload_bytes)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.resize++;
    return sm_block_bytes(payload_bytes) <= chunk_of(lists, object)->block_bytes;
}

static void unmap_large(struct list_policy *lists, struct list_chunk *chunk)
{
    struct list_chunk **link = &lists->chunks;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    sm_chunk_unmap(lists->base.mm, chunk, chunk->mapped_bytes);
}

static void release(struct list_policy *lists, struct sm_object *object)
{
    struct list_chunk *chunk = chunk_of(lists, object);
    SM_ASSERT(chunk != NULL && object->payload_bytes != FREE_BLOCK);
    lists->reclaimed_bytes += object->payload_bytes;
    lists->reclaimed_objects++;
    if (chunk->block_bytes > class_block_bytes(LIST_CLASSES - 1))
        unmap_large(lists, chunk);
    else
        push_free(lists, object, class_of_block(chunk->block_bytes));
}

static void free_now(struct sm_policy *policy, struct sm_object *object)
{
    of_base(policy)->calls.free++;
    release(of_base(policy), object);
}

static void store_slow(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                       struct sm_value value)
{
    (void)owner;
    of_base(policy)->calls.store_slow++;
    of_base(policy)->calls.pointer_stores += is_pointer ? 1 : 0;
    sm_write_slot(policy->mm, slot, is_pointer, value);
}

static void value_candidate(struct sm_policy *policy, struct sm_object *object)
{
    (void)object;
    of_base(policy)->calls.value_candidate++;
}

/* Without a cascade: what the object held keeps its counts. */
static void value_dead(struct sm_policy *policy, struct sm_object *object)
{
    of_base(policy)->calls.value_dead++;
    SM_ASSERT(object->count == 0);
    sm_note_death(policy->mm, object);
    sm_count_dead(policy->mm, 1, object->payload_bytes);
    release(of_base(policy), object);
}

static sm_status guard_register(struct sm_policy *policy, struct sm_guard *guard)
{
    (void)guard;
    count_call(&of_base(policy)->calls.guard_register);
    return of_base(policy)->register_status;
}

static void guard_unregister(struct sm_policy *policy, struct sm_guard *guard)
{
    (void)guard;
    count_call(&of_base(policy)->calls.guard_unregister);
}

/* Each guard operation also checks the order contract: the slot is empty while the policy is asked. */
static void pin(struct sm_policy *policy, struct sm_guard *guard)
{
    SM_ASSERT(guard->epoch == 0);
    count_call(&of_base(policy)->calls.pin);
}

static void unpin(struct sm_policy *policy, struct sm_guard *guard)
{
    SM_ASSERT(guard->epoch == 0);
    count_call(&of_base(policy)->calls.unpin);
}

static void repin(struct sm_policy *policy, struct sm_guard *guard)
{
    SM_ASSERT(guard->epoch == 0);
    count_call(&of_base(policy)->calls.repin);
}

static void offline(struct sm_policy *policy, struct sm_guard *guard)
{
    SM_ASSERT(guard->epoch == 0);
    count_call(&of_base(policy)->calls.offline);
}

static void online(struct sm_policy *policy, struct sm_guard *guard)
{
    SM_ASSERT(guard->epoch == 0);
    count_call(&of_base(policy)->calls.online);
}

static bool is_retired(const struct list_policy *lists, const struct sm_object *object)
{
    for (size_t i = 0; i < lists->retired_count; i++) {
        if (lists->retired[i] == object)
            return true;
    }
    return false;
}

static void walk(struct sm_policy *policy, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct list_policy *lists = of_base(policy);
    struct list_chunk *next = NULL;
    for (struct list_chunk *chunk = lists->chunks; chunk != NULL; chunk = next) {
        /* The visitor may free a large object, and with it its chunk. */
        next = chunk->next;
        size_t block_count = chunk->block_count;
        for (size_t i = 0; i < block_count; i++) {
            struct sm_object *object = chunk_block(chunk, i);
            if (object->payload_bytes != FREE_BLOCK && !is_retired(lists, object))
                visit(context, object);
        }
    }
}

static void age_object(void *context, struct sm_object *object)
{
    (void)context;
    sm_object_set_flags(object, FLAG_OLD);
}

static void drain_backlog(struct list_policy *lists)
{
    while (lists->retired_count > 0) {
        struct sm_object *object = lists->retired[--lists->retired_count];
        release(lists, object);
    }
}

static void safepoint(struct sm_policy *policy)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.safepoint++;
    walk(policy, age_object, NULL);
    if (!lists->keep_backlog)
        drain_backlog(lists);
    if (lists->at_safepoint != NULL)
        lists->at_safepoint(lists);
}

static void mark_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct marker *marker = (struct marker *)visitor;
    if ((sm_object_flags(target) & FLAG_MARKED) != 0)
        return;
    sm_object_set_flags(target, FLAG_MARKED);
    marker->record->live_objects++;
    marker->record->live_bytes += target->payload_bytes;
    if (marker->count == marker->capacity) {
        marker->capacity = marker->capacity * 2 + 64;
        marker->stack = realloc(marker->stack, marker->capacity * sizeof(struct sm_object *));
        SM_ASSERT(marker->stack != NULL);
    }
    marker->stack[marker->count++] = target;
}

static void mark_drain(struct sm_manager *mm, struct marker *marker)
{
    while (marker->count > 0)
        sm_trace(mm, marker->stack[--marker->count], &marker->visitor);
}

static void mark_recent(void *context, struct sm_object *object)
{
    if ((sm_object_flags(object) & FLAG_OLD) == 0)
        mark_edge(context, object);
}

static bool is_marked(void *context, const struct sm_object *object)
{
    (void)context;
    return (sm_object_flags(object) & FLAG_MARKED) != 0;
}

struct sweep {
    struct list_policy *lists;
    struct sm_cycle_record *record;
};

static void sweep_object(void *context, struct sm_object *object)
{
    struct sweep *sweep = context;
    if (is_marked(NULL, object)) {
        sm_object_clear_flags(object, FLAG_MARKED);
        return;
    }
    sweep->record->retired_objects++;
    sweep->record->retired_bytes += object->payload_bytes;
    release(sweep->lists, object);
}

static sm_status collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                         struct sm_cycle_record *record)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.collect++;
    lists->last_trigger = trigger;
    if (lists->collect_instead != NULL)
        return lists->collect_instead(lists, kind, trigger, record);
    if (lists->in_collect != NULL)
        lists->in_collect(lists->context);
    if (lists->collect_status != SM_OK)
        return lists->collect_status;
    struct marker marker = {.visitor = {.edge = mark_edge}, .record = record};
    sm_roots_enumerate(policy->mm, &marker.visitor);
    if (trigger == SM_TRIGGER_EMERGENCY)
        walk(policy, mark_recent, &marker);
    mark_drain(policy->mm, &marker);
    sm_finalizers_select(policy->mm, is_marked, NULL);
    sm_finalizers_visit_ready(policy->mm, &marker.visitor);
    mark_drain(policy->mm, &marker);
    free(marker.stack);
    record->traced_objects = record->live_objects;
    struct sweep sweep = {lists, record};
    walk(policy, sweep_object, &sweep);
    record->reclaimed_bytes_total = lists->reclaimed_bytes;
    return SM_OK;
}

static void retire(struct sm_policy *policy, struct sm_object *object)
{
    struct list_policy *lists = of_base(policy);
    lists->calls.retire++;
    SM_ASSERT(lists->retired_count < LIST_RETIRED_MAX);
    lists->retired[lists->retired_count++] = object;
}

static sm_status finalizer_register(struct sm_policy *policy, struct sm_object *object)
{
    (void)object;
    of_base(policy)->calls.finalizer_register++;
    return SM_OK;
}

static void request_begin(struct sm_policy *policy)
{
    of_base(policy)->calls.request_begin++;
}

static void request_end(struct sm_policy *policy)
{
    of_base(policy)->calls.request_end++;
}

static sm_status quiesce(struct sm_policy *policy)
{
    of_base(policy)->calls.quiesce++;
    drain_backlog(of_base(policy));
    return SM_OK;
}

static void stats(const struct sm_policy *policy, struct sm_stats *snapshot)
{
    const struct list_policy *lists = (const struct list_policy *)policy;
    snapshot->reclaimed_bytes = lists->reclaimed_bytes;
    snapshot->reclaimed_objects = lists->reclaimed_objects;
    for (size_t i = 0; i < lists->retired_count; i++)
        snapshot->backlog_bytes += sm_block_bytes(lists->retired[i]->payload_bytes);
}

static bool is_valid(struct sm_policy *policy, const struct sm_object *object)
{
    struct list_policy *lists = of_base(policy);
    const struct list_chunk *chunk = chunk_of(lists, object);
    if (chunk == NULL)
        return false;
    uintptr_t offset = (uintptr_t)object - (uintptr_t)chunk - CHUNK_HEADER_BYTES;
    return offset % chunk->block_bytes == 0 && object->payload_bytes != FREE_BLOCK && !is_retired(lists, object);
}

const struct sm_policy_ops list_policy_ops = {
    .name = "lists",
    .summary = "test: size-class lists, explicit free, counts",
    .capabilities = SM_CAP_RESIZE | SM_CAP_FREE | SM_CAP_BARRIER | SM_CAP_COUNTS,
    .form = SM_FORM_LISTS,
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .resize = resize,
    .free = free_now,
    .store_slow = store_slow,
    .value_dead = value_dead,
    .value_candidate = value_candidate,
    .safepoint = safepoint,
    .finalizer_register = finalizer_register,
    .request_begin = request_begin,
    .request_end = request_end,
    .quiesce = quiesce,
    .walk = walk,
    .stats = stats,
    .is_valid = is_valid,
};

const struct sm_policy_ops list_policy_tracing_ops = {
    .name = "traced-lists",
    .summary = "test: size-class lists, mark-sweep, guards that count their calls",
    .capabilities = SM_CAP_PIN | SM_CAP_COLLECT | SM_CAP_RETIRE | SM_CAP_OBSERVERS,
    .form = SM_FORM_LISTS,
    .create = create,
    .destroy = destroy,
    .alloc_slow = alloc_slow,
    .refill = refill,
    .guard_register = guard_register,
    .guard_unregister = guard_unregister,
    .pin = pin,
    .unpin = unpin,
    .repin = repin,
    .offline = offline,
    .online = online,
    .safepoint = safepoint,
    .collect = collect,
    .retire = retire,
    .finalizer_register = finalizer_register,
    .request_begin = request_begin,
    .request_end = request_end,
    .quiesce = quiesce,
    .walk = walk,
    .stats = stats,
    .is_valid = is_valid,
};
