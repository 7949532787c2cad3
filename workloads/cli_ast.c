/*
 * Workload "cli-ast": an analyser of source code (story S4 of the study; calibrated to cli-phpparse).
 *
 * A file is one vm_iteration: its text is split into tokens and parsed to a tree, passes over the tree connect nodes with
 * their parents, resolve names and count, each function is printed, and its entry in the index that lives on replaced.
 * Everything else dies with the file, by counts where nodes do not know their parents, by a cycle collection where they do.
 */
#include "ast.h"
#include "block_bytes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Sizes of files over the run: consecutive multiples of the golden section's fraction are spread evenly over 0 .. 1. */
#define GOLDEN_FRACTION 0.61803398874989484820

enum { SAMPLES_PER_STEP = 4 };

enum ast_option { OPTION_FUNCTIONS, OPTION_SPREAD, OPTION_CYCLIC, OPTION_SYMBOLS, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_FUNCTIONS] = {"functions", SM_OPTION_COUNT, "functions", "390", 1, 1e6, NULL,
                          "of the largest file: about 1,600 blocks each"},
    [OPTION_SPREAD] =
        {"spread", SM_OPTION_REAL, "", "9", 0, 30, NULL,
         "files' sizes: functions x u^spread, u even over 0 to 1, so a mean of 1/(spread+1) of the largest"},
    [OPTION_CYCLIC] = {"cyclic", SM_OPTION_REAL, "", "1", 0, 1, NULL,
                       "share of nodes, by whole functions, that know their parents: cyclic trees"},
    [OPTION_SYMBOLS] = {"symbols", SM_OPTION_COUNT, "symbols", "10000", 1, 1e8, NULL,
                        "bound of the index that lives on, about 0.6 KB each"},
};

/* Locals of a file's frame. */
enum { SOURCE, TREE, FUNCTION, NAME, FILE_LOCALS };

extern const struct wl_ops wl_cli_ast;

static struct ast *ast_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_cli_ast);
    return (struct ast *)session;
}

/* ---- Kinds ---- */

static const struct {
    const char *type;
    uint32_t property_count; /* of PHP-Parser's class */
} kinds[AST_KINDS] = {
    [AST_FUNCTION] = {"Stmt_Function", 8},
    [AST_PARAM] = {"Param", 8},
    [AST_EXPRESSION] = {"Stmt_Expression", 2},
    [AST_IF] = {"Stmt_If", 5},
    [AST_FOREACH] = {"Stmt_Foreach", 6},
    [AST_ECHO] = {"Stmt_Echo", 2},
    [AST_RETURN] = {"Stmt_Return", 2},
    [AST_ASSIGN] = {"Expr_Assign", 3},
    [AST_PLUS] = {"Expr_BinaryOp_Plus", 3},
    [AST_TIMES] = {"Expr_BinaryOp_Mul", 3},
    [AST_SMALLER] = {"Expr_BinaryOp_Smaller", 3},
    [AST_CALL] = {"Expr_FuncCall", 3},
    [AST_METHOD_CALL] = {"Expr_MethodCall", 4},
    [AST_ARGUMENT] = {"Arg", 5},
    [AST_ARRAY] = {"Expr_Array", 2},
    [AST_ARRAY_ITEM] = {"Expr_ArrayItem", 5},
    [AST_VARIABLE] = {"Expr_Variable", 2},
    [AST_IDENTIFIER] = {"Identifier", 2},
    [AST_NAME] = {"Name", 2},
    [AST_NUMBER] = {"Scalar_LNumber", 2},
    [AST_TEXT] = {"Scalar_String", 2},
};

static const char *const key_texts[KEY_COUNT] = {
    "startLine", "endLine", "parent", "previous", "resolvedName", "symbol", "file", "nodes", "branches",
};

static const char *const property_names[ANALYSER_PROPERTIES] = {"p0", "p1", "p2", "p3", "p4", "p5",
                                                                "p6", "p7", "p8", "p9", "p10"};

const char *ast_type_name(enum ast_kind kind)
{
    return kinds[kind].type;
}

uint32_t ast_property_count(enum ast_kind kind)
{
    return kinds[kind].property_count;
}

/* Classes are numbered in the order of their definition. */
enum ast_kind ast_kind_of(const struct ast *ast, const struct vm_object *node)
{
    uint32_t kind = node->class_entry->id - ast->classes[0]->id;
    assert(kind < AST_KINDS);
    return (enum ast_kind)kind;
}

