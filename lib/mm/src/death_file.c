#include "death_file.h"

#include "assertion.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/** Bytes read between two times that pages behind are let go. */
#define DROP_BYTES ((size_t)1 << 20)

#define TRAILER_MAGIC UINT64_C(0x6874616564697061)

struct trailer {
    struct sm_death_totals totals;
    uint64_t magic;
};

/* ---- The tape. ---- */

static int open_named_and_unlink(const char *folder)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/sapideaths-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

/* Not every file system can make a file without a name. */
static int open_unlinked(const char *folder)
{
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    return file >= 0 ? file : open_named_and_unlink(folder);
}

sm_status sm_death_tape_create(struct sm_death_tape *tape, struct sm_error *error)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    for (int i = 0; i < SM_DEATH_FILES; i++)
        tape->files[i] = -1;
    for (int i = 0; i < SM_DEATH_FILES; i++) {
        tape->files[i] = open_unlinked(folder);
        if (tape->files[i] >= 0)
            continue;
        int reason = errno;
        sm_death_tape_close(tape);
        return sm_error_set(error, SM_ERR_SYSTEM, "no file in %.200s for the record of deaths: %s", folder,
                            strerror(reason));
    }
    return SM_OK;
}

void sm_death_tape_close(struct sm_death_tape *tape)
{
    for (int i = 0; i < SM_DEATH_FILES; i++) {
        if (tape->files[i] >= 0)
            close(tape->files[i]);
        tape->files[i] = -1;
    }
}

/* ---- Writing. ---- */

void sm_death_writer_begin(struct sm_death_writer *writer, int file)
{
    writer->file = file;
    writer->failure = 0;
    writer->used = 0;
}

static void write_whole(struct sm_death_writer *writer, const void *bytes, size_t byte_count)
{
    const char *next = (const char *)bytes;
    while (byte_count > 0 && writer->failure == 0) {
        ssize_t written = write(writer->file, next, byte_count);
        if (written < 0 && errno != EINTR)
            writer->failure = errno;
        if (written > 0) {
            next += written;
            byte_count -= (size_t)written;
        }
    }
}

static void flush(struct sm_death_writer *writer)
{
    write_whole(writer, writer->block, writer->used);
    writer->used = 0;
}

void sm_death_write(struct sm_death_writer *writer, uint64_t number)
{
    enum { LONGEST = 10 };
    if (sizeof(writer->block) - writer->used < LONGEST)
        flush(writer);
    for (; number >= 0x80; number >>= 7)
        writer->block[writer->used++] = (unsigned char)(number | 0x80);
    writer->block[writer->used++] = (unsigned char)number;
}

bool sm_death_writer_end(struct sm_death_writer *writer, const struct sm_death_totals *totals)
{
    const struct trailer trailer = {*totals, TRAILER_MAGIC};
    flush(writer);
    write_whole(writer, &trailer, sizeof(trailer));
    return writer->failure == 0;
}

/* ---- Reading. ---- */

static sm_status refuse(struct sm_error *error)
{
    return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "%s", "the record of deaths is not whole: it was not finished");
}

sm_status sm_death_reader_open(struct sm_death_reader *reader, int file, struct sm_death_totals *totals,
                               struct sm_error *error)
{
    struct stat status;
    struct trailer trailer;
    *reader = (struct sm_death_reader){0};
    if (fstat(file, &status) != 0 || (size_t)status.st_size < sizeof(trailer))
        return refuse(error);
    size_t bytes = (size_t)status.st_size;
    void *base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (base == MAP_FAILED)
        return sm_error_set(error, SM_ERR_SYSTEM, "the record of deaths cannot be mapped: %s", strerror(errno));
    (void)madvise(base, bytes, MADV_SEQUENTIAL);
    reader->base = reader->cursor = (const unsigned char *)base;
    reader->mapped_bytes = bytes;
    reader->end = reader->base + bytes - sizeof(trailer);
    memcpy(&trailer, reader->end, sizeof(trailer));
    if (trailer.magic != TRAILER_MAGIC) {
        sm_death_reader_close(reader);
        return refuse(error);
    }
    *totals = trailer.totals;
    return SM_OK;
}

void sm_death_reader_close(struct sm_death_reader *reader)
{
    if (reader->base != NULL)
        munmap((void *)(uintptr_t)reader->base, reader->mapped_bytes);
    *reader = (struct sm_death_reader){0};
}

/* Pages behind the cursor would count as the run's resident memory for nothing. */
static void drop_behind(struct sm_death_reader *reader)
{
    size_t read_bytes = (size_t)(reader->cursor - reader->base);
    if (read_bytes - reader->dropped_bytes < 2 * DROP_BYTES)
        return;
    (void)madvise((void *)((uintptr_t)reader->base + reader->dropped_bytes), DROP_BYTES, MADV_DONTNEED);
    reader->dropped_bytes += DROP_BYTES;
}

bool sm_death_read(struct sm_death_reader *reader, uint64_t *number)
{
    uint64_t read = 0;
    if (reader->cursor == reader->end)
        return false;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        /* A whole record never ends inside a number; a damaged one is not read past its end. */
        if (reader->cursor == reader->end)
            return false;
        unsigned char byte = *reader->cursor++;
        read |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    *number = read;
    drop_behind(reader);
    return true;
}
