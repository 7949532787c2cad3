/** Small text files of /proc and /sys. */
#ifndef HX_PROC_TEXT_H
#define HX_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Read at most `text_bytes` - 1 bytes of `path`, zero-terminated; false when it cannot be read. */
bool hx_proc_read(const char *path, char *text, size_t text_bytes);

/** As hx_proc_read, cut at the first line's end. */
bool hx_proc_line(const char *path, char *text, size_t text_bytes);

/** The decimal number in `path`; false when there is none ("max"). */
bool hx_proc_number(const char *path, uint64_t *number);

/** The number after `field` ("VmHWM:") at the start of a line of `text`. */
bool hx_proc_field(const char *text, const char *field, uint64_t *number);

#endif