struct vm_object *ast_node_new(struct ast *ast, enum ast_kind kind, struct sm_value attributes)
{
    struct vm *vm = ast_vm(ast);
    vm_temporary_push(vm, attributes);
    struct vm_object *node = vm_object_new(vm, ast->classes[kind]);
    vm_object_set(vm, node, AST_NODE_ATTRIBUTES, vm_temporary_pop(vm));
    return node;
}

/* ---- The index ---- */

static struct vm_array *make_entry(struct ast *ast, struct vm_string *name, int64_t node_count, int64_t branch_count)
{
    struct vm *vm = ast_vm(ast);
    struct vm_array *entry = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, entry, ast->keys[KEY_SYMBOL], vm_value_copy(vm, vm_string_value(name)));
    struct vm_string *path = vm_string_format(vm, "src/Module%07llu.php", (unsigned long long)ast->file % 10000000);
    vm_array_set_key(vm, entry, ast->keys[KEY_FILE], vm_string_value(path));
    vm_array_set_key(vm, entry, ast->keys[KEY_NODES], vm_int(node_count));
    vm_array_set_key(vm, entry, ast->keys[KEY_BRANCHES], vm_int(branch_count));
    return entry;
}

static struct vm_array *index_of(struct ast *ast)
{
    return vm_array_write(ast_vm(ast), vm_object_place(ast->analyser, ANALYSER_INDEX));
}

static int64_t sum_counts(const struct vm_array *counts)
{
    struct vm_array_entry entry;
    int64_t sum = 0;
    for (size_t position = 0; vm_array_next(counts, &position, &entry);)
        sum += vm_as_int(entry.value);
    return sum;
}

/* The function's own name text stays in the index: that alone of a file does. */
static void update_index(struct ast *ast, const struct vm_object *function)
{
    struct vm *vm = ast_vm(ast);
    const struct vm_object *identifier = vm_as_object(vm_value_deref(vm_object_get(function, FUNCTION_NAME)));
    struct vm_string *name = vm_as_string(vm_value_deref(vm_object_get(identifier, AST_NODE_CHILDREN)));
    const struct vm_array *counts = vm_as_array(vm_object_get(ast->analyser, ANALYSER_COUNTS));
    int64_t node_count = sum_counts(counts);
    vm_local_set(vm, NAME, vm_array_value(make_entry(ast, name, node_count, (int64_t)vm_array_count(counts))));
    vm_array_set_key(vm, index_of(ast), name, vm_local_take(vm, NAME));
    assert(vm_array_count(index_of(ast)) <= ast->symbol_bound);
}

static void fill_index(struct ast *ast)
{
    struct vm *vm = ast_vm(ast);
    char text[32];
    vm_object_set(vm, ast->analyser, ANALYSER_INDEX,
                  vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, ast->symbol_bound)));
    vm_frame_enter(vm, FILE_LOCALS);
    for (uint64_t i = 0; i < ast->symbol_bound; i++) {
        struct vm_string *name = vm_string_new(vm, text, ast_symbol_format(text, i));
        vm_local_set(vm, NAME, vm_string_value(name));
        struct vm_array *entry = make_entry(ast, name, 0, (int64_t)i);
        vm_array_set_key(vm, index_of(ast), name, vm_array_value(entry));
        vm_safepoint(vm);
    }
    vm_frame_leave(vm);
}

static void fold_symbol(struct ast *ast, uint64_t symbol)
{
    struct vm *vm = ast_vm(ast);
    char text[32];
    struct vm_string *name = vm_string_new(vm, text, ast_symbol_format(text, symbol));
    vm_session_fold_value(&ast->session, vm_array_get_key(index_of(ast), name), 3);
    vm_value_drop(vm, vm_string_value(name));
}

/* ---- A file ---- */

static uint64_t functions_of_file(const struct ast *ast)
{
    double position = (double)ast->file * GOLDEN_FRACTION + (double)(ast->session.seed % 1000) / 1000.0;
    double size = (double)ast->function_limit * pow(position - floor(position), ast->spread);
    uint64_t count = (uint64_t)(size + 0.5);
    return count < 1 ? 1 : count > ast->function_limit ? ast->function_limit : count;
}

