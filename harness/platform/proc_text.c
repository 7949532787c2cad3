#include "proc_text.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool hx_proc_read(const char *path, char *text, size_t text_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t got = 0;
    while (length < text_bytes - 1 && (got = read(fd, text + length, text_bytes - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = '\0';
    return got >= 0;
}

bool hx_proc_line(const char *path, char *text, size_t text_bytes)
{
    if (!hx_proc_read(path, text, text_bytes))
        return false;
    text[strcspn(text, "\n")] = '\0';
    return true;
}

static bool parse_number(const char *text, uint64_t *number)
{
    while (*text == ' ' || *text == '\t')
        text++;
    if (!isdigit((unsigned char)*text))
        return false;
    *number = strtoull(text, NULL, 10);
    return true;
}

bool hx_proc_number(const char *path, uint64_t *number)
{
    char text[64];
    return hx_proc_line(path, text, sizeof(text)) && parse_number(text, number);
}

bool hx_proc_field(const char *text, const char *field, uint64_t *number)
{
    size_t field_length = strlen(field);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, field, field_length) == 0)
            return parse_number(line + field_length, number);
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}
