/**
 * Tests of the VM: a table of cases, each run in a fresh VM under every variant of policy.
 *
 * A variant is a policy and a way to drive it: null, arena, epoch and refcount as they come; with young cycles and
 * marking in slices all the time; with a cycle at every safepoint and with one before every allocation, which find what
 * was not rooted; and the audit policy, which finds what was not stored through the barrier. A case names the
 * capabilities without which it
 * makes no sense; it is neither run nor counted where the policy lacks one.
 */
#ifndef VM_FIXTURE_H
#define VM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sapimem/policy.h"
#include "sapivm/vm.h"

struct vm_variant {
    const char *name;
    struct sm_config manager;
    bool prompt_destructors;
};

/** What a case gets: a VM with a request open. */
struct vm_fixture {
    struct vm *vm;
    struct sm_manager *mm;
    const struct vm_variant *variant;
};

struct vm_case {
    const char *name;
    void (*run)(struct vm_fixture *fixture);
    uint32_t needs; /**< capability bits */
};

/** Run every case under every variant; returns the number of failures, for main. */
int vm_cases_run(const char *group, const struct vm_case *cases, size_t case_count);

/**
 * Likewise under every available policy of the table, as CLI and FPM, and those that trace with counts of sharing
 * and with prompt destructors besides: for cases about what PHP promises, which say what each capability leads to.
 */
int vm_cases_run_all_policies(const char *group, const struct vm_case *cases, size_t case_count);

/** Whether every value is counted; and whether a destructor runs at its object's last drop, if no holder died by tracing. */
bool vm_fixture_counts(const struct vm_fixture *fixture);
bool vm_fixture_is_prompt(const struct vm_fixture *fixture);

/** Whether a dead cycle is found by vm_fixture_settle: not where nothing collects, nor surely where stacks are scanned. */
bool vm_fixture_is_exact(const struct vm_fixture *fixture);
/** Pass safepoints until no cycle goes on beside the program. */
void vm_fixture_let_cycles_end(struct vm_fixture *fixture);

/** Collect as often as it takes until nothing more dies; nothing for policies without cycles. */
void vm_fixture_settle(struct vm_fixture *fixture);

/** Replace the fixture's VM by one of the same variant, changed by `change` (NULL: not at all). */
void vm_fixture_reopen(struct vm_fixture *fixture, void (*change)(struct sm_config *config));

/** A full cycle and what it makes due; the test's C locals are no roots. */
void vm_fixture_collect(struct vm_fixture *fixture);

/** A string from a C string; owned. */
struct vm_string *vm_fixture_string(struct vm *vm, const char *text);

/** The bytes of a string value, which must be the C string `text`. */
void vm_assert_string(struct sm_value value, const char *text);

/** The value must be the integer `number`. */
void vm_assert_int(struct sm_value value, int64_t number);

#define VM_CASE(function, capabilities) \
    { \
#function, function, (capabilities) \
    }

#endif
