/* Writes the seeds of the corpora: usage: write_corpus FOLDER. The same files each time. */
#include "operation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OPERATIONS = 90, POLICIES = 6, WAYS = 4, MODES = 32, REFCOUNT = 2 };

static FILE *create(const char *folder, const char *target, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    return file;
}

/* Random operations to have something to work on, and every third the one that the seed is for. */
static void write_operations(const char *folder, unsigned code)
{
    uint8_t bytes[MODEL_OPERATION_BYTES];
    /* The first byte is the policy and, where that has several, the way it collects. */
    const uint8_t head[2] = {(uint8_t)(code % (POLICIES * WAYS)), (uint8_t)(code * 7 % MODES)};
    FILE *file = create(folder, "vm_operations", model_code_name(code));
    fwrite(head, 1, sizeof(head), file);
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        struct model_operation operation = model_operation_draw(code, i);
        if (i % 3 == 2)
            operation.code = (uint8_t)code;
        model_operation_encode(operation, bytes);
        fwrite(bytes, 1, sizeof(bytes), file);
    }
    fclose(file);
}

/* A destructor that passes on what is behind a reference, while the operation that kills its object writes there. */
static const struct model_operation passed_on_reference[] = {
    {MODEL_FRAME_ENTER, 217, 62, 97, 61100},
    {MODEL_SET_OBJECT, 66, 80, 213, 6},
    {MODEL_WEAK_MAKE, 72, 43, 152, 43730},
    {MODEL_FRAME_ENTER, 164, 72, 66, 47095},
    {MODEL_FRAME_LEAVE, 97, 7, 159, 46054},
    {MODEL_REFERENCE_BIND, 24, 67, 74, 59069},
    {MODEL_FRAME_LEAVE, 180, 66, 15, 43821},
    {MODEL_ASSIGN, 75, 24, 82, 6995},
    {MODEL_ASSIGN, 217, 118, 23, 18266},
    {MODEL_ASSIGN, 18, 122, 121, 24675},
    {MODEL_WEAK_READ, 221, 98, 220, 4500},
    {MODEL_CLEAR, 219, 146, 2, 26034},
    {MODEL_REFERENCE_BIND, 19, 21, 220, 46453},
    {MODEL_ASSIGN, 115, 181, 98, 49456},
    {MODEL_COLLECT, 0, 0, 0, 0},
};

/* What once made the two sides differ. */
static const struct {
    const char *name;
    uint8_t head[2];
    const struct model_operation *operations;
    size_t count;
} findings[] = {
    {"finding-passed-on-reference",
     {REFCOUNT, 0},
     passed_on_reference,
     sizeof(passed_on_reference) / sizeof(passed_on_reference[0])},
};

static void write_finding(const char *folder, size_t index)
{
    uint8_t bytes[MODEL_OPERATION_BYTES];
    FILE *file = create(folder, "vm_operations", findings[index].name);
    fwrite(findings[index].head, 1, sizeof(findings[index].head), file);
    for (size_t i = 0; i < findings[index].count; i++) {
        model_operation_encode(findings[index].operations[i], bytes);
        fwrite(bytes, 1, sizeof(bytes), file);
    }
    fclose(file);
}

static const struct {
    const char *name;
    uint8_t head[2];
    const char *text;
} texts[] = {
    {"size-mega", {1, 0}, "16M"},
    {"size-binary", {1, 0}, "1GiB"},
    {"size-huge", {1, 0}, "9223372036854775807"},
    {"count-kilo", {2, 0}, "10k"},
    {"count-mega", {2, 0}, "5m"},
    {"real-exponent", {3, 0}, "4.5e-8"},
    {"real-nan", {3, 0}, "nan"},
    {"pacing-fixed", {4, 0}, "fixed:16M"},
    {"pacing-proportional", {4, 0}, "proportional:1.0"},
    {"pacing-sqrt", {4, 0}, "sqrt:4e-8"},
    {"pacing-limit", {4, 0}, "limit:0.2"},
    {"pacing-zend", {4, 0}, "zend:10001"},
    {"pacing-never", {4, 0}, "never"},
    {"pacing-always", {4, 0}, "always"},
    {"options-epoch", {5, 0}, "reclaim=inline"},
    {"options-refcount", {5, 2}, "allocator=mimalloc"},
    {"options-boehm", {5, 4}, "incremental=on,markers=2"},
    {"options-malloc", {5, 5}, "allocator=system"},
    {"options-unknown", {5, 0}, "reclam=inline,,=,reclaim"},
    {"limit-trace-slots", {0, 0}, "# sapitrace 1\nn 7 object 16 4092452911\n"},
    {"finding-options-newline", {5, 4}, "incremen\ntal=on"},
};

int main(int argument_count, char **arguments)
{
    if (argument_count != 2) {
        fprintf(stderr, "usage: write_corpus FOLDER\n");
        return 2;
    }
    for (unsigned code = 0; code < MODEL_CODE_COUNT; code++)
        write_operations(arguments[1], code);
    for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
        write_finding(arguments[1], i);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        FILE *file = create(arguments[1], "parsers", texts[i].name);
        fwrite(texts[i].head, 1, sizeof(texts[i].head), file);
        fputs(texts[i].text, file);
        fclose(file);
    }
    return 0;
}
