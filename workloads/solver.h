/**
 * The solver's state, and what its files share: metadata, the pool of packages, rules and the search.
 *
 * Functions that take the solver run inside one vm_iteration. Borrowed values that they take are rooted by the caller,
 * for there are safepoints inside. Errors: allocation failure bails out.
 */
#ifndef SOLVER_H
#define SOLVER_H

#include "text.h"
#include "vm_session.h"

enum solver_class { SOLVER_UPDATE, SOLVER_PACKAGE, SOLVER_LINK, SOLVER_CONSTRAINT, SOLVER_RULE, SOLVER_CLASSES };

/** The update under way, an object, and what it holds. The first of them survive it until the next one begins. */
enum {
    UPDATE_POOL,                        /* packages, by id */
    UPDATE_LOCK,                        /* what was chosen */
    UPDATE_CONSTRAINTS,                 /* parsed ones by their text */
    UPDATE_DROPPED,                     /* from here on */
    UPDATE_REPOSITORY = UPDATE_DROPPED, /* decoded metadata, package by package */
    UPDATE_LOADED,                      /* packages before the pool is made smaller */
    UPDATE_BY_NAME,                     /* ids by name */
    UPDATE_RULES,
    UPDATE_WATCHES,   /* numbers of rules by the index of a literal */
    UPDATE_DECISIONS, /* by id: the level, negative when decided against; 0: not decided */
    UPDATE_TRAIL,     /* decisions in their order: literal and reason */
    UPDATE_PROPERTIES
};

enum {
    PACKAGE_NAME,
    PACKAGE_PRETTY_VERSION,
    PACKAGE_VERSION,
    PACKAGE_MAJOR,
    PACKAGE_MINOR,
    PACKAGE_REQUIRES,
    PACKAGE_DEV_REQUIRES,
    PACKAGE_SOURCE_REFERENCE,
    PACKAGE_DIST_URL,
    PACKAGE_DESCRIPTION,
    PACKAGE_KEYWORDS,
    PACKAGE_AUTHORS,
    PACKAGE_AUTOLOAD,
    PACKAGE_LICENSE,
    PACKAGE_EXTRA,
    PACKAGE_SUPPORT,
    PACKAGE_PROPERTIES = 53
};
enum { LINK_SOURCE, LINK_TARGET, LINK_CONSTRAINT, LINK_DESCRIPTION, LINK_PRETTY_CONSTRAINT, LINK_PROPERTIES };
enum { CONSTRAINT_TEXT, CONSTRAINT_BOUNDS, CONSTRAINT_PROPERTIES = 7 };
enum { RULE_LITERALS, RULE_REASON, RULE_FIRST, RULE_SECOND, RULE_PROPERTIES };

enum solver_key {
    KEY_NAME,
    KEY_DESCRIPTION,
    KEY_KEYWORDS,
    KEY_VERSION,
    KEY_AUTHORS,
    KEY_SOURCE,
    KEY_DIST,
    KEY_REFERENCE,
    KEY_URL,
    KEY_AUTOLOAD,
    KEY_LICENSE,
    KEY_EXTRA,
    KEY_REQUIRE,
    KEY_REQUIRE_DEV,
    KEY_SUPPORT,
    KEY_MAJOR,
    KEY_MINOR,
    KEY_PATCH,
    KEY_COUNT
};

enum { SOLVER_MAJORS = 5 };

struct solver {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t package_count, version_count;
    double conflicts; /* share of requirements that ask for any major version */
    uint64_t update;  /* under way, from 1 */
    uint64_t metadata_seed;
    struct text_buffer text;
    struct vm_class *classes[SOLVER_CLASSES];
    struct vm_string *keys[KEY_COUNT];
    struct vm_object *state; /* borrowed: the update, which a global holds */
    uint64_t propagated, conflict_count;
    bool found; /* a solution, by the last search */
    bool failed_check;
};

static inline struct vm *solver_vm(const struct solver *solver)
{
    return solver->session.vm;
}

static inline void solver_charge(struct solver *solver)
{
    mutator_work_charge(&solver->session.work, 1);
}

static inline const struct vm_array *solver_list(const struct solver *solver, uint32_t property)
{
    return vm_as_array(vm_object_get(solver->state, property));
}

/** An array that the update holds, to write to. */
static inline struct vm_array *solver_write(struct solver *solver, uint32_t property)
{
    return vm_array_write(solver_vm(solver), vm_object_place(solver->state, property));
}

/** Put a new array, empty, into a property of the update. */
void solver_make_list(struct solver *solver, uint32_t property, enum vm_array_kind kind);

/** Write the metadata of a package's versions: a JSON list of objects, as a registry sends it. */
void solver_metadata_write(struct text_buffer *text, const struct solver *solver, uint64_t package);

/** Begin an update, and let go of what was left of the one before. */
void solver_begin(struct solver *solver);

/** Decode the metadata of all packages, make package objects of it, and a pool of those that differ from a newer one. */
void solver_decode(struct solver *solver);
void solver_make_packages(struct solver *solver);
void solver_make_pool(struct solver *solver);

/** Whether a package is what a constraint asks for. */
bool solver_satisfies(const struct vm_object *package, const struct vm_object *constraint);

/** Rules of the pool: one for each requirement of each package. */
void solver_make_rules(struct solver *solver);

/** Decide until everything required is there. False: no solution was found. */
bool solver_search(struct solver *solver);

/** The level at which a package was decided for, by its id; 0: it was not. */
int64_t solver_chosen(const struct solver *solver, int64_t id);

#endif
