/**
 * The analyser's state, and what its files share: source text, its tokens and tree, passes over the tree, the index.
 *
 * Functions that take the analyser run inside one vm_iteration. Borrowed values that they take are rooted by the
 * caller, for there are safepoints inside. Errors: allocation failure bails out.
 */
#ifndef AST_H
#define AST_H

#include "text.h"
#include "vm_session.h"

/** Kinds of nodes: each a class, with the children of its kind after the attributes. */
enum ast_kind {
    AST_FUNCTION,
    AST_PARAM,
    AST_EXPRESSION,
    AST_IF,
    AST_FOREACH,
    AST_ECHO,
    AST_RETURN,
    AST_ASSIGN,
    AST_PLUS,
    AST_TIMES,
    AST_SMALLER,
    AST_CALL,
    AST_METHOD_CALL,
    AST_ARGUMENT,
    AST_ARRAY,
    AST_ARRAY_ITEM,
    AST_VARIABLE,
    AST_IDENTIFIER,
    AST_NAME,
    AST_NUMBER,
    AST_TEXT,
    AST_KINDS
};

enum { AST_NODE_ATTRIBUTES, AST_NODE_CHILDREN };

/** Children of a function, by property. */
enum {
    FUNCTION_BY_REFERENCE = AST_NODE_CHILDREN,
    FUNCTION_NAME,
    FUNCTION_PARAMS,
    FUNCTION_RETURN_TYPE,
    FUNCTION_STATEMENTS,
    FUNCTION_GROUPS,
    FUNCTION_FULL_NAME
};

enum ast_token { TOKEN_SPACE, TOKEN_COMMENT, TOKEN_WORD, TOKEN_VARIABLE, TOKEN_NUMBER, TOKEN_TEXT, TOKEN_OPERATOR };

/** Interned array keys; their texts are in cli_ast.c in this order. */
enum ast_key {
    KEY_START_LINE,
    KEY_END_LINE,
    KEY_PARENT,
    KEY_PREVIOUS,
    KEY_RESOLVED_NAME,
    KEY_SYMBOL,
    KEY_FILE,
    KEY_NODES,
    KEY_BRANCHES,
    KEY_COUNT
};

/** The analyser, an object that lives on, and what it holds. */
enum {
    ANALYSER_INDEX,
    ANALYSER_STACK, /* of nodes that a pass is inside */
    ANALYSER_TOKENS,
    ANALYSER_TOKEN, /* the one at hand */
    ANALYSER_START, /* its attributes */
    ANALYSER_END,
    ANALYSER_START_STACK, /* attributes by position in the parse; what was further on stays until it is overwritten */
    ANALYSER_END_STACK,
    ANALYSER_PREVIOUS, /* the node that a pass left last */
    ANALYSER_COUNTS,   /* of nodes by type, in the function under way */
    ANALYSER_OUTPUT,
    ANALYSER_PROPERTIES
};

struct ast {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t function_limit, symbol_bound;
    double spread, cyclic;
    uint64_t file, function_count, function_number; /* of this file; functions of the files before it */
    bool linked;                                    /* the function under way: its nodes know their parents */
    struct wl_random random;
    struct text_buffer source;
    struct vm_class *classes[AST_KINDS];
    struct vm_string *keys[KEY_COUNT];
    struct vm_object *analyser; /* borrowed: a global holds it */
};

/** What a source text is made of: its tokens' blocks, and the nodes that it parses to. */
struct ast_census {
    uint64_t token_count, token_block_bytes, name_block_bytes;
    uint64_t list_block_bytes;
    uint64_t node_count[AST_KINDS];
};

static inline struct vm *ast_vm(const struct ast *ast)
{
    return ast->session.vm;
}

static inline void ast_charge(struct ast *ast)
{
    mutator_work_charge(&ast->session.work, 1);
}

/** The name of a kind's type, and how many properties its nodes have, attributes included. */
const char *ast_type_name(enum ast_kind kind);
uint32_t ast_property_count(enum ast_kind kind);

/** Which kind a node is of. */
enum ast_kind ast_kind_of(const struct ast *ast, const struct vm_object *node);

/**
 * Write the text of a file of `function_count` functions, the first of them called symbol `first_symbol` modulo `bound`.
 *
 * `census` gets what is in it.
 */
void ast_source_write(struct text_buffer *source, struct wl_random *random, uint64_t function_count,
                      uint64_t first_symbol, uint64_t bound, struct ast_census *census);

/** The name of a symbol, without a terminator; `text` has room for 32 bytes. Returns the length. */
size_t ast_symbol_format(char *text, uint64_t symbol);

/** Token list of a text: arrays of kind, text and line; the text alone where it is one character of punctuation. Returns owned. */
struct vm_array *ast_tokenise(struct ast *ast, const struct vm_string *text);

/** Parse the analyser's tokens: a list of functions. Returns owned; bails out on text that is not of the language. */
struct sm_value ast_parse(struct ast *ast);

/** A node of `kind` whose attributes (taken) are given and whose other properties are null. Returns owned. */
struct vm_object *ast_node_new(struct ast *ast, enum ast_kind kind, struct sm_value attributes);

/**
 * Passes over a function's tree: tell nodes their parents and predecessors, resolve names, count types and branches.
 *
 * Each turns the properties that it descends into into references, and makes its lists anew, as PHP-Parser's traverser does.
 */
void ast_connect(struct ast *ast, struct vm_object *function);
void ast_resolve(struct ast *ast, struct vm_object *function);
void ast_measure(struct ast *ast, struct vm_object *function);

/** Print a function to the analyser's output, which begins anew. */
void ast_print(struct ast *ast, struct vm_object *function);

#endif
