/**
 * The converter's state, and what its files share: documents, the world that lives on, parsing and rendering.
 *
 * Functions that take the batch run inside the script. Borrowed values that they take are rooted by the caller, for
 * there are safepoints inside. Errors: allocation failure bails out.
 */
#ifndef BATCH_H
#define BATCH_H

#include "text.h"
#include "vm_session.h"

enum batch_class {
    BATCH_ENVIRONMENT,
    BATCH_CURSOR,
    BATCH_STATE,
    BATCH_START,
    BATCH_CONTEXT,
    BATCH_DELIMITER,
    BATCH_NODE,
    BATCH_ELEMENT,
    BATCH_CLASSES
};

enum { ENVIRONMENT_ENTITIES, ENVIRONMENT_WRITTEN, ENVIRONMENT_PROPERTIES };
enum { CURSOR_LINE, CURSOR_LENGTH, CURSOR_POSITION, CURSOR_COLUMN, CURSOR_INDENT, CURSOR_PROPERTIES = 11 };
enum { STATE_CURSOR, STATE_BLOCK, STATE_PROPERTIES };
enum { START_ARGUMENTS, START_PROPERTIES };
enum { CONTEXT_CURSOR, CONTEXT_MATCHES, CONTEXT_CONTAINER, CONTEXT_PROPERTIES };
enum { DELIMITER_NODE, DELIMITER_PREVIOUS, DELIMITER_LENGTH, DELIMITER_PROPERTIES = 10 };
enum {
    NODE_KIND,
    NODE_PARENT,
    NODE_PREVIOUS,
    NODE_NEXT,
    NODE_FIRST,
    NODE_LAST,
    NODE_LITERAL,
    NODE_LINE,
    NODE_PROPERTIES = 9
};
enum { ELEMENT_TAG, ELEMENT_ATTRIBUTES, ELEMENT_CONTENTS, ELEMENT_CLOSING, ELEMENT_PROPERTIES };

enum batch_node {
    NODE_DOCUMENT,
    NODE_PARAGRAPH,
    NODE_HEADING,
    NODE_ITEM,
    NODE_QUOTE,
    NODE_TEXT,
    NODE_EMPHASIS,
    NODE_CODE,
    NODE_LINK
};

struct batch {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t line_count, entity_count;
    struct wl_random random; /* of the document under way */
    struct text_buffer source;
    struct vm_class *classes[BATCH_CLASSES];
    struct vm_string *href;        /* borrowed: interned */
    struct vm_object *environment; /* borrowed: a global holds it */
};

static inline struct vm *batch_vm(const struct batch *batch)
{
    return batch->session.vm;
}

static inline void batch_charge(struct batch *batch)
{
    mutator_work_charge(&batch->session.work, 1);
}

/** A new object of a class. Returns owned. */
static inline struct vm_object *batch_new(struct batch *batch, enum batch_class class_id)
{
    batch_charge(batch);
    return vm_object_new(batch_vm(batch), batch->classes[class_id]);
}

/** $object->property = a copy of the value. */
static inline void batch_refer(struct batch *batch, struct vm_object *object, uint32_t property, struct sm_value value)
{
    vm_object_set(batch_vm(batch), object, property, vm_value_copy(batch_vm(batch), value));
}

/** Write the text of a document of about `line_count` lines. */
void batch_document_write(struct text_buffer *source, struct wl_random *random, uint64_t line_count);

/** A new node as the last child of `parent` (borrowed); `literal` is taken. Returns borrowed from the parent. */
struct vm_object *batch_node_append(struct batch *batch, struct vm_object *parent, enum batch_node kind,
                                    struct sm_value literal);

/** A cursor over a line (borrowed), at `position`. Returns owned. */
struct vm_object *batch_cursor(struct batch *batch, struct vm_string *line, size_t position);

/** $cursor->saveState(). Returns owned. */
struct vm_array *batch_save_state(struct batch *batch, const struct vm_object *cursor);

/** Parse `lines` (borrowed) to blocks below `document`, and the text of the blocks to inlines. */
void batch_parse(struct batch *batch, const struct vm_array *lines, struct vm_object *document);
void batch_parse_inlines(struct batch *batch, struct vm_object *block, struct vm_string *text);

/** Append the HTML of a block to local `output` of the innermost frame. */
void batch_render(struct batch *batch, const struct vm_object *block, uint32_t output);

#endif
