/**
 * Two policies for tests of the manager: size-class lists, and everything they are asked is counted.
 *
 * `list_policy_ops` frees explicitly, counts references and has a store barrier. `list_policy_tracing_ops`
 * adds a mark-sweep cycle, a retired backlog that safepoints empty, and guards that only count their calls.
 * Both go into sm_config.custom_policy. Nothing here is fast.
 */
#ifndef LIST_POLICY_H
#define LIST_POLICY_H

#include "sapimem/policy.h"

enum { LIST_CLASSES = 8, LIST_CHUNK_BYTES = 64 * 1024, LIST_RETIRED_MAX = 4096 };

struct list_chunk;

/** How often each operation was called. The guard operations are atomic: observers call them. */
struct list_calls {
    uint64_t alloc_slow, refill, resize, free, store_slow, pointer_stores, value_dead, value_candidate;
    uint64_t guard_register, guard_unregister, pin, unpin, repin, offline, online;
    uint64_t safepoint, collect, retire, finalizer_register, request_begin, request_end, quiesce;
};

struct list_policy {
    struct sm_policy base;
    struct list_calls calls;
    struct list_chunk *chunks;
    uint8_t size_class_of[SM_INLINE_PAYLOAD_MAX / 8 + 2];
    size_t retired_count;
    struct sm_object *retired[LIST_RETIRED_MAX];
    uint64_t reclaimed_bytes, reclaimed_objects;
    enum sm_trigger last_trigger;
    /* What a test may ask for. */
    bool keep_backlog;                 /**< safepoints do not empty the backlog: as if a guard held it */
    sm_status collect_status;          /**< what collect returns; SM_OK: does its work */
    sm_status register_status;         /**< what guard_register returns */
    void (*in_collect)(void *context); /**< called inside collect */
    void (*at_safepoint)(struct list_policy *lists);
    /** Takes the place of collect's work. */
    sm_status (*collect_instead)(struct list_policy *lists, enum sm_collect_kind kind, enum sm_trigger trigger,
                                 struct sm_cycle_record *record);
    void *context;
};

extern const struct sm_policy_ops list_policy_ops;
extern const struct sm_policy_ops list_policy_tracing_ops;

/** A manager under `ops`; everything else as `config` says (NULL: defaults). Aborts when it cannot be made. */
struct sm_manager *list_policy_manager(const struct sm_policy_ops *ops, const struct sm_config *config);

/** The policy behind a manager that was created with one of the two. */
struct list_policy *list_policy_of(struct sm_manager *mm);

#endif
