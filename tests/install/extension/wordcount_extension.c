/**
 * An example extension: counts words in texts that arrive in pieces.
 *
 * It includes one header of the library and links nothing of it: the sm_* symbols come from the program that
 * loads it, as a PHP extension takes zend_* from php. Nothing here asks which policy runs or which SAPI.
 *
 * What it keeps, and what keeps that alive:
 *   the words    raw bytes; a table in C memory refers to them, and the root provider "wordcount" shows the table
 *   the total    a plain value behind a persistent handle
 *   the report   a growable buffer behind a persistent handle
 *   the pending text of an open document: a growable buffer behind a local handle, in a scope
 */
#include "sapimem/extension.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The tag of the total; the library gives its bits no meaning, but for SM_TAG_HEAP. */
#define TAG_INTEGER UINT64_C(4)

/** One distinct word; lives in memory of sm_alloc_bytes, which never moves. */
struct word {
    uint64_t count;
    size_t length;
    char text[];
};

/** The extension's state for one virtual machine; nothing of it is global. */
struct wordcount {
    struct sm_manager *mm;
    size_t word_count, word_capacity;
    struct sm_value *words; /**< the extension's roots */
    sm_handle total;
    sm_handle report;
    sm_scope document_scope;
    sm_handle document;
};

/* What the host looks up by name. */
struct wordcount *wordcount_startup(struct sm_manager *mm);
void wordcount_shutdown(struct wordcount *extension);
sm_status wordcount_request_begin(struct wordcount *extension);
void wordcount_request_end(struct wordcount *extension);
sm_status wordcount_document_begin(struct wordcount *extension);
sm_status wordcount_document_feed(struct wordcount *extension, sm_handle piece);
sm_status wordcount_document_end(struct wordcount *extension);
sm_status wordcount_total(struct wordcount *extension, uint64_t *total);
const void *wordcount_find(const struct wordcount *extension, const char *text, uint64_t *count);
sm_status wordcount_report(struct wordcount *extension, void **bytes, size_t *byte_count);
void wordcount_forget(struct wordcount *extension);

/* ---- Module start and end. ---- */

static void enumerate_words(void *context, struct sm_visitor *visitor)
{
    const struct wordcount *extension = context;
    sm_visit_values(visitor, extension->words, extension->word_count);
}

struct wordcount *wordcount_startup(struct sm_manager *mm)
{
    struct wordcount *extension = calloc(1, sizeof(*extension));
    if (extension == NULL)
        return NULL;
    extension->mm = mm;
    const struct sm_root_provider provider = {"wordcount", enumerate_words, extension};
    if (sm_roots_register(mm, &provider) != SM_OK) {
        free(extension);
        return NULL;
    }
    return extension;
}

void wordcount_shutdown(struct wordcount *extension)
{
    sm_roots_unregister(extension->mm, "wordcount");
    free(extension->words);
    free(extension);
}

/* ---- Request begin and end. ---- */

/** Turn a local handle into a persistent one; false when either was refused. */
static bool keep(struct wordcount *extension, sm_handle local, sm_handle *kept)
{
    if (sm_handle_is_none(local))
        return false;
    *kept = sm_handle_persist(extension->mm, local);
    return !sm_handle_is_none(*kept);
}

sm_status wordcount_request_begin(struct wordcount *extension)
{
    struct sm_manager *mm = extension->mm;
    sm_scope scope = sm_scope_open(mm);
    bool made = keep(extension, sm_alloc_value(mm, (struct sm_value){0, TAG_INTEGER}), &extension->total) &&
                keep(extension, sm_buffer_create(mm, 16), &extension->report);
    if (!made)
        return sm_error_status(mm);
    /* The persistent handles outlive the scope of the local ones they were made from. */
    return sm_scope_close(mm, scope);
}

void wordcount_forget(struct wordcount *extension)
{
    extension->word_count = 0;
}

void wordcount_request_end(struct wordcount *extension)
{
    /*
     * Roots must not outlive the request. The handles turn stale by themselves; they are kept here as they
     * are, so that the host can see what a use after the request gets.
     */
    wordcount_forget(extension);
}

/* ---- Words. ---- */

static struct word *word_at(const struct wordcount *extension, size_t index)
{
    return sm_payload(sm_value_object(extension->words[index]));
}

static struct word *find_word(const struct wordcount *extension, const char *text, size_t length)
{
    for (size_t i = 0; i < extension->word_count; i++) {
        struct word *word = word_at(extension, i);
        if (word->length == length && memcmp(word->text, text, length) == 0)
            return word;
    }
    return NULL;
}

