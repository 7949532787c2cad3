/**
 * Included first by the flavours memb, mb and qsbr: asks liburcu's headers for their inline fast paths.
 *
 * They are a few lines each, which the LGPL allows in code under any licence. Not under the thread
 * sanitizer: there the library's own, uninstrumented functions run, because liburcu's plain accesses
 * to its futex word are races to the tool (and to nobody else). What the policy's own memory needs is
 * ordered by our atomics, which the sanitizer sees, so nothing has to be suppressed.
 */
#ifndef SM_EPOCH_URCU_INLINE_H
#define SM_EPOCH_URCU_INLINE_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
#define _LGPL_SOURCE
/*
 * liburcu's headers take over a full barrier that is there before them. Theirs is mfence on x86-64, which
 * also orders what no guard has (non-temporal stores); the compiler's is the cheaper locked instruction. It
 * pairs with the barriers in liburcu's synchronize just as theirs does.
 */
#define cmm_smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#endif
