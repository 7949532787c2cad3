/*
 * PHASES: young cycles, marking beside the program, sweeping, memory retired by hand and emergencies, over many cycles.
 *
 * Marking begins in the pause of a young cycle, after which every living object has the old colour; it gives the other
 * colour to what was reachable then. When it is over the colours change places, so that what was not reached has a
 * stale byte, the other colour again, until the block it lies in is swept. Marking begins only when all are. Memory is
 * found by bytes alone: in a swept block, after its grace period, what has none is a hole.
 *
 * One step here is what one thread does without looking at what others do meanwhile: claims are atomic (claim.pml), and
 * so is the log (log.pml). Grace periods end whenever they like.
 *
 * What is retired by hand. Nothing reachable refers to it, says sm_retire, but something dead may, and a young cycle that
 * finds the dead on its log follows their slots. So whatever is retired by hand is held, and sealed into a batch only by
 * the next young cycle, which empties the log; in marking there is none, so the marker's stack is no danger either. With
 * EXCLUSIVE_RETIRE callers promise that nothing at all refers to it but what is retired as well. Then a young cycle
 * passes over what is retired, and held need only be what a stack or the log itself may refer to: in marking, the objects
 * of the snapshot; else what is on the log.
 *
 * Bounds: three cells in two blocks, each cell room for an object of one slot; two registers, which are the roots. No bound
 * on operations and cycles: all states are visited.
 *
 * run: memory is retired by hand, as sm_retire is documented
 * run EXCLUSIVE_RETIRE: with the stronger promise
 * run DESTRUCTORS: what lies in the third cell has a destructor, and nothing is retired by hand
 * deep UNSHADED: what is retired in marking is not put on the stack: the snapshot leads to it anyway
 *
 * control SNAPSHOT_IS_HELD_ONLY: what is retired by hand is held in marking only
 * control SNAPSHOT_AND_LOGGED_ARE_HELD_ONLY: or when it is on the log, although something dead may refer to it
 * control RETIRED_IN_MARKING_IS_SEALED: it is held at any time but in marking
 * control HELD_UNTIL_TERMINATION: it is sealed as marking ends, not by the young cycle after that
 * control LOGGED_IS_SEALED EXCLUSIVE_RETIRE: what is on the log is not held outside marking
 * control RETIRED_IS_SCANNED EXCLUSIVE_RETIRE: a young cycle looks at the slots of what was retired
 * control LISTS_SURVIVE_TERMINATION: what waits by itself is not left to its block when its byte becomes stale
 * control LISTS_SURVIVE_YOUNG_CYCLE: nor when it has no byte and its block goes to the pool
 * control REMEMBERED_SURVIVES_EMERGENCY: the log of young cycles is not emptied by one of everything
 * control YOUNG_CYCLE_IN_MARKING: young cycles go on while marking is on
 * control MARKING_WITHOUT_YOUNG_CYCLE: marking begins at any safepoint
 * control MARKING_ENDS_UNDRAINED: marking ends while something waits
 * control MARKING_NEEDS_POOL_SWEPT: marking begins when the pool is swept, though blocks elsewhere are not
 * control OWN_BLOCKS_STAY_UNSWEPT: a young cycle gives the owner's blocks back with stale bytes, as if they were swept
 * control UNSWEPT_IS_TAKEN: the owner sweeps a block as it takes it, and allocates where the dead have just been found
 * control SWEPT_IS_FREE_AT_ONCE: a sweep offers the block without a grace period
 * control SWEEPERS_BLOCK_IS_WRITTEN: the owner clears a byte between the sweeper's read and its write
 * control DUE_IS_NOT_MARKED DESTRUCTORS: an object whose destructor is due is not marked as marking ends
 */
#define CELLS  3
#define BIT(cell) ((1 << (cell)) & ~1)
#define BLOCK_OF(cell) ((cell) == 3)
#define CELLS_OF(block) ((block) == 0 -> BIT(1) | BIT(2) : BIT(3))

/* Where a block is. */
#define POOL    0
#define OWNER   1 /* objects may have been allocated there since the last cycle */
#define SWEEPER 2
#define BATCH   3 /* waits for a grace period, whole */
byte place[2];
bool is_unswept[2];
byte read_word[2]; /* the old colour's part of what the sweeper has read, before it writes */

/* Granule bytes, as two sets of cells; a cell in neither has no colour. */
byte old_colour, other_colour;

byte slot[CELLS + 1]; /* by cell; slot[0] stays 0 */
byte registers[2];

