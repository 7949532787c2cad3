/*
 * CLAIM of a large array (R8): its slots are claimed by chunk, each with a byte of its own.
 *
 * A chunk's byte has the colour of the last marking in which the chunk was read, by either side, and BUSY while the
 * marker reads. The marker gives the array its new colour, then takes one chunk after the other; the owner looks at the
 * chunk it is about to write to. Nobody clears chunk bytes between cycles, so a chunk must not carry a colour when that
 * colour comes round. Therefore every cycle leaves its colour on every chunk, cycles that stop the owner included.
 *
 * Bounds: one array of two chunks of two slots, two objects without slots, all contents; one register of the owner;
 * CYCLES cycles, each with the owner stopped or beside it, OPERATIONS loads and stores in all of these.
 *
 * run: two operations
 * deep OPERATIONS=3: three
 *
 * control ARRAY_IS_CHECKED_ONCE: the owner looks at a chunk at its first write to the array only
 * control ARRAY_COLOUR_IS_ENOUGH: it looks at no chunk once the array itself is marked
 * control OWNER_IGNORES_BUSY: it writes while the marker reads
 * control LOGS_ONE_SLOT: it logs only what it overwrites
 * control STOPPED_CYCLE_SKIPS_CHUNK_BYTES: a cycle that stops the owner marks the array and leaves its chunks' bytes
 * control CHUNK_BYTES_ARE_INHERITED: an array is allocated without clearing them
 */
#include "granule.pml"

#ifndef OPERATIONS
#define OPERATIONS 2
#endif
#define CYCLES 3

#define ARRAY   1
#define OBJECTS 3 /* 2 and 3 have no slots */
#define CHUNKS  2
#define SLOTS   4
#define CHUNK_SLOTS 2
#define BIT(object) ((1 << (object)) & ~1)
#define NEW (COLOUR_A + COLOUR_B - old_colour) /* the other of the two */

byte granule[OBJECTS + 1];
byte chunk[CHUNKS];
byte tag[SLOTS], payload[SLOTS];
byte held; /* the owner's register */

byte old_colour = COLOUR_A; /* what survivors of the last cycle carry */
bool is_marking;
bool marker_is_busy;
byte stack, log; /* sets of objects */
byte rest;       /* on the stack: chunks of the array from this one on; CHUNKS: none */

/* What only the properties look at. */
byte snapshot_reachable;
byte scan_count[CHUNKS];

/* ---- The marker. ---- */

inline marker_scan_chunk()
{
    scan_count[index]++;
    assert(scan_count[index] == 1); /* by one side, once */
    slot = index * CHUNK_SLOTS;
    do
    :: slot < (index + 1) * CHUNK_SLOTS ->
        seen = tag[slot];
        atomic {
            assert(seen == payload[slot]); /* never torn */
            stack = stack | BIT(payload[slot]);
            seen = 0
        };
        slot++
    :: else -> slot = 0; break
    od
}

inline marker_take_chunk()
{
    seen = chunk[index];
    if
    :: COLOUR(seen) == NEW /* the owner was first */
    :: else ->
        compare_and_swap(chunk[index], seen, NEW | BUSY, swapped);
        if
        :: swapped -> marker_scan_chunk(); chunk[index] = NEW
        :: else -> assert(chunk[index] == NEW) /* the owner was first after all */
        fi;
        swapped = false
    fi;
    seen = 0
}

/* Objects without slots, and the array's own byte, are the marker's alone: one step, and no claim. */
inline marker_take_object()
{
    if
    :: (stack & BIT(1)) != 0 -> object = 1
    :: (stack & BIT(1)) == 0 && (stack & BIT(2)) != 0 -> object = 2
    :: stack == BIT(3) -> object = 3
    fi;
    stack = stack & ~BIT(object);
    if
    :: granule[object] == old_colour ->
        granule[object] = NEW;
        rest = (object == ARRAY -> 0 : rest)
    :: else
    fi;
    object = 0
}

active proctype marker()
{
    byte object, index, slot, seen;
    bool swapped;
end:
    do
    :: d_step { is_marking && stack != 0 -> marker_take_object() }
    :: atomic { is_marking && rest < CHUNKS -> index = rest; rest++; marker_is_busy = true };
        marker_take_chunk();
        atomic { index = 0; marker_is_busy = false }
    :: d_step { is_marking && stack == 0 && rest == CHUNKS && log != 0 -> stack = log; log = 0 }
    od
}

/* ---- The owner. ---- */

inline owner_log_chunk()
{
    d_step {
        slot = index * CHUNK_SLOTS;
        do
        :: slot < (index + 1) * CHUNK_SLOTS ->
#ifdef CONTROL_LOGS_ONE_SLOT
            log = log | BIT((slot == target -> payload[slot] : 0));
#else
            log = log | BIT(payload[slot]);
#endif
            slot++
        :: else -> slot = 0; break
        od
    }
}

