/*
 * WEAK LOADS (R9): what a weak reference hands out while marking runs beside the program.
 *
 * A weak reference is no edge, so its target may be an object that nothing in the snapshot leads to. weak_get appends a
 * target that still has the old colour to the log before it hands it out; then marking keeps it, and all it leads to.
 * When marking ends, and also in the pause of any other cycle, references to what was not marked are cleared, so that no
 * dead object is handed out while sweeping goes on. What weak_get hands out is in a local of C code until it is stored:
 * an emergency in between takes all that was handed out since the last safepoint for roots.
 *
 * Claims, the log and sweeping are single steps here, and there is no grace period. An object allocated since the
 * snapshot has no colour, is not logged, and is not swept by this cycle.
 *
 * Bounds: three objects of one slot, two registers, which are the roots, one local, one weak reference that may be made
 * anew. No bound on operations and cycles: all states are visited.
 *
 * run: everything
 *
 * control TARGET_IS_NOT_LOGGED: weak_get only hands it out
 * control TARGET_IS_LOGGED_LATER: at the next safepoint, at which marking may end
 * control REFERENCES_ARE_CLEARED_BY_SWEEP: when the target's memory is found, not when marking ends
 * control REFERENCES_ARE_CLEARED_EARLY: as marking ends, but before what is on the log has been marked
 * control EMERGENCY_FORGETS_HANDED_OUT: only registers are its roots
 */
#define CELLS 3
#define BIT(cell) ((1 << (cell)) & ~1)
#define ALL (BIT(1) | BIT(2) | BIT(3))

byte slot[CELLS + 1]; /* slot[0] stays 0 */
byte registers[2];
byte at_hand;      /* a local of C code: what weak_get has handed out since the last safepoint */
byte target;       /* of the weak reference; 0: it is cleared, or there is none */

/* Granule bytes, as sets; a cell in neither has no colour. Behind the end of marking the other colour is stale. */
byte old_colour, other_colour;
byte allocated;    /* until it is swept */
bool is_marking;
byte stack;        /* the marker's, and the log */
byte claimed;
byte to_be_logged; /* of a control */

/* What only the properties look at. */
byte given; /* handed out since marking began */

#define CHAIN(cell) (BIT(cell) | BIT(slot[cell]) | BIT(slot[slot[cell]]))
#define REACHABLE (CHAIN(registers[0]) | CHAIN(registers[1]))

/* What is free has no contents, so that states which differ in them only are one. */
inline free_cells(dead)
{
    assert((dead & (REACHABLE | BIT(at_hand) | given)) == 0);
#ifndef CONTROL_REFERENCES_ARE_CLEARED_BY_SWEEP
    assert((dead & BIT(target)) == 0);
#endif
    allocated = allocated & ~(dead);
    target = ((allocated & BIT(target)) != 0 -> target : 0);
    slot[1] = ((allocated & BIT(1)) != 0 -> slot[1] : 0);
    slot[2] = ((allocated & BIT(2)) != 0 -> slot[2] : 0);
    slot[3] = ((allocated & BIT(3)) != 0 -> slot[3] : 0)
}

/* ---- Cycles. ---- */

/* A reference is cleared when its target is found to be dead, and not before. */
inline clear_reference(dead)
{
    if
    :: ((dead) & BIT(target)) != 0 ->
        assert(((REACHABLE | BIT(at_hand)) & BIT(target)) == 0);
        target = 0
    :: else
    fi
}

/* Of everything, with the owner stopped. */
inline full_cycle()
{
    old_colour = REACHABLE;
#ifndef CONTROL_EMERGENCY_FORGETS_HANDED_OUT
    old_colour = old_colour | CHAIN(at_hand);
#endif
    clear_reference(~old_colour);
    given = 0;
    free_cells(allocated & ~old_colour)
}

/* The young cycle before it leaves everything old, dead or not: what is dead and has a weak reference is the case here. */
inline begin_marking()
{
    old_colour = allocated;
    given = 0;
    stack = BIT(registers[0]) | BIT(registers[1]);
    is_marking = true
}

inline mark_object(object)
{
    if
    :: (old_colour & BIT(object)) != 0 ->
        old_colour = old_colour & ~BIT(object);
        other_colour = other_colour | BIT(object);
        stack = stack | ((claimed & BIT(object)) != 0 -> 0 : BIT(slot[object]))
    :: else
    fi
}

inline mark_all()
{
    do
    :: (stack & BIT(1)) != 0 -> stack = stack & ~BIT(1); mark_object(1)
    :: (stack & BIT(2)) != 0 -> stack = stack & ~BIT(2); mark_object(2)
    :: (stack & BIT(3)) != 0 -> stack = stack & ~BIT(3); mark_object(3)
    :: else -> break
    od
}

inline end_marking()
{
    assert((given & old_colour) == 0); /* it would be swept */
#ifndef CONTROL_REFERENCES_ARE_CLEARED_BY_SWEEP
    clear_reference(old_colour);
#endif
    swap = old_colour;
    old_colour = other_colour;
    other_colour = swap;
    swap = 0;
    claimed = 0;
    is_marking = false
}

