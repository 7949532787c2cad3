/* Blocks, and the growth of the heap under the manager's limit. */
#include "boehm/boehm_internal.h"

/* Without it gc.h turns GC_malloc_kind_global into the call that uses thread-local lists. */
#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_inline.h>

/** Bdwgc's block, and how it likes to grow: by a part of the heap, between these bounds. */
#define HEAP_BLOCK_BYTES ((size_t)4096)
#define GROWTH_MINIMUM_BYTES ((size_t)64 << 10)
#define GROWTH_MAXIMUM_BYTES ((size_t)16 << 20)
#define GROWTH_PART 4u
/** For finalizers and links, which bdwgc keeps in its heap. */
#define BOOKS_BYTES ((size_t)256 << 10)

/*
 * Mapped, less what earlier managers of the process left behind and is still free. Unsynchronised getters are
 * enough: no other thread changes the heap.
 */
static uint64_t held_bytes(void)
{
    uint64_t mapped = GC_get_heap_size();
    uint64_t inherited = boehm_account()->inherited_bytes;
    if (inherited == 0)
        return mapped;
    uint64_t free_bytes = GC_get_free_bytes();
    return mapped - (free_bytes < inherited ? free_bytes : inherited);
}

static void forbid_growth(void)
{
    GC_set_max_heap_size(GC_get_heap_size() + GC_get_unmapped_bytes());
}

static void charge(struct boehm_policy *boehm, uint64_t bytes)
{
    boehm->charged_bytes += bytes;
    boehm_account()->charged_bytes += bytes;
}

static void credit(struct boehm_policy *boehm, uint64_t bytes)
{
    uint64_t own_bytes = bytes < boehm->charged_bytes ? bytes : boehm->charged_bytes;
    boehm->charged_bytes -= own_bytes;
    boehm_account()->charged_bytes -= own_bytes;
    sm_unreserve(boehm->base.mm, (size_t)own_bytes);
}

/* The heap may shrink by more than one manager's share: what this one was not charged with was another's. */
static void credit_all(struct boehm_policy *boehm, uint64_t held)
{
    const struct boehm_account *account = boehm_account();
    credit(boehm, account->charged_bytes - held);
    for (struct boehm_policy *other = boehm_managers(); other != NULL && account->charged_bytes > held;
         other = other->next)
        credit(other, account->charged_bytes - held);
}

bool boehm_settle_charge(struct boehm_policy *boehm)
{
    uint64_t held = held_bytes();
    uint64_t charged = boehm_account()->charged_bytes;
    if (held < charged)
        credit_all(boehm, held);
    if (held <= charged)
        return true;
    if (!sm_reserve(boehm->base.mm, (size_t)(held - charged)))
        return false;
    charge(boehm, held - charged);
    return true;
}

void boehm_charge_finish(struct boehm_policy *boehm)
{
    boehm_account()->inherited_bytes += boehm->charged_bytes;
    credit(boehm, boehm->charged_bytes);
}

/* Charged first; what bdwgc took more or less is settled after. */
static bool expand(struct boehm_policy *boehm, size_t bytes)
{
    if (!boehm_settle_charge(boehm) || !sm_reserve(boehm->base.mm, bytes))
        return false;
    charge(boehm, bytes);
    GC_set_max_heap_size(0);
    int grown = GC_expand_hp(bytes);
    forbid_growth();
    return boehm_settle_charge(boehm) && grown != 0;
}

static size_t at_least(size_t bytes, size_t minimum_bytes)
{
    return bytes < minimum_bytes ? minimum_bytes : bytes;
}

/* A step that saves later ones; under a limit just what is needed will have to do. */
static bool grow_for(struct boehm_policy *boehm, size_t block_bytes)
{
    size_t blocks_bytes = (block_bytes + 2 * HEAP_BLOCK_BYTES - 1) / HEAP_BLOCK_BYTES * HEAP_BLOCK_BYTES;
    size_t needed_bytes = at_least(blocks_bytes, GROWTH_MINIMUM_BYTES);
    size_t step_bytes = (size_t)(GC_get_heap_size() / GROWTH_PART) / HEAP_BLOCK_BYTES * HEAP_BLOCK_BYTES;
    if (step_bytes > GROWTH_MAXIMUM_BYTES)
        step_bytes = GROWTH_MAXIMUM_BYTES;
    if (step_bytes > needed_bytes && expand(boehm, step_bytes))
        return true;
    return expand(boehm, needed_bytes);
}

bool boehm_grow_for_books(struct boehm_policy *boehm)
{
    return expand(boehm, BOOKS_BYTES);
}

void *boehm_block_alloc(struct boehm_policy *boehm, size_t block_bytes, int kind)
{
    void *block = GC_malloc_kind_global(block_bytes, kind);
    if (block == NULL && grow_for(boehm, block_bytes))
        block = GC_malloc_kind_global(block_bytes, kind);
    if (block == NULL || held_bytes() == boehm_account()->charged_bytes)
        return block;
    /* Bdwgc mapped again what it had unmapped, or unmapped something in a collection. */
    if (boehm_settle_charge(boehm))
        return block;
    GC_free(block);
    return NULL;
}
