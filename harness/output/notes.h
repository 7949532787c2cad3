/** Remarks about a run that belong into its result. */
#ifndef HX_NOTES_H
#define HX_NOTES_H

#include <stddef.h>

enum { HX_NOTES_MAX = 16, HX_NOTE_BYTES = 240 };

/** Zeroed: none. What exceeds the room is dropped. */
struct hx_notes {
    char lines[HX_NOTES_MAX][HX_NOTE_BYTES];
    size_t count;
};

void hx_note(struct hx_notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print each as a line on standard error. */
void hx_notes_tell(const struct hx_notes *notes);

#endif
