/**
 * The conformance suite: guarantees every policy in the registry gives, numbered.
 *
 * Each file exports a table of {name, test}; the main program runs every test under every policy, so a
 * new line in policies.def is tested without a change here. A test that a policy's capabilities rule
 * out is not registered for it: it is neither run nor counted.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sapimem/epoch.h"
#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include "policy_variants.h"

enum { ROOTS_MAX = 64, NODE_EDGES = 4 };

/** An object with edges and an id that is checked whenever it is met. */
struct node {
    struct sm_object header;
    struct sm_value edges[NODE_EDGES];
    uint64_t id;
};

#define NODE_PAYLOAD_BYTES (sizeof(struct node) - SM_HEADER_BYTES)

/** What a test gets: a fresh manager of the policy under test, one type and a table of roots. */
struct fixture {
    const struct sm_policy_ops *ops;
    uint32_t capabilities;                /**< of the manager at hand */
    const struct policy_variant *variant; /**< its text: the name, and perhaps options; and who collects */
    struct sm_manager *mm;
    sm_type_id node_type;
    sm_type_id destructible_type;
    struct node *roots[ROOTS_MAX];
    size_t destructor_calls;
    struct sm_config config; /**< as used; a test may reopen with another */
};

struct conformance_test {
    const char *name; /**< "G03_reachable_objects_survive" */
    void (*run)(struct fixture *fixture);
    uint32_t needs; /**< capability bits without which it does not apply */
};

extern const struct conformance_test allocation_tests[], reachability_tests[], handle_tests[], lifecycle_tests[];

/** Open the fixture's manager with `config` (policy is filled in); fails the test when it cannot. */
void fixture_open(struct fixture *fixture, const struct sm_config *config);
void fixture_close(struct fixture *fixture);
/** Close, and open again with another configuration. */
void fixture_reopen(struct fixture *fixture, const struct sm_config *config);

/** A node with `id`; fails the test when memory is refused. */
struct node *node_new(struct fixture *fixture, uint64_t id);
/** A node of the type with a destructor, registered. */
struct node *destructible_new(struct fixture *fixture, uint64_t id);
void node_link(struct fixture *fixture, struct node *from, unsigned edge, struct node *to);
/** Likewise, and the edge takes over the caller's hold on `to`. */
void node_link_take(struct fixture *fixture, struct node *from, unsigned edge, struct node *to);
/** The caller gives up its hold on a node, such as the one from its birth; NULL is fine. */
void node_drop(struct fixture *fixture, struct node *node);
/** Root `index` takes over the caller's hold on `node`, and gives up the one it had. */
void node_root(struct fixture *fixture, size_t index, struct node *node);
struct node *node_edge(const struct node *node, unsigned edge);

/** Objects that sm_walk visits. */
size_t walk_count(struct fixture *fixture);

#endif