inline owner_claim_chunk()
{
    do
    ::  seen = chunk[index];
        if
        :: COLOUR(seen) == NEW && (seen & BUSY) == 0 -> break
        :: COLOUR(seen) == NEW && (seen & BUSY) != 0 ->
#ifdef CONTROL_OWNER_IGNORES_BUSY
            break
#else
            chunk[index] != seen /* it spins */
#endif
        :: else ->
            compare_and_swap(chunk[index], seen, NEW, swapped);
            if
            :: swapped -> scan_count[index]++; owner_log_chunk(); break
            :: else /* the marker was first */
            fi
        fi
    od;
    seen = 0;
    swapped = false
}

inline owner_store()
{
    if
#ifdef CONTROL_ARRAY_IS_CHECKED_ONCE
    :: is_marking && !was_checked ->
#elif defined(CONTROL_ARRAY_COLOUR_IS_ENOUGH)
    :: is_marking && granule[ARRAY] == old_colour ->
#else
    :: is_marking ->
#endif
        index = target / CHUNK_SLOTS;
        owner_claim_chunk();
        was_checked = true;
        index = 0
    :: else
    fi;
    tag[target] = value;
    payload[target] = value;
    value = 0
}

inline owner_operate()
{
    atomic {
        if
        :: target = 0
        :: target = 1
        :: target = 2
        :: target = 3
        fi
    };
    if
    :: held = payload[target]
    :: value = held; owner_store()
    :: value = 0; owner_store()
    fi;
    target = 0
}

inline find_reachable(reachable)
{
    reachable = BIT(ARRAY) | BIT(held) | BIT(payload[0]) | BIT(payload[1]) | BIT(payload[2]) | BIT(payload[3])
}

inline snapshot()
{
    d_step {
        find_reachable(snapshot_reachable);
        stack = BIT(ARRAY) | BIT(held);
        scan_count[0] = 0;
        scan_count[1] = 0;
        was_checked = false;
        is_marking = true
    }
}

/* Colours change; what did not get the new one is swept. */
inline terminate()
{
    is_marking = false;
    object = 1;
    do
    :: object <= OBJECTS ->
        assert((snapshot_reachable & BIT(object)) == 0 || granule[object] == NEW);
        granule[object] = (granule[object] == NEW -> granule[object] : COLOUR_NONE);
        object++
    :: else -> break
    od;
    object = 0;
    assert(scan_count[0] == 1 && scan_count[1] == 1);
    old_colour = NEW;
    snapshot_reachable = 0
}

/* A cycle that stops the owner marks in the same way, in one step for everybody else. */
inline stop_and_mark()
{
    d_step {
        find_reachable(snapshot_reachable);
        object = 1;
        do
        :: object <= OBJECTS ->
            granule[object] = ((snapshot_reachable & BIT(object)) != 0 -> NEW : granule[object]);
            object++
        :: else -> break
        od;
        scan_count[0] = 1;
        scan_count[1] = 1;
#ifndef CONTROL_STOPPED_CYCLE_SKIPS_CHUNK_BYTES
        chunk[0] = NEW;
        chunk[1] = NEW;
#else
        skip;
#endif
    }
}

proctype owner()
{
    byte cycle, operation, index, slot, seen, target, value, object;
    bool swapped, was_checked;
    do
    :: cycle < CYCLES ->
        cycle++;
        if
        :: stop_and_mark()
        :: snapshot();
            do
            :: operation < OPERATIONS -> operation++; owner_operate()
            :: break
            od;
            stack == 0 && log == 0 && rest == CHUNKS && !marker_is_busy
        fi;
        d_step { terminate() }
    :: else -> break
    od
}

init {
    byte slot;
    atomic {
        rest = CHUNKS;
        granule[1] = COLOUR_A;
        granule[2] = COLOUR_A;
        granule[3] = COLOUR_A;
        /* What the cycle that gave the old colour left there, or nothing: the array was young then. */
        if
#ifndef CONTROL_CHUNK_BYTES_ARE_INHERITED
        :: chunk[0] = COLOUR_A; chunk[1] = COLOUR_A
        :: skip
#else
        :: chunk[0] = COLOUR_B /* from what was in this memory before */
#endif
        fi;
        do
        :: slot < SLOTS ->
            if
            :: payload[slot] = 0
            :: payload[slot] = 2
            :: payload[slot] = 3
            fi;
            tag[slot] = payload[slot];
            slot++
        :: else -> break
        od;
        if
        :: payload[0] <= payload[1] && payload[2] <= payload[3] -> run owner()
        :: else /* the same case with slots exchanged */
        fi
    }
}
