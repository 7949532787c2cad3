/**
 * A cold request's first half: with nothing in the opcode cache, every source file is compiled before the program runs.
 *
 * Everything lives in one request; borrowed pointers here are valid until its end. Errors: allocation failure bails out.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "request_session.h"

/** Row of an option table: how many files a program has, `count` of them by default. */
#define PROGRAM_FILES_OPTION(name, count) \
    { \
        name, SM_OPTION_COUNT, "files", count, 1, 1e6, NULL, "source files that a cold request compiles first" \
    }

/** Properties of a node of the syntax tree. */
enum { AST_KIND, AST_VALUE, AST_LEFT, AST_RIGHT, AST_PROPERTIES };

/** What is in AST_KIND, and where a node keeps its parts. Lists are packed arrays. */
enum ast_kind {
    AST_NUMBER,   /**< value: the number */
    AST_TEXT,     /**< value: the string */
    AST_VARIABLE, /**< value: its name */
    AST_PROPERTY, /**< value: its name; left: the object */
    AST_CALL,     /**< value: the function's name; left: list of arguments */
    AST_BINARY,   /**< value: the operator's letter; left and right */
    AST_ASSIGN,   /**< left: where to; right: what */
    AST_RETURN,   /**< left: what */
    AST_IF,       /**< left: the condition; right: list of statements */
    AST_METHOD,   /**< value: its name; left: list of parameters; right: list of statements */
    AST_CLASS,    /**< value: its name; left: list of methods */
};

/** Properties of a compiled method. */
enum { OPS_NAME, OPS_CODE, OPS_LITERALS, OPS_VARIABLES, OPS_PROPERTIES };

/** Properties of a compiled class. */
enum { ENTRY_NAME, ENTRY_METHODS, ENTRY_PROPERTIES };

/** Write source file number `file` over what `buffer` holds. */
void program_write(struct text_buffer *buffer, struct wl_random *random, uint64_t file);

/** Parse `source` (borrowed, rooted): a node AST_CLASS of objects of class `node_class`, owned. No safepoint. */
struct vm_object *program_parse(struct vm *vm, struct vm_class *node_class, const struct vm_string *source);

/**
 * Compile the program's files, in turn, if the request under way is a cold one: the file's text, its syntax tree, and from
 * that what stays until the request's end in the global "compiled_classes", name => class. The rest is dropped after each
 * file. Reaches safepoints.
 */
void program_compile(struct request_session *request);

/** Fold what it made into the checksum; nothing in a warm request. */
void program_fold(struct request_session *request);

#endif
