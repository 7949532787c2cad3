/*
 * Rules and the search: literals are ids, decided for or against; a rule holds when one of its literals does, and has
 * two watches, so that it is looked at only when one of them becomes false (Moskewicz et al., "Chaff", DAC 2001). A conflict
 * gives a rule that says why, and undoes choices until that rule decides something (Marques-Silva and Sakallah, "GRASP",
 * ICCAD 1996).
 */
#include "solver.h"

#include <assert.h>

/* Conflicts before the search gives up. */
enum { CONFLICTS_MAX = 2000 };

/* Why a literal was decided: the number of a rule; or it is a choice; or another version of its name was decided for. */
enum { REASON_CHOICE = -1, REASON_OTHER_VERSION = -2 };

/* A literal is id + 1, negative against it: a literal of id 0 has a sign too. */
static int64_t literal_for(int64_t id)
{
    return id + 1;
}

static int64_t id_of(int64_t literal)
{
    return (literal < 0 ? -literal : literal) - 1;
}

/* Watch lists are in an array by this. */
static int64_t watch_index(int64_t literal)
{
    return id_of(literal) * 2 + (literal < 0);
}

/* > 0: it holds; < 0: its opposite does; 0: not decided. */
static int64_t state_of(const struct solver *solver, int64_t literal)
{
    int64_t decided = vm_as_int(vm_array_get_index(solver_list(solver, UPDATE_DECISIONS), id_of(literal)));
    return literal < 0 ? -decided : decided;
}

int64_t solver_chosen(const struct solver *solver, int64_t id)
{
    int64_t level = state_of(solver, literal_for(id));
    return level > 0 ? level : 0;
}

/* ---- Rules ---- */

static struct vm_object *rule_at(const struct solver *solver, int64_t number)
{
    return vm_as_object(vm_array_get_index(solver_list(solver, UPDATE_RULES), number));
}

static int64_t literal_of(const struct vm_object *rule, int64_t position)
{
    return vm_as_int(vm_array_get_index(vm_as_array(vm_object_get(rule, RULE_LITERALS)), position));
}

static void watch(struct solver *solver, int64_t literal, int64_t rule_number)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array *watches = solver_write(solver, UPDATE_WATCHES);
    struct vm_place place = vm_array_place_index(watches, watch_index(literal));
    if (vm_tag_of(*place.slot) != VM_ARRAY)
        vm_array_set_index(vm, watches, watch_index(literal), vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array *list = vm_array_write(vm, vm_array_place_index(watches, watch_index(literal)));
    vm_array_set_index(vm, list, (int64_t)vm_array_count(list), vm_int(rule_number));
}

/* Locals of a requirement's frame. */
enum { LITERALS, LINK, CANDIDATE, RULE_LOCALS };

