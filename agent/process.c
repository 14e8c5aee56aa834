/* One process: its pipes or terminal, its cgroup, signals, and its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

int set_cgroup(int cgroup, char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        const char *equals = strchr(values[i], '=');
        size_t length = equals == NULL ? 0 : (size_t)(equals - values[i]);
        errno = EINVAL;
        if (length == 0 || length >= sizeof name || memchr(values[i], '/', length) != NULL)
            return fail("cgroup setting %s", values[i]);
        memcpy(name, values[i], length);
        name[length] = '\0';
        if (!write_file_at(cgroup, name, equals + 1)) return fail("cgroup setting %s", values[i]);
    }
    return 0;
}

static int parent_of(const struct root *root)
{
    return root == NULL ? open(CGROUP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : root->cgroup;
}

/* A cgroup for this process and all it starts: the one way to end them all. A first process is at home. */
static int make_cgroup(struct process *process, const struct request *request)
{
    if (process->is_first) {
        process->cgroup = fcntl(process->root->home, F_DUPFD_CLOEXEC, 0);
        return process->cgroup < 0 ? fail("duplicate the root's cgroup") : 0;
    }
    int parent = parent_of(process->root);
    snprintf(process->name, sizeof process->name, "exec-%lu", process_number++);
    bool made = parent >= 0 && mkdirat(parent, process->name, 0755) == 0;
    if (made) process->cgroup = openat(parent, process->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    else process->name[0] = '\0';
    int error = errno;
    if (process->root == NULL && parent >= 0) close(parent);
    errno = error;
    if (process->cgroup < 0) return fail("make a cgroup");
    return set_cgroup(process->cgroup, request->cgroup, request->cgroup_count);
}

/* Daemons may outlive the process that was asked for; they move home, so that no cgroup is left behind. */
static void move_home(int from, int home)
{
    char line[32];
    int to = openat(home, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    int list = openat(from, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *lines = list < 0 ? NULL : fdopen(list, "r");
    while (lines != NULL && to >= 0 && fgets(line, sizeof line, lines) != NULL)
        (void)!write(to, line, strlen(line));
    if (lines != NULL) fclose(lines);
    close_fd(&to);
}

static void remove_cgroup(struct process *process)
{
    int parent = process->name[0] == '\0' ? -1 : parent_of(process->root);
    /* What forks at this very moment shows in the next round; bounded, as somebody may fork for ever. */
    for (int round = 0; parent >= 0 && round < 10; round++) {
        if (unlinkat(parent, process->name, AT_REMOVEDIR) == 0 || errno != EBUSY) break;
        move_home(process->cgroup, process->root == NULL ? parent : process->root->home);
    }
    if (parent >= 0 && process->root == NULL) close(parent);
    close_fd(&process->cgroup);
}

static void kill_all(struct process *process)
{
    if (process->cgroup >= 0 && write_file_at(process->cgroup, "cgroup.kill", "1")) return;
    if (!process->ended) kill(process->child.pid, SIGKILL);
}

/* ---- signals ---- */

/* One of the masks in /proc/PID/status. */
static uint64_t mask_in(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 16);
}

bool is_deadly(pid_t pid, int number)
{
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    char path[64], status[4096];
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (number == harmless[i]) return false;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
    close_fd(&fd);
    if (length <= 0 || number < 1) return false;
    status[length] = '\0';
    uint64_t handled = mask_in(status, "SigBlk:") | mask_in(status, "SigIgn:") | mask_in(status, "SigCgt:");
    return !(handled >> (number - 1) & 1);
}

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
    remove_cgroup(process);
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

/* The system's own terminals, mounted when somebody wants one. */
static int open_system_terminal(void)
{
    static bool mounted;
    if (!mounted) {
        mkdir("/dev/pts", 0755);
        if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0600") < 0 &&
            errno != EBUSY)
            return fail("mount /dev/pts");
        mounted = true;
    }
    return open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* A terminal of the root's own, so that the program finds it as /dev/pts/N; no path of the image leads there. */
static int open_terminal(const struct root *root, const struct request *request, int *slave)
{
    int master = root == NULL ? open_system_terminal()
                              : openat(root->terminals, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int unlock = 0;
    struct winsize size = {.ws_col = request->columns, .ws_row = request->rows};
    if (master < 0) return fail("open a terminal");
    if (ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCSWINSZ, &size) == 0)
        *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave >= 0) return master;
    fail("set up a terminal");
    close(master);
    return -1;
}

struct stdio {
    int theirs[3];
    int input, output[2]; /* ours, -1 where there is none */
};

/* A pipe whose end on this side, 0 for reading or 1 for writing, does not block. */
static bool make_pipe(int ends[2], int ours)
{
    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    return fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
}

static void close_stdio(struct stdio *stdio)
{
    for (int i = 0; i < 3; i++) {
        bool again = i > 0 && stdio->theirs[i] == stdio->theirs[0];
        if (!again && stdio->theirs[i] >= 0) close(stdio->theirs[i]);
    }
    close_fd(&stdio->input);
    close_fd(&stdio->output[0]);
    close_fd(&stdio->output[1]);
}

/* Real pipes, never sockets: programs open /dev/stdout and /dev/stdin again, which fails on a socket. */
static int open_stdio(const struct root *root, const struct request *request, struct stdio *stdio)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    *stdio = (struct stdio){{-1, -1, -1}, -1, {-1, -1}};
    if (request->flags & EXEC_TTY) {
        int slave = -1;
        stdio->output[0] = open_terminal(root, request, &slave);
        if (stdio->output[0] < 0) return -1;
        stdio->theirs[0] = stdio->theirs[1] = stdio->theirs[2] = slave;
        stdio->input = fcntl(stdio->output[0], F_DUPFD_CLOEXEC, 0);
        return stdio->input < 0 ? fail("duplicate a terminal") : 0;
    }
    bool made = make_pipe(out, 0) && make_pipe(err, 0);
    if (request->flags & EXEC_STDIN) {
        made = made && make_pipe(in, 1);
        stdio->theirs[0] = in[0];
        stdio->input = in[1];
    } else {
        stdio->theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    stdio->theirs[1] = out[1];
    stdio->theirs[2] = err[1];
    stdio->output[0] = out[0];
    stdio->output[1] = err[0];
    return made && stdio->theirs[0] >= 0 ? 0 : fail("make a pipe");
}

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
    bool ready = make_cgroup(process, request) == 0 && open_stdio(root, request, &stdio) == 0 &&
                 (pipe2(status, O_CLOEXEC | O_NONBLOCK) == 0 || fail("make a pipe") == 0);
    process->child.pid = ready ? fork_process(process, request, &stdio, status[1]) : -1;
    close_fd(&status[1]);
    if (process->child.pid < 0) {
        close_fd(&status[0]);
        close_stdio(&stdio);
        remove_cgroup(process);
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
