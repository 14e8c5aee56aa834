/* One process: its pipes or terminal, its cgroup, signals, and its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

/* What a terminal can hold when its process ends: the kernel's flip buffers (64 KiB) and line buffer. */
#define TERMINAL_REST (128 * 1024)
#define LF '\n'

struct process {
    struct child child; /* first: found by it */
    struct root *root;
    struct stream *stream;
    struct source status; /* readable: why the program could not be started; end: it runs */
    char reason[700];     /* what came on it */
    size_t reason_length;
    struct sink input;
    struct tap output[2];
    bool tty, is_first, has_reaper, started, ended, settling;
    /*
     * The terminal itself, kept open until the process has ended: were the last one to close it the process (cat does,
     * before it exits), its end would look like that of the terminal.
     */
    int terminal;
    struct input_end input_end;
    bool line_open;    /* the last byte typed into the terminal did not end a line */
    int cgroup;        /* directory; the root's home for a first process */
    char name[32];     /* of the cgroup below its parent; empty: the root's home */
    int forced_signal; /* the agent ended it as this signal would have */
    int wait_status;
    struct process *next;
};

static struct process *processes;
static unsigned long process_number;

bool has_processes(const struct root *root)
{
    for (struct process *process = processes; process != NULL; process = process->next)
        if (process->root != NULL && (root == NULL || process->root == root)) return true;
    return false;
}

/* ---- the cgroup ---- */

/* A cgroup for this process and all it starts: the one way to end them all. A first process is at home. */
static int enter_cgroup(struct process *process, const struct request *request)
{
    if (process->is_first) {
        process->cgroup = fcntl(process->root->home, F_DUPFD_CLOEXEC, 0);
        return process->cgroup < 0 ? fail("duplicate the root's cgroup") : 0;
    }
    snprintf(process->name, sizeof process->name, "exec-%lu", process_number++);
    process->cgroup = make_cgroup(process->root, process->name);
    return process->cgroup < 0 ? -1 : set_cgroup(process->cgroup, request->cgroup, request->cgroup_count);
}

static void leave_cgroup(struct process *process)
{
    if (process->cgroup >= 0 && process->name[0] != '\0')
        remove_cgroup(process->root, process->name, process->cgroup);
    close_fd(&process->cgroup);
}

static void kill_all(struct process *process)
{
    if (process->cgroup >= 0 && write_file_at(process->cgroup, "cgroup.kill", "1")) return;
    if (!process->ended) kill(process->child.pid, SIGKILL);
}

/* ---- signals ---- */

/*
 * The kernel drops a signal to the first process of a PID namespace that does not handle it (pid_namespaces(7)). Users
 * expect it to end the process as anywhere else.
 */
static void end_if_deadly(struct process *process, int number)
{
    if (!process->is_first || process->has_reaper || !is_deadly(process->child.pid, number)) return;
    process->forced_signal = number;
    kill(process->child.pid, SIGKILL);
}

/* The process leads a session of its own, so its group takes in what it runs in the foreground. */
static void signal_process(struct process *process, int number)
{
    if (kill(-process->child.pid, number) < 0) kill(process->child.pid, number);
    end_if_deadly(process, number);
}

/* Bytes that make the terminal send a signal to the process in its foreground. */
static void check_typed(struct process *process, const uint8_t *bytes, size_t length)
{
    struct termios settings;
    pid_t foreground = 0;
    int terminal = process->output[0].source.fd;
    if (!process->is_first || process->has_reaper || terminal < 0 || tcgetattr(terminal, &settings) < 0) return;
    if (!(settings.c_lflag & ISIG) || ioctl(terminal, TIOCGPGRP, &foreground) < 0) return;
    if (foreground != process->child.pid) return;
    if (memchr(bytes, settings.c_cc[VINTR], length) != NULL) end_if_deadly(process, SIGINT);
    if (memchr(bytes, settings.c_cc[VQUIT], length) != NULL) end_if_deadly(process, SIGQUIT);
}

/* ---- the end ---- */

static void free_process(struct process *process)
{
    UNLINK(processes, process);
    close_sink(&process->input);
    close_tap(&process->output[0]);
    close_tap(&process->output[1]);
    close_input_end(&process->input_end);
    close_fd(&process->terminal);
    if (process->status.fd >= 0) {
        remove_source(&process->status);
        close_fd(&process->status.fd);
    }
    leave_cgroup(process);
    if (process->is_first) process->root->first = 0;
    free(process);
}

