/**
 * What is worth a run of its own under the thread sanitizer: policies with threads, or beside which threads read.
 *
 * It finds races, and makes every step of a test some thirty times dearer; where the program is alone there are none to
 * find, and every other build runs that too.
 */
#ifndef THREAD_COVERAGE_H
#define THREAD_COVERAGE_H

#include "test_scale.h"

#include "sapimem/policy.h"

/** Whether what runs under a policy of these capabilities is run in this build: all is, but under the thread sanitizer. */
static inline bool is_run_in_this_build(uint32_t capabilities)
{
    return !IS_THREAD_SANITIZED || (capabilities & (SM_CAP_CONCURRENT | SM_CAP_OBSERVERS)) != 0;
}

#endif