static void read_source(struct ast *ast)
{
    struct vm *vm = ast_vm(ast);
    struct ast_census census;
    ast->function_count = functions_of_file(ast);
    ast_source_write(&ast->source, &ast->random, ast->function_count, ast->function_number, ast->symbol_bound, &census);
    if (ast->source.failed)
        vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
    vm_local_set(vm, SOURCE, vm_string_value(vm_string_new(vm, ast->source.bytes, ast->source.length)));
}

static void parse(struct ast *ast)
{
    struct vm *vm = ast_vm(ast);
    struct vm_array *tokens = ast_tokenise(ast, vm_as_string(vm_local_get(vm, SOURCE)));
    vm_object_set(vm, ast->analyser, ANALYSER_TOKENS, vm_array_value(tokens));
    for (uint32_t stack = ANALYSER_START_STACK; stack <= ANALYSER_END_STACK; stack++)
        vm_object_set(vm, ast->analyser, stack, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_local_set(vm, TREE, ast_parse(ast));
}

/* The share is spread evenly over all functions of all files, so that it holds in any stretch of the run. */
static bool function_is_linked(const struct ast *ast, uint64_t index)
{
    double number = (double)(ast->function_number + index);
    return (uint64_t)((number + 1) * ast->cyclic) > (uint64_t)(number * ast->cyclic);
}

static const struct vm_array *tree_of(const struct ast *ast)
{
    return vm_as_array(vm_local_get(ast_vm(ast), TREE));
}

/* The first function loses its parameters; its statements' text is another. */
static void flip_edge(struct ast *ast)
{
    vm_object_set(ast_vm(ast), vm_as_object(vm_array_get_index(tree_of(ast), 0)), FUNCTION_PARAMS, vm_null());
}

static void flip_byte(struct ast *ast)
{
    struct vm_string *output = vm_as_string(vm_object_get(ast->analyser, ANALYSER_OUTPUT));
    output->data[output->length / 2] ^= 1;
}

/* Each pass over the whole file before the next. */
static void run_pass(struct ast *ast, void (*pass)(struct ast *ast, struct vm_object *function))
{
    struct vm *vm = ast_vm(ast);
    for (uint64_t i = 0; i < ast->function_count; i++) {
        struct sm_value function = vm_array_get_index(tree_of(ast), (int64_t)i);
        vm_local_set(vm, FUNCTION, vm_value_copy(vm, function));
        ast->linked = function_is_linked(ast, i);
        pass(ast, vm_as_object(function));
        vm_safepoint(vm);
    }
    vm_local_set(vm, FUNCTION, vm_undef());
}

static void report(struct ast *ast, struct vm_object *function)
{
    ast_measure(ast, function);
    ast_print(ast, function);
    if (vm_session_fault_strikes(&ast->session, WL_FAULT_FLIP_BYTE))
        flip_byte(ast);
    vm_session_fold_value(&ast->session, vm_object_get(ast->analyser, ANALYSER_OUTPUT), 1);
    update_index(ast, function);
    if (vm_session_leak_strikes(&ast->session))
        vm_session_leak(&ast->session, vm_object_value(function));
}

static void drop_file(struct ast *ast)
{
    if (vm_session_leak_strikes(&ast->session))
        vm_session_leak(&ast->session, vm_object_get(ast->analyser, ANALYSER_TOKENS));
    for (uint32_t property = ANALYSER_TOKENS; property < ANALYSER_PROPERTIES; property++)
        vm_object_set(ast_vm(ast), ast->analyser, property, vm_null());
}

static void analyse_file(struct vm_session *session)
{
    struct ast *ast = ast_of(session);
    ast->file = session->instance.steps_done + 1;
    ast->random = vm_session_random(session, ast->file);
    vm_frame_enter(session->vm, FILE_LOCALS);
    read_source(ast);
    parse(ast);
    run_pass(ast, ast_connect);
    run_pass(ast, ast_resolve);
    if (vm_session_fault_strikes(session, WL_FAULT_FLIP_EDGE))
        flip_edge(ast);
    run_pass(ast, report);
    ast->function_number += ast->function_count;
    for (int i = 0; i < SAMPLES_PER_STEP; i++)
        fold_symbol(ast, wl_random_below(&ast->random, ast->symbol_bound));
    drop_file(ast);
    vm_session_fold(session, session->work.accumulator);
    vm_frame_leave(session->vm);
}

/* ---- The workload ---- */

static void read_options(struct ast *ast, const struct sm_option_values *values)
{
    ast->function_limit = values->value[OPTION_FUNCTIONS].count;
    ast->spread = values->value[OPTION_SPREAD].real;
    ast->cyclic = values->value[OPTION_CYCLIC].real;
    ast->symbol_bound = values->value[OPTION_SYMBOLS].count;
}

static void define_names(struct ast *ast)
{
    struct vm *vm = ast_vm(ast);
    for (int i = 0; i < KEY_COUNT; i++)
        ast->keys[i] = vm_intern(vm, key_texts[i], strlen(key_texts[i]));
    for (int i = 0; i < AST_KINDS; i++)
        ast->classes[i] = vm_class_define(vm, kinds[i].type, property_names, kinds[i].property_count, NULL);
}

static void boot(struct vm_session *session)
{
    struct ast *ast = ast_of(session);
    read_options(ast, session->options);
    define_names(ast);
    struct vm_class *analyser_class =
        vm_class_define(session->vm, "Analyser", property_names, ANALYSER_PROPERTIES, NULL);
    ast->analyser = vm_object_new(session->vm, analyser_class);
    vm_global_set(session->vm, "analyser", vm_object_value(ast->analyser));
    vm_object_set(session->vm, ast->analyser, ANALYSER_STACK,
                  vm_array_value(vm_array_new(session->vm, VM_ARRAY_PACKED, 0)));
    fill_index(ast);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct ast), &wl_cli_ast, config, boot, instance, error);
}

