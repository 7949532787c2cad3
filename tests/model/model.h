/**
 * The model test: one operation stream, run on a VM and on the oracle beside it.
 *
 * An operation changes the oracle only once the VM has done its part; a VM that bailed out (no memory) must be as it
 * was. Destructors change both when the VM runs them, whenever its policy does: they write places that no operation
 * writes (the resurrection globals) and their own object, so the order in which the two happen does not matter.
 */
#ifndef MODEL_H
#define MODEL_H

#include "operation.h"
#include "oracle.h"

#include "sapimem/extension.h"
#include "sapimem/policy.h"
#include "sapivm/vm.h"

#include <stdarg.h>

/** How the VM is driven; any of them together. */
enum model_mode {
    MODEL_FPM = 1u << 0,            /**< requests, under SM_SAPI_FPM */
    MODEL_COLLECT_ALWAYS = 1u << 1, /**< a safepoint after every operation, a cycle at every safepoint */
    MODEL_LIMIT = 1u << 2,          /**< a memory limit that one large string may pass */
    MODEL_SHARING_COUNTS = 1u << 3, /**< sm_config.sharing_counts */
    MODEL_PROMPT = 1u << 4,         /**< vm_config.prompt_destructors, with counts */
    MODEL_MODE_MASK = (1u << 5) - 1,
};

enum {
    MODEL_GLOBALS = 8,
    MODEL_RESURRECTED = 4, /**< globals that destructors write, after the others */
    MODEL_LOCALS = 6,
    MODEL_TEMPORARIES = 4,
    MODEL_FRAMES = 6,
    MODEL_SCOPES = 5,
    MODEL_LOCAL_HANDLES = 24,
    MODEL_PERSISTENT = 6,
    MODEL_BUFFERS = 3,
    MODEL_CLASSES = 12,
    MODEL_SCRATCH = 3,
    MODEL_WEIGHT_MAX = 200,  /**< values in one array */
    MODEL_STRING_MAX = 9000, /**< bytes in one string */
};

#define MODEL_TAG_ENTRY ORACLE_ENTRY_TAG

struct model_config {
    const char *policy;                        /**< "NAME" or "NAME:options" */
    const struct sm_policy_ops *custom_policy; /**< wins over the name */
    unsigned modes;
    enum sm_collector_threads collector_threads;
    uint64_t threshold_bytes; /**< of automatic cycles; 0: one each 256 KiB, with the program stopped */
    uint64_t check_every;     /**< operations; 0: only where an operation asks for it */
    bool is_deep;             /**< every check looks whether what it reads is in the heap */
    uint64_t fail_alloc_after, fail_alloc_count; /**< as in sm_config */
    uint64_t tamper_at;                          /**< the operation before which `tamper` runs */
    /** A deliberate error, for controls; false: nothing to tamper with yet, asked again before the next operation. */
    bool (*tamper)(struct vm *vm);
    /** Told what does not agree; must not return. NULL: printed, and the process ends with MODEL_FINDING. */
    void (*on_finding)(const char *line);
};

/** Exit code of a process that found a difference. */
enum { MODEL_FINDING = 3 };

struct model_frame {
    struct oracle_value locals[MODEL_LOCALS];
    struct oracle_value temporaries[MODEL_TEMPORARIES];
    uint32_t temporary_count;
};

struct model_handle {
    sm_handle handle;
    struct oracle_value value;
};

struct model_scope {
    sm_scope scope;
    uint32_t first_local;
};

struct model_buffer {
    sm_handle handle; /**< persistent; none: not made */
    bool is_bytes;    /**< of sm_alloc_bytes, not growable */
    struct oracle_value content;
};

struct model {
    struct model_config config;
    struct vm *vm;
    struct sm_manager *mm;
    uint32_t capabilities;
    bool is_counting; /**< the policy counts everything */
    bool is_exact;    /**< what is dead is known to be gone after a settling */
    struct vm_class *classes[MODEL_CLASSES];
    struct oracle oracle;
    struct oracle_value globals[MODEL_GLOBALS + MODEL_RESURRECTED];
    struct model_frame frames[MODEL_FRAMES];
    uint32_t frame_count;
    struct model_handle locals[MODEL_LOCAL_HANDLES];
    uint32_t local_count;
    struct model_scope scopes[MODEL_SCOPES];
    uint32_t scope_count;
    struct model_handle persistent[MODEL_PERSISTENT];
    struct model_buffer buffers[MODEL_BUFFERS];
    struct oracle_value scratch[MODEL_SCRATCH]; /**< the oracle's operands of the operation under way */
    struct oracle_value exception;              /**< pending */
    struct oracle_node *callee;                 /**< the closure or generator that an operation runs, or NULL */
    uint64_t gc_runs;                           /**< of vm_gc_status, when last seen */
    uint32_t pins;
    bool cycles_enabled;
    bool is_closing;        /**< the request ends: destructors change the VM alone */
    bool may_collect;       /**< destructors may: the VM is at a safepoint, and the oracle was analysed there */
    bool is_displaced;      /**< a destructor there replaced what another global held, so more may have died since */
    bool is_over;           /**< no memory for a request: the stream ends */
    uint64_t operations;    /**< so far */
    uint64_t bailout_total; /**< operations that memory was refused to */
    uint64_t destructible;  /**< objects with a destructor made so far */
    uint64_t destructors_run;
    struct model_operation current;
    bool must_succeed;                               /**< memory is there: from here on a refusal is a finding */
    uint64_t tampered_at;                            /**< 0: not yet */
    uint64_t finished_code_counts[MODEL_CODE_COUNT]; /**< operations that did something */
    uint64_t check_count;
};

/* ---- lifecycle.c ---- */

