/* The unit of work: identity map, states, original data, change sets, inserts in the order of persisting. */
#include "orm.h"

#include <assert.h>

enum { STATE_SCHEDULED = 1, STATE_MANAGED };

/* Locals of the frames below. */
enum { VISITED, ITERATOR, LIST, PERSIST_LOCALS };
enum { ACTUAL, CHANGES, NAMES, WALK, CHANGE_LOCALS };
enum { DATA, TYPES, BINDINGS, EXECUTED, INSERT_LOCALS };

static const enum orm_key product_fields[PRODUCT_PROPERTIES] = {
    KEY_ID, KEY_SKU, KEY_NAME, KEY_DESCRIPTION, KEY_PRICE, KEY_STOCK, KEY_CREATED, KEY_CATEGORY, KEY_VARIANTS};
static const enum orm_key variant_fields[VARIANT_PROPERTIES] = {KEY_ID, KEY_PRODUCT, KEY_LABEL, KEY_PRICE, KEY_CREATED};

/* What the mapping says of a class. Associations are mapped with more keys than plain fields. */
struct mapping {
    enum orm_class class_number;
    const enum orm_key *fields;
    uint32_t field_count;
    uint32_t column_count; /* fields from 1 on that are columns: neither the id nor a collection */
    size_t key_count;      /* of one field's mapping array */
};

static const struct mapping product_mapping = {CLASS_PRODUCT, product_fields, PRODUCT_PROPERTIES, 7, 9};
static const struct mapping variant_mapping = {CLASS_VARIANT, variant_fields, VARIANT_PROPERTIES, 4, 5};

static const struct mapping *mapping_of(const struct orm *orm, const struct vm_object *entity)
{
    return entity->class_entry == orm->classes[CLASS_PRODUCT] ? &product_mapping : &variant_mapping;
}

static struct vm_array *map_of(struct orm *orm, uint32_t property)
{
    return vm_array_write(orm_vm(orm), vm_object_place(orm->manager, property));
}

static int64_t handle_of(struct vm_object *entity)
{
    return (int64_t)entity->handle;
}

/* ---- Identity map ---- */

