/**
 * The manager: the hot words, then one small struct per module, each from that module's header.
 */
#ifndef SM_MANAGER_INTERNAL_H
#define SM_MANAGER_INTERNAL_H

#include "assertion.h"
#include "autorelease.h"
#include "births.h"
#include "counters.h"
#include "cycle.h"
#include "death_record.h"
#include "error.h"
#include "finalizer.h"
#include "fork_page.h"
#include "guard.h"
#include "handles.h"
#include "pacing.h"
#include "pause.h"
#include "reserve.h"
#include "roots_table.h"
#include "type.h"
#include "weak.h"

#include "sapimem/policy.h"

#include <pthread.h>

struct sm_manager {
    struct sm_hot hot; /**< first: the inline paths of alloc.h read it */
    struct sm_policy *policy;
    const struct sm_policy_ops *ops; /**< policy->ops */
    enum sm_sapi sapi;
    pthread_t owner_thread;
    bool request_open;
    bool alloc_is_leaf;                                /**< of the block being asked for; sm_alloc_is_leaf */
    uint64_t request_live_bytes, request_live_objects; /**< live when the request began */
    struct sm_hooks hooks;
    struct sm_error error; /**< of the last failure; the owner's */
    struct sm_fork_page fork_page;
    struct sm_types types;
    struct sm_roots roots;
    struct sm_reserve_state reserve;
    struct sm_counters counters;
    struct sm_pauses pauses;
    struct sm_cycles cycles;
    struct sm_finalizers finalizers;
    struct sm_handles handles;
    struct sm_autorelease autorelease;
    struct sm_births births;
    struct sm_death_recorder *recorder; /**< NULL: none */
    struct sm_guards guards;
    struct sm_option_values policy_options;
};

static inline bool sm_has(const struct sm_manager *mm, uint32_t capability)
{
    return (mm->ops->capabilities & capability) != 0;
}

/** `object` is about to be freed, by whatever way: tell who records. */
static inline void sm_note_death(struct sm_manager *mm, struct sm_object *object)
{
    if (SM_UNLIKELY(mm->recorder != NULL))
        sm_record_death(mm, object);
}

/** An object that lived before the open request dies inside it: what the end of the request frees as a whole is less that one. */
void sm_count_boot_dead(struct sm_manager *mm, const struct sm_object *object);

static inline bool sm_on_owner_thread(const struct sm_manager *mm)
{
    return pthread_equal(mm->owner_thread, pthread_self()) != 0;
}

/**
 * What every owner operation asks first: not a forked child (SM_ERR_FORKED), not another thread
 * (SM_ERR_WRONG_THREAD). The line is put on the manager only by its owner.
 */
sm_status sm_entry_check(struct sm_manager *mm);

#endif
