/*
 * REMEMBERED SET: what young cycles look at besides the roots, and what an emergency does to it.
 *
 * Marked objects are old, others young. An old object is armed, which is a bit of its header; the first write to it takes
 * the bit away and logs the object. A young cycle looks at the roots and at the slots of logged objects, marks the young
 * that it finds, arms them, and arms the logged ones again. An emergency may come at any allocation, also between that of
 * an object and the store that initialises it: what was made since the last safepoint is a root then, becomes old, but
 * stays unarmed and is logged, because stores to it are still to come. A later emergency of the same stretch does the same.
 *
 * The owner alone: nothing here is concurrent. What is free is reused at once (phases.pml has grace periods).
 *
 * Bounds: CELLS objects of one slot; two registers, which are the roots; two locals of C code, which are not. No bound on
 * operations and cycles: all states are visited.
 *
 * run: everything
 *
 * control STORE_IS_NOT_LOGGED: a write to an armed object logs nothing
 * control LOGGED_ARE_NOT_ARMED_AGAIN: a young cycle empties the log only
 * control SURVIVORS_ARE_NOT_ARMED: nor does it arm what became old
 * control LOGGED_ARE_NOT_SCANNED: a young cycle looks at the roots only
 * control LOCALS_SURVIVE_SAFEPOINT: C code initialises an object behind a safepoint
 * control EMERGENCY_IGNORES_RECENT: only registers are roots
 * control EMERGENCY_ARMS_RECENT: they are armed and not logged, as any survivor
 * control EMERGENCY_DOES_NOT_LOG_RECENT: they are unarmed, but on no log
 * control EMERGENCY_KEEPS_LOG: what was logged before stays on the log
 * control SECOND_EMERGENCY_FORGETS_RECENT: to it, what the first one kept is as old as any
 */
#define CELLS 4
#define BIT(cell) ((1 << (cell)) & ~1)
#define ALL (BIT(1) | BIT(2) | BIT(3) | BIT(4))

byte slot[CELLS + 1]; /* slot[0] stays 0 */
byte registers[2];
byte locals[2];    /* of C code: made since the last safepoint */
byte old;          /* marked */
byte armed;        /* a header bit */
byte remembered;   /* logged */
byte recent;       /* made since the last safepoint */
byte allocated;

#define CHAIN(cell) (BIT(cell) | BIT(slot[cell]) | BIT(slot[slot[cell]]) | BIT(slot[slot[slot[cell]]]))
#define REACHABLE (CHAIN(registers[0]) | CHAIN(registers[1]))

/* Through young objects only. */
#define YOUNG_NEXT(cell) (((old & BIT(cell)) == 0 -> slot[cell] : 0))
#define YOUNG_CHAIN(cell) (BIT(cell) | BIT(YOUNG_NEXT(cell)) | BIT(YOUNG_NEXT(YOUNG_NEXT(cell))) | \
                           BIT(YOUNG_NEXT(YOUNG_NEXT(YOUNG_NEXT(cell)))))

#ifdef CONTROL_LOGGED_ARE_NOT_SCANNED
#define LOGGED_CHAIN(cell) 0
#else
#define LOGGED_CHAIN(cell) ((remembered & BIT(cell)) != 0 -> YOUNG_CHAIN(slot[cell]) : 0)
#endif

/* Whether nothing in `cell` is unknown to the next young cycle. */
#define IS_TOLD(cell) ((old & ~remembered & BIT(cell)) == 0 || (BIT(slot[cell]) & ~old) == 0)

/* What is free has no contents, so that states which differ in them only are one. */
inline free_all_but(living)
{
    allocated = allocated & (living);
    slot[1] = ((allocated & BIT(1)) != 0 -> slot[1] : 0);
    slot[2] = ((allocated & BIT(2)) != 0 -> slot[2] : 0);
    slot[3] = ((allocated & BIT(3)) != 0 -> slot[3] : 0);
    slot[4] = ((allocated & BIT(4)) != 0 -> slot[4] : 0)
}

inline check()
{
    assert(IS_TOLD(1) && IS_TOLD(2) && IS_TOLD(3) && IS_TOLD(4)); /* nothing old refers to something young and is not logged */
    assert((remembered & ~allocated) == 0)
}

/* ---- Cycles. ---- */

inline young_cycle()
{
    reached = YOUNG_CHAIN(registers[0]) | YOUNG_CHAIN(registers[1]) |
              LOGGED_CHAIN(1) | LOGGED_CHAIN(2) | LOGGED_CHAIN(3) | LOGGED_CHAIN(4);
    assert((REACHABLE & ~(reached | old)) == 0); /* it misses nothing that lives */
#ifndef CONTROL_SURVIVORS_ARE_NOT_ARMED
    armed = armed | (reached & ~old);
#endif
#ifndef CONTROL_LOGGED_ARE_NOT_ARMED_AGAIN
    armed = armed | remembered;
#endif
    remembered = 0;
    old = old | reached;
    free_all_but(old);
    reached = 0
}