/* $this->identityMap[$className][$id] = $entity */
void orm_identity_add(struct orm *orm, struct vm_object *entity, int64_t id)
{
    struct vm *vm = orm_vm(orm);
    struct vm_string *name = entity->class_entry->name;
    struct vm_array *identity = map_of(orm, MANAGER_IDENTITY);
    if (vm_tag_of(vm_array_get_key(identity, name)) == VM_UNDEF)
        vm_array_set_key(vm, identity, name, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    struct vm_array *of_class = vm_array_write(vm, vm_array_place_key(identity, name));
    vm_array_set_index(vm, of_class, id, vm_value_copy(vm, vm_object_value(entity)));
    orm_work(orm, 1);
}

struct vm_object *orm_identity_find(const struct orm *orm, enum orm_class class_number, int64_t id)
{
    const struct vm_array *identity = vm_as_array(vm_object_get(orm->manager, MANAGER_IDENTITY));
    struct sm_value of_class = vm_array_get_key(identity, orm->classes[class_number]->name);
    if (vm_tag_of(of_class) == VM_UNDEF)
        return NULL;
    struct sm_value entity = vm_array_get_index(vm_as_array(of_class), id);
    return vm_tag_of(entity) == VM_UNDEF ? NULL : vm_as_object(entity);
}

void orm_clear(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    for (uint32_t map = MANAGER_IDENTITY; map <= MANAGER_IDENTIFIERS; map++)
        vm_object_set(vm, orm->manager, map, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
}

/* ---- Mappings: each question merges the class's defaults with a field's own, a new array each time ---- */

static void ask_mapping(struct orm *orm, const struct mapping *mapping, enum orm_key field)
{
    static const enum orm_key names[] = {KEY_FIELD,  KEY_TYPE,    KEY_NULLABLE, KEY_COLUMN,   KEY_LENGTH,
                                         KEY_UNIQUE, KEY_CASCADE, KEY_TARGET,   KEY_MAPPED_BY};
    struct vm *vm = orm_vm(orm);
    struct vm_array *merged = vm_array_new(vm, VM_ARRAY_HASH, mapping->key_count);
    vm_array_set_key(vm, merged, orm->keys[names[0]], orm_key_value(orm, field));
    vm_array_set_key(vm, merged, orm->keys[names[1]], orm_key_value(orm, KEY_STRING));
    for (size_t i = 2; i < mapping->key_count; i++)
        vm_array_set_key(vm, merged, orm->keys[names[i]], vm_bool(i % 2 == 0));
    orm_work(orm, 3);
    vm_value_drop(vm, vm_array_value(merged));
}

/* ---- Persisting ---- */

static struct sm_value read_id(struct vm *vm, struct vm_closure *closure)
{
    return vm_value_copy(vm, vm_object_get(vm_as_object(closure->bound_this), PRODUCT_ID));
}

static const struct vm_function id_reader = {"id_reader", read_id, 0, 0, 0};

/* Reflection as it is done without: a closure bound to the entity, called once. */
static struct sm_value read_by_closure(struct orm *orm, struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    struct vm_closure *reader = vm_closure_new(vm, &id_reader, NULL, vm_value_copy(vm, vm_object_value(entity)));
    struct sm_value id = vm_closure_call(vm, reader, NULL);
    vm_value_drop(vm, vm_closure_value(reader));
    orm_work(orm, 1);
    return id;
}

/* An iterator over a copy of the collection's list. */
static void open_iterator(struct orm *orm, const struct vm_object *product, uint32_t iterator_local,
                          uint32_t list_local)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, list_local, vm_array_value(list));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_variants(product), &position, &entry);)
        vm_array_append(vm, list, vm_value_copy(vm, entry.value));
    struct vm_object *iterator = vm_object_new(vm, orm->classes[CLASS_ITERATOR]);
    vm_local_set(vm, iterator_local, vm_object_value(iterator));
    vm_object_set(vm, iterator, ITERATOR_LIST, vm_value_copy(vm, vm_local_get(vm, list_local)));
    vm_object_set(vm, iterator, ITERATOR_POSITION, vm_int(0));
    vm_object_set(vm, iterator, ITERATOR_COUNT, vm_int((int64_t)vm_array_count(list)));
    orm_work(orm, 2);
}

static void persist_new(struct orm *orm, struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    const struct mapping *mapping = mapping_of(orm, entity);
    int64_t handle = handle_of(entity);
    vm_array_set_index(vm, orm_local_array(orm, VISITED), handle, vm_value_copy(vm, vm_object_value(entity)));
    vm_array_set_index(vm, map_of(orm, MANAGER_STATES), handle, vm_int(STATE_SCHEDULED));
    vm_array_set_index(vm, map_of(orm, MANAGER_INSERTIONS), handle, vm_value_copy(vm, vm_object_value(entity)));
    vm_array_set_index(vm, map_of(orm, MANAGER_MANAGED), handle, vm_value_copy(vm, vm_object_value(entity)));
    vm_value_drop(vm, read_by_closure(orm, entity));
    ask_mapping(orm, mapping, KEY_ID);
    struct vm_object *event = vm_object_new(vm, orm->classes[CLASS_EVENT]);
    vm_object_set(vm, event, EVENT_ENTITY, vm_value_copy(vm, vm_object_value(entity)));
    orm_work(orm, 4);
    vm_value_drop(vm, vm_object_value(event));
}

void orm_persist(struct orm *orm, struct vm_object *product)
{
    struct vm *vm = orm_vm(orm);
    vm_frame_enter(vm, PERSIST_LOCALS);
    vm_local_set(vm, VISITED, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    persist_new(orm, product);
    ask_mapping(orm, &product_mapping, KEY_VARIANTS);
    open_iterator(orm, product, ITERATOR, LIST);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_local_array(orm, LIST), &position, &entry);) {
        persist_new(orm, vm_as_object(entry.value));
        vm_object_set(vm, orm_local_object(orm, ITERATOR), ITERATOR_POSITION, vm_int(entry.index));
    }
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

