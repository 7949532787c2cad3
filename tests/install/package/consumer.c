/**
 * A consumer of the installed package: both default policies, its own object type, and whose malloc it has.
 *
 * Exits 0 when all holds, 1 with a line on stderr when something does not.
 */
#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/manager.h"
#include "sapimem/roots.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A list node; the newest KEPT ones are reachable. */
struct node {
    struct sm_object header;
    struct node *older;
    uint64_t number;
};

enum { KEPT = 100, ROUNDS = 2000 };

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "consumer: does not hold: %s\n", what);
    exit(1);
}

#define REQUIRE(condition) require((condition), #condition)

static void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, &((const struct node *)object)->older);
}

static void enumerate_newest(void *newest, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, newest);
}

static struct sm_manager *create(enum sm_sapi sapi, const char *expected_policy)
{
    const struct sm_config config = {.sapi = sapi, .threshold_bytes = 64 << 10};
    struct sm_manager *mm = NULL;
    struct sm_error error = {0};
    if (sm_manager_create(&config, &mm, &error) != SM_OK)
        require(false, error.detail);
    require(strcmp(sm_policy_name(mm), expected_policy) == 0, expected_policy);
    return mm;
}

/** Build a list of KEPT nodes; the list in `*newest` before is garbage from then on. */
static void build_list(struct sm_manager *mm, sm_type_id type, struct node **newest)
{
    *newest = NULL;
    for (uint64_t i = 0; i < KEPT; i++) {
        struct node *node = (struct node *)sm_alloc(mm, type, sizeof(*node) - SM_HEADER_BYTES);
        REQUIRE(node != NULL);
        node->number = i;
        sm_store_pointer(mm, &node->header, &node->older, *newest);
        *newest = node;
    }
}

static void check_list(const struct node *node)
{
    for (uint64_t i = KEPT; i-- > 0; node = node->older)
        REQUIRE(node != NULL && node->number == i);
    REQUIRE(node == NULL);
}

static sm_type_id register_node(struct sm_manager *mm, struct node **newest)
{
    sm_type_id type;
    REQUIRE(sm_type_register(mm, &(struct sm_type){.name = "node", .trace = trace_node}, &type) == SM_OK);
    REQUIRE(sm_roots_register(mm, &(struct sm_root_provider){"list", enumerate_newest, newest}) == SM_OK);
    return type;
}

/** As a long-running program: the threshold starts cycles, and what is alive at the end is the one list. */
static void run_cli(void)
{
    struct node *newest = NULL;
    struct sm_manager *mm = create(SM_SAPI_CLI, "epoch");
    sm_type_id type = register_node(mm, &newest);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    for (int round = 0; round < ROUNDS; round++) {
        build_list(mm, type, &newest);
        sm_safepoint(mm);
        check_list(newest);
        sm_repin(sm_owner_guard(mm), SM_HERE);
    }
    sm_unpin(sm_owner_guard(mm));
    REQUIRE(sm_quiesce(mm) == SM_OK);
    check_list(newest);
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    REQUIRE(stats.alloc_count == (uint64_t)ROUNDS * KEPT);
    REQUIRE(stats.cycles > 10);
    REQUIRE(stats.live_objects == KEPT);
    REQUIRE(stats.backlog_bytes == 0);
    sm_stats_print(mm, stdout);
    sm_manager_destroy(mm);
}

/** As a request: everything goes at its end. */
static void run_fpm(void)
{
    struct node *newest = NULL;
    struct sm_manager *mm = create(SM_SAPI_FPM, "arena");
    sm_type_id type = register_node(mm, &newest);
    for (int request = 0; request < 3; request++) {
        REQUIRE(sm_request_begin(mm) == SM_OK);
        build_list(mm, type, &newest);
        check_list(newest);
        newest = NULL;
        REQUIRE(sm_request_end(mm) == SM_OK);
        struct sm_stats stats;
        sm_stats_get(mm, &stats);
        REQUIRE(stats.live_objects == 0);
        REQUIRE(stats.requests == (uint64_t)request + 1);
    }
    sm_manager_destroy(mm);
}

/** Linking the package must not swap the program's own malloc for mimalloc's. */
static void check_malloc(void)
{
    Dl_info place = {0};
    void *function = dlsym(RTLD_DEFAULT, "malloc");
    REQUIRE(function != NULL && dladdr(function, &place) != 0);
    printf("malloc is from %s\n", place.dli_fname);
    REQUIRE(strstr(place.dli_fname, "mimalloc") == NULL);
}

int main(void)
{
    check_malloc();
    run_cli();
    run_fpm();
    return 0;
}
