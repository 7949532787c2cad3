#include "operation.h"

static const struct {
    const char *name;
    unsigned weight;
} codes[] = {
#define X(symbol, weight) {#symbol, weight},
    MODEL_OPERATIONS(X)
#undef X
};

enum {
// NOLINTNEXTLINE(bugprone-macro-parentheses): the sign joins the weights
#define X(symbol, weight) +(weight)
    WEIGHT_SUM = MODEL_OPERATIONS(X)
#undef X
};

const char *model_code_name(unsigned code)
{
    return code < MODEL_CODE_COUNT ? codes[code].name : "?";
}

struct model_operation model_operation_decode(const uint8_t *bytes)
{
    return (struct model_operation){(uint8_t)(bytes[0] % MODEL_CODE_COUNT), bytes[1], bytes[2], bytes[3],
                                    (uint16_t)(bytes[4] | bytes[5] << 8)};
}

void model_operation_encode(struct model_operation operation, uint8_t *bytes)
{
    bytes[0] = operation.code;
    bytes[1] = operation.a;
    bytes[2] = operation.b;
    bytes[3] = operation.c;
    bytes[4] = (uint8_t)operation.number;
    bytes[5] = (uint8_t)(operation.number >> 8);
}

/* The finalizer of MurmurHash3 in the variant that SplitMix64 made known (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

struct model_operation model_operation_draw(uint64_t seed, uint64_t index)
{
    uint64_t first = mix(mix(seed) + (index * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15));
    uint64_t second = mix(mix(seed) + (index * 2 + 2) * UINT64_C(0x9e3779b97f4a7c15));
    unsigned ticket = (unsigned)(first % WEIGHT_SUM);
    uint8_t code = 0;
    while (ticket >= codes[code].weight)
        ticket -= codes[code++].weight;
    return (struct model_operation){code, (uint8_t)second, (uint8_t)(second >> 8), (uint8_t)(second >> 16),
                                    (uint16_t)(second >> 24)};
}

void model_operation_print(FILE *stream, uint64_t index, struct model_operation operation)
{
    fprintf(stream, "  %8llu %-20s a=%u b=%u c=%u number=%u\n", (unsigned long long)index,
            model_code_name(operation.code), operation.a, operation.b, operation.c, operation.number);
}
