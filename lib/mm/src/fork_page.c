#include "fork_page.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void sm_fork_page_init(struct sm_fork_page *page)
{
    page->process = getpid();
    page->mark = NULL;
    void *mapped = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return;
    if (madvise(mapped, page_bytes(), MADV_WIPEONFORK) != 0) {
        munmap(mapped, page_bytes());
        return;
    }
    page->mark = mapped;
    __atomic_store_n(page->mark, 1, __ATOMIC_RELAXED);
}

void sm_fork_page_finish(struct sm_fork_page *page)
{
    if (page->mark != NULL)
        munmap(page->mark, page_bytes());
    page->mark = NULL;
}

bool sm_fork_page_is_child(const struct sm_fork_page *page)
{
    if (page->mark == NULL)
        return getpid() != page->process;
    /* Atomic because the kernel, not the program, may change it between two looks. */
    return __atomic_load_n(page->mark, __ATOMIC_RELAXED) == 0;
}
