/**
 * The oracle of the model test: PHP's values and the graph of objects in plain C, without the library.
 *
 * Arrays and strings are values, so the oracle copies them at once and whole; objects, references and weak map
 * entries are nodes with an identity. What is reachable is found by a search, and nothing is ever shared or counted.
 */
#ifndef MODEL_ORACLE_H
#define MODEL_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oracle_kind {
    ORACLE_NULL, /**< null, or a place that was never set */
    ORACLE_INT,
    ORACLE_STRING,
    ORACLE_ARRAY,
    ORACLE_OBJECT,    /**< `node` */
    ORACLE_REFERENCE, /**< `node` */
    ORACLE_ENTRY,     /**< `node`: an entry of a weak map */
    ORACLE_CLOSURE,   /**< `node`: bound this, then bound variables */
    ORACLE_GENERATOR, /**< `node`: see enum oracle_generator_value */
    ORACLE_MAP,       /**< `node`: its values are entries */
    ORACLE_WEAK,      /**< `node` is the target; NULL once it is known to be dead */
};

/** The tag of a weak entry in the VM's hands: one of the test's own, with SM_TAG_HEAP. */
#define ORACLE_ENTRY_TAG (UINT64_C(31) | UINT64_C(0x80))

struct oracle_node;
struct oracle_array;

struct oracle_value {
    enum oracle_kind kind;
    int64_t number; /**< of an integer; length of a string */
    union {
        char *bytes;
        struct oracle_array *array;
        struct oracle_node *node;
    };
};

/** The key is the integer `key`, or the string that oracle_key_text makes of it. */
struct oracle_element {
    bool is_text;
    int64_t key;
    struct oracle_value value;
};

struct oracle_array {
    uint32_t count, capacity;
    int64_t next_index;
    struct oracle_element *elements; /**< in order of insertion */
};

enum { ORACLE_VALUES_MAX = 8, ORACLE_KEY_BYTES = 24 };

/** What the values of a generator's node stand for. */
enum oracle_generator_value {
    ORACLE_YIELDED,
    ORACLE_RETURNED,
    ORACLE_SENT,
    ORACLE_GENERATOR_ARGUMENT,
    ORACLE_GENERATOR_LOCAL,
    ORACLE_GENERATOR_VALUES,
};

/** How far a generator has come. */
struct oracle_progress {
    uint32_t state;
    int64_t key;
    bool has_begun;
    bool has_ended;
    bool has_frame;    /**< one whose body bailed out keeps it */
    bool has_returned; /**< its body came to its end */
};

/** An object, a reference (its value is values[0]) or a weak entry (likewise; `target` is its key). */
struct oracle_node {
    enum oracle_kind kind;
    uint64_t id; /**< from 1, never used twice */
    uint32_t class_index;
    uint32_t value_count;
    struct oracle_value values[ORACLE_VALUES_MAX];
    struct oracle_node *target; /**< of an entry; NULL once it is known to be dead */
    uint64_t origin;            /**< its id, but of a bound closure: the id of the one that it was bound from */
    struct oracle_progress progress;
    bool has_destructor; /**< or a `finally` that may run */
    uint32_t destructor_runs;
    /** A reference that an array holds is never written again: whether a copy of the array shares it may differ between policies. */
    bool is_frozen;
    /* The last analysis. */
    bool is_reachable; /**< from the roots, if entries still hold their values */
    bool is_certain;   /**< from the roots whatever became of entries whose targets may have died */
    bool is_kept;      /**< reachable, or something may yet reach it: a destructor to come, a weak reference */
    bool is_peeled;    /**< unreachable, and counting alone finds that out */
    uint64_t holders;
    /* The last comparison. */
    const void *memory;
};

/** All nodes; `nodes[i]` has the id first_id + i, or is NULL once it was pruned. */
struct oracle {
    uint64_t first_id;
    size_t count, capacity;
    struct oracle_node **nodes;
    struct oracle_node **stack;
    size_t stacked, stack_capacity;
};

/** Visits every root: calls `visit` with each value that is one. */
typedef void oracle_visit(void *context, struct oracle_value *value);
typedef void oracle_roots(void *roots, oracle_visit *visit, void *context);

/* ---- oracle_value.c ---- */

struct oracle_value oracle_null(void);
struct oracle_value oracle_int(int64_t number);
struct oracle_value oracle_string(const char *bytes, size_t byte_count);
struct oracle_value oracle_array_new(void);
struct oracle_value oracle_of_node(enum oracle_kind kind, struct oracle_node *node);

/** A whole copy, as assignment by value makes one. */
struct oracle_value oracle_copy(const struct oracle_value *value);
/** Free what the value owns and make it null. */
void oracle_clear(struct oracle_value *value);
/** Replace; `value` is taken. */
void oracle_set(struct oracle_value *slot, struct oracle_value value);
/** Append to a string. */
void oracle_string_append(struct oracle_value *string, const char *bytes, size_t byte_count);

/** Follow a reference. */
struct oracle_value *oracle_deref(struct oracle_value *value);

/** Whether the kind is one of nodes that a value holds. */
bool oracle_is_edge(const struct oracle_value *value);

/** Number of values in it, itself included. */
size_t oracle_weight(const struct oracle_value *value);

/** Visit the values inside an array, nested arrays' too, and the value itself; other values as they are. */
void oracle_each(struct oracle_value *value, oracle_visit *visit, void *context);

/** The element, or NULL. */
struct oracle_element *oracle_array_find(const struct oracle_array *array, bool is_text, int64_t key);
/** Set or add; `value` is taken. */
void oracle_array_set(struct oracle_array *array, bool is_text, int64_t key, struct oracle_value value);
void oracle_array_remove(struct oracle_array *array, uint32_t position);

/** The string that the text key `key` stands for. */
void oracle_key_text(int64_t key, char text[ORACLE_KEY_BYTES]);

/** Memory or the end of the process: the oracle's own needs are small. */
void *oracle_memory(void *memory, size_t bytes);

/* ---- oracle_hash.c ---- */

/** The number that vm_value_hash must give for the same content, by a walk of the oracle's own. */
uint64_t oracle_hash(struct oracle_value *value, unsigned depth);

/* ---- oracle_graph.c ---- */

/** A new node; its values are null. */
struct oracle_node *oracle_node_new(struct oracle *oracle, enum oracle_kind kind, uint32_t value_count);
/** The node, or NULL when there is none, or no longer. */
struct oracle_node *oracle_node_find(const struct oracle *oracle, uint64_t id);
/** Forget every node; ids go on. */
void oracle_reset(struct oracle *oracle);
void oracle_finish(struct oracle *oracle);

/**
 * Find what is reachable, what must be kept, and what counting alone would have freed.
 *
 * `is_settled`: nothing unreachable exists any more, so entries of dead targets have lost their values; the oracle's
 * lose them here.
 */
void oracle_analyse(struct oracle *oracle, oracle_roots *roots, void *context, bool is_settled);
/**
 * Forget the nodes that nothing can reach again, by the last analysis.
 *
 * `with_cycles`: those too that only a cycle collector would find. Under counting they hold others until one ran.
 */
void oracle_prune(struct oracle *oracle, bool with_cycles);
/** Number of reachable objects (references and entries not counted), by the last analysis. */
size_t oracle_reachable_objects(const struct oracle *oracle);

#endif
