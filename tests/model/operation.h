/**
 * One stream of operations: what the model test draws at random and the fuzzer makes of bytes.
 *
 * Every operation has a meaning in every state, be it none, so that any part of a stream is a stream.
 */
#ifndef MODEL_OPERATION_H
#define MODEL_OPERATION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** X(symbol, weight): the weight is how often it is drawn. */
#define MODEL_OPERATIONS(X) \
    X(SET_INTEGER, 20) \
    X(SET_STRING, 30) \
    X(SET_ARRAY, 40) \
    X(SET_OBJECT, 60) \
    X(ASSIGN, 120) \
    X(CLEAR, 40) \
    X(STRING_APPEND, 30) \
    X(ARRAY_APPEND, 80) \
    X(ARRAY_SET_INDEX, 40) \
    X(ARRAY_SET_KEY, 40) \
    X(ARRAY_UNSET, 25) \
    X(REFERENCE_BIND, 30) \
    X(REFERENCE_TO_ELEMENT, 10) \
    X(WEAK_MAKE, 20) \
    X(WEAK_READ, 10) \
    X(ENTRY_MAKE, 15) \
    X(ENTRY_WRITE, 10) \
    X(ENTRY_READ, 10) \
    X(TEMPORARY_PUSH, 10) \
    X(TEMPORARY_POP, 10) \
    X(FRAME_ENTER, 15) \
    X(FRAME_LEAVE, 16) \
    X(SCOPE_OPEN, 8) \
    X(SCOPE_CLOSE, 8) \
    X(HANDLE_LOCAL, 15) \
    X(HANDLE_READ, 10) \
    X(HANDLE_PERSIST, 12) \
    X(HANDLE_SET, 12) \
    X(HANDLE_RELEASE, 8) \
    X(BUFFER_CREATE, 6) \
    X(BUFFER_APPEND, 20) \
    X(BUFFER_TRUNCATE, 4) \
    X(BYTES_CREATE, 5) \
    X(GARBAGE, 20) \
    X(RESURRECTED_DROP, 15) \
    X(PIN, 6) \
    X(UNPIN, 6) \
    X(CYCLES_ENABLE, 2) \
    X(SAFEPOINT, 60) \
    X(COLLECT, 4) \
    X(SETTLE, 2) \
    X(REQUEST, 1) \
    X(CLOSURE_MAKE, 25) \
    X(CLOSURE_BIND, 8) \
    X(CLOSURE_CALL, 25) \
    X(GENERATOR_MAKE, 20) \
    X(GENERATOR_STEP, 40) \
    X(MAP_MAKE, 10) \
    X(MAP_SET, 30) \
    X(MAP_READ, 12) \
    X(MAP_REMOVE, 6) \
    X(EXCEPTION_TAKE, 12) \
    X(GC_COLLECT_CYCLES, 4)

enum model_code {
#define X(symbol, weight) MODEL_##symbol,
    MODEL_OPERATIONS(X)
#undef X
        MODEL_CODE_COUNT,
};

/** `a` is the place written, `b` the place read, `c` a position or kind, `number` a size or key. */
struct model_operation {
    uint8_t code, a, b, c;
    uint16_t number;
};

/** Bytes of an operation in a fuzzer's input. */
enum { MODEL_OPERATION_BYTES = 6 };

const char *model_code_name(unsigned code);

/** The operation that MODEL_OPERATION_BYTES bytes stand for, and back. */
struct model_operation model_operation_decode(const uint8_t *bytes);
void model_operation_encode(struct model_operation operation, uint8_t *bytes);

/** Operation `index` of the stream `seed`: needs no operation before it. */
struct model_operation model_operation_draw(uint64_t seed, uint64_t index);

void model_operation_print(FILE *stream, uint64_t index, struct model_operation operation);

#endif