bool is_marking;
byte stack;      /* the marker's, and the log */
byte claimed;    /* the owner wrote to it while it had the old colour, and logged what it referred to */
byte armed;      /* a header bit: the next write logs it for the young cycle */
byte remembered; /* logged so */
byte holes;      /* of the owner's blocks: where it allocates */
byte held;       /* retired by hand, and not sealed yet */
byte sealed;     /* retired by hand, in a batch */
byte graced;     /* and its grace period is over, but the owner has not looked yet */
byte due;        /* a root: the object whose destructor is to run */
bool has_destructor; /* of what lies in the third cell: not chosen yet */

/* What only the properties look at. */
byte allocated; /* neither retired nor found to be dead */
byte waiting;   /* retired or found to be dead, before the end of the grace period */

/* An object has one slot, so what it leads to is a chain, of at most three. */
#define CHAIN(cell) (BIT(cell) | BIT(slot[cell]) | BIT(slot[slot[cell]]))
#define ROOTS (BIT(registers[0]) | BIT(registers[1]) | BIT(due))
#define REACHABLE (CHAIN(registers[0]) | CHAIN(registers[1]) | CHAIN(due))

/* The same through young objects only, which is where a young cycle goes. */
#define YOUNG_NEXT(cell) (((old_colour & BIT(cell)) == 0 -> slot[cell] : 0))
#define YOUNG_CHAIN(cell) (BIT(cell) | BIT(YOUNG_NEXT(cell)) | BIT(YOUNG_NEXT(YOUNG_NEXT(cell))))

/* What a young cycle finds in a logged object. */
#if defined(EXCLUSIVE_RETIRE) && !defined(CONTROL_RETIRED_IS_SCANNED)
#define REMEMBERED_NEXT(cell) (((remembered & allocated & BIT(cell)) != 0 -> slot[cell] : 0))
#else
#define REMEMBERED_NEXT(cell) (((remembered & BIT(cell)) != 0 -> slot[cell] : 0))
#endif

/* ---- Parts of steps. ---- */

inline choose_cell(set)
{
    if
    :: ((set) & BIT(1)) != 0 -> cell = 1
    :: ((set) & BIT(2)) != 0 -> cell = 2
    :: ((set) & BIT(3)) != 0 -> cell = 3
    fi
}

/* They have just been found to be dead. */
inline give_up(found)
{
    assert(((found) & REACHABLE) == 0);
    waiting = waiting | (found);
    allocated = allocated & ~(found)
}

/* What has a byte of the other colour is dead, and one grace period from being a hole. */
inline sweep_block(block)
{
    dead = other_colour & CELLS_OF(block);
    other_colour = other_colour & ~CELLS_OF(block);
    is_unswept[block] = false;
    give_up(allocated & dead)
}

/* A cycle has marked what lives in a block of the owner's. If anything died there, all of it waits. */
inline conclude_block(block)
{
#ifdef CONTROL_OWN_BLOCKS_STAY_UNSWEPT
    is_unswept[block] = false;
#else
    sweep_block(block);
#endif
    /* What was retired by hand and has no byte looks like a hole: the block waits in its stead. */
    dead = dead | ((allocated | waiting) & CELLS_OF(block) & ~old_colour);
    give_up(allocated & dead);
#ifndef CONTROL_LISTS_SURVIVE_YOUNG_CYCLE
    held = held & ~dead;
    sealed = sealed & ~dead;
    graced = graced & ~(CELLS_OF(block) & ~old_colour);
#endif
    holes = holes & ~CELLS_OF(block);
    place[block] = (dead != 0 -> BATCH : POOL);
    dead = 0
}

/* ---- Cycles, each a pause. ---- */

inline young_cycle()
{
    reached = YOUNG_CHAIN(registers[0]) | YOUNG_CHAIN(registers[1]) | YOUNG_CHAIN(due) |
              YOUNG_CHAIN(REMEMBERED_NEXT(1)) | YOUNG_CHAIN(REMEMBERED_NEXT(2)) | YOUNG_CHAIN(REMEMBERED_NEXT(3));
    if
    :: has_destructor && (BIT(3) & (reached | old_colour)) == 0 ->
        has_destructor = false;
        due = 3;
        reached = reached | YOUNG_CHAIN(3)
    :: else
    fi;
    assert((reached & ~(allocated | waiting | graced)) == 0); /* it never comes to memory that may have been reused */
    assert((reached & other_colour) == 0);
    assert((old_colour & ~(allocated | waiting | graced)) == 0); /* what is free has no byte */
    armed = armed | remembered | (reached & ~old_colour);
    remembered = 0;
    old_colour = old_colour | reached;
    reached = 0;
    do
    :: place[0] == OWNER -> conclude_block(0)
    :: place[1] == OWNER -> conclude_block(1)
    :: else -> break
    od;
    /* Neither a stack nor the remembered set refers to them any more. */
    sealed = sealed | held;
    held = 0
}

