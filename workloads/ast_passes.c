/* Passes over a tree: a traverser after PHP-Parser's, three visitors, and a printer. */
#include "ast.h"

#include <assert.h>
#include <ctype.h>

typedef void visit(struct ast *ast, struct vm_object *node);

struct pass {
    visit *enter;
    visit *leave; /* NULL: none */
};

/* ---- The traverser ---- */

static void traverse_node(struct ast *ast, const struct pass *pass, struct vm_object *node);

static struct vm_array *stack_of(struct ast *ast)
{
    return vm_array_write(ast_vm(ast), vm_object_place(ast->analyser, ANALYSER_STACK));
}

/* `node` is borrowed from the tree. */
static void traverse_child(struct ast *ast, const struct pass *pass, struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    pass->enter(ast, node);
    int64_t depth = (int64_t)vm_array_count(stack_of(ast));
    vm_array_set_index(vm, stack_of(ast), depth, vm_value_copy(vm, vm_object_value(node)));
    traverse_node(ast, pass, node);
    (void)vm_array_unset_index(vm, stack_of(ast), depth);
    if (pass->leave != NULL)
        pass->leave(ast, node);
    ast_charge(ast);
    vm_safepoint(vm);
}

/* $result[] = each node, when it was visited: the list is made anew. */
enum { LIST, RESULT, LIST_LOCALS };

static void traverse_list(struct ast *ast, const struct pass *pass, struct vm_reference *reference)
{
    struct vm *vm = ast_vm(ast);
    struct vm_array_entry entry;
    vm_frame_enter(vm, LIST_LOCALS);
    vm_local_set(vm, LIST, vm_value_copy(vm, reference->value));
    vm_local_set(vm, RESULT, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, LIST)), &position, &entry);) {
        if (vm_tag_of(entry.value) == VM_OBJECT)
            traverse_child(ast, pass, vm_as_object(entry.value));
        vm_array_append(vm, vm_as_array(vm_local_get(vm, RESULT)), vm_value_copy(vm, entry.value));
    }
    vm_reference_set(vm, reference, vm_local_take(vm, RESULT));
    vm_frame_leave(vm);
}

/* $child =& $node->property. */
static struct vm_reference *refer_to(struct ast *ast, struct vm_object *node, uint32_t property)
{
    struct vm *vm = ast_vm(ast);
    struct sm_value value = vm_object_get(node, property);
    if (vm_tag_of(value) != VM_REFERENCE) {
        struct vm_reference *made = vm_reference_new(vm, vm_value_copy(vm, value));
        value = vm_heap_value(made, VM_REFERENCE);
        vm_object_set(vm, node, property, value);
    }
    return vm_as_reference(value);
}

static void traverse_node(struct ast *ast, const struct pass *pass, struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    uint32_t property_count = vm_object_property_count(node);
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_value_copy(vm, vm_object_value(node)));
    for (uint32_t property = AST_NODE_CHILDREN; property < property_count; property++) {
        struct vm_reference *reference = refer_to(ast, node, property);
        vm_local_set(vm, 1, vm_value_copy(vm, vm_heap_value(reference, VM_REFERENCE)));
        if (vm_tag_of(reference->value) == VM_OBJECT)
            traverse_child(ast, pass, vm_as_object(reference->value));
        else if (vm_tag_of(reference->value) == VM_ARRAY)
            traverse_list(ast, pass, reference);
        ast_charge(ast);
    }
    vm_frame_leave(vm);
}

/* ---- Types ---- */

/* $node->getType(), cut out of the name of its class. */
static struct vm_string *type_of(struct ast *ast, const struct vm_object *node)
{
    const char *type = ast_type_name(ast_kind_of(ast, node));
    return vm_string_new(ast_vm(ast), type, strlen(type));
}

