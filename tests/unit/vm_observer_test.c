/*
 * Observers: another thread follows the roots of the request under guards while the owner writes,
 * grows, compacts and separates arrays. It may see an old or a new graph, and nothing that is neither.
 */
#include "vm_fixture.h"
#include "workloads/random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 20000, STEPS_FORCED = 1500, WALK_OBJECTS_MAX = 2000, WALK_DEPTH_MAX = 8 };

struct observer {
    struct vm *vm;
    struct sm_manager *mm;
    atomic_bool started;
    atomic_bool stop;
    uint64_t walks;
    uint64_t wrong_objects;
};

struct walk {
    struct sm_visitor visitor;
    struct observer *observer;
    unsigned depth;
    unsigned budget;
};

/* The type and size that an object must have, whatever its slots hold at the moment. */
static bool plausible(const struct observer *observer, const struct sm_object *object)
{
    const struct vm_types *types = vm_types(observer->vm);
    uint64_t payload_bytes = object->payload_bytes;
    if (object->type == types->array)
        return payload_bytes == 56;
    if (object->type == types->packed)
        return payload_bytes >= 136 && payload_bytes % 16 == VM_PACKED_UNUSED_BYTES;
    if (object->type == types->hash)
        return payload_bytes >= 320 && payload_bytes % 40 == 0;
    if (object->type == types->string)
        return payload_bytes > VM_STRING_HEADER_BYTES;
    return object->type == types->object || object->type == types->class_entry || object->type == types->reference;
}

static void follow(struct sm_visitor *visitor, struct sm_object *target)
{
    struct walk *walk = (struct walk *)visitor;
    if (walk->budget == 0 || walk->depth == WALK_DEPTH_MAX)
        return;
    walk->budget--;
    if (!plausible(walk->observer, target)) {
        walk->observer->wrong_objects++;
        return;
    }
    walk->depth++;
    sm_trace(walk->observer->mm, target, visitor);
    walk->depth--;
}

static void walk_tables(struct observer *observer)
{
    for (size_t i = 0; i < sm_roots_count(observer->mm); i++) {
        const struct sm_root_provider *provider = sm_roots_get(observer->mm, i);
        struct walk walk = {{follow, true}, observer, 0, WALK_OBJECTS_MAX};
        if (strcmp(provider->name, "globals") == 0 || strcmp(provider->name, "interner") == 0 ||
            strcmp(provider->name, "classes") == 0)
            provider->enumerate(provider->context, &walk.visitor);
    }
}

static void *observe(void *argument)
{
    struct observer *observer = (struct observer *)argument;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(observer->mm, "walker", &guard) != SM_OK) {
        observer->wrong_objects = UINT64_MAX;
        atomic_store_explicit(&observer->started, true, memory_order_release);
        return NULL;
    }
    /* Pairs with the acquire in start: stores are published from here on. */
    atomic_store_explicit(&observer->started, true, memory_order_release);
    while (!atomic_load_explicit(&observer->stop, memory_order_relaxed)) {
        sm_pin(guard, SM_HERE);
        walk_tables(observer);
        sm_unpin(guard);
        observer->walks++;
    }
    sm_observer_unregister(guard);
    return NULL;
}

/* ---- The owner's side ---- */

static const char *const tables[] = {"alpha", "beta", "gamma"};

static const char *random_table(struct wl_random *random)
{
    return tables[wl_random_below(random, sizeof(tables) / sizeof(tables[0]))];
}

static struct vm_array *writable(struct vm *vm, const char *name)
{
    return vm_array_write(vm, vm_global_place(vm, name));
}

static struct sm_value random_value(struct vm *vm, struct wl_random *random)
{
    switch (wl_random_below(random, 4)) {
    case 0:
        return vm_int((int64_t)wl_random_next(random));
    case 1:
        return vm_value_copy(vm, vm_global_get(vm, random_table(random)));
    case 2:
        return vm_object_value(vm_object_new(vm, vm_class_find(vm, "Node")));
    default:
        return vm_string_value(vm_string_format(vm, "text %llu", (unsigned long long)wl_random_below(random, 1000)));
    }
}

/* Copies of whole tables within tables would grow without end, so a table starts afresh now and then. */
static void step(struct vm *vm, struct wl_random *random)
{
    const char *name = random_table(random);
    char key[32];
    snprintf(key, sizeof(key), "key%llu", (unsigned long long)wl_random_below(random, 100));
    struct vm_string *interned = vm_intern(vm, key, strlen(key));
    uint64_t choice = wl_random_below(random, 100);
    struct sm_value value = choice < 60 ? random_value(vm, random) : vm_int(0);
    if (choice < 35)
        vm_array_set_key(vm, writable(vm, name), interned, value);
    else if (choice < 60)
        vm_array_append(vm, writable(vm, name), value);
    else if (choice < 90)
        vm_array_unset_key(vm, writable(vm, name), interned);
    else if (choice < 98)
        vm_interner_remove(vm, key, strlen(key));
    else
        vm_global_set(vm, name, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
}

static void start(struct observer *observer, pthread_t *thread)
{
    assert_int_equal(pthread_create(thread, NULL, observe, observer), 0);
    /* The registration waits for a safepoint of the owner's. Pairs with the release in observe. */
    while (!atomic_load_explicit(&observer->started, memory_order_acquire))
        vm_safepoint(observer->vm);
}

static void an_observer_sees_whole_objects_while_the_owner_writes(struct vm_fixture *fixture)
{
    static const char *const properties[] = {"left", "right"};
    struct vm *vm = fixture->vm;
    struct observer observer = {.vm = vm, .mm = fixture->mm};
    struct wl_random random = wl_random_seeded(7);
    pthread_t thread;
    vm_class_define(vm, "Node", properties, 2, NULL);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        vm_global_set(vm, tables[i], vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    start(&observer, &thread);
    int steps = fixture->variant->manager.collect_every_safepoint ? STEPS_FORCED : STEPS;
    for (int i = 0; i < steps; i++) {
        step(vm, &random);
        vm_safepoint(vm);
    }
    atomic_store_explicit(&observer.stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    assert_int_equal(observer.wrong_objects, 0);
    assert_true(observer.walks > 0);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(an_observer_sees_whole_objects_while_the_owner_writes, SM_CAP_OBSERVERS),
    };
    return vm_cases_run("vm_observer", cases, 1);
}