inline begin_marking()
{
    assert(other_colour == 0); /* or a hole would look marked */
    assert((allocated & ~armed) == 0 && remembered == 0);
    assert((REACHABLE & ~old_colour) == 0);
    stack = ROOTS;
    is_marking = true
}

/* From the old colour to the other one. A claimed object's children are on the stack already. */
inline mark_object(object)
{
    if
    :: (old_colour & BIT(object)) != 0 ->
        assert((BIT(object) & (allocated | waiting | graced)) != 0); /* its memory is not free */
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
    assert((REACHABLE & old_colour) == 0); /* all that can be reached is marked, or was allocated since */
    if
    :: has_destructor && (BIT(3) & old_colour) != 0 ->
        has_destructor = false;
        due = 3;
#ifndef CONTROL_DUE_IS_NOT_MARKED
        stack = BIT(3);
        mark_all()
#endif
    :: else
    fi;
#ifndef CONTROL_LISTS_SURVIVE_TERMINATION
    /* Retired by hand before marking began: about to be swept as well, so the block waits in its stead. */
    sealed = sealed & ~old_colour;
    graced = graced & ~old_colour;
#endif
#ifdef CONTROL_HELD_UNTIL_TERMINATION
    sealed = sealed | held;
    held = 0;
#endif
    reached = old_colour; old_colour = other_colour; other_colour = reached; reached = 0;
    claimed = 0;
    is_marking = false;
    is_unswept[0] = true; is_unswept[1] = true
}

/* The owner finishes what the marker began and sweeps all, then marks everything anew, and sweeps again. */
inline emergency()
{
    if
    :: is_marking -> mark_all(); end_marking()
    :: else
    fi;
    sweep_block(0); sweep_block(1);
    old_colour = REACHABLE;
    if
    :: has_destructor && (BIT(3) & allocated & ~old_colour) != 0 ->
        has_destructor = false;
        due = 3;
        old_colour = old_colour | CHAIN(3)
    :: else
    fi;
    armed = old_colour;
#ifndef CONTROL_REMEMBERED_SURVIVES_EMERGENCY
    remembered = 0;
#endif
    held = 0; /* the blocks wait in their stead */
    conclude_block(0); conclude_block(1);
    sealed = 0;
    graced = 0
}

/* ---- The owner. ---- */

/* Registers exchanged are the same state. */
inline order_registers()
{
    if
    :: registers[0] < registers[1] ->
        cell = registers[0];
        registers[0] = registers[1];
        registers[1] = cell
    :: else
    fi;
    cell = 0
}

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
    :: registers[0] != 0 -> variable = 0
    :: registers[1] != 0 -> variable = 1
    fi
}

inline allocate()
{
    if
    :: (holes & BIT(1)) != 0 -> cell = 1
    :: (holes & BIT(1)) == 0 && (holes & BIT(2)) != 0 -> cell = 2 /* or it is the same case with the two exchanged */
    :: (holes & BIT(3)) != 0 -> cell = 3
    fi;
    choose_register(target);
    d_step {
        printf("owner allocates %d\n", cell);
        assert((BIT(cell) & (allocated | waiting | held | sealed | graced)) == 0); /* each hole once, after its grace */
        assert((BIT(cell) & (stack | remembered | REACHABLE)) == 0);
        assert((BIT(cell) & (old_colour | other_colour)) == 0);
        holes = holes & ~BIT(cell);
        allocated = allocated | BIT(cell);
        armed = armed & ~BIT(cell);
        slot[cell] = 0;
        registers[target] = cell;
#ifdef DESTRUCTORS
        has_destructor = has_destructor || cell == 3;
#endif
        order_registers();
        target = 0
    }
}

#define NEEDS_CLAIM(cell) (is_marking && (old_colour & ~claimed & BIT(cell)) != 0)

