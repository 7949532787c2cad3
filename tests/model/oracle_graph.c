#include "oracle.h"

#include <stdlib.h>

/* ---- Nodes ---- */

struct oracle_node *oracle_node_new(struct oracle *oracle, enum oracle_kind kind, uint32_t value_count)
{
    if (oracle->count == oracle->capacity) {
        oracle->capacity = oracle->capacity == 0 ? 256 : oracle->capacity * 2;
        oracle->nodes =
            (struct oracle_node **)oracle_memory(oracle->nodes, oracle->capacity * sizeof(struct oracle_node *));
    }
    struct oracle_node *node = (struct oracle_node *)oracle_memory(NULL, sizeof(*node));
    *node = (struct oracle_node){.kind = kind, .value_count = value_count};
    node->id = node->origin = oracle->first_id + oracle->count;
    oracle->nodes[oracle->count++] = node;
    return node;
}

struct oracle_node *oracle_node_find(const struct oracle *oracle, uint64_t id)
{
    uint64_t index = id - oracle->first_id;
    return id >= oracle->first_id && index < oracle->count ? oracle->nodes[index] : NULL;
}

static void forget(struct oracle *oracle, size_t index)
{
    struct oracle_node *node = oracle->nodes[index];
    if (node == NULL)
        return;
    for (uint32_t i = 0; i < node->value_count; i++)
        oracle_clear(&node->values[i]);
    free(node);
    oracle->nodes[index] = NULL;
}

void oracle_reset(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->count; i++)
        forget(oracle, i);
    oracle->first_id += oracle->count;
    oracle->count = 0;
}

void oracle_finish(struct oracle *oracle)
{
    oracle_reset(oracle);
    free(oracle->nodes);
    free(oracle->stack);
}

/* ---- Analysis ---- */

static void push(struct oracle *oracle, struct oracle_node *node)
{
    if (oracle->stacked == oracle->stack_capacity) {
        oracle->stack_capacity = oracle->stack_capacity == 0 ? 256 : oracle->stack_capacity * 2;
        oracle->stack =
            (struct oracle_node **)oracle_memory(oracle->stack, oracle->stack_capacity * sizeof(struct oracle_node *));
    }
    oracle->stack[oracle->stacked++] = node;
}

static void visit_inside(struct oracle_node *node, oracle_visit *visit, void *context)
{
    for (uint32_t i = 0; i < node->value_count; i++)
        oracle_each(&node->values[i], visit, context);
}

static void visit_each(void *context, struct oracle_value *value)
{
    struct oracle *oracle = (struct oracle *)context;
    if (oracle_is_edge(value) && !value->node->is_reachable) {
        value->node->is_reachable = true;
        push(oracle, value->node);
    }
}

static void visit_root(void *context, struct oracle_value *value)
{
    oracle_each(value, visit_each, context);
}

static void mark_reachable(struct oracle *oracle, oracle_roots *roots, void *context)
{
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->nodes[i] != NULL)
            oracle->nodes[i]->is_reachable = false;
    roots(context, visit_root, oracle);
    while (oracle->stacked > 0)
        visit_inside(oracle->stack[--oracle->stacked], visit_each, oracle);
}

static void certify_each(void *context, struct oracle_value *value)
{
    struct oracle *oracle = (struct oracle *)context;
    if (oracle_is_edge(value) && !value->node->is_certain) {
        value->node->is_certain = true;
        push(oracle, value->node);
    }
}

static void certify_root(void *context, struct oracle_value *value)
{
    oracle_each(value, certify_each, context);
}

/* An entry counts for nothing as long as its target is not certain: the memory may have cleared it unseen. */
static void follow_certain(struct oracle *oracle)
{
    while (oracle->stacked > 0) {
        struct oracle_node *node = oracle->stack[--oracle->stacked];
        if (node->kind != ORACLE_ENTRY)
            visit_inside(node, certify_each, oracle);
    }
}

static void mark_certain(struct oracle *oracle, oracle_roots *roots, void *context)
{
    bool changed = true;
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->nodes[i] != NULL)
            oracle->nodes[i]->is_certain = false;
    roots(context, certify_root, oracle);
    follow_certain(oracle);
    while (changed) {
        changed = false;
        for (size_t i = 0; i < oracle->count; i++) {
            struct oracle_node *entry = oracle->nodes[i];
            if (entry == NULL || entry->kind != ORACLE_ENTRY || !entry->is_certain || entry->target == NULL ||
                !entry->target->is_certain)
                continue;
            visit_inside(entry, certify_each, oracle);
            changed |= oracle->stacked > 0;
            follow_certain(oracle);
        }
    }
}

