/*
 * Casts: which attributes are dates is asked anew for every model, as frameworks do, with arrays made to answer it.
 */
#include "queue.h"

#include <time.h>

/* Locals of a naming frame. */
enum { METHOD, NAMING_LOCALS };

struct vm_string *queue_date_text(struct vm *vm, int64_t stamp, const char *format)
{
    char text[64];
    struct tm parts;
    time_t seconds = (time_t)stamp;
    size_t length = gmtime_r(&seconds, &parts) == NULL ? 0 : strftime(text, sizeof(text), format, &parts);
    return vm_string_new(vm, text, length);
}

static int64_t parse_date(const struct vm_string *text)
{
    struct tm parts = {0};
    return strptime(text->data, QUEUE_DATE_STORED, &parts) == NULL ? 0 : (int64_t)timegm(&parts);
}

/* "created_at" and the like become objects; their text is the attribute's own. */
static struct vm_object *make_date(struct queue *queue, struct vm_string *text)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *date = vm_object_new(vm, queue->classes[CLASS_DATE]);
    vm_object_set(vm, date, DATE_TIMESTAMP, vm_int(parse_date(text)));
    vm_object_set(vm, date, DATE_ZONE, queue_key_value(queue, KEY_ZONE));
    vm_object_set(vm, date, DATE_TEXT, vm_value_copy(vm, vm_string_value(text)));
    return date;
}

/* getCasts(): the class's casts merged with the key's, a new array at every call. */
static struct vm_array *merge_casts(struct queue *queue)
{
    static const enum queue_key columns[] = {KEY_ID, KEY_PRICE, KEY_QUANTITY, KEY_CREATED_AT, KEY_UPDATED_AT};
    struct vm *vm = queue_vm(queue);
    struct vm_array *casts = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        vm_array_set_key(vm, casts, queue->keys[columns[i]], queue_key_value(queue, columns[i]));
    queue_work(queue, 1);
    return casts;
}

/* getDates(): a list, likewise new at every call. */
static struct vm_array *list_dates(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *dates = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, dates, queue_key_value(queue, KEY_CREATED_AT));
    vm_array_append(vm, dates, queue_key_value(queue, KEY_UPDATED_AT));
    queue_work(queue, 1);
    return dates;
}

/* hasCast(). */
static bool has_cast(struct queue *queue, enum queue_key key)
{
    struct vm_array *casts = merge_casts(queue);
    bool found = vm_tag_of(vm_array_get_key(casts, queue->keys[key])) == VM_STRING;
    vm_value_drop(queue_vm(queue), vm_array_value(casts));
    return found;
}

/* isDateAttribute(). */
static bool is_date(struct queue *queue, enum queue_key key)
{
    struct vm_array *dates = list_dates(queue);
    bool found = false;
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(dates, &position, &entry);)
        found = found || vm_as_string(entry.value) == queue->keys[key];
    vm_value_drop(queue_vm(queue), vm_array_value(dates));
    return found;
}

/* "getCreatedAtAttribute" from "created_at", in local METHOD: the method that would take the cast's place. */
static void name_method(struct queue *queue, enum queue_key key)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, METHOD, vm_string_value(vm_string_new(vm, "get", 3)));
    struct vm_string *capitalised = text_capitalise(vm, queue->keys[key], '_');
    struct sm_value studly = text_replace(vm, capitalised, "_", "");
    vm_value_drop(vm, vm_string_value(capitalised));
    text_append_string(vm, vm_local_place(vm, METHOD), vm_as_string(studly));
    vm_value_drop(vm, studly);
    text_append(vm, vm_local_place(vm, METHOD), "Attribute");
    queue_work(queue, 2);
}

bool queue_has_mutator(struct queue *queue, enum queue_key key)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, NAMING_LOCALS);
    name_method(queue, key);
    struct vm_array *bindings = vm_as_array(vm_object_get(queue->container, CONTAINER_BINDINGS));
    bool found = vm_tag_of(vm_array_get_key(bindings, vm_as_string(vm_local_get(vm, METHOD)))) != VM_UNDEF;
    vm_frame_leave(vm);
    return found;
}

void queue_cast_date(struct queue *queue, struct vm_object *model, enum queue_key key)
{
    struct vm *vm = queue_vm(queue);
    if (!has_cast(queue, key) || !is_date(queue, key))
        return;
    struct vm_object *date = make_date(queue, vm_as_string(queue_attribute(queue, model, key)));
    struct vm_array *attributes = vm_array_write(vm, vm_object_place(model, MODEL_ATTRIBUTES));
    vm_array_set_key(vm, attributes, queue->keys[key], vm_object_value(date));
    queue_work(queue, 3);
}