inline store()
{
    choose_object(target);
    choose_register(source);
    d_step {
        cell = registers[target];
        printf("owner stores %d in %d\n", (target != source -> registers[source] : 0), cell);
        /* What is to be claimed is armed: that bit alone tells whether there is something to do. */
        assert(!NEEDS_CLAIM(cell) || (armed & BIT(cell)) != 0);
        if
        :: (armed & BIT(cell)) != 0 ->
            armed = armed & ~BIT(cell);
            remembered = remembered | BIT(cell)
        :: else
        fi;
        if
        :: NEEDS_CLAIM(cell) ->
            claimed = claimed | BIT(cell);
            stack = stack | BIT(slot[cell])
        :: else
        fi;
        slot[cell] = (target != source -> registers[source] : 0);
        cell = 0; target = 0; source = 0
    }
}

/* With a null slot it drops what the register held. */
inline load()
{
    choose_register(target);
    choose_object(source);
    d_step {
        registers[target] = slot[registers[source]];
        order_registers();
        printf("owner has %d and %d\n", registers[0], registers[1]);
        target = 0; source = 0
    }
}

/* What must be held, and whether something refers to it that may not. */
#define IS_SNAPSHOT(cell) (is_marking && ((old_colour | other_colour) & BIT(cell)) != 0)
#define IS_LOGGED(cell) (!is_marking && (remembered & BIT(cell)) != 0)
#ifdef EXCLUSIVE_RETIRE
#define SLOT_REFERS(from, cell) ((from) != (cell) && slot[from] == (cell) && (allocated & BIT(from)) != 0)
#define IS_REFERRED_TO(cell) ((REACHABLE & BIT(cell)) != 0 || SLOT_REFERS(1, cell) || SLOT_REFERS(2, cell) || \
                              SLOT_REFERS(3, cell))
#else
#define IS_REFERRED_TO(cell) ((REACHABLE & BIT(cell)) != 0)
#endif

#if defined(CONTROL_SNAPSHOT_IS_HELD_ONLY) || defined(CONTROL_LOGGED_IS_SEALED)
#define MUST_BE_HELD(cell) IS_SNAPSHOT(cell)
#elif defined(EXCLUSIVE_RETIRE) || defined(CONTROL_SNAPSHOT_AND_LOGGED_ARE_HELD_ONLY)
#define MUST_BE_HELD(cell) (IS_SNAPSHOT(cell) || IS_LOGGED(cell))
#elif defined(CONTROL_RETIRED_IN_MARKING_IS_SEALED)
#define MUST_BE_HELD(cell) (!is_marking)
#else
#define MUST_BE_HELD(cell) true
#endif

inline retire()
{
    choose_object(source);
    d_step {
        cell = registers[source];
        registers[source] = 0;
        if
        :: IS_REFERRED_TO(cell) /* it may not: only the reference is dropped */
        :: else ->
            printf("owner retires %d\n", cell);
            allocated = allocated & ~BIT(cell);
            waiting = waiting | BIT(cell);
#ifndef UNSHADED
            stack = stack | (is_marking -> old_colour & BIT(cell) : 0);
#endif
            if
            :: MUST_BE_HELD(cell) -> held = held | BIT(cell)
            :: else -> sealed = sealed | BIT(cell)
            fi
        fi;
        order_registers();
        source = 0
    }
}

/* The destructor runs: it may keep the object. */
inline destruct()
{
    choose_register(target);
    d_step {
        printf("owner runs the destructor of %d\n", due);
        registers[target] = due;
        due = 0;
        order_registers();
        target = 0
    }
}

inline take_block(block)
{
    d_step {
#ifdef CONTROL_UNSWEPT_IS_TAKEN
        place[block] == POOL && !is_marking && (CELLS_OF(block) & ~old_colour) != 0 ->
        sweep_block(block);
        dead = 0;
#else
        place[block] == POOL && !is_unswept[block] && (CELLS_OF(block) & ~old_colour) != 0 ->
#endif
        printf("owner takes block %d\n", block);
        place[block] = OWNER;
        holes = holes | (CELLS_OF(block) & ~(old_colour | other_colour))
    }
}

/* What came back is a hole of a block of its own, or one that a search will find. */
inline reuse()
{
    choose_cell(graced);
    d_step {
        if
#ifdef CONTROL_SWEEPERS_BLOCK_IS_WRITTEN
        :: true ->
#else
        :: place[BLOCK_OF(cell)] != SWEEPER ->
#endif
            printf("owner finds that %d is free\n", cell);
            graced = graced & ~BIT(cell);
            old_colour = old_colour & ~BIT(cell);
            other_colour = other_colour & ~BIT(cell);
            holes = holes | (place[BLOCK_OF(cell)] == OWNER -> BIT(cell) : 0)
        :: else
        fi;
        cell = 0
    }
}

