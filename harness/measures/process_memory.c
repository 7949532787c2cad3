#include "process_memory.h"

#include "proc_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void hx_process_memory_open(struct hx_process_memory *memory)
{
    memory->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    memory->rollup_fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    memory->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
}

void hx_process_memory_close(struct hx_process_memory *memory)
{
    if (memory->statm_fd >= 0)
        close(memory->statm_fd);
    if (memory->rollup_fd >= 0)
        close(memory->rollup_fd);
    memory->statm_fd = memory->rollup_fd = -1;
}

/* Reads the whole of a small /proc file again from its start. */
static bool read_again(int fd, char *text, size_t text_bytes)
{
    ssize_t length = fd >= 0 ? pread(fd, text, text_bytes - 1, 0) : -1;
    if (length <= 0)
        return false;
    text[length] = '\0';
    return true;
}

struct hx_resident hx_process_memory_quick(const struct hx_process_memory *memory)
{
    char text[128];
    struct hx_resident resident = {0, 0};
    if (!read_again(memory->statm_fd, text, sizeof(text)))
        return resident;
    /* "size resident shared ...", in pages. */
    char *rest = text;
    strtoull(rest, &rest, 10);
    uint64_t resident_pages = strtoull(rest, &rest, 10);
    uint64_t shared_pages = strtoull(rest, &rest, 10);
    resident.rss_bytes = resident_pages * memory->page_bytes;
    if (resident_pages > shared_pages)
        resident.anonymous_bytes = (resident_pages - shared_pages) * memory->page_bytes;
    return resident;
}

struct hx_resident hx_process_memory_exact(const struct hx_process_memory *memory)
{
    char text[2048];
    struct hx_resident resident;
    if (read_again(memory->rollup_fd, text, sizeof(text)) && hx_proc_field(text, "Rss:", &resident.rss_bytes) &&
        hx_proc_field(text, "Anonymous:", &resident.anonymous_bytes)) {
        resident.rss_bytes *= 1024;
        resident.anonymous_bytes *= 1024;
        return resident;
    }
    return hx_process_memory_quick(memory);
}

bool hx_process_memory_checkpoint(const struct hx_process_memory *memory, struct hx_checkpoint *checkpoint)
{
    const struct {
        const char *field;
        uint64_t *bytes;
    } fields[] = {
        {"Rss:", &checkpoint->rss_bytes},
        {"Pss:", &checkpoint->pss_bytes},
        {"Anonymous:", &checkpoint->anonymous_bytes},
        {"AnonHugePages:", &checkpoint->huge_bytes},
    };
    char text[2048];
    if (!read_again(memory->rollup_fd, text, sizeof(text)))
        return false;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!hx_proc_field(text, fields[i].field, fields[i].bytes))
            return false;
        *fields[i].bytes *= 1024;
    }
    return true;
}

static uint64_t read_kibibytes(const char *path, const char *field)
{
    char text[4096];
    uint64_t kibibytes = 0;
    if (hx_proc_read(path, text, sizeof(text)) && hx_proc_field(text, field, &kibibytes))
        return kibibytes * 1024;
    return 0;
}

uint64_t hx_process_memory_peak(void)
{
    return read_kibibytes("/proc/self/status", "VmHWM:");
}

uint64_t hx_process_memory_available(void)
{
    uint64_t available = read_kibibytes("/proc/meminfo", "MemAvailable:");
    uint64_t limit = 0, used = 0;
    if (hx_proc_number("/sys/fs/cgroup/memory.max", &limit) && hx_proc_number("/sys/fs/cgroup/memory.current", &used)) {
        uint64_t room = limit > used ? limit - used : 0;
        if (available == 0 || room < available)
            available = room;
    }
    return available;
}