/** A VM and an oracle, a request open. Errors: as vm_create; `model` needs no closing then. */
sm_status model_open(struct model *model, const struct model_config *config, struct sm_error *error);
/** End the request, check what must hold then, destroy the VM. */
void model_close(struct model *model);
/** Run one operation, and the check when it is due. */
void model_run(struct model *model, struct model_operation operation);
/** End the request and begin another. */
void model_request(struct model *model);
/** Collect until nothing changes, then check exactly. */
void model_settle(struct model *model);

/* ---- check.c ---- */

/** Everything that the oracle can reach reads back equal. `is_settled`: and nothing else exists. */
void model_check(struct model *model, bool is_settled);
/** Every root of the oracle. */
void model_roots(void *context, oracle_visit *visit, void *visitor);
/** Something does not agree. */
_Noreturn void model_fail(struct model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- heap_set.c ---- */

/** The addresses that the walk shows. */
struct heap_set {
    size_t count, object_count, capacity;
    const struct sm_object **slots;
};
void heap_set_fill(struct heap_set *set, struct vm *vm);
bool heap_set_has(const struct heap_set *set, const void *object);
void heap_set_finish(struct heap_set *set);

/* ---- destructors.c ---- */

/** Define the classes of the test; one in every second has a destructor, each of another kind. Bails out. */
void model_classes_define(struct model *model);
uint32_t model_class_values(uint32_t class_index);
bool model_class_has_destructor(uint32_t class_index);
/** The node of what is being destructed, which must be due, and is counted as done. */
struct oracle_node *model_destructed(struct model *model, uint64_t id);
/** For destructors: a copy of `value` goes to the resurrection global of the node; `expected` is taken. */
void model_put_in_global(struct model *model, const struct oracle_node *node, struct sm_value value,
                         struct oracle_value expected);
/** A new object of the class and its node, which is in the oracle before anything can fail. Returns owned; bails out. */
struct vm_object *model_object_new(struct model *model, uint32_t class_index, struct oracle_node **node);

/* ---- places.c ---- */

enum model_place_kind {
    MODEL_PLACE_NONE,
    MODEL_PLACE_GLOBAL,
    MODEL_PLACE_LOCAL,
    MODEL_PLACE_PROPERTY,
    MODEL_PLACE_ELEMENT,
    MODEL_PLACE_HANDLE,
};

/** Where an operation reads or writes: the same place on both sides. */
struct model_place {
    enum model_place_kind kind;
    uint32_t index;              /**< of the global, local, property, handle or element */
    struct vm_object *object;    /**< holder of a property */
    struct vm_place base;        /**< of an element: where its array is */
    struct oracle_value *oracle; /**< NULL with MODEL_PLACE_NONE */
    struct oracle_value *oracle_base;
    struct oracle_value *oracle_written; /**< what the last assignment wrote: the place, or what its reference holds */
};

void model_global_name(uint32_t index, char name[16]);
/** The place that `selector` names, to read (`b`) or to write (`a`). Changes nothing. */
struct model_place model_place_source(struct model *model, uint8_t selector);
struct model_place model_place_target(struct model *model, uint8_t selector);
/** The place that `selector` names, or the next one that holds a value of `kind`; none: MODEL_PLACE_NONE. */
struct model_place model_place_find(struct model *model, uint8_t selector, enum oracle_kind kind, bool is_target);
/** The VM's value there, borrowed, references not followed. */
struct sm_value model_place_read(struct model *model, const struct model_place *place);
/** Write the VM's value (taken) there, as an assignment does: through a reference, unless an array holds that. May bail out. */
void model_place_assign(struct model *model, struct model_place *place, struct sm_value value);
/** Likewise in the oracle, after the VM; `value` is taken. */
void model_place_assign_oracle(struct model_place *place, struct oracle_value value);
/** Replace what is there, be it a reference. */
void model_place_replace(struct model *model, struct model_place *place, struct sm_value value);

/** The array in the place, ready to be written, and its oracle; NULL: there is none. May bail out. */
struct vm_array *model_array_write(struct model *model, struct model_place *place, struct oracle_array **oracle);

/* ---- operations_*.c ---- */

/** What an operation does. `is_bare`: it cannot bail out and works on scopes or guards, so no vm_try surrounds it. */
struct model_action {
    void (*run)(struct model *model, struct model_operation operation);
    bool is_bare;
};
extern const struct model_action model_value_actions[MODEL_CODE_COUNT];
extern const struct model_action model_object_actions[MODEL_CODE_COUNT];
extern const struct model_action model_extension_actions[MODEL_CODE_COUNT];

/** A safepoint of the VM; operations_extension.c. */
void model_safepoint(struct model *model);
/** `act` at a safepoint; likewise. */
void model_at_safepoint(struct model *model, void (*act)(struct model *model));

/** The copy of a source's value on both sides, references followed; the oracle's is in scratch 0. operations_value.c. */
struct sm_value model_copy_source(struct model *model, uint8_t selector);
/** Take the oracle's part of it. */
struct oracle_value model_take_scratch(struct model *model);
/** Write both; both are taken. */
void model_assign(struct model *model, struct model_place *target, struct sm_value value, struct oracle_value expected);
/** The reference in the place, borrowed; what is there becomes one. NULL: the place cannot hold one. */
struct vm_reference *model_reference_make(struct model *model, struct model_place *place, struct oracle_node **node);
/** The object that a source holds, or the next one's, and its node; NULL: there is none. */
struct vm_object *model_source_object(struct model *model, uint8_t selector, struct oracle_node **node);
/** What a generator or a closure was running has bailed out; operations_object.c. */
void model_callee_aborted(struct model *model);

/** The operation under way had an effect. */
static inline void model_done(struct model *model)
{
    model->finished_code_counts[model->current.code]++;
}

#endif
