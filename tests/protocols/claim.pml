/*
 * CLAIM (R8): who reads an object's slots when marking runs beside the program.
 *
 * An object of the snapshot carries the old colour. The marker turns it to the new colour with BUSY by compare-and-swap,
 * reads the slots, takes BUSY away. The owner, before it writes to a slot, claims an object that still has the old colour
 * by compare-and-swap, and appends what the slots refer to to the log; the marker then gives it the new colour without
 * reading it. A slot is two words that are written one after the other, so a reader in between sees a torn value.
 *
 * Bounds: three objects of the snapshot with 2, 1 and no slots, in every possible graph; one allocated since, with 1 slot;
 * two registers of the owner, which are the roots; OPERATIONS loads, stores and allocations in any order.
 *
 * The log is one set here (log.pml has how it is handed over), and marking is over when the owner has done its operations
 * and nothing waits (phases.pml has how it ends).
 *
 * run: with one register empty at the snapshot
 * deep ALL_ROOTS OPERATIONS=3: with any, and three operations
 *
 * control OWNER_WRITES_UNCHECKED: the owner looks at no byte
 * control STORE_SPANS_SNAPSHOT: its first look is before marking begins, the write after it
 * control OWNER_CLAIMS_BY_STORE: it claims by a load and a store
 * control OWNER_IGNORES_BUSY: it writes while the marker reads
 * control LOGS_NOTHING: it claims, and logs nothing
 * control LOGS_ONE_SLOT: it logs only what it overwrites
 * control LOGS_AFTER_WRITE: it logs what the slots hold then
 * control MARKER_MARKS_BY_STORE: the marker marks by a load and a store
 * control MARKER_SCANS_CLAIMED: it reads a claimed object
 * control BUSY_ENDS_EARLY: it takes BUSY away before it has read
 * control CLAIM_IS_KEPT: it leaves CLAIMED in the byte, where the next cycle would believe it
 */
#include "granule.pml"

#ifndef OPERATIONS
#define OPERATIONS 4
#endif

#define OLD COLOUR_A
#define NEW COLOUR_B

#define OBJECTS   3 /* of the snapshot: 1 to OBJECTS; 0 is no object */
#define ALLOCATED 4 /* what the owner allocates during marking */
#define SLOTS     4
#define REGISTERS 2
/* Sets of objects have a bit for each; null has none. */
#define BIT(object) ((1 << (object)) & ~1)

/* Object 1 has slots 0 and 1, object 2 has slot 2, object 3 has none, the allocated one has slot 3. */
#define FIRST_SLOT(object) ((object) == 1 -> 0 : ((object) == 2 -> 2 : ((object) == 3 -> 4 : 3)))
#define LAST_SLOT(object)  ((object) == ALLOCATED -> 3 : (object))
#define HAS_SLOTS(object)  ((object) != 0 && (object) != 3)

byte granule[OBJECTS + 2];
byte tag[SLOTS], payload[SLOTS]; /* a whole value has the same object in both */
byte registers[REGISTERS];

byte stack, log; /* a bit an object: in which order it goes must not matter */
bool owner_is_done;

/* What only the properties look at. */
byte snapshot_reachable; /* a bit an object */
byte scan_count[OBJECTS + 2];
byte live_count, marked_count;

/* The objects that can be reached from the registers, as a set. A statement of its own, in which nobody moves. */
inline find_reachable(reachable)
{
    d_step {
        reachable = BIT(registers[0]) | BIT(registers[1]);
        round = 0;
        do
        :: round < OBJECTS + 1 ->
            object = 1;
            do
            :: object <= ALLOCATED ->
                if
                :: (reachable & BIT(object)) != 0 ->
                    slot = FIRST_SLOT(object);
                    do
                    :: slot <= LAST_SLOT(object) -> reachable = reachable | BIT(payload[slot]); slot++
                    :: else -> break
                    od
                :: else
                fi;
                object++
            :: else -> break
            od;
            round++
        :: else -> break
        od;
        round = 0;
        object = 0;
        slot = 0
    }
}

