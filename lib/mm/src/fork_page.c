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
    *page->mark = 1;
}

void sm_fork_page_finish(struct sm_fork_page *page)
{
    if (page->mark != NULL)
        munmap((void *)(uintptr_t)page->mark, page_bytes());
    page->mark = NULL;
}

bool sm_fork_page_is_child(const struct sm_fork_page *page)
{
    return page->mark != NULL ? *page->mark == 0 : getpid() != page->process;
}
