#include "loaded_libraries.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct collector {
    struct hx_loaded_library *libraries;
    size_t capacity;
    size_t count;
};

typedef const char *text_function(void);
typedef int number_function(void);

/* ISO C has no cast from an object pointer to a function pointer; POSIX says that copying one works. */
static void find_function(const char *symbol, void *function, size_t function_bytes)
{
    void *address = dlsym(RTLD_DEFAULT, symbol);
    memcpy(function, &address, function_bytes);
}

static void ask_text(const char *symbol, char *version, size_t version_bytes)
{
    text_function *function = NULL;
    find_function(symbol, &function, sizeof(function));
    if (function != NULL)
        snprintf(version, version_bytes, "%s", function());
}

static void ask_mimalloc(char *version, size_t version_bytes)
{
    number_function *function = NULL;
    find_function("mi_version", &function, sizeof(function));
    if (function == NULL)
        return;
    int number = function();
    snprintf(version, version_bytes, "%d.%d.%d", number / 100, number / 10 % 10, number % 10);
}

static void describe(const char *path, const char *name, size_t name_length, struct hx_loaded_library *library)
{
    snprintf(library->name, sizeof(library->name), "%.*s", (int)name_length, name);
    char resolved[PATH_MAX];
    const char *file = realpath(path, resolved) != NULL ? resolved : path;
    const char *slash = strrchr(file, '/');
    snprintf(library->version, sizeof(library->version), "%.180s", slash != NULL ? slash + 1 : file);
    if (strcmp(library->name, "libmimalloc") == 0)
        ask_mimalloc(library->version, sizeof(library->version));
    else if (strcmp(library->name, "libjansson") == 0)
        ask_text("jansson_version_str", library->version, sizeof(library->version));
    else if (strcmp(library->name, "libzstd") == 0)
        ask_text("ZSTD_versionString", library->version, sizeof(library->version));
    else if (strcmp(library->name, "libc") == 0)
        ask_text("gnu_get_libc_version", library->version, sizeof(library->version));
}

static int collect(struct dl_phdr_info *info, size_t info_bytes, void *context)
{
    static const char *const wanted[] = {"liburcu", "libmimalloc", "libjansson",  "libzstd",
                                         "libgc",   "libjemalloc", "libtcmalloc", "libc.so"};
    struct collector *collector = (struct collector *)context;
    (void)info_bytes;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && collector->count < collector->capacity; i++) {
        if (strncmp(name, wanted[i], strlen(wanted[i])) != 0)
            continue;
        const char *suffix = strstr(name, ".so");
        size_t name_length = suffix != NULL ? (size_t)(suffix - name) : strlen(name);
        describe(info->dlpi_name, name, name_length, &collector->libraries[collector->count++]);
        break;
    }
    return 0;
}

size_t hx_loaded_libraries(struct hx_loaded_library *libraries, size_t capacity)
{
    struct collector collector = {libraries, capacity, 0};
    dl_iterate_phdr(collect, &collector);
    return collector.count;
}