/* $this->{'p' . $node->getType()}: the name of the method is put together, and hashed to find it. */
static void look_up_printer(struct ast *ast, const struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    struct vm_string *type = type_of(ast, node);
    vm_temporary_push(vm, vm_string_value(type));
    struct vm_string *method = text_prefix(vm, "p", type);
    vm_session_fold(&ast->session, vm_string_hash(method));
    vm_value_drop(vm, vm_string_value(method));
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* ---- Parents and predecessors ---- */

static void set_attribute(struct ast *ast, struct vm_object *node, enum ast_key key, struct sm_value value)
{
    struct vm *vm = ast_vm(ast);
    struct vm_array *attributes = vm_array_write(vm, vm_object_place(node, AST_NODE_ATTRIBUTES));
    vm_array_set_key(vm, attributes, ast->keys[key], value);
}

static struct sm_value attribute(const struct ast *ast, struct sm_value node, enum ast_key key)
{
    if (vm_tag_of(node) != VM_OBJECT)
        return vm_undef();
    return vm_array_get_key(vm_as_array(vm_object_get(vm_as_object(node), AST_NODE_ATTRIBUTES)), ast->keys[key]);
}

static void enter_connect(struct ast *ast, struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    const struct vm_array *stack = vm_as_array(vm_object_get(ast->analyser, ANALYSER_STACK));
    size_t depth = vm_array_count(stack);
    if (!ast->linked || depth == 0)
        return;
    struct sm_value parent = vm_array_get_index(stack, (int64_t)depth - 1);
    set_attribute(ast, node, KEY_PARENT, vm_value_copy(vm, parent));
    struct sm_value previous = vm_object_get(ast->analyser, ANALYSER_PREVIOUS);
    struct sm_value its_parent = attribute(ast, previous, KEY_PARENT);
    if (vm_tag_of(its_parent) == VM_OBJECT && vm_as_object(its_parent) == vm_as_object(parent))
        set_attribute(ast, node, KEY_PREVIOUS, vm_value_copy(vm, previous));
}

static void leave_connect(struct ast *ast, struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    vm_object_set(vm, ast->analyser, ANALYSER_PREVIOUS, vm_value_copy(vm, vm_object_value(node)));
}

/* ---- Names ---- */

/* The text of a name in this file's namespace, whose letters a lookup folds. */
static struct sm_value qualify(struct ast *ast, const struct vm_string *name)
{
    struct vm *vm = ast_vm(ast);
    struct vm_string *folded = vm_string_new(vm, name->data, name->length);
    for (size_t i = 0; i < folded->length; i++)
        folded->data[i] = (char)tolower((unsigned char)folded->data[i]);
    vm_temporary_push(vm, vm_string_value(folded));
    bool imported =
        vm_tag_of(vm_array_get_key(vm_as_array(vm_object_get(ast->analyser, ANALYSER_INDEX)), folded)) != VM_UNDEF;
    vm_value_drop(vm, vm_temporary_pop(vm));
    return vm_string_value(text_prefix(vm, imported ? "\\" : "App\\", name));
}

static struct vm_object *make_full_name(struct ast *ast, const struct vm_object *node, const struct vm_string *name)
{
    struct vm *vm = ast_vm(ast);
    vm_temporary_push(vm, qualify(ast, name));
    struct vm_array *parts = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, parts, vm_temporary_pop(vm));
    vm_temporary_push(vm, vm_array_value(parts));
    struct sm_value attributes = vm_value_copy(vm, vm_object_get(node, AST_NODE_ATTRIBUTES));
    struct vm_object *full_name = ast_node_new(ast, AST_NAME, attributes);
    vm_object_set(vm, full_name, AST_NODE_CHILDREN, vm_temporary_pop(vm));
    return full_name;
}

static struct sm_value child_of(const struct vm_object *node, uint32_t property)
{
    return vm_value_deref(vm_object_get(node, property));
}

static void enter_resolve(struct ast *ast, struct vm_object *node)
{
    if (ast_kind_of(ast, node) != AST_NAME)
        return;
    const struct vm_array *parts = vm_as_array(child_of(node, AST_NODE_CHILDREN));
    const struct vm_string *name = vm_as_string(vm_array_get_index(parts, 0));
    set_attribute(ast, node, KEY_RESOLVED_NAME, vm_object_value(make_full_name(ast, node, name)));
}

static void name_function(struct ast *ast, struct vm_object *function)
{
    const struct vm_object *identifier = vm_as_object(child_of(function, FUNCTION_NAME));
    const struct vm_string *name = vm_as_string(child_of(identifier, AST_NODE_CHILDREN));
    struct vm_object *full_name = make_full_name(ast, function, name);
    vm_object_set(ast_vm(ast), function, FUNCTION_FULL_NAME, vm_object_value(full_name));
}

