/**
 * Messages: JSON text as a broker delivers it, and the decoder that turns it into arrays and strings.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "mutator_work.h"
#include "text.h"

/** What a message is about. */
struct message_shape {
    uint64_t order_id;
    uint32_t item_count; /**< of the order */
};

/** Of a batch. */
struct message_batch_shape {
    uint64_t job;
    uint32_t order_count;
    uint32_t item_count; /**< of each order */
};

/** Write the document of one order into `buffer`, replacing what is there. */
void message_write(struct text_buffer *buffer, struct wl_random *random, const struct message_shape *shape);

/** The same with one document of many orders, whose items are objects with names. */
void message_write_batch(struct text_buffer *buffer, struct wl_random *random, const struct message_batch_shape *shape);

/**
 * Decode JSON: objects become hash arrays with string keys, lists packed arrays.
 *
 * `text` must be rooted throughout: there are safepoints inside.
 * Returns:     the value, owned; undefined when the text is malformed or nested deeper than 64.
 */
struct sm_value message_decode(struct vm *vm, struct mutator_work *work, const struct vm_string *text);

#endif
