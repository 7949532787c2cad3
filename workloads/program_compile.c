/*
 * The compiler of a cold request: syntax trees into op arrays, class by class.
 *
 * The counterpart is a request after a deployment, or in a worker without an opcode cache: it takes 5 to 10 times the memory
 * of a warm one. An instruction is two values, as long as Zend's; instructions, literals and variables grow by
 * doubling, as Zend's do. No opcode of the program runs meanwhile, so no mutator work is charged.
 */
#include "program.h"

#include <assert.h>

enum opcode {
    OP_FETCH_PROPERTY,
    OP_CALL_BEGIN,
    OP_SEND,
    OP_CALL_END,
    OP_BINARY,
    OP_ASSIGN,
    OP_ASSIGN_PROPERTY,
    OP_JUMP_IF_NOT,
    OP_RETURN,
    OP_RECEIVE
};

/* Where an operand is: a literal, a variable, or the result of the instruction of that number. */
enum operand_place { IN_LITERAL, IN_VARIABLE, IN_RESULT, OPERAND_PLACES };

/* Locals of the compiler's frame. */
enum { SOURCE, TREE, COMPILE_LOCALS };

/* Class table, class, methods, method, instructions, their values. */
enum { COMPILED_LEVELS = 6 };

static const char table_name[] = "compiled_classes";

/* The method under way; borrowed, for its class holds it. */
struct emitter {
    struct vm *vm;
    struct vm_array *code;
    struct vm_array *literals;
    struct vm_array *variables; /* name => number */
};

static struct vm_class *define_class(struct vm *vm, const char *name, uint32_t property_count)
{
    static const char *const names[] = {"p0", "p1", "p2", "p3"};
    return vm_class_define(vm, name, names, property_count, NULL);
}

static struct vm_array *attach_array(struct vm *vm, struct vm_object *object, uint32_t property,
                                     enum vm_array_kind kind)
{
    struct vm_array *array = vm_array_new(vm, kind, 0);
    vm_object_set(vm, object, property, vm_array_value(array));
    return array;
}

/* ---- Instructions ---- */

static uint64_t operand(enum operand_place place, uint64_t number)
{
    return number * OPERAND_PLACES + place;
}

/* Appends an instruction; returns the operand that stands for its result. */
static uint64_t emit(struct emitter *emitter, enum opcode opcode, uint64_t left, uint64_t right)
{
    uint64_t number = vm_array_count(emitter->code) / 2;
    vm_array_append(emitter->vm, emitter->code, vm_int((int64_t)(left << 8 | (uint64_t)opcode)));
    vm_array_append(emitter->vm, emitter->code, vm_int((int64_t)right));
    return operand(IN_RESULT, number);
}

static uint64_t add_literal(struct emitter *emitter, struct sm_value value)
{
    vm_array_append(emitter->vm, emitter->literals, vm_value_copy(emitter->vm, value));
    return operand(IN_LITERAL, vm_array_count(emitter->literals) - 1);
}

static uint64_t find_variable(struct emitter *emitter, struct vm_string *name)
{
    struct sm_value number = vm_array_get_key(emitter->variables, name);
    if (vm_tag_of(number) == VM_INT)
        return operand(IN_VARIABLE, number.payload);
    uint64_t next = vm_array_count(emitter->variables);
    vm_array_set_key(emitter->vm, emitter->variables, name, vm_int((int64_t)next));
    return operand(IN_VARIABLE, next);
}

/* ---- From trees ---- */

static uint64_t emit_node(struct emitter *emitter, const struct vm_object *node);

static void emit_list(struct emitter *emitter, const struct vm_array *list)
{
    for (size_t i = 0; i < vm_array_count(list); i++)
        (void)emit_node(emitter, vm_as_object(vm_array_get_index(list, (int64_t)i)));
}

static uint64_t emit_call(struct emitter *emitter, const struct vm_object *node)
{
    const struct vm_array *arguments = vm_as_array(vm_object_get(node, AST_LEFT));
    size_t argument_count = vm_array_count(arguments);
    uint64_t name = add_literal(emitter, vm_object_get(node, AST_VALUE));
    (void)emit(emitter, OP_CALL_BEGIN, name, argument_count);
    for (size_t i = 0; i < argument_count; i++)
        (void)emit(emitter, OP_SEND, emit_node(emitter, vm_as_object(vm_array_get_index(arguments, (int64_t)i))), i);
    return emit(emitter, OP_CALL_END, name, argument_count);
}

static uint64_t emit_assignment(struct emitter *emitter, const struct vm_object *node)
{
    const struct vm_object *target = vm_as_object(vm_object_get(node, AST_LEFT));
    uint64_t value = emit_node(emitter, vm_as_object(vm_object_get(node, AST_RIGHT)));
    if (vm_as_int(vm_object_get(target, AST_KIND)) != AST_PROPERTY)
        return emit(emitter, OP_ASSIGN, emit_node(emitter, target), value);
    uint64_t object = emit_node(emitter, vm_as_object(vm_object_get(target, AST_LEFT)));
    (void)emit(emitter, OP_ASSIGN_PROPERTY, object, add_literal(emitter, vm_object_get(target, AST_VALUE)));
    return value;
}

/* The jump's target is known once what it jumps over is there. */
static uint64_t emit_condition(struct emitter *emitter, const struct vm_object *node)
{
    uint64_t condition = emit_node(emitter, vm_as_object(vm_object_get(node, AST_LEFT)));
    uint64_t jump = emit(emitter, OP_JUMP_IF_NOT, condition, 0) / OPERAND_PLACES;
    emit_list(emitter, vm_as_array(vm_object_get(node, AST_RIGHT)));
    vm_array_set_index(emitter->vm, emitter->code, (int64_t)(2 * jump + 1),
                       vm_int((int64_t)vm_array_count(emitter->code) / 2));
    return condition;
}