/* Literals: the package that requires, negated, and each that satisfies. */
static void collect_literals(struct solver *solver, int64_t id, const struct vm_object *link)
{
    struct vm *vm = solver_vm(solver);
    struct vm_string *target = vm_as_string(vm_object_get(link, LINK_TARGET));
    const struct vm_object *constraint = vm_as_object(vm_object_get(link, LINK_CONSTRAINT));
    struct sm_value candidates = vm_array_get_key(solver_list(solver, UPDATE_BY_NAME), target);
    vm_local_set(vm, LITERALS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array *literals = vm_as_array(vm_local_get(vm, LITERALS));
    vm_array_append(vm, literals, vm_int(-literal_for(id)));
    for (size_t i = 0; i < vm_array_count(vm_as_array(candidates)); i++) {
        struct sm_value candidate = vm_array_get_index(vm_as_array(candidates), (int64_t)i);
        struct sm_value package = vm_array_get_index(solver_list(solver, UPDATE_POOL), vm_as_int(candidate));
        vm_local_set(vm, CANDIDATE, vm_value_copy(vm, package));
        if (solver_satisfies(vm_as_object(package), constraint))
            vm_array_append(vm, literals, vm_int(literal_for(vm_as_int(candidate))));
    }
    solver_charge(solver);
}

/* Of the frame's literals; watched are the first two. Returns its number. */
static int64_t add_rule(struct solver *solver, struct sm_value reason)
{
    struct vm *vm = solver_vm(solver);
    struct vm_object *rule = vm_object_new(vm, solver->classes[SOLVER_RULE]);
    int64_t number = (int64_t)vm_array_count(solver_list(solver, UPDATE_RULES));
    vm_array_append(vm, solver_write(solver, UPDATE_RULES), vm_object_value(rule));
    vm_object_set(vm, rule, RULE_REASON, vm_value_copy(vm, reason));
    vm_object_set(vm, rule, RULE_LITERALS, vm_local_take(vm, LITERALS));
    size_t literal_count = vm_array_count(vm_as_array(vm_object_get(rule, RULE_LITERALS)));
    int64_t second = literal_count > 1 ? 1 : 0;
    vm_object_set(vm, rule, RULE_FIRST, vm_int(0));
    vm_object_set(vm, rule, RULE_SECOND, vm_int(second));
    watch(solver, literal_of(rule, 0), number);
    if (second != 0)
        watch(solver, literal_of(rule, second), number);
    return number;
}

void solver_make_rules(struct solver *solver)
{
    struct vm *vm = solver_vm(solver);
    int64_t pool = (int64_t)vm_array_count(solver_list(solver, UPDATE_POOL));
    for (int64_t id = 0; id < pool; id++) {
        vm_array_append(vm, solver_write(solver, UPDATE_DECISIONS), vm_int(0));
        for (int sign = 0; sign < 2; sign++)
            vm_array_append(vm, solver_write(solver, UPDATE_WATCHES), vm_null());
    }
    for (int64_t id = 0; id < pool; id++) {
        struct vm_array_entry entry;
        struct sm_value package = vm_array_get_index(solver_list(solver, UPDATE_POOL), id);
        struct sm_value links = vm_object_get(vm_as_object(package), PACKAGE_REQUIRES);
        for (size_t position = 0; vm_array_next(vm_as_array(links), &position, &entry);) {
            vm_frame_enter(vm, RULE_LOCALS);
            vm_local_set(vm, LINK, vm_value_copy(vm, entry.value));
            collect_literals(solver, id, vm_as_object(entry.value));
            (void)add_rule(solver, entry.value);
            vm_frame_leave(vm);
            vm_safepoint(vm);
        }
    }
}

/* ---- Decisions ---- */

/* $this->trail[] = [$literal, $reason]. */
static void decide(struct solver *solver, int64_t literal, int64_t level, int64_t reason)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array *decision = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, decision, vm_int(literal));
    vm_array_append(vm, decision, vm_int(reason));
    int64_t end = (int64_t)vm_array_count(solver_list(solver, UPDATE_TRAIL));
    vm_array_set_index(vm, solver_write(solver, UPDATE_TRAIL), end, vm_array_value(decision));
    vm_array_set_index(vm, solver_write(solver, UPDATE_DECISIONS), id_of(literal),
                       vm_int(literal < 0 ? -level : level));
    solver->propagated++;
    solver_charge(solver);
}

/* Literal (0) or reason (1) of a decision. */
static int64_t decision_part(const struct solver *solver, int64_t position, int64_t part)
{
    const struct vm_array *trail = solver_list(solver, UPDATE_TRAIL);
    return vm_as_int(vm_array_get_index(vm_as_array(vm_array_get_index(trail, position)), part));
}

static int64_t decision_at(const struct solver *solver, int64_t position)
{
    return decision_part(solver, position, 0);
}

static int64_t trail_end(const struct solver *solver)
{
    return (int64_t)vm_array_count(solver_list(solver, UPDATE_TRAIL));
}

static void undo_to(struct solver *solver, int64_t count)
{
    struct vm *vm = solver_vm(solver);
    for (int64_t end = (int64_t)vm_array_count(solver_list(solver, UPDATE_TRAIL)) - 1; end >= count; end--) {
        int64_t id = id_of(decision_at(solver, end));
        vm_array_set_index(vm, solver_write(solver, UPDATE_DECISIONS), id, vm_int(0));
        (void)vm_array_unset_index(vm, solver_write(solver, UPDATE_TRAIL), end);
    }
}

/* ---- Propagation ---- */

