#include "cell_process.h"

#include "quantities.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 1000, EXEC_FAILED = 127 };

static const uint64_t grace_ns = UINT64_C(10000000000);

/* What is said on standard error, of which the last line counts. */
struct tail {
    char text[1024];
    size_t length;
};

struct process {
    pid_t pid;
    int error_fd;     /* where its standard error is read; it ends with the process */
    uint64_t kill_ns; /* 0: it was not asked to end */
    struct tail tail;
};

static sm_status fail(struct sm_error *error, const char *what)
{
    snprintf(error->detail, sizeof(error->detail), "a process of harness run could not be started: %s: %s", what,
             strerror(errno));
    return error->status = SM_ERR_SYSTEM;
}

/* ---- Starting ---- */

/* "harness run ARGUMENTS --json=- --quiet --progress=never"; NULL: out of memory. */
static const char **make_command(size_t argument_count, char *const arguments[])
{
    static const char *const last[] = {"--json=-", "--quiet", "--progress=never", NULL};
    const char **command = (const char **)calloc(argument_count + 2 + sizeof(last) / sizeof(last[0]), sizeof(*command));
    if (command == NULL)
        return NULL;
    command[0] = "harness";
    command[1] = "run";
    for (size_t i = 0; i < argument_count; i++)
        command[2 + i] = arguments[i];
    memcpy(&command[2 + argument_count], last, sizeof(last));
    return command;
}

/* In the child. Signals stay blocked, as main() of the new program leaves them anyway. */
static void become_run(pid_t parent, int document_fd, int error_fd, const char *const command[])
{
    int input_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool is_ready = getppid() == parent && input_fd >= 0 && dup2(input_fd, STDIN_FILENO) >= 0 &&
                    dup2(document_fd, STDOUT_FILENO) >= 0 && dup2(error_fd, STDERR_FILENO) >= 0;
    if (is_ready)
        execv("/proc/self/exe", (char *const *)(uintptr_t)command);
    _exit(EXEC_FAILED);
}

static sm_status start(struct process *process, int document_fd, size_t argument_count, char *const arguments[],
                       struct sm_error *error)
{
    int ends[2];
    pid_t parent = getpid();
    const char **command = make_command(argument_count, arguments);
    if (command == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(command);
        return fail(error, "pipe");
    }
    fflush(NULL);
    process->pid = fork();
    if (process->pid == 0)
        become_run(parent, document_fd, ends[1], command);
    free(command);
    close(ends[1]);
    process->error_fd = ends[0];
    if (process->pid > 0)
        return SM_OK;
    close(ends[0]);
    return fail(error, "fork");
}

/* ---- Watching ---- */

/* Keeps the last part of what was said. */
static void add_to_tail(struct tail *tail, const char *bytes, size_t byte_count)
{
    size_t room = sizeof(tail->text) - 1;
    if (byte_count > room) {
        bytes += byte_count - room;
        byte_count = room;
    }
    size_t kept = tail->length + byte_count <= room ? tail->length : room - byte_count;
    memmove(tail->text, tail->text + tail->length - kept, kept);
    memcpy(tail->text + kept, bytes, byte_count);
    tail->length = kept + byte_count;
    tail->text[tail->length] = '\0';
}

/* False: standard error was closed, so the process has ended. */
static bool read_errors(struct process *process)
{
    char bytes[1024];
    ssize_t count = read(process->error_fd, bytes, sizeof(bytes));
    if (count > 0)
        add_to_tail(&process->tail, bytes, (size_t)count);
    return count > 0 || (count < 0 && errno == EINTR);
}

static void pass_on_interrupt(const struct hx_cell_watch *watch, struct process *process)
{
    if (hx_control_stop(watch->control) == HX_STOP_NONE)
        return;
    if (process->kill_ns == 0) {
        kill(process->pid, SIGTERM);
        process->kill_ns = hx_now_ns() + grace_ns;
    } else if (hx_now_ns() >= process->kill_ns) {
        kill(process->pid, SIGKILL);
    }
}

static void watch_process(const struct hx_cell_watch *watch, struct process *process)
{
    struct pollfd files[] = {{.fd = process->error_fd, .events = POLLIN},
                             {.fd = hx_signals_fd(watch->signals), .events = POLLIN}};
    uint64_t tick_ns = hx_now_ns();
    for (bool is_running = true; is_running;) {
        pass_on_interrupt(watch, process);
        if (poll(files, 2, TICK_MS) > 0) {
            if ((files[1].revents & POLLIN) != 0)
                hx_signals_take(watch->signals);
            if (files[0].revents != 0)
                is_running = read_errors(process);
        }
        if (watch->tick != NULL && hx_now_ns() - tick_ns >= (uint64_t)TICK_MS * 1000000) {
            watch->tick(watch->context);
            tick_ns = hx_now_ns();
        }
    }
}

/* ---- The end ---- */

static void keep_last_line(const struct tail *tail, char *line, size_t line_bytes)
{
    static const char prefix[] = "harness: ";
    size_t end = tail->length;
    while (end > 0 && tail->text[end - 1] == '\n')
        end--;
    size_t start = end;
    while (start > 0 && tail->text[start - 1] != '\n')
        start--;
    const char *text = tail->text + start;
    if (end - start >= sizeof(prefix) - 1 && memcmp(text, prefix, sizeof(prefix) - 1) == 0) {
        text += sizeof(prefix) - 1;
        start += sizeof(prefix) - 1;
    }
    snprintf(line, line_bytes, "%.*s", (int)(end - start), text);
}

static void take_end(struct process *process, struct hx_cell_end *end)
{
    int how = 0;
    close(process->error_fd);
    while (waitpid(process->pid, &how, 0) < 0 && errno == EINTR)
        continue;
    end->exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    end->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    keep_last_line(&process->tail, end->last_line, sizeof(end->last_line));
    lseek(end->document_fd, 0, SEEK_SET);
}

sm_status hx_cell_process_run(const struct hx_cell_watch *watch, size_t argument_count, char *const arguments[],
                              struct hx_cell_end *end, struct sm_error *error)
{
    struct process process = {0};
    uint64_t start_ns = hx_now_ns();
    *end = (struct hx_cell_end){.document_fd = memfd_create("document", MFD_CLOEXEC)};
    if (end->document_fd < 0)
        return fail(error, "memory for its document");
    if (start(&process, end->document_fd, argument_count, arguments, error) != SM_OK)
        return error->status;
    watch_process(watch, &process);
    take_end(&process, end);
    end->wall_ns = hx_now_ns() - start_ns;
    /* On a terminal both get the signal, and the child may be the first to say so. */
    end->is_interrupted = hx_control_stop(watch->control) != HX_STOP_NONE || end->exit_code == 130;
    return SM_OK;
}

void hx_cell_end_finish(struct hx_cell_end *end)
{
    if (end->document_fd >= 0)
        close(end->document_fd);
    end->document_fd = -1;
}
