/*
 * LOG: how what the owner logs comes to the marker, how marking ends, and how a marker is stopped.
 *
 * The owner fills a chunk of its own. A full one goes to the shared list under the lock. The marker takes the whole list
 * when its stack is empty; when both are empty it sets is_drained, raises the owner's attention and waits. The owner, at a
 * safepoint at which it finds is_drained, hands over what its chunk holds, or marks that itself on the marker's stack
 * when it is little, or ends marking when there is nothing. An emergency stops the marker between two entries, takes its
 * stack over and marks the rest.
 *
 * Whoever puts something on the list takes is_drained back under the same lock: a full chunk may be handed over when the
 * marker has already said that it is drained, and then marking is not over although the owner's chunk is empty.
 *
 * Bounds: CYCLES cycles, in each one root, three entries of the owner, two objects that the marker finds by itself;
 * chunks of two entries; safepoints and emergencies anywhere; SPURIOUS_WAKEUPS.
 *
 * run: no entry is lost or used twice, and nobody waits for ever
 * run PROGRESS: and no run goes on for ever: there is no cycle of states at all
 * deep CYCLES=4 SPURIOUS_WAKEUPS=4: longer
 *
 * control FULL_CHUNK_WAKES_NOBODY: a full chunk goes to the list of a marker that is drained already
 * control DRAINED_IS_KEPT: whoever adds to the list signals, but leaves is_drained as it is
 * control ATTENTION_COMES_FIRST: the marker raises the owner's attention before it sets is_drained
 * control OWN_CHUNK_IS_FORGOTTEN: marking ends without a look at the owner's own chunk
 * control LIST_IS_TAKEN_UNLOCKED: the marker takes the list without the lock
 * control WAKE_IS_NOT_CHECKED: a marker that wakes goes on without a look at what it waited for
 * control DRAINED_MARKER_IGNORES_STOP: a marker that is drained waits for entries only
 * control STOP_IS_SET_UNLOCKED: an emergency asks for the stop without the lock
 * control OWNER_DOES_NOT_AWAIT_STOP: it takes the stack over at once
 * control DRAINED_SURVIVES_CYCLE: is_drained is still set when the next marking begins
 */
#include "lock.pml"

#ifndef CYCLES
#define CYCLES 2
#endif

/* Entries are sets of one bit. Marking the root and the first of the owner's finds another object. */
#define ROOT        1
#define ROOT_CHILD  2
#define FIRST       4
#define FIRST_CHILD 8
#define SECOND      16
#define THIRD       32
#define CHILD_OF(entry) (((entry) & (ROOT | FIRST)) << 1)
#define CHUNK_ENTRIES 2

/* Under the lock. */
byte list;
bool is_drained, is_stopped, is_marking, is_over;
bool marker_waits, owner_waits; /* the condition variables */
/* Written under the lock, looked at without it between two entries. */
bool stop_is_wanted;

byte stack; /* the marker's, or the owner's while the marker waits */
bool attention;

/* What only the properties look at. */
byte used;        /* entries that were marked from */
byte stack_users; /* threads that work on the stack */
byte entries_since_stop;

inline take_entry()
{
    atomic {
        entry = stack & ~(stack - 1); /* any: the lowest */
        stack = stack & ~entry;
        stack_users++;
        printf("entry %d\n", entry);
        assert(stack_users == 1);
        assert((used & entry) == 0) /* none is used twice */
    };
    atomic {
        used = used | entry;
        stack = stack | CHILD_OF(entry);
        stack_users--;
        entry = 0
    }
}

/* ---- The marker. ---- */

inline marker_answer_stop()
{
    lock();
    printf("marker stops\n");
    is_stopped = true;
    signal(owner_waits);
    do
    :: stop_is_wanted -> wait(marker_waits)
    :: else -> break
    od;
    is_stopped = false;
    unlock()
}

/* Whole, so that the lock is taken once for all that waits. */
inline marker_take_list()
{
    stack = list;
    list = 0
}

inline marker_wait_for_more()
{
#ifdef CONTROL_ATTENTION_COMES_FIRST
    unlock();
    attention = true;
    lock();
    is_drained = true;
#else
    is_drained = true;
    attention = true;
#endif
    printf("marker is drained\n");
#ifdef CONTROL_WAKE_IS_NOT_CHECKED
    wait(marker_waits);
    is_drained = false
#else
    do
#ifdef CONTROL_DRAINED_MARKER_IGNORES_STOP
    :: is_drained && is_marking && !is_over -> wait(marker_waits)
#else
    :: is_drained && is_marking && !is_over && !stop_is_wanted -> wait(marker_waits)
#endif
    :: else -> break
    od
#endif
}

