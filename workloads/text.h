/**
 * Text: words for generated content, and the string operations of a PHP program on VM strings.
 *
 * Unless stated, strings returned are owned, parameters borrowed; no function reaches a safepoint. An
 * argument must be rooted or younger than the last safepoint. Errors: allocation failure bails out.
 */
#ifndef TEXT_H
#define TEXT_H

#include "sapivm/vm.h"
#include "workloads/random.h"

/** A growing text outside the VM: what the world sends in. */
struct text_buffer {
    char *bytes;
    size_t length, capacity;
    bool failed; /**< the system refused memory; what follows is dropped */
};

void text_buffer_free(struct text_buffer *buffer);
void text_buffer_put(struct text_buffer *buffer, const char *bytes, size_t byte_count);
void text_buffer_put_text(struct text_buffer *buffer, const char *text);
void text_buffer_put_number(struct text_buffer *buffer, uint64_t number);
/** `word_count` random words, separated by spaces. */
void text_buffer_put_words(struct text_buffer *buffer, struct wl_random *random, unsigned word_count);

/** A word of the vocabulary, by any number. */
const char *text_word(uint64_t number);

/** Write `number` in decimal without a terminator; `text` has room for 24 bytes. Returns the length. */
size_t text_format_number(char *text, int64_t number);

/** Decimal text of a number. */
struct vm_string *text_number(struct vm *vm, int64_t number);

/** "left" . "right", the left being C text. */
struct vm_string *text_prefix(struct vm *vm, const char *prefix, const struct vm_string *text);

/** `word_count` random words as one string. */
struct vm_string *text_words(struct vm *vm, struct wl_random *random, unsigned word_count);

/** ucwords(): the first letter of each piece between separators is made a capital. */
struct vm_string *text_capitalise(struct vm *vm, const struct vm_string *text, char separator);

/** substr(). The range must lie inside. */
struct vm_string *text_slice(struct vm *vm, const struct vm_string *text, size_t start, size_t byte_count);

/** explode(): packed list of the pieces between separators. */
struct vm_array *text_split(struct vm *vm, const struct vm_string *text, char separator);

/** implode() of a list of strings. */
struct vm_string *text_join(struct vm *vm, const struct vm_array *pieces, const char *glue);

/** str_replace(): a copy of the value itself when nothing matches, as PHP does. Returns an owned value. */
struct sm_value text_replace(struct vm *vm, struct vm_string *text, const char *search, const char *replacement);

/** htmlspecialchars(). */
struct vm_string *text_escape(struct vm *vm, const struct vm_string *text);

/** Append C text, a string, or a number's text to the string in a place. */
void text_append(struct vm *vm, struct vm_place place, const char *text);
void text_append_string(struct vm *vm, struct vm_place place, const struct vm_string *text);

#endif
