/**
 * Objects, values and type descriptors: what every policy stores.
 *
 * An object is a 16-byte header followed by its payload, 16-byte aligned, and never moves.
 * A value is 16 bytes: a payload word and a tag word. One tag bit says "the payload word is an
 * object"; the other bits belong to the virtual machine and are opaque here.
 */
#ifndef SAPIMEM_OBJECT_H
#define SAPIMEM_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sm_manager;
struct sm_visitor;

/** Index of a registered type; 16 bits so that the header stays 16 bytes. */
typedef uint16_t sm_type_id;

/** Header bits. The low byte is the library's, the high byte is the policy's own. */
enum sm_object_flag {
    SM_OBJECT_FINALIZABLE = 1u << 0, /**< has a destructor that has not run */
    SM_OBJECT_FINALIZED = 1u << 1,   /**< its destructor ran, or is queued; it never runs again (R5) */
    SM_OBJECT_SHARED = 1u << 2,      /**< the virtual machine's: the value may have a second owner */
    SM_OBJECT_INTERNED = 1u << 3,    /**< the virtual machine's: a string in the interner */
    SM_OBJECT_ACYCLIC = 1u << 5,     /**< no edges, so no cycle: never a possible root */
    SM_OBJECT_CANDIDATE = 1u << 6,   /**< in the policy's buffer of possible roots */
    SM_OBJECT_COUNTED = 1u << 7,     /**< the virtual machine's: values of it carry SM_TAG_COUNTED */
    SM_OBJECT_VM_MASK = SM_OBJECT_SHARED | SM_OBJECT_INTERNED | SM_OBJECT_COUNTED,
};

/**
 * Header of every object; the payload follows it.
 *
 * `count` is 1 at birth, the maker's own, and serves policies and sharing schemes that count (R12); it
 * is the owner thread's alone, and stays where it is once it has reached SM_COUNT_MAX. `flags` is written by
 * the owner and by the policy, so it is read and written with relaxed atomics once observers exist.
 */
struct sm_object {
    uint32_t count;
    sm_type_id type;
    uint16_t flags;
    uint64_t payload_bytes; /**< as asked for: no header, no rounding */
};

#define SM_ALIGNMENT 16u
#define SM_HEADER_BYTES sizeof(struct sm_object)
/** Largest payload of one object: 1 TiB. */
#define SM_PAYLOAD_MAX (UINT64_C(1) << 40)

/** A tagged 16-byte value. Zero is the virtual machine's "undefined". */
struct sm_value {
    uint64_t payload;
    uint64_t tag;
} __attribute__((aligned(16)));

/** Tag bit: the payload word is a `struct sm_object *`, never NULL. */
#define SM_TAG_HEAP UINT64_C(0x80)
/** Tag bit beside SM_TAG_HEAP: holders are counted even where the policy traces (R12). All values of one object agree on it. */
#define SM_TAG_COUNTED UINT64_C(0x40)
/** Tag bit beside SM_TAG_HEAP: as SM_TAG_COUNTED, but only under a policy that reuses what it knows to be dead (SM_CAP_DEATHS). For leaves that many places hold by value. */
#define SM_TAG_COUNTED_LEAF UINT64_C(0x20)

/** A count that got here is not known any more: it stays, and the object is taken for shared by many. */
#define SM_COUNT_MAX UINT32_MAX

/** Built-in types, registered in every manager; the virtual machine's types follow them. */
enum sm_builtin_type {
    SM_TYPE_BYTES = 0,     /**< leaf: raw bytes of sm_alloc_bytes */
    SM_TYPE_VALUES = 1,    /**< a block of values: payload_bytes / 16 slots */
    SM_TYPE_BUFFER = 2,    /**< head of a growable buffer */
    SM_TYPE_WEAK_CELL = 3, /**< one weak reference; its target is no edge */
    SM_TYPE_WEAK_ENTRY =
        4, /**< one entry of a weak map: its target is no edge, its value is one until the target dies */
    SM_TYPE_BUILTIN_COUNT = 5,
};

/** What a destructor is told, and may do: allocate, store, resurrect, pin; it runs on the owner thread (R5). */
typedef void sm_finalizer(struct sm_manager *mm, struct sm_object *object, void *context);

/** sm_type.root_offset: the payload has no word to spare. */
#define SM_ROOT_NONE 0u
/** sm_type.root_offset: not itself but its first edge is the possible root, as with a PHP reference. */
#define SM_ROOT_FORWARD UINT32_MAX

