/**
 * Lists of object addresses that only grow at one end: what the snapshot's barrier saves for the marker, and old objects
 * that were written to.
 *
 * Values; a chunk moves from one list to another without a copy. Zeroed: empty.
 * Threads: whoever holds the list.
 */
#ifndef SM_EPOCH_LOG_H
#define SM_EPOCH_LOG_H

#include "sapimem/object.h"

enum {
    EPOCH_LOG_CHUNK_ENTRIES = 126, /**< a KiB: what is handed over, or looked at, without a break */
    EPOCH_LOG_PAIR = 1,            /**< tag of an address: the entry behind it belongs to it */
};

struct epoch_log_chunk {
    struct epoch_log_chunk *next;
    size_t count;
    uintptr_t entries[EPOCH_LOG_CHUNK_ENTRIES];
};

struct epoch_log {
    struct epoch_log_chunk *first; /**< newest; only it may have room */
    uint64_t count;                /**< entries in all chunks */
};

/** Append one word. False: no memory; nothing changed. */
bool epoch_log_add(struct epoch_log *log, uintptr_t entry);
/** Append an object's address and a number, side by side in one chunk; the address is tagged EPOCH_LOG_PAIR. */
bool epoch_log_add_pair(struct epoch_log *log, uintptr_t entry, size_t number);
/** Take the newest chunk out; the caller frees it. NULL: the list is empty. */
struct epoch_log_chunk *epoch_log_take(struct epoch_log *log);
/** Put all of `tail` into `log`; empties it. */
void epoch_log_splice(struct epoch_log *log, struct epoch_log *tail);
void epoch_log_clear(struct epoch_log *log);

#endif