/* ---- Change sets ---- */

/* The entity's data as an array by field; collections are no data. */
static void read_actual(struct orm *orm, const struct mapping *mapping, const struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *actual = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ACTUAL, vm_array_value(actual));
    for (uint32_t field = 0; field <= mapping->column_count; field++) {
        ask_mapping(orm, mapping, mapping->fields[field]);
        vm_array_set_key(vm, actual, orm->keys[mapping->fields[field]],
                         vm_value_copy(vm, vm_object_get(entity, field)));
    }
}

static bool same_value(struct sm_value left, struct sm_value right)
{
    return left.tag == right.tag && left.payload == right.payload;
}

/* [old, new], in a change set that is made when the first field differs. */
static void note_change(struct orm *orm, struct vm_string *field, struct sm_value before, struct sm_value after)
{
    struct vm *vm = orm_vm(orm);
    if (vm_tag_of(vm_local_get(vm, CHANGES)) == VM_UNDEF)
        vm_local_set(vm, CHANGES, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    struct vm_array *pair = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, pair, vm_tag_of(before) == VM_UNDEF ? vm_null() : vm_value_copy(vm, before));
    vm_array_append(vm, pair, vm_value_copy(vm, after));
    vm_array_set_key(vm, orm_local_array(orm, CHANGES), field, vm_array_value(pair));
    orm_work(orm, 2);
}

static void compare(struct orm *orm, const struct mapping *mapping, const struct vm_array *original)
{
    const struct vm_array *actual = orm_local_array(orm, ACTUAL);
    for (uint32_t field = 1; field <= mapping->column_count; field++) {
        struct vm_string *key = orm->keys[mapping->fields[field]];
        struct sm_value before = original == NULL ? vm_undef() : vm_array_get_key(original, key);
        struct sm_value after = vm_array_get_key(actual, key);
        if (!same_value(before, after))
            note_change(orm, key, before, after);
    }
}

/* The columns in a list; of what changed, every other name is quoted as well, for the log. */
static void list_columns(struct orm *orm, const struct mapping *mapping, bool changed)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *names = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, NAMES, vm_array_value(names));
    for (uint32_t field = 1; field <= mapping->column_count; field++) {
        vm_array_append(vm, names, orm_key_value(orm, mapping->fields[field]));
        if (changed && field % 2 == 1)
            vm_value_drop(vm, vm_string_value(text_prefix(vm, "`product`.", orm->keys[mapping->fields[field]])));
    }
    orm_work(orm, 2);
    vm_local_set(vm, NAMES, vm_undef());
}

/* What is reachable by association is visited too: new ones would be found here. */
static void walk_associations(struct orm *orm, const struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    ask_mapping(orm, &product_mapping, KEY_CATEGORY);
    ask_mapping(orm, &product_mapping, KEY_VARIANTS);
    open_iterator(orm, entity, WALK, NAMES);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(orm_local_array(orm, NAMES), &position, &entry);) {
        assert(vm_tag_of(vm_array_get_index(map_of(orm, MANAGER_STATES), handle_of(vm_as_object(entry.value)))) ==
               VM_INT);
        vm_object_set(vm, orm_local_object(orm, WALK), ITERATOR_POSITION, vm_int(entry.index));
    }
    vm_local_set(vm, WALK, vm_undef());
    vm_local_set(vm, NAMES, vm_undef());
}