static void put_result(const struct process *process, struct builder *result)
{
    int status = process->wait_status;
    if (!WIFSIGNALED(status)) put_int(result, 1, (uint64_t)WEXITSTATUS(status));
    else if (process->forced_signal != 0) put_int(result, 2, (uint64_t)process->forced_signal);
    /* reboot(2) in a PID namespace: nothing else can end its first process with these. */
    else if (process->is_first && WTERMSIG(status) == SIGHUP) put_int(result, 3, 1);
    else if (process->is_first && WTERMSIG(status) == SIGINT) put_int(result, 3, 2);
    else put_int(result, 2, (uint64_t)WTERMSIG(status));
}

static void finish_process(struct process *process)
{
    static struct builder result;
    result.length = 0;
    if (process->started) {
        tell_lack_of_memory();
        put_result(process, &result);
        finish(process->stream, &result);
    } else {
        /* "code\nmessage", from the child that could not become the program. */
        char *text = strchr(process->reason, '\n');
        if (text != NULL) *text++ = '\0';
        put_text(&result, 1, text == NULL ? "exec.failed" : process->reason);
        put_text(&result, 2, text == NULL ? "the process ended before its program was started" : text);
        finish_with(process->stream, FAIL, result.bytes, result.length);
    }
    /* The host need not wait until the cgroup is gone, which takes a millisecond. */
    flush_wire();
    free_process(process);
    root_process_ended();
}

static void check_finished(struct process *process)
{
    if (!process->ended || process->settling || process->status.fd >= 0) return;
    if (process->output[0].source.fd >= 0 || process->output[1].source.fd >= 0) return;
    finish_process(process);
}

/* Daemons may keep the pipes open and go on writing: only what is in them now belongs to this process. */
static void settle(struct process *process)
{
    process->settling = true;
    close_sink(&process->input);
    close_input_end(&process->input_end);
    close_fd(&process->terminal);
    for (int i = 0; i < 2; i++) {
        struct tap *tap = &process->output[i];
        int bytes = 0;
        if (tap->source.fd < 0) continue;
        if (process->tty) bytes = TERMINAL_REST;
        else if (ioctl(tap->source.fd, FIONREAD, &bytes) < 0) bytes = 0;
        tap_limit(tap, (size_t)bytes);
    }
    process->settling = false;
    check_finished(process);
}

static void process_ended(struct child *child, int status)
{
    struct process *process = (struct process *)child;
    process->ended = true;
    process->wait_status = status;
    settle(process);
}

/* The other end of the status pipe closes when the program is executed; before that it tells why it was not. */
static void status_ready(struct source *source, short revents)
{
    struct process *process = (struct process *)((char *)source - offsetof(struct process, status));
    size_t room = sizeof process->reason - 1 - process->reason_length;
    (void)revents;
    ssize_t got = read(source->fd, process->reason + process->reason_length, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got > 0) {
        process->reason_length += (size_t)got;
        return;
    }
    remove_source(source);
    close_fd(&source->fd);
    if (process->reason_length == 0) {
        static struct builder accept;
        accept.length = 0;
        put_int(&accept, 1, (uint64_t)process->child.pid);
        send_frame(ACCEPT, 0, process->stream->id, accept.bytes, accept.length);
        process->started = true;
    }
    check_finished(process);
}

/* ---- what the host sends ---- */

static struct process *process_of(struct stream *stream)
{
    return stream->state;
}

static void take_data(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct process *process = process_of(stream);
    if (process->input.source.fd < 0) return;
    sink_take(&process->input, bytes, length);
    if (!process->tty) return;
    process->line_open = bytes[length - 1] != LF;
    check_typed(process, bytes, length);
}

static void take_end(struct stream *stream)
{
    sink_end(&process_of(stream)->input);
}

static void take_control(struct stream *stream, uint8_t *payload, size_t length)
{
    struct process *process = process_of(stream);
    struct control control;
    if (!parse_control(payload, length, &control)) violation("malformed control message");
    if (process->ended) return;
    if (control.signal != 0) signal_process(process, control.signal);
    else if (process->tty && process->output[0].source.fd >= 0)
        ioctl(process->output[0].source.fd, TIOCSWINSZ,
              &(struct winsize){.ws_col = control.columns, .ws_row = control.rows});
}

/* What it wrote is of no interest any more. */
static void take_cancel(struct stream *stream)
{
    struct process *process = process_of(stream);
    kill_all(process);
    close_sink(&process->input);
    close_tap(&process->output[0]);
    close_tap(&process->output[1]);
    check_finished(process);
}

