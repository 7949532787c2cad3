/**
 * What the arena costs beside a bump loop written by hand that initialises as much.
 *
 * Both fill 1.8 MB a request with the sizes that real web pages ask for (array heads of 56 bytes, packed
 * arrays of 160, hash arrays of 320, strings between), in the same order: the header is written, slots are
 * zeroed, bytes stay raw, and every object's first word is written, read back and summed. Both then start over in the
 * same memory. Runs of the two alternate in one process; the figure is the median of the ratios of
 * neighbouring runs.
 *
 * Usage: bench_arena_ratio [policy] [rounds]; "arena" and 41 unless given.
 */
#include "sapimem/alloc.h"
#include "sapimem/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
    REQUEST_BYTES = 1800000,
    REQUESTS_PER_RUN = 40,
    ROUNDS = 41,
    ROUNDS_MAX = 1000,
    OBJECTS_MAX = REQUEST_BYTES / 16
};

/** One allocation of the request: leaf or slots, and how large. */
struct step {
    uint32_t payload_bytes;
    bool is_leaf;
};

struct program {
    size_t step_count;
    uint64_t payload_bytes;
    uint64_t block_bytes;
    struct step steps[OBJECTS_MAX];
};

/** What one run took, per request, and what it read back. */
struct run {
    double ns;
    uint64_t checksum;
};