/** sm_layout.kind. */
enum sm_layout_kind {
    SM_LAYOUT_OPAQUE = 0, /**< only `trace` knows where the edges are */
    SM_LAYOUT_SLOTS = 1,  /**< plain pointers, then elements of equal size up to the payload's end */
    SM_LAYOUT_HEAD = 2,   /**< one storage object, of a SLOTS type without pointers, that nobody else ever refers to */
};

/**
 * Where the edges of a type are, for a policy that follows them without a call for each.
 *
 * It says what `trace` says, which stays the truth: the edges of SLOTS are those that `trace` visits, in
 * whatever order; of HEAD those that the storage's `trace` visits. An element is a value, and a plain pointer where `key`
 * is not 0. In the storage of a HEAD only the first `used` elements may hold anything.
 * Offsets are bytes into the payload. Zeroed: OPAQUE.
 */
struct sm_layout {
    uint8_t kind;           /**< enum sm_layout_kind */
    uint8_t pointer_count;  /**< range 0 to 2; HEAD: 1, the storage, which may be NULL */
    uint16_t pointers[2];   /**< offsets of plain pointers, which may be NULL */
    uint16_t first;         /**< offset of the first element; its value comes first in it */
    uint16_t stride;        /**< from one element to the next; 0: there are none */
    uint16_t element_bytes; /**< payload that each takes: the stride, or more where other things follow the elements */
    uint16_t key;           /**< offset inside an element of a plain pointer, which may be NULL; 0: it has none */
    uint16_t used;          /**< HEAD: offset of the number of elements in use, 8 bytes */
};

/**
 * Describes one kind of object.
 *
 * `trace` enumerates every edge through sm_visit_value, sm_visit_values or sm_visit_pointer, from the
 * payload alone: bounds come from `payload_bytes`, which never changes while observers may look.
 * NULL says leaf: the payload holds no edges and need not be zeroed.
 */
struct sm_type {
    const char *name;
    void (*trace)(const struct sm_object *object, struct sm_visitor *visitor);
    sm_finalizer *finalize; /**< NULL: none. Runs once per object that was given to sm_finalizer_register */
    void *context;          /**< handed to `finalize` */
    /** Payload offset (range 8 and up) of four bytes that a counting policy may keep an index in, or one of the two above. */
    uint32_t root_offset;
    struct sm_layout layout;
};

/**
 * Register a type; the descriptor is copied.
 *
 * Returns:     SM_OK and the index in `*id`.
 * Errors:      SM_ERR_INVALID_ARGUMENT when 65,535 types exist or the name is NULL.
 * Threads:     owner, before any observer registers.
 */
sm_status sm_type_register(struct sm_manager *mm, const struct sm_type *type, sm_type_id *id);

/** Descriptor of `id`; NULL for an unknown one. Threads: any. */
const struct sm_type *sm_type_get(const struct sm_manager *mm, sm_type_id id);

static inline bool sm_value_is_heap(struct sm_value value)
{
    return (value.tag & SM_TAG_HEAP) != 0;
}

static inline struct sm_object *sm_value_object(struct sm_value value)
{
    return (struct sm_object *)(uintptr_t)value.payload;
}

/** A heap value: `tag` gains SM_TAG_HEAP. */
static inline struct sm_value sm_value_from_object(struct sm_object *object, uint64_t tag)
{
    struct sm_value value = {(uint64_t)(uintptr_t)object, tag | SM_TAG_HEAP};
    return value;
}

static inline void *sm_payload(struct sm_object *object)
{
    return object + 1;
}

static inline const void *sm_payload_const(const struct sm_object *object)
{
    return object + 1;
}

/** The object whose payload starts at `payload`, as returned by sm_alloc_bytes. */
static inline struct sm_object *sm_object_of_payload(void *payload)
{
    return (struct sm_object *)payload - 1;
}

/** Bytes that an object of `payload_bytes` occupies: header added, rounded up to 16. */
static inline size_t sm_block_bytes(size_t payload_bytes)
{
    return (SM_HEADER_BYTES + payload_bytes + (SM_ALIGNMENT - 1)) & ~(size_t)(SM_ALIGNMENT - 1);
}

static inline uint16_t sm_object_flags(const struct sm_object *object)
{
    return __atomic_load_n(&object->flags, __ATOMIC_RELAXED);
}

static inline void sm_object_set_flags(struct sm_object *object, uint16_t bits)
{
    __atomic_store_n(&object->flags, (uint16_t)(sm_object_flags(object) | bits), __ATOMIC_RELAXED);
}

static inline void sm_object_clear_flags(struct sm_object *object, uint16_t bits)
{
    __atomic_store_n(&object->flags, (uint16_t)(sm_object_flags(object) & (uint16_t)~bits), __ATOMIC_RELAXED);
}

#ifdef __cplusplus
}
#endif
#endif
