/**
 * One case for each situation that PHP's own tests of its cycle collector, of weak references and of destructors exercise.
 *
 * The situations are those of Zend/tests/gc, Zend/tests/weakrefs and the destructor tests of php-src; the code is
 * ours. Each case says by capability what must hold:
 *
 * - SM_CAP_COUNTS: what is in no cycle dies at its last drop; a cycle dies in vm_gc_collect_cycles, which returns the
 *   figure PHP 8.2 printed for the same script. Where the VM's answer differs, the case says both, and why.
 * - SM_CAP_COLLECT, precise: exactly what was there before is there after vm_fixture_settle.
 * - boehm: nothing reachable is lost, a destructor runs at most once, and of many repetitions nearly all die.
 * - the others: what was dropped is intact, for it may be in use; destructors run once, at the end of the request.
 *
 * "PHP 8.2:" in a comment is what PHP 8.2.36 printed for the situation written as a script.
 */
#ifndef PHP_CASE_H
#define PHP_CASE_H

#include "test_scale.h"
#include "vm_fixture.h"

/** Properties of the classes "Plain", "Logged" and those that cases define: three for edges, one for a number. */
enum { PHP_P, PHP_Q, PHP_R, PHP_NUMBER, PHP_PROPERTY_COUNT };

enum { PHP_HASH_DEPTH = 8, PHP_WIDE_DEPTH = 3, PHP_LOG_MAX = 512 };

/** What destructors did, in their order; the VM's context. */
struct php_log {
    int64_t numbers[PHP_LOG_MAX]; /**< property PHP_NUMBER of each */
    size_t count;
    int64_t answer; /**< what a destructor of a case asked and got */
};

/** Makes the graph of a case. Returns a value that reaches all of it, owned. */
typedef struct sm_value php_build(struct vm *vm);

/** Prepare the fixture's VM: classes, the global "kept", an empty log. Before anything is counted. */
void php_begin(struct vm_fixture *fixture, struct php_log *log);

/** A class with the properties above. */
struct vm_class *php_class(struct vm *vm, const char *name, vm_destructor *destructor);

/** An object of class "Plain", of "Logged", whose destructor notes its number, or of another class. Owned. */
struct vm_object *php_plain(struct vm *vm);
struct vm_object *php_logged(struct vm *vm, int64_t number);
struct vm_object *php_object(struct vm *vm, const char *class_name, int64_t number);
void php_note(struct vm *vm, struct vm_object *object);

/** A second owner of an object, as a value; and an edge to it from a property of another. */
struct sm_value php_share(struct vm *vm, struct vm_object *object);
void php_link(struct vm *vm, struct vm_object *from, uint32_t property, struct vm_object *to);
/** A list of `count` values, taken. Owned. */
struct sm_value php_list(struct vm *vm, size_t count, const struct sm_value *values);
struct sm_value php_reference_value(struct vm_reference *reference);
/** Append to the array in a reference; `value` taken. */
void php_reference_append(struct vm *vm, struct vm_reference *reference, struct sm_value value);
struct sm_value php_text(struct vm *vm, const char *text);
/** An object that refers to itself, of class "Plain", with nobody else to hold it any more. */
void php_drop_cycle(struct vm *vm);

/** Objects there are now. */
uint64_t php_live(struct vm_fixture *fixture);
/** Likewise, after everything that can be found dead has been, where the policy is exact. */
uint64_t php_settled(struct vm_fixture *fixture);
/** Collect, if the policy can, with what it makes due. Returns what vm_gc_collect_cycles does. */
uint64_t php_collect(struct vm_fixture *fixture);

/** Whether unreachable objects are never freed before the end of the request. */
bool php_keeps_garbage(const struct vm_fixture *fixture);
bool php_is_boehm(const struct vm_fixture *fixture);

/**
 * What has just been dropped, built by `build` beside `live_before` objects, goes as the policy promises.
 *
 * `collected`: what vm_gc_collect_cycles returns where everything is counted; 0 says that it is gone already.
 */
void php_expect_gone(struct vm_fixture *fixture, uint64_t live_before, uint64_t collected, php_build *build);

/** The whole of a plain case: built, held, looked at across a collection, dropped, gone. */
void php_graph_case(struct vm_fixture *fixture, php_build *build, uint64_t collected);
/** Likewise, for graphs so wide that looking at them PHP_HASH_DEPTH levels deep would take for ever. */
void php_wide_case(struct vm_fixture *fixture, php_build *build, uint64_t collected);

/** So many destructors have run where the policy runs them before the end; elsewhere at most so many. */
void php_expect_destructors(struct vm_fixture *fixture, const struct php_log *log, size_t count);
/** The numbers in the log, in order: only where everything is counted, for it alone knows when each died. */
void php_expect_order(const struct vm_fixture *fixture, const struct php_log *log, const char *numbers);
/** End the request and begin another; then exactly `count` destructors have run, none of them twice for numbers 1 and up. */
void php_expect_at_end(struct vm_fixture *fixture, const struct php_log *log, size_t count);

/** Tables of cases, one a file. */
struct php_suite {
    const struct vm_case *cases;
    size_t count;
};

extern const struct php_suite php_graphs, php_functions, php_holders, php_destructors, php_resurrections, php_weak,
    php_collector, php_requests;

/** Run all of them under every policy; returns the number of failures. */
int php_cases_run(void);

#define PHP_SUITE(table) \
    { \
        table, sizeof(table) / sizeof((table)[0]) \
    }

#endif
