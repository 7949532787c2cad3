#include "reserve.h"

#include "event.h"
#include "manager_internal.h"

#include <sys/mman.h>
#include <unistd.h>

void sm_reserve_init(struct sm_reserve_state *reserve, const struct sm_config *config)
{
    reserve->limit_bytes = config->memory_limit_bytes;
    reserve->fail_after = config->fail_alloc_after;
    reserve->fail_count = config->fail_alloc_count == 0 ? 1 : config->fail_alloc_count;
}

/* Whether the request just counted is one of those to fail. */
static bool is_to_fail(const struct sm_reserve_state *reserve)
{
    return reserve->fail_after != 0 && reserve->request_count >= reserve->fail_after &&
           reserve->request_count - reserve->fail_after < reserve->fail_count;
}

uint64_t sm_committed_bytes(const struct sm_manager *mm)
{
    return __atomic_load_n(&mm->reserve.committed_bytes, __ATOMIC_RELAXED);
}

/* Policies that ask for every object would drown whoever watches, so there is one event for a MiB. */
static void raise_peak(struct sm_manager *mm, uint64_t committed_bytes)
{
    enum { EVENT_STEP_BITS = 20 };
    uint64_t *peak_bytes = &mm->reserve.peak_committed_bytes;
    bool is_worth_telling = committed_bytes >> EVENT_STEP_BITS != *peak_bytes >> EVENT_STEP_BITS;
    *peak_bytes = committed_bytes;
    if (is_worth_telling)
        sm_event(mm, SM_EVENT_RESIZE, SM_CYCLE_FULL, committed_bytes, 0);
}

bool sm_reserve(struct sm_manager *mm, size_t bytes)
{
    struct sm_reserve_state *reserve = &mm->reserve;
    reserve->request_count++;
    if (is_to_fail(reserve))
        return false;
    /* Pairs with the release in sm_unreserve: what another thread gave back is really gone. */
    uint64_t committed = __atomic_load_n(&reserve->committed_bytes, __ATOMIC_ACQUIRE);
    if (reserve->limit_bytes != 0 && (committed > reserve->limit_bytes || bytes > reserve->limit_bytes - committed))
        return false;
    /* Only the owner adds, so the sum cannot pass the limit: other threads can only have lowered it meanwhile. */
    committed = __atomic_add_fetch(&reserve->committed_bytes, bytes, __ATOMIC_RELAXED);
    if (committed > reserve->peak_committed_bytes)
        raise_peak(mm, committed);
    return true;
}

void sm_unreserve(struct sm_manager *mm, size_t bytes)
{
    /* Pairs with the acquire in sm_reserve. */
    uint64_t before = __atomic_fetch_sub(&mm->reserve.committed_bytes, bytes, __ATOMIC_RELEASE);
    SM_ASSERT(before >= bytes);
    (void)before;
}

/* Map `bytes` at a multiple of `alignment`: map more, then give the ends back. */
static void *map_aligned(size_t bytes, size_t alignment)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t spare_bytes = alignment > page_bytes ? alignment - page_bytes : 0;
    char *start = mmap(NULL, bytes + spare_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t head_bytes = (alignment - (uintptr_t)start % alignment) % alignment;
    size_t tail_bytes = spare_bytes - head_bytes;
    if (head_bytes != 0)
        munmap(start, head_bytes);
    if (tail_bytes != 0)
        munmap(start + head_bytes + bytes, tail_bytes);
    return start + head_bytes;
}

void *sm_chunk_map(struct sm_manager *mm, size_t bytes, size_t alignment)
{
    SM_ASSERT(bytes != 0 && bytes % (size_t)sysconf(_SC_PAGESIZE) == 0);
    SM_ASSERT((alignment & (alignment - 1)) == 0 && alignment >= (size_t)sysconf(_SC_PAGESIZE));
    if (!sm_reserve(mm, bytes))
        return NULL;
    void *chunk = map_aligned(bytes, alignment);
    if (chunk == NULL)
        sm_unreserve(mm, bytes);
    return chunk;
}

void sm_chunk_unmap(struct sm_manager *mm, void *chunk, size_t bytes)
{
    int failed = munmap(chunk, bytes);
    SM_ASSERT(failed == 0);
    (void)failed;
    sm_unreserve(mm, bytes);
}
