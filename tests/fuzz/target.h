/**
 * A fuzz target: what libFuzzer calls, and what the replay of a corpus calls without it.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/** Try one input; a finding aborts. Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

#endif