static void destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&ast_of(vm_session_of(instance))->source);
    vm_session_destroy(instance);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, analyse_file);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct ast *ast = ast_of(vm_session_of(instance));
    struct vm_array_entry entry;
    const struct vm_array *index = vm_as_array(vm_object_get(ast->analyser, ANALYSER_INDEX));
    for (size_t position = 0; vm_array_next(index, &position, &entry);)
        vm_session_fold_value(&ast->session, entry.value, 3);
    return vm_session_finish(instance);
}

/* ---- Analytic size ---- */

static uint64_t index_block_bytes(uint64_t symbol_count)
{
    char text[32];
    uint64_t path_length = sizeof("src/Module0123456.php") - 1;
    return block_bytes_hash(symbol_count) + symbol_count * (block_bytes_string(ast_symbol_format(text, 0)) +
                                                            block_bytes_hash(4) + block_bytes_string(path_length));
}

/* A node, its attributes, and the references that its properties become. */
static uint64_t nodes_block_bytes(const struct ast_census *census)
{
    uint64_t total = 0;
    for (int i = 0; i < AST_KINDS; i++) {
        uint64_t child_count = kinds[i].property_count - 1;
        total += census->node_count[i] * (block_bytes_object(kinds[i].property_count) + block_bytes_hash(2) +
                                          child_count * sm_block_bytes(sizeof(struct vm_reference) - SM_HEADER_BYTES));
    }
    return total;
}

/* A resolved name: a node that shares its attributes with the one it stands for, and a list of one text. */
static uint64_t resolved_block_bytes(const struct ast_census *census)
{
    enum { NAME_LENGTH = 20 };
    uint64_t count = census->node_count[AST_NAME] + census->node_count[AST_FUNCTION];
    return count * (block_bytes_object(2) + block_bytes_packed(1) + block_bytes_string(NAME_LENGTH)) +
           census->node_count[AST_NAME] * block_bytes_packed(1);
}

/* The index, and the largest file at the end of its last pass. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct text_buffer source = {0};
    struct ast_census census;
    struct wl_random random = wl_random_seeded(1);
    uint64_t symbol_count = values->value[OPTION_SYMBOLS].count;
    ast_source_write(&source, &random, values->value[OPTION_FUNCTIONS].count, 0, symbol_count, &census);
    uint64_t text_bytes = block_bytes_string(source.length);
    text_buffer_free(&source);
    return mutator_work_block_bytes() + index_block_bytes(symbol_count) + text_bytes + nodes_block_bytes(&census) +
           resolved_block_bytes(&census) + census.list_block_bytes + census.name_block_bytes +
           census.token_block_bytes + block_bytes_packed(census.token_count);
}

const struct wl_ops wl_cli_ast = {
    .name = "cli-ast",
    .summary = "analyser: tokens, trees whose nodes know their parents, passes over them, an index that lives on",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 600,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