static void take_credit(struct stream *stream)
{
    struct process *process = process_of(stream);
    tap_update(&process->output[0]);
    tap_update(&process->output[1]);
}

static const struct work process_work = {
    .data = take_data,
    .end = take_end,
    .control = take_control,
    .cancel = take_cancel,
    .credit = take_credit,
};

/* End of input: a pipe is closed; who reads a terminal is told. */
static void input_done(struct sink *sink, bool broken)
{
    struct process *process = (struct process *)((char *)sink - offsetof(struct process, input));
    int master = process->tty && !broken ? fcntl(sink->source.fd, F_DUPFD_CLOEXEC, 0) : -1;
    close_sink(sink);
    if (master >= 0) begin_input_end(&process->input_end, process->terminal, master, process->line_open);
}

static void output_done(struct tap *tap)
{
    check_finished(process_of(tap->stream));
}

/* ---- the start ---- */

static int own_pids = -1;

/* Children of the next clone() live in the root's PID namespace, or again in this one's (NULL). */
static int children_in(const struct root *root)
{
    if (own_pids < 0) own_pids = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own_pids < 0) return -1; /* there would be no way back */
    return setns(root == NULL ? own_pids : root->pids, CLONE_NEWPID);
}

static pid_t fork_process(struct process *process, struct request *request, const struct stdio *stdio, int status)
{
    bool elsewhere = process->root != NULL && !process->is_first;
    if (elsewhere && children_in(process->root) < 0) return fail("enter the root's process namespace");
    pid_t pid = clone_into(process->is_first ? CLONE_NEWPID : 0, process->cgroup);
    if (pid == 0) run_child(request, process->root, stdio->theirs, status);
    int error = errno;
    if (elsewhere && children_in(NULL) < 0) die("return to the system's process namespace");
    errno = error;
    return pid < 0 ? fail("start a process") : pid;
}

/* The root's PID namespace is its first process's. */
static int remember_first(struct root *root, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    close_fd(&root->pids);
    root->pids = open(path, O_RDONLY | O_CLOEXEC);
    root->first = pid;
    return root->pids < 0 ? fail("open the root's process namespace") : 0;
}

static void begin_process(struct process *process, struct request *request, struct stdio *stdio, int status)
{
    struct stream *stream = request->stream;
    process->stream = stream;
    process->status = (struct source){.fd = status, .events = POLLIN, .ready = status_ready};
    add_source(&process->status);
    if (stdio->input >= 0) open_sink(&process->input, stream, stdio->input, input_done);
    open_tap(&process->output[0], stream, 1, stdio->output[0], output_done);
    if (stdio->output[1] >= 0) open_tap(&process->output[1], stream, 2, stdio->output[1], output_done);
    process->next = processes;
    processes = process;
    add_child(&process->child);
    set_work(stream, &process_work, process);
}

int start_process(struct request *request, struct root *root)
{
    int status[2] = {-1, -1};
    struct stdio stdio = {{-1, -1, -1}, -1, {-1, -1}};
    struct process *process = allocate(sizeof *process);
    process->root = root;
    process->tty = request->flags & EXEC_TTY;
    process->is_first = request->flags & EXEC_FIRST && root != NULL;
    process->has_reaper = request->flags & EXEC_REAPER;
    process->cgroup = process->terminal = -1;
    process->input_end.timer.fd = process->input_end.master = -1;
    process->input.source.fd = process->output[0].source.fd = process->output[1].source.fd = -1;
    process->child.ended = process_ended;
    errno = 0;
    bool ready = enter_cgroup(process, request) == 0 && open_stdio(root, request, &stdio) == 0 &&
                 (pipe2(status, O_CLOEXEC | O_NONBLOCK) == 0 || fail("make a pipe") == 0);
    process->child.pid = ready ? fork_process(process, request, &stdio, status[1]) : -1;
    close_fd(&status[1]);
    if (process->child.pid < 0) {
        close_fd(&status[0]);
        close_stdio(&stdio);
        leave_cgroup(process);
        free(process);
        return -1;
    }
    if (process->is_first && remember_first(root, process->child.pid) < 0) say("%s", failure);
    for (int i = 0; i < 3; i++) {
        if (process->tty) process->terminal = stdio.theirs[0];
        else close(stdio.theirs[i]);
    }
    begin_process(process, request, &stdio, status[0]);
    free_request(request);
    return 0;
}