/* ---- The marker. ---- */

/* One word at a time. */
inline marker_scan()
{
    scan_count[object]++;
    printf("marker reads %d\n", object);
    assert(scan_count[object] == 1); /* by one side, once */
    slot = FIRST_SLOT(object);
    do
    :: slot <= LAST_SLOT(object) ->
        seen_tag = tag[slot];
        atomic {
            value = payload[slot];
            assert(seen_tag == value); /* never torn */
            stack = stack | BIT(value);
            value = 0;
            seen_tag = 0
        };
        slot++
    :: else -> slot = 0; break
    od
}

inline marker_finish(mark)
{
    atomic {
        granule[object] = mark;
        live_count++
    }
}

inline marker_take()
{
    seen = granule[object];
    if
    :: COLOUR(seen) != OLD /* marked already, or allocated since the snapshot */
    :: else ->
#ifdef CONTROL_MARKER_MARKS_BY_STORE
        if
        :: (seen & CLAIMED) == 0 -> granule[object] = NEW | BUSY; swapped = true
        :: else -> swapped = false
        fi;
#else
        compare_and_swap(granule[object], OLD, NEW | BUSY, swapped);
#endif
        if
        :: swapped ->
#ifdef CONTROL_BUSY_ENDS_EARLY
            marker_finish(NEW);
            marker_scan()
#else
            marker_scan();
            marker_finish(NEW)
#endif
        :: else -> /* nothing else stands in its way: the owner has claimed it and logged what it referred to */
            assert(granule[object] == (OLD | CLAIMED));
#ifdef CONTROL_MARKER_SCANS_CLAIMED
            marker_scan();
#endif
#ifdef CONTROL_CLAIM_IS_KEPT
            marker_finish(NEW | CLAIMED)
#else
            marker_finish(NEW)
#endif
        fi
    fi;
    seen = 0;
    swapped = false
}

proctype marker()
{
    byte object, seen, slot, seen_tag, value;
    bool swapped;
    do
    :: atomic { stack != 0 ->
            if
            :: (stack & BIT(1)) != 0 -> object = 1
            :: (stack & BIT(2)) != 0 -> object = 2
            :: (stack & BIT(3)) != 0 -> object = 3
            fi;
            stack = stack & ~BIT(object)
        };
        marker_take()
    :: atomic { stack == 0 && log != 0 -> stack = log; log = 0 }
    :: stack == 0 && log == 0 && owner_is_done -> break
    od
}

/* ---- The owner. ---- */