inline sweep_all()
{
    free_cells(other_colour);
    other_colour = 0
}

/* Bounded: it marks what is left, sweeps, then marks everything anew. */
inline emergency()
{
    if
    :: is_marking -> mark_all(); end_marking()
    :: else
    fi;
    sweep_all();
    full_cycle()
}

/* ---- The owner. ---- */

inline choose_register(variable)
{
    if
    :: variable = 0
    :: variable = 1
    fi
}

inline choose_object(variable)
{
    if
    :: registers[0] != 0 -> variable = registers[0]
    :: registers[1] != 0 -> variable = registers[1]
    fi
}

/* Registers exchanged are the same state. */
inline order_registers()
{
    if
    :: registers[0] < registers[1] ->
        swap = registers[0];
        registers[0] = registers[1];
        registers[1] = swap
    :: else
    fi;
    swap = 0
}

/* The marker may come between any two of these steps; a safepoint may not. */
inline weak_get()
{
    seen = target;
    is_unmarked = is_marking && (old_colour & BIT(seen)) != 0;
    d_step {
        printf("owner gets %d\n", seen);
        assert((BIT(seen) & ~allocated) == 0); /* never what was swept, nor what is about to be */
        assert(is_marking || (BIT(seen) & other_colour) == 0);
#ifdef CONTROL_TARGET_IS_LOGGED_LATER
        to_be_logged = (is_unmarked -> BIT(seen) : 0);
#elif !defined(CONTROL_TARGET_IS_NOT_LOGGED)
        stack = stack | (is_unmarked -> BIT(seen) : 0);
#endif
        at_hand = seen;
        given = given | (is_marking -> BIT(seen) : 0);
        seen = 0;
        is_unmarked = false
    }
}

inline store()
{
    choose_object(cell);
    if
    :: choose_object(value)
    :: at_hand != 0 -> value = at_hand
    :: value = 0
    fi;
    d_step {
        printf("owner stores %d in %d\n", value, cell);
        if
        :: is_marking && (old_colour & ~claimed & BIT(cell)) != 0 ->
            claimed = claimed | BIT(cell);
            stack = stack | BIT(slot[cell])
        :: else
        fi;
        slot[cell] = value;
        cell = 0;
        value = 0
    }
}

/* Into a register; null drops what it held. */
inline load()
{
    choose_register(place);
    if
    :: choose_object(cell); value = slot[cell]
    :: at_hand != 0 -> value = at_hand
    :: value = 0
    fi;
    d_step {
        registers[place] = value;
        order_registers();
        printf("owner has %d and %d\n", registers[0], registers[1]);
        place = 0;
        cell = 0;
        value = 0
    }
}

/* Which free cell makes no difference: the first. */
inline allocate()
{
    choose_register(place);
    d_step {
        cell = ((allocated & BIT(1)) == 0 -> 1 : ((allocated & BIT(2)) == 0 -> 2 : 3));
        printf("owner allocates %d\n", cell);
        assert(((old_colour | other_colour) & BIT(cell)) == 0);
        allocated = allocated | BIT(cell);
        registers[place] = cell;
        order_registers();
        place = 0;
        cell = 0
    }
}

inline safepoint()
{
    at_hand = 0;
    stack = stack | to_be_logged;
    to_be_logged = 0
}

active proctype owner()
{
    byte cell, value, place, seen, swap;
    bool is_unmarked;
end:
    do
    :: atomic { allocated != ALL -> allocate() }
    :: atomic { registers[0] != 0 -> store() }
    :: atomic { (registers[0] | at_hand) != 0 -> load() }
    :: target != 0 && at_hand == 0 -> weak_get()
    :: atomic { target == 0 && registers[0] != 0 -> choose_object(target) } /* a new weak reference */
    :: d_step { safepoint() }
    :: d_step {
        !is_marking && other_colour == 0 ->
        printf("marking begins\n");
        safepoint();
        begin_marking()
    }
#ifdef CONTROL_REFERENCES_ARE_CLEARED_EARLY
    :: d_step { is_marking && stack != 0 -> safepoint(); clear_reference(old_colour) }
#endif
    :: d_step {
        is_marking && stack == 0 ->
        printf("marking ends\n");
        at_hand = 0;
            end_marking();
        stack = stack | to_be_logged;
        to_be_logged = 0
    }
    :: d_step { printf("emergency\n"); emergency() }
    od
}

/* ---- The collector. ---- */

active proctype collector()
{
    byte cell;
end:
    do
    :: atomic {
        is_marking && stack != 0 ->
        if
        :: (stack & BIT(1)) != 0 -> cell = 1
        :: (stack & BIT(2)) != 0 -> cell = 2
        :: (stack & BIT(3)) != 0 -> cell = 3
        fi;
        d_step {
            printf("collector marks %d\n", cell);
            stack = stack & ~BIT(cell);
            mark_object(cell);
            cell = 0
        }
    }
    :: d_step { !is_marking && other_colour != 0 -> printf("collector sweeps\n"); sweep_all() }
    od
}
