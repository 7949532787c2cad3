#include "sweep_folder.h"

#include "output_file.h"
#include "sweep_json.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char plan_name[] = "plan.json";
static const char runs_name[] = "runs";
static const char minheaps_name[] = "minheaps";

static bool join(const struct hx_sweep_plan *plan, const char *name, const char *id, char path[PATH_MAX])
{
    const char *out = plan->options->out;
    int length = id != NULL ? snprintf(path, PATH_MAX, "%s/%s/%s.json", out, name, id)
                            : snprintf(path, PATH_MAX, "%s/%s", out, name);
    return length > 0 && length < PATH_MAX;
}

bool hx_sweep_folder_run(const struct hx_sweep_plan *plan, const struct hx_cell *cell, char path[PATH_MAX])
{
    return join(plan, runs_name, cell->id, path);
}

bool hx_sweep_folder_minheap(const struct hx_sweep_plan *plan, const char *id, char path[PATH_MAX])
{
    return join(plan, minheaps_name, id, path);
}

static sm_status refuse_folder(const char *path, int reason, struct sm_error *error)
{
    return hx_refuse(error, "--out=%.200s: expected a folder that can be written: %s", path, strerror(reason));
}

/* A folder inside DIR, with all above it. */
static sm_status make_folder(const char *path, const char *out, struct sm_error *error)
{
    char part[PATH_MAX];
    struct stat info;
    size_t length = strlen(path);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return refuse_folder(out, errno, error);
        part[i] = path[i];
    }
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return refuse_folder(out, ENOTDIR, error);
    return access(path, W_OK | X_OK) == 0 ? SM_OK : refuse_folder(out, errno, error);
}

static bool is_of_slice(const struct hx_sweep_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strncmp(name, plan->cells[i].id, HX_CELL_ID_BYTES - 1) == 0)
            return hx_sweep_plan_has(plan, &plan->cells[i]);
    return false;
}

/* What a process that was killed while it wrote a record has left. Another slice's may be in use. */
static void remove_partials(const struct hx_sweep_plan *plan, const char *folder)
{
    static const char suffix[] = ".partial";
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        size_t length = strlen(entry->d_name);
        bool is_partial = length >= sizeof(suffix) && strcmp(entry->d_name + length - sizeof(suffix) + 1, suffix) == 0;
        if (is_partial && is_of_slice(plan, entry->d_name))
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
}

static sm_status write_plan(const struct hx_sweep_plan *plan, const char *path, struct sm_error *error)
{
    struct hx_output output;
    if (hx_output_open(&output, "out", path, error) != SM_OK)
        return error->status;
    if (hx_sweep_json_write_plan(plan, output.stream))
        return hx_output_commit(&output, error);
    hx_output_discard(&output);
    snprintf(error->detail, sizeof(error->detail), "%.200s: writing failed", path);
    return error->status = SM_ERR_SYSTEM;
}

/* A folder that holds a plan is one that a sweep has begun. `*held_count` 0: there is none. */
static sm_status check_held(const struct hx_sweep_plan *plan, const char *path, size_t *held_count,
                            struct sm_error *error)
{
    struct stat info;
    *held_count = 0;
    if (stat(path, &info) != 0)
        return SM_OK;
    if (!plan->options->resumes)
        return hx_refuse(error, "--out=%.200s: holds a sweep already; expected --resume beside it, or another folder",
                         plan->options->out);
    return hx_sweep_json_compare_plan(path, plan, held_count, error);
}

sm_status hx_sweep_folder_open(const struct hx_sweep_plan *plan, struct sm_error *error)
{
    char path[PATH_MAX], runs[PATH_MAX], minheaps[PATH_MAX];
    size_t held_count = 0;
    if (!join(plan, plan_name, NULL, path) || !join(plan, runs_name, NULL, runs) ||
        !join(plan, minheaps_name, NULL, minheaps))
        return refuse_folder(plan->options->out, ENAMETOOLONG, error);
    sm_status status = check_held(plan, path, &held_count, error);
    if (status == SM_OK)
        status = make_folder(runs, plan->options->out, error);
    if (status == SM_OK && plan->options->minheap_factors.count > 0)
        status = make_folder(minheaps, plan->options->out, error);
    if (status != SM_OK)
        return status;
    remove_partials(plan, runs);
    return held_count < plan->count ? write_plan(plan, path, error) : SM_OK;
}