struct bump {
    char *start, *cursor, *limit;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/** More than half of the blocks have 56, 160 or 320 bytes; the others are strings. The mean is 139. */
static struct step next_step(uint64_t *random)
{
    uint64_t kind = next_random(random) % 100;
    if (kind < 27)
        return (struct step){56, false};
    if (kind < 41)
        return (struct step){160, false};
    if (kind < 55)
        return (struct step){320, false};
    return (struct step){(uint32_t)(25 + next_random(random) % 203), true};
}

static struct program *make_program(void)
{
    struct program *program = calloc(1, sizeof(*program));
    uint64_t random = 1;
    while (program != NULL && program->payload_bytes < REQUEST_BYTES) {
        struct step step = next_step(&random);
        program->payload_bytes += step.payload_bytes;
        program->block_bytes += sm_block_bytes(step.payload_bytes);
        program->steps[program->step_count++] = step;
    }
    return program;
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/** What the mutator does with a new object: writes its first word, and reads it and the header back. */
static uint64_t touch(struct sm_object *object, uint64_t sum)
{
    uint64_t *word = sm_payload(object);
    *word = sum;
    return *word * 31 + object->payload_bytes;
}

static uint64_t request_by_policy(struct sm_manager *mm, const struct program *program, uint64_t sum)
{
    sm_request_begin(mm);
    for (size_t i = 0; i < program->step_count; i++) {
        struct step step = program->steps[i];
        struct sm_object *object = step.is_leaf ? sm_alloc_leaf(mm, SM_TYPE_BYTES, step.payload_bytes)
                                                : sm_alloc(mm, SM_TYPE_VALUES, step.payload_bytes);
        if (object == NULL)
            abort();
        sum = touch(object, sum);
    }
    sm_request_end(mm);
    return sum;
}

/** The least an allocator can do: one comparison, one addition, the same header and the same zeroes. */
static inline struct sm_object *bump_alloc(struct bump *bump, sm_type_id type, size_t payload_bytes)
{
    size_t block_bytes = sm_block_bytes(payload_bytes);
    if (block_bytes > (size_t)(bump->limit - bump->cursor))
        return NULL;
    struct sm_object *object = (struct sm_object *)bump->cursor;
    bump->cursor += block_bytes;
    *object = (struct sm_object){.count = 0, .type = type, .flags = 0, .payload_bytes = payload_bytes};
    return object;
}

static uint64_t request_by_hand(struct bump *bump, const struct program *program, uint64_t sum)
{
    for (size_t i = 0; i < program->step_count; i++) {
        struct step step = program->steps[i];
        struct sm_object *object = bump_alloc(bump, step.is_leaf ? SM_TYPE_BYTES : SM_TYPE_VALUES, step.payload_bytes);
        if (object == NULL)
            abort();
        if (!step.is_leaf)
            sm_zero_payload(object, step.payload_bytes);
        sum = touch(object, sum);
    }
    bump->cursor = bump->start;
    return sum;
}

static struct run run_policy(struct sm_manager *mm, const struct program *program)
{
    struct run run = {now_ns(), 1};
    for (int i = 0; i < REQUESTS_PER_RUN; i++)
        run.checksum = request_by_policy(mm, program, run.checksum);
    run.ns = (now_ns() - run.ns) / REQUESTS_PER_RUN;
    return run;
}

static struct run run_hand(struct bump *bump, const struct program *program)
{
    struct run run = {now_ns(), 1};
    for (int i = 0; i < REQUESTS_PER_RUN; i++)
        run.checksum = request_by_hand(bump, program, run.checksum);
    run.ns = (now_ns() - run.ns) / REQUESTS_PER_RUN;
    return run;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/** Print quartiles of `values`, which are sorted in place. */
static void print_quartiles(const char *name, const char *unit, double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    printf("%-14s median %10.3f %-2s   quartiles %.3f .. %.3f   range %.3f .. %.3f\n", name, values[count / 2], unit,
           values[count / 4], values[count * 3 / 4], values[0], values[count - 1]);
}

/** Alternate the two, which goes first included. Returns false when they disagree on what they read. */
static bool measure(struct sm_manager *mm, struct bump *bump, const struct program *program, size_t rounds)
{
    static double policy_us[ROUNDS_MAX], hand_us[ROUNDS_MAX], ratio[ROUNDS_MAX];
    uint64_t checksum = 0;
    for (size_t round = 0; round < rounds; round++) {
        struct run first_hand = {0, 0};
        if (round % 2 == 0)
            first_hand = run_hand(bump, program);
        struct run policy = run_policy(mm, program);
        struct run hand = round % 2 == 0 ? first_hand : run_hand(bump, program);
        if (policy.checksum != hand.checksum)
            return false;
        policy_us[round] = policy.ns / 1000;
        hand_us[round] = hand.ns / 1000;
        ratio[round] = policy.ns / hand.ns;
        checksum = policy.checksum;
    }
    print_quartiles(sm_policy_name(mm), "us", policy_us, rounds);
    print_quartiles("bump loop", "us", hand_us, rounds);
    print_quartiles("ratio", "", ratio, rounds);
    printf("checksum       %016" PRIx64 "\n", checksum);
    return true;
}

static int bench(const char *policy, const struct program *program, size_t rounds)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = policy};
    struct sm_manager *mm = NULL;
    struct sm_error error;
    if (sm_manager_create(&config, &mm, &error) != SM_OK) {
        fprintf(stderr, "bench_arena_ratio: %s\n", error.detail);
        return 2;
    }
    char *memory = mmap(NULL, program->block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int exit_code = 1;
    if (memory != MAP_FAILED) {
        struct bump bump = {memory, memory, memory + program->block_bytes};
        printf("%zu objects, %" PRIu64 " bytes, mean %.1f; %zu rounds of %d requests each\n", program->step_count,
               program->payload_bytes, (double)program->payload_bytes / (double)program->step_count, rounds,
               REQUESTS_PER_RUN);
        /* The first round of each pays the page faults; it is not counted. */
        run_policy(mm, program);
        run_hand(&bump, program);
        exit_code = measure(mm, &bump, program, rounds) ? 0 : 1;
        munmap(memory, program->block_bytes);
    }
    if (exit_code != 0)
        fprintf(stderr, "bench_arena_ratio: no memory, or the two loops read different things\n");
    sm_manager_destroy(mm);
    return exit_code;
}

int main(int argument_count, char **arguments)
{
    uint64_t rounds = ROUNDS;
    if (argument_count > 3 || (argument_count == 3 &&
                               (sm_count_parse(arguments[2], &rounds) != SM_OK || rounds < 3 || rounds > ROUNDS_MAX))) {
        fprintf(stderr, "usage: bench_arena_ratio [policy] [rounds], rounds from 3 to %d\n", ROUNDS_MAX);
        return 2;
    }
    struct program *program = make_program();
    int exit_code = program == NULL ? 1 : bench(argument_count > 1 ? arguments[1] : "arena", program, (size_t)rounds);
    free(program);
    return exit_code;
}
