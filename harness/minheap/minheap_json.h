/** Documents of probes read, and the document of `harness minheap` written. */
#ifndef HX_MINHEAP_JSON_H
#define HX_MINHEAP_JSON_H

#include "minheap.h"

#include <stdio.h>

/** Copy `status` of the document at the beginning of `document_fd`. False: there is none. */
bool hx_minheap_read_status(int document_fd, char status[HX_STATUS_BYTES]);

/** Write what was measured with `arguments`. False: it could not be written. */
bool hx_minheap_write(const struct hx_minheap *minheap, size_t argument_count, char *const arguments[], FILE *stream);

/** Read `bytes` of a document written by the same build with the same arguments. False: it is none. */
bool hx_minheap_read(const char *path, size_t argument_count, char *const arguments[], uint64_t *bytes);

#endif