inline marker_refill()
{
#ifdef CONTROL_LIST_IS_TAKEN_UNLOCKED
    marker_take_list();
#endif
    lock();
    if
    :: stop_is_wanted /* answered on the next round */
    :: else ->
        if
        :: stack != 0
        :: stack == 0 && list != 0 -> marker_take_list()
        :: stack == 0 && list == 0 -> marker_wait_for_more()
        fi
    fi;
    unlock()
}

inline marker_wait_for_cycle()
{
    lock();
    do
    :: !is_marking && !is_over && !stop_is_wanted -> wait(marker_waits)
    :: else -> break
    od;
    unlock()
}

proctype marker()
{
    byte entry;
    do
    :: is_over -> break
    :: else ->
        if
        :: stop_is_wanted -> marker_answer_stop()
        :: else ->
            if
            :: !is_marking -> marker_wait_for_cycle()
            :: is_marking && stack != 0 ->
                /* However much waits: the answer comes after the entry in hand. */
                atomic {
                    entries_since_stop = entries_since_stop + stop_is_wanted;
                    assert(entries_since_stop <= 1)
                };
                take_entry()
            :: is_marking && stack == 0 -> marker_refill()
            fi
        fi
    od
}

/* ---- The owner. ---- */

inline owner_hand_over()
{
    printf("owner hands over %d\n", chunk);
    list = list | chunk;
    chunk = 0;
#ifndef CONTROL_DRAINED_IS_KEPT
    is_drained = false;
#endif
    signal(marker_waits)
}

inline owner_append()
{
    printf("owner appends %d\n", next);
    chunk = chunk | next;
    next = (next == FIRST -> SECOND : (next == SECOND -> THIRD : 0));
    appended = appended | chunk;
    if
    :: (chunk & (chunk - 1)) != 0 -> /* CHUNK_ENTRIES: it is full */
        lock();
#ifdef CONTROL_FULL_CHUNK_WAKES_NOBODY
        list = list | chunk;
        chunk = 0;
#else
        owner_hand_over();
#endif
        unlock()
    :: else
    fi
}

/* Marks what is left. The marker waits, and nobody else knows the stack. */
inline owner_mark_rest()
{
    stack = stack | list | chunk;
    list = 0;
    chunk = 0;
    do
    :: stack != 0 -> take_entry()
    :: else -> break
    od
}

/* With the lock held, as all that decides by is_drained: the marker waits then. */
inline owner_safepoint()
{
    attention = false;
    lock();
    printf("owner is at a safepoint\n");
    if
    :: !is_drained
#ifdef CONTROL_OWN_CHUNK_IS_FORGOTTEN
    :: is_drained -> is_finished = true
#else
    :: is_drained && chunk == 0 -> is_finished = true
    :: is_drained && chunk != 0 -> owner_hand_over()
    :: is_drained && chunk != 0 -> owner_mark_rest(); is_finished = true
#endif
    fi;
    unlock()
}

/* The owner goes on when the marker has answered. */
inline owner_stop_marker()
{
    printf("emergency\n");
#ifdef CONTROL_STOP_IS_SET_UNLOCKED
    stop_is_wanted = true;
    signal(marker_waits);
    lock();
#else
    lock();
    stop_is_wanted = true;
    signal(marker_waits);
#endif
#ifndef CONTROL_OWNER_DOES_NOT_AWAIT_STOP
    do
    :: !is_stopped -> wait(owner_waits)
    :: else -> break
    od;
#endif
    unlock()
}

inline owner_release_marker()
{
    lock();
    stop_is_wanted = false;
    entries_since_stop = 0;
    signal(marker_waits);
    unlock()
}

inline owner_begin()
{
    lock();
    stack = ROOT;
    appended = ROOT | ROOT_CHILD;
    next = FIRST;
    is_marking = true;
#ifndef CONTROL_DRAINED_SURVIVES_CYCLE
    is_drained = false;
#endif
    signal(marker_waits);
    unlock()
}

/* Termination, but for what phases.pml does in it. */
inline owner_end()
{
    printf("owner ends marking\n");
    assert(stack_users == 0);
    assert(stack == 0 && list == 0 && chunk == 0);
    appended = appended | CHILD_OF(appended & FIRST);
    assert(used == appended); /* none is lost */
    lock();
    is_marking = false;
    used = 0;
    appended = 0;
    is_finished = false;
    unlock()
}

proctype owner()
{
    byte chunk, next, entry, cycle, appended;
    bool is_finished;
    do
    :: cycle < CYCLES ->
        cycle++;
        owner_begin();
        do
        :: is_finished -> break
        :: !is_finished && next != 0 -> owner_append()
        :: !is_finished && attention -> owner_safepoint()
        :: !is_finished ->
            owner_stop_marker();
            owner_mark_rest();
            is_finished = true
        od;
        owner_end();
        owner_release_marker()
    :: else -> break
    od;
    lock();
    is_over = true;
    signal(marker_waits);
    unlock()
}

init {
    atomic { run marker(); run owner() }
}
