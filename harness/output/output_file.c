#include "output_file.h"

#include "run_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `option` NULL: the path stands by itself on the command line. */
static sm_status refuse_path(const char *option, const char *path, int reason, struct sm_error *error)
{
    if (option == NULL)
        return hx_refuse(error, "%s: expected a file that can be written: %s", path, strerror(reason));
    return hx_refuse(error, "--%s=%s: expected a file that can be written: %s", option, path, strerror(reason));
}

/* Renaming over /dev/null or a pipe would replace it; such places are written directly. */
bool hx_output_is_in_place(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* The signal thread may ask whether there is a partial file; the path itself never changes once it is set. Pairs with has_partial. */
static void set_partial(struct hx_output *output, bool exists)
{
    __atomic_store_n(&output->has_partial, exists, __ATOMIC_RELEASE);
}

/* Pairs with set_partial. */
static bool has_partial(const struct hx_output *output)
{
    return __atomic_load_n(&output->has_partial, __ATOMIC_ACQUIRE);
}

static sm_status open_partial(struct hx_output *output, const char *option, struct sm_error *error)
{
    struct stat info;
    bool exists = stat(output->path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return refuse_path(option, output->path, EISDIR, error);
    if (exists && access(output->path, W_OK) != 0)
        return refuse_path(option, output->path, errno, error);
    int length =
        snprintf(output->partial_path, sizeof(output->partial_path), "%s.%ld.partial", output->path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof(output->partial_path))
        return refuse_path(option, output->path, ENAMETOOLONG, error);
    int fd = open(output->partial_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    output->stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (output->stream == NULL)
        return refuse_path(option, output->path, errno, error);
    set_partial(output, true);
    return SM_OK;
}

sm_status hx_output_open(struct hx_output *output, const char *option, const char *path, struct sm_error *error)
{
    memset(output, 0, sizeof(*output));
    output->path = path;
    if (strcmp(path, "-") == 0) {
        output->stream = stdout;
        return SM_OK;
    }
    if (!hx_output_is_in_place(path))
        return open_partial(output, option, error);
    output->stream = fopen(path, "we");
    return output->stream != NULL ? SM_OK : refuse_path(option, path, errno, error);
}

sm_status hx_output_open_new(struct hx_output *output, const char *path, struct sm_error *error)
{
    struct stat info;
    /* A link that leads nowhere is something, too. */
    bool exists = strcmp(path, "-") != 0 && !hx_output_is_in_place(path) && lstat(path, &info) == 0;
    memset(output, 0, sizeof(*output));
    if (exists)
        return hx_refuse(error, "%s: exists already, expected the name of a new file", path);
    sm_status status = hx_output_open(output, NULL, path, error);
    output->keeps_existing = true;
    return status;
}

static bool stat_place(const char *path, struct stat *info)
{
    /* What a terminal or /dev/null shows twice is not lost; a file or a pipe behind standard output is one place. */
    if (strcmp(path, "-") == 0)
        return fstat(STDOUT_FILENO, info) == 0 && !S_ISCHR(info->st_mode);
    return stat(path, info) == 0;
}

/* The directory with all links followed, and the name in it; false when there is no such directory. */
static bool resolve_place(const char *path, char directory[PATH_MAX], const char **name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL)
        return realpath(".", directory) != NULL;
    int length = snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path + 1), path);
    return length > 0 && (size_t)length < sizeof(parent) && realpath(parent, directory) != NULL;
}

bool hx_output_is_same_place(const char *path, const char *other)
{
    struct stat info, other_info;
    char directory[PATH_MAX], other_directory[PATH_MAX];
    const char *name, *other_name;
    if (strcmp(path, other) == 0)
        return true;
    if (stat_place(path, &info) && stat_place(other, &other_info))
        return info.st_dev == other_info.st_dev && info.st_ino == other_info.st_ino;
    if (strcmp(path, "-") == 0 || strcmp(other, "-") == 0)
        return false;
    return resolve_place(path, directory, &name) && resolve_place(other, other_directory, &other_name) &&
           strcmp(directory, other_directory) == 0 && strcmp(name, other_name) == 0;
}

static sm_status fail(struct sm_error *error, const char *what, const struct hx_output *output, int reason)
{
    if (hx_output_is_stdout(output))
        snprintf(error->detail, sizeof(error->detail), "standard output: %s", strerror(reason));
    else
        snprintf(error->detail, sizeof(error->detail), "%s: %s: %s", output->path, what, strerror(reason));
    error->status = SM_ERR_SYSTEM;
    return error->status;
}

/* A link, unlike a rename, replaces nothing; the partial name then goes with the discard. */
static bool put_into_place(struct hx_output *output)
{
    if (output->keeps_existing)
        return link(output->partial_path, output->path) == 0;
    if (rename(output->partial_path, output->path) != 0)
        return false;
    set_partial(output, false);
    return true;
}

sm_status hx_output_commit(struct hx_output *output, struct sm_error *error)
{
    sm_status status = SM_OK;
    if (fflush(output->stream) != 0 || ferror(output->stream))
        status = fail(error, "writing failed", output, errno);
    else if (has_partial(output) && fsync(fileno(output->stream)) != 0)
        status = fail(error, "syncing failed", output, errno);
    else if (has_partial(output) && !put_into_place(output))
        status = fail(error, "putting it into place failed", output, errno);
    hx_output_discard(output);
    return status;
}

/* What could not be written was reported; at exit it would be tried, and at the next flush reported, again. */
static void forget_stdout(void)
{
    __fpurge(stdout);
    clearerr(stdout);
}

void hx_output_fail(struct hx_output *output, int reason)
{
    struct sm_error error = {SM_OK, ""};
    fail(&error, "writing failed", output, reason != 0 ? reason : EIO);
    fprintf(stderr, "harness: %s\n", error.detail);
    hx_output_discard(output);
}

bool hx_output_flush_stdout(void)
{
    int reason = errno; /* of the write that failed, when the flush has nothing left to fail on */
    if (fflush(stdout) != 0)
        reason = errno;
    else if (!ferror(stdout))
        return true;
    fprintf(stderr, "harness: standard output: %s\n", strerror(reason != 0 ? reason : EIO));
    forget_stdout();
    return false;
}

void hx_output_discard(struct hx_output *output)
{
    if (hx_output_is_stdout(output))
        forget_stdout();
    if (output->stream != NULL && output->stream != stdout)
        fclose(output->stream);
    hx_output_abandon(output);
    set_partial(output, false);
    output->stream = NULL;
}

void hx_output_abandon(const struct hx_output *output)
{
    if (has_partial(output))
        unlink(output->partial_path);
}
