/**
 * Telling a forked child from the process that created the manager (R14).
 *
 * One page that the kernel wipes in a child holds a mark; where the kernel cannot, process ids are compared.
 */
#ifndef SM_FORK_PAGE_H
#define SM_FORK_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sm_fork_page {
    uint32_t *mark; /**< 1 in the creating process, 0 in a child; NULL: compare `process` */
    pid_t process;
};

void sm_fork_page_init(struct sm_fork_page *page);
void sm_fork_page_finish(struct sm_fork_page *page);
bool sm_fork_page_is_child(const struct sm_fork_page *page);

#endif
