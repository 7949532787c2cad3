/**
 * liburcu's flavours behind one table: the only door through which the policy reaches liburcu.
 *
 * Each flavour is compiled in a file of its own, because the flavours' headers cannot be included
 * together; `<urcu/...>` appears nowhere else.
 */
#ifndef SM_EPOCH_FLAVOR_H
#define SM_EPOCH_FLAVOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What one flavour does on the calling thread.
 *
 * Going offline is `unlock` and coming back is `lock` in every flavour: memb, mb and bp hold nothing
 * back outside a read lock, and qsbr's read lock here is "online", its unlock "offline".
 */
struct epoch_flavor {
    const char *name;
    uint32_t index;                /**< position in the option's choices, and in the thread's use counts */
    void (*register_thread)(void); /**< leaves the thread unlocked */
    void (*unregister_thread)(void);
    void (*lock)(void);
    void (*unlock)(void);
    void (*quiescent)(void);   /**< as unlock, then lock, without leaving */
    void (*synchronize)(void); /**< a whole grace period; never under a lock of any flavour (R3) */
    bool (*read_ongoing)(void);
};

enum { EPOCH_FLAVOR_COUNT = 4 };

extern const struct epoch_flavor epoch_flavor_memb;
extern const struct epoch_flavor epoch_flavor_qsbr;
extern const struct epoch_flavor epoch_flavor_mb;
extern const struct epoch_flavor epoch_flavor_bp;

/** Names in the order of the indices, NULL-terminated: the choices of the option. */
extern const char *const epoch_flavor_names[EPOCH_FLAVOR_COUNT + 1];

const struct epoch_flavor *epoch_flavor_get(size_t index);

/**
 * The calling thread's use of a flavour, counted over every manager of the process.
 *
 * liburcu knows threads, not managers: a second registration would corrupt its list, and a second
 * manager's unlock under qsbr would end the first one's guard. So only the first and the last of a
 * thread's registrations and locks reach liburcu. (A thread that is registered with the same flavour
 * by the embedder's own use of liburcu must not own or observe a manager of that flavour; bp has no
 * such restriction.)
 */
void epoch_thread_register(const struct epoch_flavor *flavor);
void epoch_thread_unregister(const struct epoch_flavor *flavor);
void epoch_thread_lock(const struct epoch_flavor *flavor);
void epoch_thread_unlock(const struct epoch_flavor *flavor);
/** A quiescent point; nothing happens while another manager's guard is held on this thread. */
void epoch_thread_quiescent(const struct epoch_flavor *flavor);

/** Whether the calling thread is in a guard of any flavour and any manager (R3). */
bool epoch_thread_in_guard(void);

#endif