/* Another literal of the rule that may still hold, and that the other watch does not look at; -1: none. */
static int64_t find_replacement(const struct solver *solver, const struct vm_object *rule, int64_t other)
{
    int64_t count = (int64_t)vm_array_count(vm_as_array(vm_object_get(rule, RULE_LITERALS)));
    for (int64_t position = 0; position < count; position++)
        if (position != other && state_of(solver, literal_of(rule, position)) >= 0)
            return position;
    return -1;
}

enum visit_result { VISIT_STAYS, VISIT_MOVED, VISIT_CONFLICT };

/* No rule: everything holds. */
enum { NO_CONFLICT = -1 };

/* A rule one of whose watches became false: the watch moves, or the other literal has to hold. */
static enum visit_result visit_rule(struct solver *solver, int64_t number, int64_t false_literal, int64_t level)
{
    struct vm *vm = solver_vm(solver);
    struct vm_object *rule = rule_at(solver, number);
    solver_charge(solver);
    int64_t first = vm_as_int(vm_object_get(rule, RULE_FIRST));
    bool is_first = literal_of(rule, first) == false_literal;
    int64_t other = is_first ? vm_as_int(vm_object_get(rule, RULE_SECOND)) : first;
    if (state_of(solver, literal_of(rule, other)) > 0)
        return VISIT_STAYS;
    int64_t position = find_replacement(solver, rule, other);
    if (position >= 0) {
        vm_object_set(vm, rule, is_first ? RULE_FIRST : RULE_SECOND, vm_int(position));
        watch(solver, literal_of(rule, position), number);
        return VISIT_MOVED;
    }
    if (state_of(solver, literal_of(rule, other)) < 0)
        return VISIT_CONFLICT;
    decide(solver, literal_of(rule, other), level, number);
    return VISIT_STAYS;
}

/* Cut a list to its first `kept` elements. */
static void truncate(struct vm *vm, struct vm_array *list, int64_t kept)
{
    for (int64_t end = (int64_t)vm_array_count(list) - 1; end >= kept; end--)
        (void)vm_array_unset_index(vm, list, end);
}

/* Rules whose watch moves leave the list. Returns the rule that cannot hold. */
static int64_t visit_watchers(struct solver *solver, int64_t false_literal, int64_t level)
{
    struct vm *vm = solver_vm(solver);
    int64_t conflict = NO_CONFLICT, kept = 0;
    struct vm_place place = vm_array_place_index(solver_write(solver, UPDATE_WATCHES), watch_index(false_literal));
    if (vm_tag_of(*place.slot) != VM_ARRAY)
        return NO_CONFLICT;
    struct vm_array *list = vm_array_write(vm, place);
    int64_t count = (int64_t)vm_array_count(list);
    for (int64_t i = 0; i < count; i++) {
        int64_t number = vm_as_int(vm_array_get_index(list, i));
        enum visit_result result = VISIT_STAYS;
        if (conflict == NO_CONFLICT)
            result = visit_rule(solver, number, false_literal, level);
        if (result == VISIT_CONFLICT)
            conflict = number;
        if (result != VISIT_MOVED)
            vm_array_set_index(vm, list, kept++, vm_int(number));
    }
    truncate(vm, list, kept);
    vm_safepoint(vm);
    return conflict;
}

