/**
 * A cold request's first half: with nothing in the opcode cache, every source file is compiled before the page runs.
 *
 * What page.h says of lifetimes and errors holds here too.
 */
#ifndef PAGE_COMPILE_H
#define PAGE_COMPILE_H

#include "page.h"

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
void page_source_write(struct text_buffer *buffer, struct wl_random *random, uint64_t file);

/** Parse `source` (borrowed, rooted): a node AST_CLASS of objects of class `node_class`, owned. No safepoint. */
struct vm_object *page_source_parse(struct vm *vm, struct vm_class *node_class, const struct vm_string *source);

/**
 * Compile `file_count` files, in turn: the file's text, its syntax tree, and from that what stays until the request's end
 * in the global "classes", name => class. The rest is dropped after each file. Reaches safepoints.
 */
void page_compile(struct page *page, uint64_t file_count);

#endif
