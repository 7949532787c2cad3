#include "error.h"
#include "manager_internal.h"

#include <stdarg.h>

static const char *const status_names[] = {
    [SM_OK] = "SM_OK",
    [SM_ERR_OUT_OF_MEMORY] = "SM_ERR_OUT_OF_MEMORY",
    [SM_ERR_INVALID_ARGUMENT] = "SM_ERR_INVALID_ARGUMENT",
    [SM_ERR_STALE_HANDLE] = "SM_ERR_STALE_HANDLE",
    [SM_ERR_FOREIGN_HANDLE] = "SM_ERR_FOREIGN_HANDLE",
    [SM_ERR_GUARD_REQUIRED] = "SM_ERR_GUARD_REQUIRED",
    [SM_ERR_GUARD_HELD] = "SM_ERR_GUARD_HELD",
    [SM_ERR_UNSUPPORTED] = "SM_ERR_UNSUPPORTED",
    [SM_ERR_WRONG_THREAD] = "SM_ERR_WRONG_THREAD",
    [SM_ERR_FORKED] = "SM_ERR_FORKED",
    [SM_ERR_SYSTEM] = "SM_ERR_SYSTEM",
};

const char *sm_status_name(sm_status status)
{
    size_t index = (size_t)status;
    return index < sizeof(status_names) / sizeof(status_names[0]) ? status_names[index] : "unknown status";
}

void sm_keep_one_line(char *detail)
{
    for (; *detail != '\0'; detail++)
        if ((unsigned char)*detail < ' ' || *detail == '\x7f')
            *detail = '?';
}

sm_status sm_error_set(struct sm_error *error, sm_status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    sm_keep_one_line(error->detail);
    return status;
}

sm_status sm_policy_fail(struct sm_manager *mm, sm_status status, const char *format, ...)
{
    /* The line belongs to the owner; another thread gets the status alone. */
    if (!sm_on_owner_thread(mm))
        return status;
    mm->error.status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(mm->error.detail, sizeof(mm->error.detail), format, arguments);
    va_end(arguments);
    sm_keep_one_line(mm->error.detail);
    return status;
}

sm_status sm_error_status(const struct sm_manager *mm)
{
    return mm->error.status;
}

const char *sm_error_detail(const struct sm_manager *mm)
{
    return mm->error.detail;
}

sm_status sm_entry_check(struct sm_manager *mm)
{
    if (sm_fork_page_is_child(&mm->fork_page))
        return sm_policy_fail(mm, SM_ERR_FORKED, "this manager belongs to the parent process: create one after fork");
    return sm_on_owner_thread(mm) ? SM_OK : SM_ERR_WRONG_THREAD;
}