/* The rule that two versions of one name exclude each other. */
static int64_t exclude(struct solver *solver, int64_t id, int64_t other)
{
    struct vm *vm = solver_vm(solver);
    vm_frame_enter(vm, RULE_LOCALS);
    vm_local_set(vm, LITERALS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_append(vm, vm_as_array(vm_local_get(vm, LITERALS)), vm_int(-literal_for(id)));
    vm_array_append(vm, vm_as_array(vm_local_get(vm, LITERALS)), vm_int(-literal_for(other)));
    int64_t number = add_rule(solver, vm_null());
    vm_frame_leave(vm);
    return number;
}

/* Of each name one version at most. Where two were decided for before either was looked at, no more than one can hold. */
static int64_t rule_out_others(struct solver *solver, int64_t id, int64_t level)
{
    struct sm_value package = vm_array_get_index(solver_list(solver, UPDATE_POOL), id);
    struct vm_string *name = vm_as_string(vm_object_get(vm_as_object(package), PACKAGE_NAME));
    struct sm_value versions = vm_array_get_key(solver_list(solver, UPDATE_BY_NAME), name);
    for (size_t i = 0; i < vm_array_count(vm_as_array(versions)); i++) {
        int64_t other = vm_as_int(vm_array_get_index(vm_as_array(versions), (int64_t)i));
        int64_t state = other == id ? -1 : state_of(solver, literal_for(other));
        if (state > 0)
            return exclude(solver, id, other);
        if (state == 0)
            decide(solver, -literal_for(other), level, REASON_OTHER_VERSION - id);
    }
    return NO_CONFLICT;
}

/* Consequences of the decisions from `start` on. Returns the rule that cannot hold. */
static int64_t propagate(struct solver *solver, int64_t start, int64_t level)
{
    int64_t conflict = NO_CONFLICT;
    for (int64_t i = start; conflict == NO_CONFLICT && i < trail_end(solver); i++) {
        int64_t literal = decision_at(solver, i);
        if (literal > 0)
            conflict = rule_out_others(solver, id_of(literal), level);
        if (conflict == NO_CONFLICT)
            conflict = visit_watchers(solver, -literal, level);
    }
    return conflict;
}

/* ---- Conflicts ---- */

/* Locals of an analysis: the literals of the new rule, where add_rule looks for them, and the ids that it has looked at. */
enum { LEARNED = LITERALS, SEEN, ANALYSIS_LOCALS };

static int64_t level_of(const struct solver *solver, int64_t literal)
{
    int64_t state = state_of(solver, literal);
    return state < 0 ? -state : state;
}

/* A literal that is false and of which the conflict is a consequence. Returns whether it was decided at `level`. */
static bool look_at(struct solver *solver, int64_t literal, int64_t level)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array *seen = vm_as_array(vm_local_get(vm, SEEN));
    if (vm_tag_of(vm_array_get_index(seen, id_of(literal))) != VM_UNDEF)
        return false;
    vm_array_set_index(vm, seen, id_of(literal), vm_bool(true));
    solver_charge(solver);
    if (level_of(solver, literal) == level)
        return true;
    if (level_of(solver, literal) > 1)
        vm_array_append(vm, vm_as_array(vm_local_get(vm, LEARNED)), vm_int(literal));
    return false;
}

/* The literals that made `literal` hold (0: that made the rule fail). Returns how many of them were decided at `level`. */
static int64_t look_at_reason(struct solver *solver, int64_t literal, int64_t reason, int64_t level)
{
    int64_t found = 0;
    if (reason <= REASON_OTHER_VERSION)
        return look_at(solver, -literal_for(REASON_OTHER_VERSION - reason), level);
    const struct vm_object *rule = rule_at(solver, reason);
    int64_t count = (int64_t)vm_array_count(vm_as_array(vm_object_get(rule, RULE_LITERALS)));
    for (int64_t position = 0; position < count; position++)
        if (literal_of(rule, position) != literal)
            found += look_at(solver, literal_of(rule, position), level);
    return found;
}

/* Back along the trail to the one decision of `level` that the conflict follows from. Returns its literal. */
static int64_t find_cause(struct solver *solver, int64_t conflict, int64_t level)
{
    int64_t open = look_at_reason(solver, 0, conflict, level);
    for (int64_t position = trail_end(solver) - 1;; position--) {
        int64_t literal = decision_at(solver, position);
        const struct vm_array *seen = vm_as_array(vm_local_get(solver_vm(solver), SEEN));
        if (vm_tag_of(vm_array_get_index(seen, id_of(literal))) == VM_UNDEF)
            continue;
        if (--open == 0)
            return literal;
        open += look_at_reason(solver, literal, decision_part(solver, position, 1), level);
    }
}

/* Put the literal that was decided last after the first; the level to go back to is its own. */
static int64_t order_learned(struct solver *solver)
{
    struct vm *vm = solver_vm(solver);
    struct vm_array *learned = vm_as_array(vm_local_get(vm, LEARNED));
    int64_t highest = 1, position_of_highest = 1;
    for (int64_t i = 1; i < (int64_t)vm_array_count(learned); i++) {
        int64_t level = level_of(solver, vm_as_int(vm_array_get_index(learned, i)));
        if (level > highest) {
            highest = level;
            position_of_highest = i;
        }
    }
    if (position_of_highest < (int64_t)vm_array_count(learned)) {
        struct sm_value second = vm_array_get_index(learned, 1);
        vm_array_set_index(vm, learned, 1, vm_array_get_index(learned, position_of_highest));
        vm_array_set_index(vm, learned, position_of_highest, second);
    }
    return highest;
}

