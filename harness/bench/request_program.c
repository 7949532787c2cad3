#include "request_program.h"

#include "sapimem/object.h"

#include <stdlib.h>

/** How many of 10,000 blocks have this size: those with slots, and raw bytes. */
struct size_weight {
    uint32_t payload_bytes;
    uint32_t slots_weight, bytes_weight;
};

/*
 * Measured: PHP 8.2, Debian 12, one warm request each of 22 pages (DokuWiki, Laravel, MediaWiki, phpMyAdmin, Roundcube,
 * Symfony, WordPress), recorded at Zend's allocator, every page with equal weight. Slots: arrays, objects, references
 * and the storage of arrays; bytes: strings and what is none of these. The last row stands for all blocks above 3072
 * bytes, by their mean.
 */
static const struct size_weight php_sizes[] = {
    {8, 0, 329},   {16, 0, 106},  {24, 0, 93},     {32, 464, 457}, {40, 40, 883}, {48, 2, 690},     {56, 2062, 519},
    {64, 0, 426},  {80, 62, 486}, {96, 51, 199},   {112, 29, 153}, {128, 27, 55}, {160, 1155, 129}, {192, 41, 33},
    {224, 12, 17}, {256, 6, 234}, {320, 757, 34},  {384, 118, 6},  {448, 10, 15}, {512, 1, 8},      {640, 133, 8},
    {768, 1, 9},   {896, 0, 9},   {1024, 0, 4},    {1280, 32, 9},  {1536, 0, 4},  {1792, 0, 3},     {2048, 0, 3},
    {2560, 15, 2}, {3072, 0, 1},  {15222, 34, 24},
};

enum { PHP_SIZE_COUNT = sizeof(php_sizes) / sizeof(php_sizes[0]) };

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static uint64_t total_weight(void)
{
    uint64_t total = 0;
    for (size_t i = 0; i < PHP_SIZE_COUNT; i++)
        total += php_sizes[i].slots_weight + php_sizes[i].bytes_weight;
    return total;
}

static struct request_step draw_step(uint64_t *random, uint64_t total)
{
    uint64_t drawn = next_random(random) % total;
    for (size_t i = 0; i < PHP_SIZE_COUNT; i++) {
        const struct size_weight *size = &php_sizes[i];
        if (drawn < size->slots_weight)
            return (struct request_step){size->payload_bytes, false};
        drawn -= size->slots_weight;
        if (drawn < size->bytes_weight)
            return (struct request_step){size->payload_bytes, true};
        drawn -= size->bytes_weight;
    }
    return (struct request_step){php_sizes[0].payload_bytes, true};
}

bool request_program_init(struct request_program *program, uint64_t payload_bytes, uint64_t seed)
{
    size_t capacity = (size_t)(payload_bytes / php_sizes[0].payload_bytes) + 1;
    *program = (struct request_program){.steps = calloc(capacity, sizeof(*program->steps)),
                                        .objects = calloc(capacity, sizeof(struct sm_object *))};
    if (program->steps == NULL || program->objects == NULL) {
        request_program_finish(program);
        return false;
    }
    uint64_t random = seed;
    uint64_t total = total_weight();
    while (program->payload_bytes < payload_bytes) {
        struct request_step step = draw_step(&random, total);
        program->payload_bytes += step.payload_bytes;
        program->block_bytes += sm_block_bytes(step.payload_bytes);
        program->steps[program->step_count++] = step;
    }
    return true;
}

void request_program_finish(struct request_program *program)
{
    free(program->steps);
    free(program->objects);
    *program = (struct request_program){0};
}
