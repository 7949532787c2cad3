/**
 * A request of a web page, as the sizes it allocates in order.
 */
#ifndef REQUEST_PROGRAM_H
#define REQUEST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_object;

struct request_step {
    uint32_t payload_bytes;
    bool is_leaf;
};

struct request_program {
    size_t step_count;
    uint64_t payload_bytes, block_bytes; /**< of the whole request, without and with headers */
    struct request_step *steps;
    struct sm_object **objects; /**< room for `step_count`, used where they are freed one by one */
};

/** Make the request of at least `payload_bytes` that `seed` stands for. False: out of memory; nothing to finish then. */
bool request_program_init(struct request_program *program, uint64_t payload_bytes, uint64_t seed);
void request_program_finish(struct request_program *program);

#endif
