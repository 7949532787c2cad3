/** Growable memory in an unlinked file. */
#include "trace/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_named_and_unlink(const char *folder)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/sapitrace-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

static int open_unlinked(void)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    /* Not every file system can make a file without a name. */
    return file >= 0 ? file : open_named_and_unlink(folder);
}

static bool reserve_blocks(int file, size_t from, size_t bytes)
{
    errno = posix_fallocate(file, (off_t)from, (off_t)(bytes - from));
    return errno == 0;
}

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return bytes == 0 ? page : (bytes + page - 1) & ~(page - 1);
}

bool trace_mapping_create(struct trace_mapping *mapping, size_t bytes)
{
    *mapping = TRACE_MAPPING_NONE;
    size_t mapped = whole_pages(bytes);
    int file = open_unlinked();
    if (file < 0)
        return false;
    void *base =
        reserve_blocks(file, 0, mapped) ? mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    if (base == MAP_FAILED) {
        int reason = errno;
        close(file);
        errno = reason;
        return false;
    }
    *mapping = (struct trace_mapping){base, mapped, file};
    return true;
}

bool trace_mapping_grow(struct trace_mapping *mapping, size_t bytes)
{
    size_t mapped = whole_pages(bytes);
    if (mapped <= mapping->bytes)
        return true;
    if (!reserve_blocks(mapping->file, mapping->bytes, mapped))
        return false;
    void *base = mremap(mapping->base, mapping->bytes, mapped, MREMAP_MAYMOVE);
    if (base == MAP_FAILED)
        return false;
    mapping->base = base;
    mapping->bytes = mapped;
    return true;
}

void trace_mapping_destroy(struct trace_mapping *mapping)
{
    if (mapping->base != NULL)
        munmap(mapping->base, mapping->bytes);
    if (mapping->file >= 0)
        close(mapping->file);
    *mapping = TRACE_MAPPING_NONE;
}