/* Of everything: what an emergency does, and, where nothing is recent, any cycle with the owner stopped. */
inline full_cycle()
{
    old = REACHABLE;
#ifndef CONTROL_EMERGENCY_IGNORES_RECENT
    old = old | ((recent & BIT(1)) != 0 -> CHAIN(1) : 0) | ((recent & BIT(2)) != 0 -> CHAIN(2) : 0) |
          ((recent & BIT(3)) != 0 -> CHAIN(3) : 0) | ((recent & BIT(4)) != 0 -> CHAIN(4) : 0);
#endif
    assert(((BIT(locals[0]) | BIT(locals[1])) & ~old) == 0);
    free_all_but(old);
#ifdef CONTROL_EMERGENCY_KEEPS_LOG
    remembered = remembered | recent;
    armed = old & ~remembered;
#elif defined(CONTROL_EMERGENCY_ARMS_RECENT)
    remembered = 0;
    armed = old;
#elif defined(CONTROL_EMERGENCY_DOES_NOT_LOG_RECENT)
    remembered = 0;
    armed = old & ~recent;
#else
    remembered = recent;
    armed = old & ~recent;
#endif
#ifdef CONTROL_SECOND_EMERGENCY_FORGETS_RECENT
    recent = 0;
#endif
    check()
}

/* ---- What the program does. ---- */

/* Places exchanged are the same state. */
inline order(first, second)
{
    if
    :: first < second ->
        value = first;
        first = second;
        second = value
    :: else
    fi;
    value = 0
}

inline choose_place(variable)
{
    if
    :: variable = 0
    :: variable = 1
    fi
}

/* Which free cell makes no difference: the first. */
inline allocate()
{
    d_step {
        cell = ((allocated & BIT(1)) == 0 -> 1 : ((allocated & BIT(2)) == 0 -> 2 : ((allocated & BIT(3)) == 0 -> 3 : 4)));
        printf("allocate %d\n", cell);
        allocated = allocated | BIT(cell);
        recent = recent | BIT(cell);
        locals[1] = cell;
        order(locals[0], locals[1]);
        cell = 0
    }
}

inline choose_known(variable)
{
    if
    :: registers[0] != 0 -> variable = registers[0]
    :: registers[1] != 0 -> variable = registers[1]
    :: locals[0] != 0 -> variable = locals[0]
    :: locals[1] != 0 -> variable = locals[1]
    fi
}

/*
 * What was made since the last safepoint may be initialised without a look at the bit.
 * No cycle comes between the log and the write: neither is a safepoint nor an allocation.
 */
inline store()
{
    choose_known(cell);
    if
    :: choose_known(value)
    :: value = 0
    fi;
    if
    :: (recent & BIT(cell)) != 0 -> is_initialising = true
    :: is_initialising = false
    fi;
    d_step {
        printf("store %d in %d\n", value, cell);
        if
#ifdef CONTROL_STORE_IS_NOT_LOGGED
        :: false
#else
        :: (armed & BIT(cell)) != 0 && !is_initialising ->
            armed = armed & ~BIT(cell);
            remembered = remembered | BIT(cell)
#endif
        :: else
        fi;
        slot[cell] = value;
        check();
        is_initialising = false;
        cell = 0;
        value = 0
    }
}

active proctype owner()
{
    byte cell, value, target, reached;
    bool is_initialising;
end:
    do
    :: atomic { allocated != ALL && locals[1] == 0 -> allocate() }
    :: atomic { (registers[0] | registers[1] | locals[0] | locals[1]) != 0 -> store() }
    :: atomic {
        (registers[0] | registers[1]) != 0 -> /* load, which with a null slot drops what the register held */
        choose_place(target);
        if
        :: registers[0] != 0 -> value = slot[registers[0]]
        :: registers[1] != 0 -> value = slot[registers[1]]
        fi;
        printf("register %d has %d\n", target, value);
        registers[target] = value;
        order(registers[0], registers[1]);
        target = 0
    }
    :: atomic {
        locals[0] != 0 -> /* a register takes what a local has */
        choose_place(target);
        if
        :: value = locals[0]
        :: locals[1] != 0 -> value = locals[1]
        fi;
        printf("register %d has %d\n", target, value);
        registers[target] = value;
        order(registers[0], registers[1]);
        target = 0
    }
    :: d_step {
        printf("safepoint\n");
        recent = 0;
#ifndef CONTROL_LOCALS_SURVIVE_SAFEPOINT
        locals[0] = 0;
        locals[1] = 0
#endif
    }
    :: d_step { recent == 0 -> printf("young cycle\n"); young_cycle(); check() }
    :: d_step { printf("emergency\n"); full_cycle() }
    od
}
