/** The versions of the shared libraries that this process really loaded. */
#ifndef HX_LOADED_LIBRARIES_H
#define HX_LOADED_LIBRARIES_H

#include <stddef.h>

enum { HX_LIBRARIES_MAX = 12 };

struct hx_loaded_library {
    char name[40];     /**< "liburcu-memb", "libmimalloc", "libc", ... */
    char version[200]; /**< what the library says of itself, or its file's name with links resolved */
};

/** Fill `libraries` with those that bear on results; returns how many. */
size_t hx_loaded_libraries(struct hx_loaded_library *libraries, size_t capacity);

#endif
