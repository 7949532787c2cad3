/*
 * In programs that are said to make no thread (tests/CMakeLists.txt), pthread_create is this function.
 *
 * They are left out under the thread sanitizer, so a thread must not slip into one of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context)
{
    (void)thread, (void)attributes, (void)body, (void)context;
    fputs("this program makes a thread: it must leave the list thread_free in tests/CMakeLists.txt\n", stderr);
    abort();
}
