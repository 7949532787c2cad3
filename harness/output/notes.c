#include "notes.h"

#include <stdarg.h>
#include <stdio.h>

void hx_note(struct hx_notes *notes, const char *format, ...)
{
    if (notes->count >= HX_NOTES_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(notes->lines[notes->count++], HX_NOTE_BYTES, format, arguments);
    va_end(arguments);
}

void hx_notes_tell(const struct hx_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        fprintf(stderr, "harness: note: %s\n", notes->lines[i]);
}
