/* Classes of the test, and what their destructors do, on both sides at once. */
#include "model.h"

/* What the destructor of a class does; the classes are in this order, so every behaviour has objects of its own. */
enum behaviour {
    PLAIN,           /* no destructor */
    COUNTS,          /* nothing but being counted */
    RESURRECTS,      /* stores its object in a global */
    PLAIN_LARGE,     /* no destructor, more properties */
    ALLOCATES,       /* makes an array and keeps it in its own object */
    THROWS_AWAY,     /* clears its own properties */
    PASSES_ON,       /* stores what its first property holds in a global */
    MAKES_OBJECT,    /* makes an object that has a destructor too */
    COLLECTS,        /* runs a cycle where the VM is at a safepoint */
    PLAIN_UNRELATED, /* no destructor */
    THROWS,          /* throws an object of the class after it */
    THROWN,          /* no destructor */
};

static const uint8_t value_counts[MODEL_CLASSES] = {2, 3, 2, ORACLE_VALUES_MAX, 2, 4, 2, 2, 1, 1, 2, 1};

uint32_t model_class_values(uint32_t class_index)
{
    return value_counts[class_index];
}

bool model_class_has_destructor(uint32_t class_index)
{
    return class_index != PLAIN && class_index != PLAIN_LARGE && class_index != PLAIN_UNRELATED &&
           class_index != THROWN;
}

struct vm_object *model_object_new(struct model *model, uint32_t class_index, struct oracle_node **node)
{
    struct vm_object *object = vm_object_new(model->vm, model->classes[class_index]);
    *node = oracle_node_new(&model->oracle, ORACLE_OBJECT, model_class_values(class_index));
    (*node)->class_index = class_index;
    (*node)->has_destructor = model_class_has_destructor(class_index);
    model->destructible += (*node)->has_destructor;
    vm_object_set(model->vm, object, 0, vm_int((int64_t)(*node)->id));
    return object;
}

/* ---- Behaviours ---- */

/* The oracle first: dropping the old value may run another destructor, which writes here after us. */
void model_put_in_global(struct model *model, const struct oracle_node *node, struct sm_value value,
                         struct oracle_value expected)
{
    uint32_t index = MODEL_GLOBALS + (uint32_t)(node->id % MODEL_RESURRECTED);
    char name[16];
    model_global_name(index, name);
    if (model->is_closing) {
        oracle_clear(&expected);
    } else {
        model->is_displaced |= model->globals[index].kind != ORACLE_NULL;
        oracle_set(&model->globals[index], expected);
    }
    vm_global_set(model->vm, name, vm_value_copy(model->vm, value));
}

static void put_in_property(struct model *model, struct vm_object *object, struct oracle_node *node, uint32_t property,
                            struct sm_value value, struct oracle_value expected)
{
    oracle_set(&node->values[property], expected);
    vm_object_set(model->vm, object, property + 1, value);
}

static void allocate(struct model *model, struct vm_object *object, struct oracle_node *node)
{
    struct vm_array *array = vm_array_new(model->vm, VM_ARRAY_PACKED, 2);
    vm_array_append(model->vm, array, vm_int((int64_t)node->id));
    struct oracle_value expected = oracle_array_new();
    oracle_array_set(expected.array, false, 0, oracle_int((int64_t)node->id));
    put_in_property(model, object, node, 1, vm_array_value(array), expected);
}

static void throw_away(struct model *model, struct vm_object *object, struct oracle_node *node)
{
    for (uint32_t i = 0; i < node->value_count; i++)
        put_in_property(model, object, node, i, vm_null(), oracle_null());
}

static void pass_on(struct model *model, struct vm_object *object, struct oracle_node *node)
{
    /* A reference goes on as one: the operation under way may be writing what is in it, here or there already. */
    model_put_in_global(model, node, vm_object_get(object, 1), oracle_copy(&node->values[0]));
}

static void make_object(struct model *model, const struct oracle_node *node)
{
    struct oracle_node *fresh;
    struct vm_object *object = model_object_new(model, COUNTS, &fresh);
    model_put_in_global(model, node, vm_object_value(object), oracle_of_node(ORACLE_OBJECT, fresh));
    vm_value_drop(model->vm, vm_object_value(object));
}

static void collect(struct model *model)
{
    if (model->may_collect && (model->capabilities & SM_CAP_COLLECT) != 0 &&
        sm_collect(model->mm, SM_COLLECT_FULL) != SM_OK)
        model_fail(model, "a collection inside a destructor was refused: %s", sm_error_detail(model->mm));
}

/* The new one is pending, and leads to what was pending before, be it suspended around this destructor. */
static void throw_one(struct model *model)
{
    struct oracle_node *fresh;
    struct vm_object *object = model_object_new(model, THROWN, &fresh);
    if (!model->is_closing) {
        fresh->values[0] = model->exception;
        model->exception = oracle_of_node(ORACLE_OBJECT, fresh);
    }
    vm_throw(model->vm, vm_object_value(object));
}

struct oracle_node *model_destructed(struct model *model, uint64_t id)
{
    struct oracle_node *node = oracle_node_find(&model->oracle, id);
    if (node == NULL)
        model_fail(model, "a destructor ran for object %llu, which does not exist any more", (unsigned long long)id);
    /* What an operation is about to drop it still holds in the oracle; at a safepoint the two agree. */
    if (model->may_collect && !model->is_displaced && node->is_certain)
        model_fail(model, "the destructor of object %llu ran while the object could be reached",
                   (unsigned long long)id);
    if (node->destructor_runs++ != 0)
        model_fail(model, "the destructor of object %llu ran twice", (unsigned long long)id);
    model->destructors_run++;
    return node;
}

static void destruct(struct vm *vm, struct vm_object *object)
{
    struct model *model = (struct model *)vm_context(vm);
    struct oracle_node *node = model_destructed(model, (uint64_t)vm_as_int(vm_object_get(object, 0)));
    switch (node->class_index) {
    case RESURRECTS:
        model_put_in_global(model, node, vm_object_value(object), oracle_of_node(ORACLE_OBJECT, node));
        break;
    case ALLOCATES:
        allocate(model, object, node);
        break;
    case THROWS_AWAY:
        throw_away(model, object, node);
        break;
    case PASSES_ON:
        pass_on(model, object, node);
        break;
    case MAKES_OBJECT:
        make_object(model, node);
        break;
    case THROWS:
        throw_one(model);
        break;
    case COLLECTS:
        collect(model);
        break;
    default:
        break;
    }
}

void model_classes_define(struct model *model)
{
    /* What has `previous` can be thrown. */
    static const char *const names[ORACLE_VALUES_MAX + 1] = {"id", "previous", "b", "c", "d", "e", "f", "g", "h"};
    char name[16];
    for (uint32_t i = 0; i < MODEL_CLASSES; i++) {
        snprintf(name, sizeof(name), "Class%u", i);
        model->classes[i] = vm_class_define(model->vm, name, names, model_class_values(i) + 1,
                                            model_class_has_destructor(i) ? destruct : NULL);
    }
}
