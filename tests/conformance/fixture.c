/** The conformance fixture: one manager, one node type, a table of roots. */
#include "conformance.h"

#include "sapimem/alloc.h"

#include <string.h>

static void node_trace(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, ((const struct node *)object)->edges, NODE_EDGES);
}

static void count_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    (void)mm;
    (void)object;
    ((struct fixture *)context)->destructor_calls++;
}

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    struct fixture *fixture = context;
    for (size_t i = 0; i < ROOTS_MAX; i++)
        sm_visit_pointer(visitor, &fixture->roots[i]);
}

void fixture_open(struct fixture *fixture, const struct sm_config *config)
{
    struct sm_error error = {0};
    memset(fixture->roots, 0, sizeof(fixture->roots));
    fixture->destructor_calls = 0;
    fixture->config = *config;
    policy_variant_apply(fixture->variant, &fixture->config);
    if (sm_manager_create(&fixture->config, &fixture->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    fixture->capabilities = sm_policy_capabilities(fixture->mm);
    const struct sm_type plain = {.name = "node", .trace = node_trace};
    const struct sm_type destructible = {
        .name = "destructible", .trace = node_trace, .finalize = count_destructor, .context = fixture};
    const struct sm_root_provider provider = {"conformance", enumerate_roots, fixture};
    assert_int_equal(sm_type_register(fixture->mm, &plain, &fixture->node_type), SM_OK);
    assert_int_equal(sm_type_register(fixture->mm, &destructible, &fixture->destructible_type), SM_OK);
    assert_int_equal(sm_roots_register(fixture->mm, &provider), SM_OK);
}

void fixture_close(struct fixture *fixture)
{
    sm_manager_destroy(fixture->mm);
    fixture->mm = NULL;
}

void fixture_reopen(struct fixture *fixture, const struct sm_config *config)
{
    fixture_close(fixture);
    fixture_open(fixture, config);
}

static struct node *node_of_type(struct fixture *fixture, sm_type_id type, uint64_t id)
{
    struct node *node = (struct node *)sm_alloc(fixture->mm, type, NODE_PAYLOAD_BYTES);
    if (node == NULL) {
        fail_msg("%s", sm_error_detail(fixture->mm));
        return NULL;
    }
    node->id = id;
    return node;
}

struct node *node_new(struct fixture *fixture, uint64_t id)
{
    return node_of_type(fixture, fixture->node_type, id);
}

struct node *destructible_new(struct fixture *fixture, uint64_t id)
{
    struct node *node = node_of_type(fixture, fixture->destructible_type, id);
    assert_int_equal(sm_finalizer_register(fixture->mm, &node->header), SM_OK);
    return node;
}

void node_link(struct fixture *fixture, struct node *from, unsigned edge, struct node *to)
{
    struct sm_value value = {0, 0};
    if (to != NULL)
        value = sm_value_from_object(&to->header, 1);
    sm_store(fixture->mm, &from->header, &from->edges[edge], value);
}

void node_link_take(struct fixture *fixture, struct node *from, unsigned edge, struct node *to)
{
    node_link(fixture, from, edge, to);
    node_drop(fixture, to);
}

void node_drop(struct fixture *fixture, struct node *node)
{
    if (node != NULL)
        sm_value_drop(fixture->mm, sm_value_from_object(&node->header, 1));
}

void node_root(struct fixture *fixture, size_t index, struct node *node)
{
    struct node *old = fixture->roots[index];
    fixture->roots[index] = node;
    node_drop(fixture, old);
}

struct node *node_edge(const struct node *node, unsigned edge)
{
    struct sm_value value = node->edges[edge];
    return sm_value_is_heap(value) ? (struct node *)sm_value_object(value) : NULL;
}

static void count_object(void *context, struct sm_object *object)
{
    (void)object;
    ++*(size_t *)context;
}

size_t walk_count(struct fixture *fixture)
{
    size_t count = 0;
    sm_walk(fixture->mm, count_object, &count);
    return count;
}
