/**
 * The rolling checksum: what a run read back from memory, equal under every policy.
 *
 * Not cryptographic; every input bit reaches every output bit within two folds.
 */
#ifndef WORKLOADS_CHECKSUM_H
#define WORKLOADS_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Initial value of every checksum. */
#define WL_CHECKSUM_START UINT64_C(0x9e3779b97f4a7c15)

/** Finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t wl_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/** Fold one word in, order-sensitive. */
static inline uint64_t wl_checksum_fold(uint64_t checksum, uint64_t word)
{
    return wl_mix(checksum + UINT64_C(0x9e3779b97f4a7c15)) ^ wl_mix(word + (checksum << 1));
}

static inline uint64_t wl_checksum_fold_bytes(uint64_t checksum, const void *bytes, size_t byte_count)
{
    const unsigned char *cursor = (const unsigned char *)bytes;
    for (; byte_count >= 8; byte_count -= 8, cursor += 8) {
        uint64_t word;
        memcpy(&word, cursor, sizeof(word));
        checksum = wl_checksum_fold(checksum, word);
    }
    uint64_t tail = byte_count;
    for (size_t i = 0; i < byte_count; i++)
        tail = (tail << 8) | cursor[i];
    return wl_checksum_fold(checksum, tail);
}

#endif