#ifdef CONTROL_MARKING_NEEDS_POOL_SWEPT
#define IS_SWEPT(block) (!is_unswept[block] || place[block] == OWNER || place[block] == BATCH)
#else
#define IS_SWEPT(block) (!is_unswept[block])
#endif

active proctype owner()
{
    byte cell, reached, dead, source, target;
end:
    do
    :: atomic { holes != 0 -> allocate() }
    :: atomic { (registers[0] | registers[1]) != 0 -> store() }
    :: atomic { (registers[0] | registers[1]) != 0 -> load() }
#ifdef DESTRUCTORS
    :: atomic { due != 0 -> destruct() }
#else
    :: atomic { (registers[0] | registers[1]) != 0 -> retire() }
    :: atomic { graced != 0 -> reuse() }
#endif
    :: take_block(0)
    :: take_block(1)
#ifdef CONTROL_YOUNG_CYCLE_IN_MARKING
    :: d_step { is_marking -> printf("young cycle\n"); young_cycle() }
#endif
    :: d_step { !is_marking -> printf("young cycle\n"); young_cycle() }
#ifdef CONTROL_MARKING_WITHOUT_YOUNG_CYCLE
    :: d_step { !is_marking && IS_SWEPT(0) && IS_SWEPT(1) -> begin_marking() }
#endif
    :: d_step {
        !is_marking && IS_SWEPT(0) && IS_SWEPT(1) ->
        printf("young cycle; marking begins\n");
        young_cycle();
        begin_marking()
    }
#ifdef CONTROL_MARKING_ENDS_UNDRAINED
    :: d_step { is_marking -> end_marking() }
#endif
    :: d_step { is_marking && stack == 0 -> printf("marking ends\n"); end_marking() }
    :: d_step { place[0] != SWEEPER && place[1] != SWEEPER -> printf("emergency\n"); emergency() }
    od
}

/* ---- The collector: marker and sweeper. ---- */

inline begin_sweep(block)
{
    d_step {
        place[block] == POOL && is_unswept[block] && !is_marking ->
        printf("collector begins to sweep block %d\n", block);
        place[block] = SWEEPER;
        read_word[block] = old_colour & CELLS_OF(block)
    }
}

/* Eight bytes are written at a time, as they were read a moment ago. */
inline end_sweep(block)
{
    d_step {
        place[block] == SWEEPER ->
        printf("collector has swept block %d\n", block);
        old_colour = (old_colour & ~CELLS_OF(block)) | read_word[block];
        read_word[block] = 0;
        sweep_block(block);
#ifdef CONTROL_SWEPT_IS_FREE_AT_ONCE
        place[block] = POOL;
#else
        place[block] = (dead != 0 -> BATCH : POOL);
#endif
        dead = 0
    }
}

active proctype collector()
{
    byte cell, dead;
end:
    do
    :: atomic {
        is_marking && stack != 0 ->
        choose_cell(stack);
        d_step {
            printf("collector marks %d\n", cell);
            stack = stack & ~BIT(cell);
            mark_object(cell);
            cell = 0
        }
    }
    :: begin_sweep(0)
    :: begin_sweep(1)
    :: end_sweep(0)
    :: end_sweep(1)
    od
}

/* ---- Grace periods end. ---- */

/* What is free has no contents, so that states which differ in them only are one. */
#define CONTENTS(cell) ((((allocated | waiting) & BIT(cell)) != 0 -> slot[cell] : 0))

inline forget_contents()
{
    slot[1] = CONTENTS(1);
    slot[2] = CONTENTS(2);
    slot[3] = CONTENTS(3);
    armed = armed & (allocated | waiting)
}

inline end_grace(block)
{
    d_step {
        place[block] == BATCH ->
        printf("grace period of block %d ends\n", block);
        place[block] = POOL;
        waiting = waiting & ~(CELLS_OF(block) & ~(sealed | held));
        forget_contents()
    }
}

active proctype reclaimer()
{
    byte cell;
end:
    do
    :: end_grace(0)
    :: end_grace(1)
#ifndef DESTRUCTORS
    :: atomic {
        sealed != 0 ->
        choose_cell(sealed);
        d_step {
            printf("grace period of %d ends\n", cell);
            sealed = sealed & ~BIT(cell);
            graced = graced | BIT(cell);
            waiting = waiting & ~BIT(cell);
            forget_contents();
            cell = 0
        }
    }
#endif
    od
}
