/**
 * Suggestions for a mistyped name.
 */
#include "sapimem/option.h"

#include "assertion.h"

#include <stdio.h>
#include <string.h>

/** Longer words get no suggestion by distance; every name in our tables is far shorter. */
enum { WORD_MAX = 63, NEAR_DISTANCE = 2, NEAR_PREFIX = 3 };

/** Lower case without regard to the locale: names are ASCII. */
static char fold(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c - 'A' + 'a');
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/** Levenshtein distance, ignoring case, one row at a time. Both words are at most WORD_MAX long. */
static size_t edit_distance(const char *word, size_t word_length, const char *name, size_t name_length)
{
    size_t row[WORD_MAX + 1];
    SM_ASSERT(word_length <= WORD_MAX && name_length <= WORD_MAX);
    for (size_t j = 0; j <= name_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= word_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= name_length; j++) {
            size_t replaced = diagonal + (fold(word[i - 1]) != fold(name[j - 1]));
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[name_length];
}

static size_t shared_prefix(const char *word, const char *name)
{
    size_t length = 0;
    while (word[length] != '\0' && fold(word[length]) == fold(name[length]))
        length++;
    return length;
}

static bool is_near(const char *word, const char *name)
{
    size_t word_length = strlen(word);
    size_t name_length = strlen(name);
    size_t shorter = least(word_length, name_length);
    if (shorter == 0)
        return false;
    /* A whole word that begins the other counts at any length; otherwise a few letters must agree. */
    if (shared_prefix(word, name) >= least(shorter, NEAR_PREFIX))
        return true;
    if (word_length > WORD_MAX || name_length > WORD_MAX)
        return false;
    /* Two edits turn any two-letter word into any other: the distance must leave something in common. */
    size_t distance = edit_distance(word, word_length, name, name_length);
    return distance <= NEAR_DISTANCE && distance < shorter;
}

void sm_near_names(const char *word, const char *const *names, size_t name_count, char *text, size_t text_bytes)
{
    size_t length = 0;
    SM_ASSERT(text_bytes > 0);
    text[0] = '\0';
    for (size_t i = 0; i < name_count; i++) {
        if (!is_near(word, names[i]))
            continue;
        int added = snprintf(text + length, text_bytes - length, "%s%s", length == 0 ? "" : ", ", names[i]);
        if (added < 0 || (size_t)added >= text_bytes - length) {
            /* Half a name would mislead: leave out what does not fit whole. */
            text[length] = '\0';
            return;
        }
        length += (size_t)added;
    }
}
