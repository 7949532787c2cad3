/* The bump loop: starting over in the same memory is all there is to a reset. */
#include "raw_allocator.h"
#include "raw_bump.h"

#include <stdlib.h>
#include <sys/mman.h>

struct bump_memory {
    char *start;
    size_t bytes;
};

static void *bump_open(size_t block_bytes, const char **reason)
{
    struct bump_memory *memory = calloc(1, sizeof(*memory));
    void *start = mmap(NULL, block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == NULL || start == MAP_FAILED) {
        free(memory);
        *reason = "no memory for the bump loop";
        return NULL;
    }
    *memory = (struct bump_memory){(char *)start, block_bytes};
    return memory;
}

static void bump_close(void *source)
{
    struct bump_memory *memory = source;
    munmap(memory->start, memory->bytes);
    free(memory);
}

static bool bump_batch(void *source, const struct allocation_batch *batch)
{
    const struct bump_memory *memory = source;
    struct bump bump = {memory->start, memory->start + memory->bytes};
    return fill_batch(bump_take, &bump, batch, false);
}

static bool bump_request(void *source, const struct request_program *program, uint64_t *sum)
{
    const struct bump_memory *memory = source;
    struct bump bump = {memory->start, memory->start + memory->bytes};
    return fill_request(bump_take, &bump, program, sum, false);
}

const struct raw_allocator raw_bump = {
    .name = "raw:bump", .open = bump_open, .close = bump_close, .batch = bump_batch, .request = bump_request};