/** Room for one more root; false when there is no memory. */
static bool grow_table(struct wordcount *extension)
{
    if (extension->word_count < extension->word_capacity)
        return true;
    size_t capacity = extension->word_capacity == 0 ? 8 : extension->word_capacity * 2;
    struct sm_value *words = realloc(extension->words, capacity * sizeof(*words));
    if (words == NULL)
        return false;
    extension->words = words;
    extension->word_capacity = capacity;
    return true;
}

static struct word *add_word(struct wordcount *extension, const char *text, size_t length)
{
    if (!grow_table(extension))
        return NULL;
    struct word *word = sm_alloc_bytes(extension->mm, sizeof(*word) + length);
    if (word == NULL)
        return NULL;
    word->count = 0;
    word->length = length;
    memcpy(word->text, text, length);
    extension->words[extension->word_count++] = sm_value_from_object(sm_object_of_payload(word), 0);
    return word;
}

static sm_status add_to_total(struct wordcount *extension)
{
    struct sm_value value;
    sm_status status = sm_handle_get(extension->mm, extension->total, &value);
    if (status != SM_OK)
        return status;
    value.payload++;
    return sm_handle_set(extension->mm, extension->total, value);
}

static sm_status count_word(struct wordcount *extension, const char *text, size_t length)
{
    struct word *word = find_word(extension, text, length);
    if (word == NULL)
        word = add_word(extension, text, length);
    if (word == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    word->count++;
    return add_to_total(extension);
}

const void *wordcount_find(const struct wordcount *extension, const char *text, uint64_t *count)
{
    const struct word *word = find_word(extension, text, strlen(text));
    *count = word != NULL ? word->count : 0;
    return word;
}

sm_status wordcount_total(struct wordcount *extension, uint64_t *total)
{
    struct sm_value value;
    sm_status status = sm_handle_get(extension->mm, extension->total, &value);
    if (status != SM_OK)
        return status;
    if (value.tag != TAG_INTEGER)
        return SM_ERR_INVALID_ARGUMENT;
    *total = value.payload;
    return SM_OK;
}

/* ---- Documents: cycles may run between these calls. ---- */

sm_status wordcount_document_begin(struct wordcount *extension)
{
    extension->document_scope = sm_scope_open(extension->mm);
    extension->document = sm_buffer_create(extension->mm, 16);
    return sm_handle_is_none(extension->document) ? sm_error_status(extension->mm) : SM_OK;
}

/** Append the bytes behind `piece`, a handle that the host made. */
sm_status wordcount_document_feed(struct wordcount *extension, sm_handle piece)
{
    void *bytes;
    size_t byte_count;
    sm_status status = sm_bytes_get(extension->mm, piece, &bytes, &byte_count);
    if (status != SM_OK)
        return status;
    return sm_buffer_append(extension->mm, extension->document, bytes, byte_count);
}

/** Count the words of `text` in lower case. The bytes are the extension's own, and counting does not move them. */
static sm_status count_words(struct wordcount *extension, char *text, size_t length)
{
    size_t start = 0;
    sm_status status = SM_OK;
    for (size_t i = 0; i <= length && status == SM_OK; i++) {
        if (i < length && isalpha((unsigned char)text[i])) {
            text[i] = (char)tolower((unsigned char)text[i]);
            continue;
        }
        if (i > start)
            status = count_word(extension, text + start, i - start);
        start = i + 1;
    }
    return status;
}

sm_status wordcount_document_end(struct wordcount *extension)
{
    void *bytes;
    size_t byte_count;
    sm_status status = sm_buffer_view(extension->mm, extension->document, &bytes, &byte_count);
    if (status == SM_OK)
        status = count_words(extension, bytes, byte_count);
    sm_status closed = sm_scope_close(extension->mm, extension->document_scope);
    return status != SM_OK ? status : closed;
}

/* ---- The report. ---- */

static sm_status report_word(struct wordcount *extension, const struct word *word)
{
    char line[32];
    int length = snprintf(line, sizeof(line), " %llu\n", (unsigned long long)word->count);
    sm_status status = sm_buffer_append(extension->mm, extension->report, word->text, word->length);
    if (status != SM_OK)
        return status;
    return sm_buffer_append(extension->mm, extension->report, line, (size_t)length);
}

/** Rewrite the report, "WORD COUNT" a line; its bytes hold until the next call. */
sm_status wordcount_report(struct wordcount *extension, void **bytes, size_t *byte_count)
{
    sm_status status = sm_buffer_truncate(extension->mm, extension->report, 0);
    for (size_t i = 0; i < extension->word_count && status == SM_OK; i++)
        status = report_word(extension, word_at(extension, i));
    return status == SM_OK ? sm_buffer_view(extension->mm, extension->report, bytes, byte_count) : status;
}