static uint64_t emit_node(struct emitter *emitter, const struct vm_object *node)
{
    struct sm_value value = vm_object_get(node, AST_VALUE);
    struct sm_value left = vm_object_get(node, AST_LEFT), right = vm_object_get(node, AST_RIGHT);
    switch ((enum ast_kind)vm_as_int(vm_object_get(node, AST_KIND))) {
    case AST_NUMBER:
    case AST_TEXT:
        return add_literal(emitter, value);
    case AST_VARIABLE:
        return find_variable(emitter, vm_as_string(value));
    case AST_PROPERTY:
        return emit(emitter, OP_FETCH_PROPERTY, emit_node(emitter, vm_as_object(left)), add_literal(emitter, value));
    case AST_CALL:
        return emit_call(emitter, node);
    case AST_BINARY: {
        uint64_t first = emit_node(emitter, vm_as_object(left));
        return emit(emitter, OP_BINARY, first, emit_node(emitter, vm_as_object(right)) << 8 | value.payload);
    }
    case AST_ASSIGN:
        return emit_assignment(emitter, node);
    case AST_RETURN:
        return emit(emitter, OP_RETURN, emit_node(emitter, vm_as_object(left)), 0);
    case AST_IF:
        return emit_condition(emitter, node);
    case AST_METHOD:
    case AST_CLASS:
        break;
    }
    assert(!"a node that is no statement and no expression");
    return 0;
}

static void emit_parameters(struct emitter *emitter, const struct vm_array *parameters)
{
    for (size_t i = 0; i < vm_array_count(parameters); i++)
        (void)emit(emitter, OP_RECEIVE, emit_node(emitter, vm_as_object(vm_array_get_index(parameters, (int64_t)i))),
                   i);
}

static void compile_method(struct vm *vm, struct vm_array *methods, const struct vm_object *tree)
{
    struct sm_value name = vm_object_get(tree, AST_VALUE);
    struct vm_object *compiled = vm_object_new(vm, vm_class_find(vm, "OpArray"));
    vm_array_set_key(vm, methods, vm_as_string(name), vm_object_value(compiled));
    vm_object_set(vm, compiled, OPS_NAME, vm_value_copy(vm, name));
    struct emitter emitter = {
        .vm = vm,
        .code = attach_array(vm, compiled, OPS_CODE, VM_ARRAY_PACKED),
        .literals = attach_array(vm, compiled, OPS_LITERALS, VM_ARRAY_PACKED),
        .variables = attach_array(vm, compiled, OPS_VARIABLES, VM_ARRAY_HASH),
    };
    emit_parameters(&emitter, vm_as_array(vm_object_get(tree, AST_LEFT)));
    emit_list(&emitter, vm_as_array(vm_object_get(tree, AST_RIGHT)));
}

/* The class is in the table before its methods are made, so that safepoints between them find all. */
static void compile_class(struct vm *vm, const struct vm_object *tree)
{
    struct sm_value name = vm_object_get(tree, AST_VALUE);
    struct vm_object *entry = vm_object_new(vm, vm_class_find(vm, "ClassEntry"));
    vm_array_set_key(vm, request_global(vm, table_name), vm_as_string(name), vm_object_value(entry));
    vm_object_set(vm, entry, ENTRY_NAME, vm_value_copy(vm, name));
    struct vm_array *methods = attach_array(vm, entry, ENTRY_METHODS, VM_ARRAY_HASH);
    const struct vm_array *method_trees = vm_as_array(vm_object_get(tree, AST_LEFT));
    for (size_t i = 0; i < vm_array_count(method_trees); i++) {
        compile_method(vm, methods, vm_as_object(vm_array_get_index(method_trees, (int64_t)i)));
        vm_safepoint(vm);
    }
}

/* A file is read whole, as PHP does. */
static void read_file(struct request_session *request, uint64_t file)
{
    struct vm *vm = request->session.vm;
    /* The program's files are those of the seed, whichever request compiles them: steps have small numbers. */
    struct wl_random random = vm_session_random(&request->session, UINT64_MAX - file);
    program_write(&request->source, &random, file);
    if (request->source.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    struct vm_string *text = vm_string_new(vm, request->source.bytes, request->source.length);
    vm_local_set(vm, SOURCE, vm_string_value(text));
}

static void compile_file(struct vm *vm, struct vm_class *node_class)
{
    struct vm_object *tree = program_parse(vm, node_class, vm_as_string(vm_local_get(vm, SOURCE)));
    vm_local_set(vm, TREE, vm_object_value(tree));
    compile_class(vm, tree);
    vm_local_set(vm, TREE, vm_null());
    vm_safepoint(vm);
}

void program_compile(struct request_session *request)
{
    struct vm *vm = request->session.vm;
    if (!request->is_cold)
        return;
    struct vm_class *node_class = define_class(vm, "AstNode", AST_PROPERTIES);
    (void)define_class(vm, "OpArray", OPS_PROPERTIES);
    (void)define_class(vm, "ClassEntry", ENTRY_PROPERTIES);
    (void)request_global_new(vm, table_name, VM_ARRAY_HASH);
    vm_frame_enter(vm, COMPILE_LOCALS);
    for (uint64_t file = 0; file < request->file_count; file++) {
        read_file(request, file);
        compile_file(vm, node_class);
    }
    vm_frame_leave(vm);
}

void program_fold(struct request_session *request)
{
    struct vm *vm = request->session.vm;
    if (request->is_cold)
        vm_session_fold_value(&request->session, vm_array_value(request_global(vm, table_name)), COMPILED_LEVELS);
}