/* ---- Metrics ---- */

/* Where its parent and its predecessor begin, if the node knows them. */
static void fold_links(struct ast *ast, struct vm_object *node)
{
    for (enum ast_key key = KEY_PARENT; key <= KEY_PREVIOUS; key++) {
        struct sm_value other = attribute(ast, vm_object_value(node), key);
        vm_session_fold_value(&ast->session, attribute(ast, other, KEY_START_LINE), 1);
    }
}

/* $this->counts[$node->getType()]++. */
static void enter_measure(struct ast *ast, struct vm_object *node)
{
    struct vm *vm = ast_vm(ast);
    fold_links(ast, node);
    struct vm_string *type = type_of(ast, node);
    vm_temporary_push(vm, vm_string_value(type));
    struct vm_array *counts = vm_array_write(vm, vm_object_place(ast->analyser, ANALYSER_COUNTS));
    struct sm_value count = vm_array_get_key(counts, type);
    vm_array_set_key(vm, counts, type, vm_int(vm_tag_of(count) == VM_INT ? vm_as_int(count) + 1 : 1));
    vm_value_drop(vm, vm_temporary_pop(vm));
}

/* ---- The passes ---- */

void ast_connect(struct ast *ast, struct vm_object *function)
{
    traverse_child(ast, &(struct pass){enter_connect, leave_connect}, function);
}

void ast_resolve(struct ast *ast, struct vm_object *function)
{
    traverse_child(ast, &(struct pass){enter_resolve, NULL}, function);
    name_function(ast, function);
}

void ast_measure(struct ast *ast, struct vm_object *function)
{
    struct vm *vm = ast_vm(ast);
    vm_object_set(vm, ast->analyser, ANALYSER_COUNTS, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    traverse_child(ast, &(struct pass){enter_measure, NULL}, function);
}

/* ---- The printer ---- */

static void print_value(struct ast *ast, struct sm_value value);

static void put(struct ast *ast, const char *text)
{
    text_append(ast_vm(ast), vm_object_place(ast->analyser, ANALYSER_OUTPUT), text);
}

/* A leaf's text is put together first. */
static void print_text(struct ast *ast, const char *prefix, const struct vm_string *text)
{
    struct vm *vm = ast_vm(ast);
    struct vm_string *piece = text_prefix(vm, prefix, text);
    vm_temporary_push(vm, vm_string_value(piece));
    text_append_string(vm, vm_object_place(ast->analyser, ANALYSER_OUTPUT), piece);
    vm_value_drop(vm, vm_temporary_pop(vm));
}

static void print_list(struct ast *ast, const struct vm_array *list)
{
    struct vm_array_entry entry;
    put(ast, "(");
    for (size_t position = 0; vm_array_next(list, &position, &entry);) {
        print_value(ast, entry.value);
        put(ast, " ");
    }
    put(ast, ")");
}

static void print_node(struct ast *ast, struct vm_object *node)
{
    look_up_printer(ast, node);
    for (uint32_t property = AST_NODE_CHILDREN; property < vm_object_property_count(node); property++)
        print_value(ast, child_of(node, property));
    ast_charge(ast);
    vm_safepoint(ast_vm(ast));
}

static void print_value(struct ast *ast, struct sm_value value)
{
    char digits[25];
    switch (vm_tag_of(value)) {
    case VM_OBJECT:
        print_node(ast, vm_as_object(value));
        break;
    case VM_ARRAY:
        print_list(ast, vm_as_array(value));
        break;
    case VM_STRING:
        print_text(ast, "$", vm_as_string(value));
        break;
    case VM_INT:
        digits[text_format_number(digits, vm_as_int(value))] = '\0';
        put(ast, digits);
        break;
    default:
        break;
    }
}

void ast_print(struct ast *ast, struct vm_object *function)
{
    struct vm *vm = ast_vm(ast);
    vm_object_set(vm, ast->analyser, ANALYSER_OUTPUT, vm_string_value(vm_string_with_capacity(vm, 32)));
    print_node(ast, function);
}