static uint64_t compute_change_set(struct orm *orm, struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    const struct mapping *mapping = mapping_of(orm, entity);
    int64_t handle = handle_of(entity);
    vm_frame_enter(vm, CHANGE_LOCALS);
    ask_mapping(orm, mapping, KEY_ID);
    read_actual(orm, mapping, entity);
    struct sm_value original = vm_array_get_index(vm_as_array(vm_object_get(orm->manager, MANAGER_ORIGINAL)), handle);
    compare(orm, mapping, vm_tag_of(original) == VM_UNDEF ? NULL : vm_as_array(original));
    uint64_t changed = 0;
    if (vm_tag_of(vm_local_get(vm, CHANGES)) != VM_UNDEF) {
        changed = vm_array_count(orm_local_array(orm, CHANGES));
        vm_array_set_index(vm, map_of(orm, MANAGER_ORIGINAL), handle, vm_local_take(vm, ACTUAL));
        vm_array_set_index(vm, map_of(orm, MANAGER_CHANGES), handle, vm_local_take(vm, CHANGES));
    }
    list_columns(orm, mapping, changed > 0);
    if (mapping == &product_mapping)
        walk_associations(orm, entity);
    ask_mapping(orm, mapping, KEY_ID);
    vm_frame_leave(vm);
    vm_safepoint(vm);
    return changed;
}

/* ---- Inserting ---- */

/* Owned text of what goes to the database. */
static struct sm_value database_value(struct orm *orm, struct sm_value value)
{
    struct vm *vm = orm_vm(orm);
    if (vm_tag_of(value) == VM_INT)
        return vm_string_value(text_number(vm, vm_as_int(value)));
    if (vm_tag_of(value) != VM_OBJECT)
        return vm_value_copy(vm, value);
    const struct vm_object *object = vm_as_object(value);
    if (object->class_entry != orm->classes[CLASS_DATE])
        return vm_value_copy(vm, vm_object_get(object, 0)); /* the id */
    /* $fields = $date->fields: a variable takes them and leaves them again. */
    vm_temporary_push(vm, vm_value_copy(vm, vm_object_get(object, DATE_FIELDS)));
    struct sm_value fields = vm_temporary_pop(vm);
    struct vm_string *text = text_number(vm, vm_as_int(vm_object_get(vm_as_object(fields), DATE_STAMP)));
    vm_value_drop(vm, fields);
    return vm_string_value(text);
}

static struct vm_object *make_parameter(struct orm *orm, struct vm_string *name, struct sm_value value)
{
    struct vm *vm = orm_vm(orm);
    struct vm_object *parameter = vm_object_new(vm, orm->classes[CLASS_PARAMETER]);
    vm_object_set(vm, parameter, PARAMETER_NAME, vm_value_copy(vm, vm_string_value(name)));
    vm_object_set(vm, parameter, PARAMETER_VALUE, database_value(orm, value));
    orm_work(orm, 2);
    return parameter;
}

/* The change set as [column => new value], then as bound parameters. */
static void bind_changes(struct orm *orm, const struct vm_array *changes)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *data = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, DATA, vm_array_value(data));
    struct vm_array *types = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, TYPES, vm_array_value(types));
    struct vm_array *bindings = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, BINDINGS, vm_array_value(bindings));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(changes, &position, &entry);) {
        struct sm_value value = vm_array_get_index(vm_as_array(entry.value), 1);
        vm_array_set_key(vm, data, entry.key, vm_value_copy(vm, value));
        vm_array_set_key(vm, types, entry.key, orm_key_value(orm, KEY_STRING));
        vm_value_drop(vm, vm_string_value(text_prefix(vm, ":", entry.key)));
        vm_array_set_key(vm, bindings, entry.key, vm_object_value(make_parameter(orm, entry.key, value)));
    }
}

/* The text is built anew for each statement, and lives until the next one's. */
static void write_sql(struct orm *orm, const struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    const struct mapping *mapping = mapping_of(orm, entity);
    vm_object_set(vm, orm->manager, MANAGER_SQL, vm_string_value(vm_string_with_capacity(vm, 200)));
    text_append(vm, vm_object_place(orm->manager, MANAGER_SQL), "INSERT INTO ");
    text_append_string(vm, vm_object_place(orm->manager, MANAGER_SQL), entity->class_entry->name);
    for (uint32_t field = 1; field <= mapping->column_count; field++) {
        text_append(vm, vm_object_place(orm->manager, MANAGER_SQL), field == 1 ? " (" : ", ");
        text_append_string(vm, vm_object_place(orm->manager, MANAGER_SQL), orm->keys[mapping->fields[field]]);
    }
    text_append(vm, vm_object_place(orm->manager, MANAGER_SQL), ") VALUES (?, ?, ?, ?)");
    orm_work(orm, 2);
}

