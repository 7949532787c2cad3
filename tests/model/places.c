/* Where operations read and write. */
#include "model.h"

#include "vm_internal.h"

void model_global_name(uint32_t index, char name[16])
{
    snprintf(name, 16, "global%u", index);
}

static struct model_place global_place(struct model *model, uint32_t index)
{
    return (struct model_place){.kind = MODEL_PLACE_GLOBAL, .index = index, .oracle = &model->globals[index]};
}

static struct model_place local_place(struct model *model, uint32_t index)
{
    struct model_frame *frame = &model->frames[model->frame_count - 1];
    return (struct model_place){.kind = MODEL_PLACE_LOCAL, .index = index, .oracle = &frame->locals[index]};
}

static struct model_place handle_place(struct model *model, uint32_t index)
{
    struct model_handle *handle = &model->persistent[index];
    if (sm_handle_is_none(handle->handle))
        return (struct model_place){0};
    return (struct model_place){.kind = MODEL_PLACE_HANDLE, .index = index, .oracle = &handle->value};
}

static struct model_place property_place(struct model *model, const struct model_place *holder, uint32_t property)
{
    struct oracle_value *value = oracle_deref(holder->oracle);
    if (value->kind != ORACLE_OBJECT)
        return (struct model_place){0};
    struct sm_value object = vm_value_deref(model_place_read(model, holder));
    uint32_t index = property % value->node->value_count;
    /* Property 0 of the VM's object is its id. */
    return (struct model_place){.kind = MODEL_PLACE_PROPERTY,
                                .index = index + 1,
                                .object = vm_as_object(object),
                                .oracle = &value->node->values[index]};
}

/* The slot of a place that is one; references are followed unless an array holds them. */
static struct vm_place slot_of(struct model *model, const struct model_place *place)
{
    struct vm_place slot = {NULL, NULL};
    char name[16];
    if (place->kind == MODEL_PLACE_GLOBAL) {
        model_global_name(place->index, name);
        slot = vm_global_place(model->vm, name);
    } else if (place->kind == MODEL_PLACE_LOCAL) {
        slot = vm_local_place(model->vm, place->index);
    } else if (place->kind == MODEL_PLACE_PROPERTY) {
        slot = vm_object_place(place->object, place->index);
    }
    if (slot.slot == NULL || vm_tag_of(*slot.slot) != VM_REFERENCE)
        return slot;
    struct vm_reference *reference = vm_as_reference(*slot.slot);
    return (struct vm_place){&reference->header, &reference->value};
}

static bool is_frozen(const struct oracle_value *value)
{
    return value->kind == ORACLE_REFERENCE && value->node->is_frozen;
}

static struct model_place element_place(struct model *model, const struct model_place *holder, uint32_t element)
{
    struct oracle_value *value = oracle_deref(holder->oracle);
    if (holder->kind == MODEL_PLACE_HANDLE || is_frozen(holder->oracle))
        return (struct model_place){0};
    if (value->kind != ORACLE_ARRAY || value->array->count == 0)
        return (struct model_place){0};
    uint32_t index = element % value->array->count;
    return (struct model_place){.kind = MODEL_PLACE_ELEMENT,
                                .index = index,
                                .base = slot_of(model, holder),
                                .oracle = &value->array->elements[index].value,
                                .oracle_base = value};
}

static struct model_place place_of(struct model *model, uint8_t selector, uint32_t global_count)
{
    uint32_t detail = selector >> 3;
    struct model_place holder;
    switch (selector & 7) {
    case 0:
    case 1:
        return global_place(model, detail % global_count);
    case 2:
    case 3:
        return local_place(model, detail % MODEL_LOCALS);
    case 4:
        holder = global_place(model, detail % MODEL_GLOBALS);
        return property_place(model, &holder, detail / MODEL_GLOBALS);
    case 5:
        holder = local_place(model, detail % MODEL_LOCALS);
        return property_place(model, &holder, detail / MODEL_LOCALS);
    case 6:
        holder =
            detail % 2 == 0 ? global_place(model, detail % MODEL_GLOBALS) : local_place(model, detail % MODEL_LOCALS);
        return element_place(model, &holder, detail / 4);
    default:
        return handle_place(model, detail % MODEL_PERSISTENT);
    }
}

struct model_place model_place_source(struct model *model, uint8_t selector)
{
    return place_of(model, selector, MODEL_GLOBALS + MODEL_RESURRECTED);
}

struct model_place model_place_target(struct model *model, uint8_t selector)
{
    return place_of(model, selector, MODEL_GLOBALS);
}