/* True: an entry lost its value, so that less may be reachable now. */
static bool clear_dead_entries(struct oracle *oracle)
{
    bool changed = false;
    for (size_t i = 0; i < oracle->count; i++) {
        struct oracle_node *entry = oracle->nodes[i];
        if (entry == NULL || entry->kind != ORACLE_ENTRY || !entry->is_reachable)
            continue;
        if (entry->target == NULL || entry->target->is_reachable)
            continue;
        entry->target = NULL;
        oracle_clear(&entry->values[0]);
        changed = true;
    }
    return changed;
}

static void keep(struct oracle *oracle, struct oracle_node *node)
{
    if (node == NULL || node->is_kept)
        return;
    node->is_kept = true;
    push(oracle, node);
}

static void keep_each(void *context, struct oracle_value *value)
{
    if (oracle_is_edge(value) || value->kind == ORACLE_WEAK)
        keep((struct oracle *)context, value->node);
}

static void keep_root(void *context, struct oracle_value *value)
{
    oracle_each(value, keep_each, context);
}

/* A weak reference counts as a strong one here: until memory says otherwise it may still answer. */
static void mark_kept(struct oracle *oracle, oracle_roots *roots, void *context)
{
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->nodes[i] != NULL)
            oracle->nodes[i]->is_kept = false;
    roots(context, keep_root, oracle);
    for (size_t i = 0; i < oracle->count; i++) {
        struct oracle_node *node = oracle->nodes[i];
        if (node != NULL && node->has_destructor && node->destructor_runs == 0)
            keep(oracle, node);
    }
    while (oracle->stacked > 0) {
        struct oracle_node *node = oracle->stack[--oracle->stacked];
        keep(oracle, node->target);
        visit_inside(node, keep_each, oracle);
    }
}

static void count_each(void *context, struct oracle_value *value)
{
    (void)context;
    if (oracle_is_edge(value))
        value->node->holders++;
}

static void peel_each(void *context, struct oracle_value *value)
{
    if (!oracle_is_edge(value) || value->node->is_reachable || --value->node->holders != 0)
        return;
    value->node->is_peeled = true;
    push((struct oracle *)context, value->node);
}

/* What counting frees without a collector: from the nodes that nobody holds downwards. */
static void peel(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->nodes[i] != NULL) {
            oracle->nodes[i]->holders = 0;
            oracle->nodes[i]->is_peeled = false;
        }
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->nodes[i] != NULL && !oracle->nodes[i]->is_reachable)
            visit_inside(oracle->nodes[i], count_each, NULL);
    for (size_t i = 0; i < oracle->count; i++) {
        struct oracle_node *node = oracle->nodes[i];
        if (node == NULL || node->is_reachable || node->is_peeled || node->holders != 0)
            continue;
        node->is_peeled = true;
        push(oracle, node);
        while (oracle->stacked > 0)
            visit_inside(oracle->stack[--oracle->stacked], peel_each, oracle);
    }
}

void oracle_analyse(struct oracle *oracle, oracle_roots *roots, void *context, bool is_settled)
{
    do
        mark_reachable(oracle, roots, context);
    while (is_settled && clear_dead_entries(oracle));
    mark_certain(oracle, roots, context);
    mark_kept(oracle, roots, context);
    peel(oracle);
}

void oracle_prune(struct oracle *oracle, bool with_cycles)
{
    for (size_t i = 0; i < oracle->count; i++) {
        const struct oracle_node *node = oracle->nodes[i];
        if (node != NULL && !node->is_kept && (with_cycles || node->is_peeled))
            forget(oracle, i);
    }
}

size_t oracle_reachable_objects(const struct oracle *oracle)
{
    size_t count = 0;
    for (size_t i = 0; i < oracle->count; i++)
        count += oracle->nodes[i] != NULL && oracle->nodes[i]->kind == ORACLE_OBJECT && oracle->nodes[i]->is_reachable;
    return count;
}