/* Learn why, go back, and decide what follows from it. Returns the level gone back to; `*start` is that decision's position. */
static int64_t learn(struct solver *solver, int64_t conflict, int64_t level, int64_t *start)
{
    struct vm *vm = solver_vm(solver);
    vm_frame_enter(vm, ANALYSIS_LOCALS);
    vm_local_set(vm, LEARNED, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_local_set(vm, SEEN, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0)));
    vm_array_append(vm, vm_as_array(vm_local_get(vm, LEARNED)), vm_int(0));
    int64_t cause = find_cause(solver, conflict, level);
    vm_array_set_index(vm, vm_as_array(vm_local_get(vm, LEARNED)), 0, vm_int(-cause));
    int64_t back_to = order_learned(solver);
    int64_t end = trail_end(solver);
    while (end > 0 && level_of(solver, decision_at(solver, end - 1)) > back_to)
        end--;
    undo_to(solver, end);
    int64_t number = add_rule(solver, vm_null());
    decide(solver, -cause, back_to, number);
    *start = end;
    vm_frame_leave(vm);
    vm_safepoint(vm);
    return back_to;
}

/* ---- Choices ---- */

/* The first candidate that may still hold of a rule whose package is chosen and none of whose candidates is; 0: no such rule. */
static int64_t open_candidate(const struct solver *solver, const struct vm_object *rule)
{
    int64_t open = 0;
    if (state_of(solver, literal_of(rule, 0)) >= 0)
        return 0;
    int64_t count = (int64_t)vm_array_count(vm_as_array(vm_object_get(rule, RULE_LITERALS)));
    for (int64_t i = 1; i < count; i++) {
        int64_t state = state_of(solver, literal_of(rule, i));
        if (state > 0)
            return 0;
        if (state == 0 && open == 0)
            open = literal_of(rule, i);
    }
    return open;
}

/* From the last rule on: packages that are required have rules before those that require them. */
static int64_t next_choice(const struct solver *solver, int64_t *rule_number)
{
    for (; *rule_number >= 0; --*rule_number) {
        int64_t candidate = open_candidate(solver, rule_at(solver, *rule_number));
        if (candidate != 0)
            return candidate;
    }
    return 0;
}

/* The newest version of the package that nothing requires: the one that came last into the pool is its oldest. */
static int64_t root_id(const struct solver *solver)
{
    const struct vm_array *pool = solver_list(solver, UPDATE_POOL);
    struct sm_value oldest = vm_array_get_index(pool, (int64_t)vm_array_count(pool) - 1);
    struct vm_string *name = vm_as_string(vm_object_get(vm_as_object(oldest), PACKAGE_NAME));
    return vm_as_int(vm_array_get_index(vm_as_array(vm_array_get_key(solver_list(solver, UPDATE_BY_NAME), name)), 0));
}

/* Propagate, learning from each conflict, until everything holds. False: nothing can, or it takes too long. */
static bool settle(struct solver *solver, int64_t start, int64_t *level)
{
    int64_t conflict;
    while ((conflict = propagate(solver, start, *level)) != NO_CONFLICT) {
        if (*level == 1 || ++solver->conflict_count > CONFLICTS_MAX)
            return false;
        *level = learn(solver, conflict, *level, &start);
    }
    return true;
}

bool solver_search(struct solver *solver)
{
    int64_t last_rule = (int64_t)vm_array_count(solver_list(solver, UPDATE_RULES)) - 1;
    int64_t level = 1, rule_number = last_rule;
    decide(solver, literal_for(root_id(solver)), level, REASON_CHOICE);
    bool holds = settle(solver, 0, &level);
    while (holds) {
        int64_t choice = next_choice(solver, &rule_number);
        if (choice == 0)
            return true;
        int64_t level_before = ++level;
        decide(solver, choice, level, REASON_CHOICE);
        holds = settle(solver, trail_end(solver) - 1, &level);
        if (level < level_before)
            rule_number = last_rule;
    }
    return false;
}
