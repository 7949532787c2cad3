/*
 * Option `limit`: the region is an epoch heap, so that a request which passes the limit can have cycles in it.
 *
 * Every address of that heap leads to its granule byte, which no block of the arena's own chunks could; so it is the epoch policy
 * that serves all requests, in the mode of its option `region`, under this policy's name. Under CLI it is that policy
 * without threads of its own.
 */
#include "arena/arena_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

/* What the other policy sets itself up as, with and without requests, renamed. Written once each, under the lock. */
static struct sm_policy_ops tables[2];
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct sm_policy_ops *renamed(const struct sm_policy_ops *theirs)
{
    struct sm_policy_ops *ours = &tables[(theirs->capabilities & SM_CAP_BULK_FREE) != 0];
    pthread_mutex_lock(&tables_lock);
    if (ours->name == NULL) {
        *ours = *theirs;
        ours->name = sm_policy_arena.name;
        ours->summary = sm_policy_arena.summary;
        ours->options = sm_policy_arena.options;
        ours->option_count = sm_policy_arena.option_count;
        ours->create = sm_policy_arena.create;
    }
    pthread_mutex_unlock(&tables_lock);
    return ours;
}

/* The options of chunks mean nothing to that heap. */
static sm_status refuse_others(struct sm_manager *mm, const struct sm_option_values *options)
{
    for (size_t i = 0; i < options->option_count; i++) {
        const char *key = options->table[i].key;
        if (options->given[i] && strcmp(key, "limit") != 0)
            return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT,
                                  "policy arena: option '%s' has no meaning beside 'limit': expected one of them", key);
    }
    return SM_OK;
}

sm_status arena_overflow_create(struct sm_manager *mm, const struct sm_option_values *options,
                                struct sm_policy **policy)
{
    const struct sm_policy_ops *epoch = sm_policy_find("epoch");
    uint64_t limit_bytes = sm_option_count(options, "limit");
    char text[128];
    struct sm_option_values values;
    struct sm_error error = {0};
    sm_status status = refuse_others(mm, options);
    if (status != SM_OK)
        return status;
    snprintf(text, sizeof(text), "region=%" PRIu64 ",nursery=%" PRIu64 ",reclaim=inline,marking=stop", limit_bytes,
             limit_bytes);
    status = sm_options_parse("policy arena", epoch->options, epoch->option_count, text, &values, &error);
    if (status != SM_OK)
        return sm_policy_fail(mm, status, "policy arena: option 'limit' wants at least 4K, not %" PRIu64, limit_bytes);
    status = epoch->create(mm, &values, policy);
    if (status == SM_OK)
        (*policy)->ops = renamed((*policy)->ops);
    return status;
}