/* All at once for the marker: it sees a chunk of the log only when the owner hands it over. */
inline owner_log_children()
{
    atomic {
        slot = FIRST_SLOT(object);
        do
        :: slot <= LAST_SLOT(object) ->
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

inline owner_claim()
{
    do
    ::  seen = granule[object];
        if
        :: COLOUR(seen) == COLOUR_NONE -> break
        :: COLOUR(seen) == NEW && (seen & BUSY) == 0 -> break
        :: COLOUR(seen) == NEW && (seen & BUSY) != 0 ->
#ifdef CONTROL_OWNER_IGNORES_BUSY
            break
#else
            granule[object] != seen /* it spins */
#endif
        :: seen == (OLD | CLAIMED) -> break
        :: seen == OLD ->
#ifdef CONTROL_OWNER_CLAIMS_BY_STORE
            granule[object] = OLD | CLAIMED;
            swapped = true;
#else
            compare_and_swap(granule[object], OLD, OLD | CLAIMED, swapped);
#endif
            if
            :: swapped ->
                printf("owner claims %d\n", object);
                scan_count[object]++;
#ifdef CONTROL_LOGS_NOTHING
#elif !defined(CONTROL_LOGS_AFTER_WRITE)
                owner_log_children();
#endif
                break
            :: else /* the marker was first */
            fi
        fi
    od;
    seen = 0
}

/* Before the first write to a slot, and before every later one: it is cheap then. */
inline owner_store()
{
#ifdef CONTROL_STORE_SPANS_SNAPSHOT
    if
    :: operation == 1
    :: else -> owner_claim()
    fi;
#elif !defined(CONTROL_OWNER_WRITES_UNCHECKED)
    owner_claim();
#endif
    printf("owner writes %d to a slot of %d\n", value, object);
    tag[target] = value;
    payload[target] = value;
#ifdef CONTROL_LOGS_AFTER_WRITE
    if
    :: swapped -> owner_log_children()
    :: else
    fi;
#endif
    swapped = false;
    target = 0;
    object = 0;
    value = 0
}

/* An object that is in a register, and one of its slots. */
inline owner_choose_slot()
{
    if
    :: HAS_SLOTS(registers[0]) -> object = registers[0]
    :: HAS_SLOTS(registers[1]) && registers[1] != registers[0] -> object = registers[1]
    fi;
    if
    :: target = LAST_SLOT(object)
    :: object == 1 -> target = FIRST_SLOT(object)
    fi
}

proctype owner()
{
    byte object, seen, slot, target, value, operation;
    bool swapped;
    do
    :: operation < OPERATIONS && (HAS_SLOTS(registers[0]) || HAS_SLOTS(registers[1])) ->
        operation++;
        if
        :: atomic { owner_choose_slot(); /* load: the value may replace either register */
            if
            :: registers[0] = payload[target]
            :: registers[1] = payload[target]
            fi;
            object = 0;
            target = 0
        }
        :: atomic { owner_choose_slot(); /* store what a register holds, or null */
            if
            :: registers[0] != payload[target] -> value = registers[0]
            :: registers[1] != payload[target] -> value = registers[1]
            :: payload[target] != 0 -> value = 0
            fi
        };
            owner_store()
        :: atomic { scan_count[ALLOCATED] == 0 -> /* allocate: no byte, and the initialising store needs no claim */
            scan_count[ALLOCATED] = 1;
            tag[LAST_SLOT(ALLOCATED)] = registers[1];
            payload[LAST_SLOT(ALLOCATED)] = registers[1];
            registers[0] = ALLOCATED
        }
        fi
    :: owner_is_done = true; break
    od
}

/* ---- The snapshot before, the properties after. ---- */

inline choose_object(variable)
{
    if
    :: variable = 0
    :: variable = 1
    :: variable = 2
    :: variable = 3
    fi
}

init {
    byte object, slot, round, reachable, mark;
    atomic {
        choose_object(registers[0]);
#ifdef ALL_ROOTS
        choose_object(registers[1]);
#endif
        do
        :: slot < ALLOCATED - 1 -> choose_object(payload[slot]); tag[slot] = payload[slot]; slot++
        :: else -> break
        od;
        if
        :: payload[0] <= payload[1] && HAS_SLOTS(registers[0])
        :: else -> goto end /* the same case with slots or registers exchanged, or one without a write */
        fi;
        object = 1;
        do
        :: object <= OBJECTS -> granule[object] = OLD; object++
        :: else -> break
        od;
        find_reachable(snapshot_reachable);
        stack = BIT(registers[0]) | BIT(registers[1]);
        run marker();
        run owner()
    };
    _nr_pr == 1 -> /* both have ended */
    find_reachable(reachable);
    d_step {
        object = 1;
        do
        :: object <= OBJECTS ->
            mark = granule[object];
            assert(mark == OLD || mark == NEW || mark == (OLD | CLAIMED)); /* what sweeping expects: no BUSY is left */
            /* Snapshot at the beginning, and what can be reached now and was not allocated since. */
            assert((snapshot_reachable & BIT(object)) == 0 || mark == NEW);
            assert((reachable & BIT(object)) == 0 || mark == NEW);
            assert(mark != NEW || scan_count[object] == 1);
            marked_count = marked_count + (mark == NEW);
            object++
        :: else -> break
        od;
        assert(granule[ALLOCATED] == COLOUR_NONE);
        assert(live_count == marked_count)
    };
end:
    skip
}