/* Random places seldom hold what an operation needs, so it takes the next one that does. */
struct model_place model_place_find(struct model *model, uint8_t selector, enum oracle_kind kind, bool is_target)
{
    enum { TRIES = 64 };
    for (int i = 0; i < TRIES; i++, selector++) {
        struct model_place place =
            is_target ? model_place_target(model, selector) : model_place_source(model, selector);
        if (place.kind != MODEL_PLACE_NONE && oracle_deref(place.oracle)->kind == kind)
            return place;
    }
    return (struct model_place){0};
}

/* The element's key as the VM's array has it: element `index` in its order. */
static struct vm_array_entry entry_at(const struct vm_array *array, uint32_t index)
{
    struct vm_array_entry entry = {NULL, 0, vm_undef()};
    size_t position = 0;
    for (uint32_t i = 0; i <= index; i++)
        if (!vm_array_next(array, &position, &entry))
            return (struct vm_array_entry){NULL, 0, vm_undef()};
    return entry;
}

struct sm_value model_place_read(struct model *model, const struct model_place *place)
{
    char name[16];
    struct sm_value value = vm_undef();
    switch (place->kind) {
    case MODEL_PLACE_GLOBAL:
        model_global_name(place->index, name);
        return vm_global_get(model->vm, name);
    case MODEL_PLACE_LOCAL:
        return vm_local_get(model->vm, place->index);
    case MODEL_PLACE_PROPERTY:
        return vm_object_get(place->object, place->index);
    case MODEL_PLACE_ELEMENT:
        return entry_at(vm_as_array(*place->base.slot), place->index).value;
    case MODEL_PLACE_HANDLE:
        if (sm_handle_get(model->mm, model->persistent[place->index].handle, &value) != SM_OK)
            model_fail(model, "persistent handle %u cannot be read: %s", place->index, sm_error_detail(model->mm));
        return value;
    default:
        return value;
    }
}

static void write_element(struct model *model, struct model_place *place, struct sm_value value)
{
    struct vm_array *array = vm_array_write(model->vm, place->base);
    struct vm_array_entry entry = entry_at(array, place->index);
    if (entry.key != NULL)
        vm_array_set_key(model->vm, array, entry.key, value);
    else
        vm_array_set_index(model->vm, array, entry.index, value);
}

static void write_handle(struct model *model, struct model_place *place, struct sm_value value)
{
    if (sm_handle_set(model->mm, model->persistent[place->index].handle, value) != SM_OK)
        model_fail(model, "persistent handle %u cannot be set: %s", place->index, sm_error_detail(model->mm));
    vm_value_drop(model->vm, value);
}

void model_place_replace(struct model *model, struct model_place *place, struct sm_value value)
{
    char name[16];
    switch (place->kind) {
    case MODEL_PLACE_GLOBAL:
        model_global_name(place->index, name);
        vm_global_set(model->vm, name, value);
        break;
    case MODEL_PLACE_LOCAL:
        vm_local_set(model->vm, place->index, value);
        break;
    case MODEL_PLACE_PROPERTY:
        vm_object_set(model->vm, place->object, place->index, value);
        break;
    case MODEL_PLACE_ELEMENT:
        write_element(model, place, value);
        break;
    case MODEL_PLACE_HANDLE:
        write_handle(model, place, value);
        break;
    default:
        break;
    }
}

void model_place_assign(struct model *model, struct model_place *place, struct sm_value value)
{
    /* Asked before the write, whose drop may run a destructor that changes the place. */
    bool through = place->oracle->kind == ORACLE_REFERENCE && !is_frozen(place->oracle);
    place->oracle_written = through ? &place->oracle->node->values[0] : place->oracle;
    if (through)
        vm_reference_set(model->vm, vm_as_reference(model_place_read(model, place)), value);
    else
        model_place_replace(model, place, value);
}

void model_place_assign_oracle(struct model_place *place, struct oracle_value value)
{
    oracle_set(place->oracle_written, value);
}

struct vm_array *model_array_write(struct model *model, struct model_place *place, struct oracle_array **oracle)
{
    *oracle = NULL;
    if (place->kind == MODEL_PLACE_NONE || place->kind == MODEL_PLACE_HANDLE || is_frozen(place->oracle))
        return NULL;
    struct oracle_value *value = oracle_deref(place->oracle);
    if (value->kind != ORACLE_ARRAY)
        return NULL;
    struct vm_place slot = slot_of(model, place);
    if (place->kind == MODEL_PLACE_ELEMENT) {
        struct vm_array *outer = vm_array_write(model->vm, place->base);
        struct vm_array_entry entry = entry_at(outer, place->index);
        slot = entry.key != NULL ? vm_array_place_key(outer, entry.key) : vm_array_place_index(outer, entry.index);
    }
    *oracle = value->array;
    return vm_array_write(model->vm, slot);
}