static void execute(struct orm *orm, struct vm_object *entity, int64_t id)
{
    struct vm *vm = orm_vm(orm);
    vm_object_set(vm, orm->manager, MANAGER_STATEMENT, vm_local_take(vm, BINDINGS));
    for (int i = 0; i < 2; i++) {
        struct vm_array *types = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        vm_array_append(vm, types, orm_key_value(orm, KEY_STRING));
        vm_value_drop(vm, vm_array_value(types));
    }
    struct vm_object *result = vm_object_new(vm, orm->classes[CLASS_RESULT]);
    vm_local_set(vm, EXECUTED, vm_object_value(result));
    vm_object_set(vm, result, RESULT_ID, vm_int(id));
    struct vm_string *text = text_number(vm, id);
    vm_object_set(vm, entity, 0, vm_int(vm_as_int(vm_object_get(result, RESULT_ID))));
    vm_value_drop(vm, vm_string_value(text));
    orm_work(orm, 3);
}

/* $this->entityIdentifiers[$handle] = ["id" => &$id] */
static void note_identifier(struct orm *orm, struct vm_object *entity, int64_t id)
{
    struct vm *vm = orm_vm(orm);
    struct vm_array *identifier = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, identifier, orm->keys[KEY_ID], vm_heap_value(vm_reference_new(vm, vm_int(id)), VM_REFERENCE));
    vm_array_set_index(vm, map_of(orm, MANAGER_IDENTIFIERS), handle_of(entity), vm_array_value(identifier));
    orm_work(orm, 1);
}

static void insert(struct orm *orm, struct vm_object *entity)
{
    struct vm *vm = orm_vm(orm);
    int64_t handle = handle_of(entity);
    bool is_product = entity->class_entry == orm->classes[CLASS_PRODUCT];
    int64_t id = (int64_t)(is_product ? ++orm->last_product : ++orm->last_variant);
    const struct vm_array *all = vm_as_array(vm_object_get(orm->manager, MANAGER_CHANGES));
    vm_frame_enter(vm, INSERT_LOCALS);
    bind_changes(orm, vm_as_array(vm_array_get_index(all, handle)));
    write_sql(orm, entity);
    execute(orm, entity, id);
    note_identifier(orm, entity, id);
    struct vm_array *original = vm_array_write(vm, vm_array_place_index(map_of(orm, MANAGER_ORIGINAL), handle));
    vm_array_set_key(vm, original, orm->keys[KEY_ID], vm_int(id));
    vm_array_set_index(vm, map_of(orm, MANAGER_STATES), handle, vm_int(STATE_MANAGED));
    orm_identity_add(orm, entity, id);
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

/* What only the running flush needs. */
static void forget_schedule(struct orm *orm)
{
    struct vm *vm = orm_vm(orm);
    for (uint32_t map = MANAGER_CHANGES; map <= MANAGER_INSERTIONS; map++)
        vm_object_set(vm, orm->manager, map, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
}

uint64_t orm_flush(struct orm *orm)
{
    struct vm_array_entry entry;
    uint64_t changed = 0;
    const struct vm_array *managed = vm_as_array(vm_object_get(orm->manager, MANAGER_MANAGED));
    for (size_t position = 0; vm_array_next(managed, &position, &entry);)
        changed += compute_change_set(orm, vm_as_object(entry.value));
    const struct vm_array *insertions = vm_as_array(vm_object_get(orm->manager, MANAGER_INSERTIONS));
    for (size_t position = 0; vm_array_next(insertions, &position, &entry);)
        insert(orm, vm_as_object(entry.value));
    forget_schedule(orm);
    return changed;
}
