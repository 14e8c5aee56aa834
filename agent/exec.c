#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init.h"

/* Size of the fixed part of an exec request, after its kind; then `limits` x 17 bytes, then the texts. */
#define FIXED 17

/* Fills `list` with the next `count` texts and moves `next` behind them. */
static bool take_texts(char **next, char *end, char **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *nul = *next < end ? memchr(*next, '\0', (size_t)(end - *next)) : NULL;
        if (nul == NULL) return false;
        list[i] = *next;
        *next = nul + 1;
    }
    return true;
}

/*
 * Layout, big endian (agent/request.ts writes it), after the 'E' that is its kind: u8 flags (1: stdin, 2: terminal),
 * u16 columns, u16 rows, u32 argc, u32 envc, u32 limits; per limit u8 resource, u64 soft, u64 hard; then the texts:
 * cwd, user, argv, env.
 */
static bool parse_request(uint8_t *payload, size_t size, struct request *request)
{
    if (size < FIXED) return false;
    size_t argc = get32(payload + 5), envc = get32(payload + 9), limits = get32(payload + 13);
    if (argc == 0 || argc > size || envc > size || limits > 16 || FIXED + limits * 17 > size) return false;
    request->stdin_open = payload[0] & 1;
    request->tty = payload[0] & 2;
    request->columns = (uint16_t)(payload[1] << 8 | payload[2]);
    request->rows = (uint16_t)(payload[3] << 8 | payload[4]);
    request->limit_count = limits;
    uint8_t *limit = payload + FIXED;
    for (size_t i = 0; i < limits; i++, limit += 17)
        request->limits[i] = (struct limit){limit[0], get64(limit + 1), get64(limit + 9)};
    char *texts[2], *next = (char *)limit, *end = (char *)payload + size;
    request->argv = calloc(argc + 1, sizeof(char *));
    request->env = calloc(envc + 2, sizeof(char *));
    request->env_count = envc;
    if (request->argv == NULL || request->env == NULL) return false;
    if (!take_texts(&next, end, texts, 2)) return false;
    request->cwd = texts[0];
    request->user = texts[1];
    return take_texts(&next, end, request->argv, argc) && take_texts(&next, end, request->env, envc) && next == end;
}

/*
 * Opens a new terminal of the workload's own devpts, so that the program finds it as /dev/pts/N. The path belongs
 * to the workload: whatever is there must turn out to be the multiplexer.
 */
static int open_terminal(const struct workload *workload, const struct request *request, int *slave)
{
    struct stat info;
    int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (home < 0 || setns(workload->pidfd, CLONE_NEWNS) < 0) return fail("enter the workload's root");
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int error = errno;
    if (setns(home, CLONE_NEWNS) < 0) return fail("return to the system's root");
    close(home);
    errno = error;
    if (master < 0) return fail("open the workload's /dev/ptmx");
    errno = 0;
    if (fstat(master, &info) < 0 || !S_ISCHR(info.st_mode) || info.st_rdev != makedev(5, 2))
        return fail("the workload's /dev/ptmx is no terminal multiplexer");
    int unlock = 0;
    struct winsize size = {.ws_col = request->columns, .ws_row = request->rows};
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
        return fail("set up a terminal");
    *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return *slave < 0 ? fail("open a terminal") : master;
}

/* A pipe whose end on this side, 0 for reading or 1 for writing, does not block. */
static int make_pipe(int ends[2], int ours)
{
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0) return fail("pipe");
    return 0;
}

/* Real pipes, never sockets: programs open /dev/stdout and /dev/stdin again, which fails on a socket. */
static int open_stdio(const struct workload *workload, const struct request *request, struct process *process,
                      int stdio[3])
{
    process->input = process->output[0] = process->output[1] = process->terminal = -1;
    process->tty = request->tty;
    if (request->tty) {
        int master = open_terminal(workload, request, &stdio[0]);
        if (master < 0) return -1;
        stdio[1] = stdio[2] = stdio[0];
        process->output[0] = master;
        process->input = fcntl(master, F_DUPFD_CLOEXEC, 0);
        return 0;
    }
    int in[2], out[2], err[2];
    if (make_pipe(out, 0) < 0 || make_pipe(err, 0) < 0) return -1;
    if (!request->stdin_open) {
        stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } else {
        if (make_pipe(in, 1) < 0) return -1;
        stdio[0] = in[0];
        process->input = in[1];
    }
    stdio[1] = out[1];
    stdio[2] = err[1];
    process->output[0] = out[0];
    process->output[1] = err[0];
    return 0;
}

/* A cgroup for this process and all it starts: the one way to end them all. */
static int make_cgroup(const struct workload *workload, const char *name)
{
    if (mkdirat(workload->cgroup, name, 0755) < 0) return fail("make a cgroup");
    int cgroup = openat(workload->cgroup, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return cgroup < 0 ? fail("open a cgroup") : cgroup;
}

/* Daemons may outlive the process that was asked for; they move up, so that no cgroup is left behind. */
static void remove_cgroup(const struct workload *workload, const struct process *process, const char *name)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        if (unlinkat(workload->cgroup, name, AT_REMOVEDIR) == 0 || errno != EBUSY) return;
        int list = openat(process->cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        int parent = openat(workload->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        FILE *lines = list < 0 ? NULL : fdopen(list, "r");
        char line[32];
        while (lines != NULL && parent >= 0 && fgets(line, sizeof line, lines) != NULL)
            (void)!write(parent, line, strlen(line));
        if (lines != NULL) fclose(lines);
        if (parent >= 0) close(parent);
    }
}

/* The helper is never the out-of-memory killer's choice, the program is: the score is inherited by fork. */
static void set_oom_score(const char *score)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!write(fd, score, strlen(score));
    close(fd);
}

static int start_process(const struct workload *workload, const struct request *request, struct process *process)
{
    int stdio[3], status[2];
    if (open_stdio(workload, request, process, stdio) < 0) return -1;
    if (pipe2(status, O_CLOEXEC) < 0) return fail("pipe");
    /* Takes effect for the child only; it has to be done by its parent. */
    if (setns(workload->pidfd, CLONE_NEWPID) < 0) return fail("enter the workload's process namespace");
    set_oom_score("0");
    process->pid = clone_into(0, process->cgroup, &process->pidfd);
    if (process->pid < 0) return fail("start a process");
    if (process->pid == 0) run_child(request, workload->pidfd, stdio, status[1]);
    set_oom_score("-1000");
    process->status = status[0];
    close(status[1]);
    if (request->tty) {
        process->terminal = stdio[0];
        return 0;
    }
    for (int i = 0; i < 3; i++) close(stdio[i]);
    return 0;
}

_Noreturn void serve_exec(int connection, struct workload *workload, uint64_t number, uint8_t *payload, size_t size)
{
    struct request request = {0};
    struct process process = {0};
    char name[32];
    if (workload->failure[0] != '\0') {
        send_failure(connection, "exec.no_root", workload->failure);
        exit(0);
    }
    if (!parse_request(payload, size, &request)) {
        send_failure(connection, "exec.bad_request", "malformed request");
        exit(0);
    }
    snprintf(name, sizeof name, "exec-%llu", (unsigned long long)number);
    process.cgroup = make_cgroup(workload, name);
    if (process.cgroup < 0 || start_process(workload, &request, &process) < 0)
        /* Without its first process, after a shutdown, the workload takes no others. */
        send_failure(connection, errno == ESRCH || errno == ENOMEM ? "exec.no_root" : "exec.failed", failure);
    else
        pump(connection, &process);
    remove_cgroup(workload, &process, name);
    exit(0);
}
