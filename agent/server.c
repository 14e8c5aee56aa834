/* Takes the agent's requests, each on a connection of its own, each served by a process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

int listen_helper(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        die("listen on %s", path);
    return fd;
}

static bool read_exactly(int fd, uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t got = read(fd, bytes, length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        length -= (size_t)got;
    }
    return true;
}

/*
 * Clock and shutdown are served by the server itself: what is asked for next finds them done, and a workload that has
 * used up all processes cannot stop them.
 */
static void serve_clock(int connection, const uint8_t *time, size_t size)
{
    uint64_t nanoseconds = get64(time);
    struct timespec now = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
    errno = EINVAL;
    if (size != 8 || clock_settime(CLOCK_REALTIME, &now) < 0) {
        fail("set the clock");
        send_failure(connection, "clock.failed", failure);
    } else {
        send_frame(connection, RESULT, 0, NULL, 0);
    }
}

/*
 * Ends every process of the workload. With the last of them goes the mount namespace, and with that the disks are
 * unmounted: once the pidfd reports the end of the first process, they are clean.
 */
static void serve_shutdown(int connection, const struct workload *workload)
{
    if (workload->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, workload->pidfd, SIGKILL, NULL, 0);
        struct pollfd wait = {.fd = workload->pidfd, .events = POLLIN};
        while (poll(&wait, 1, -1) < 0 && errno == EINTR) {}
    }
    sync();
    send_frame(connection, RESULT, 0, NULL, 0);
}

static _Noreturn void serve_process(int connection, struct workload *workload, uint64_t number, size_t size)
{
    uint8_t *payload = malloc(size);
    if (payload == NULL || !read_exactly(connection, payload, size)) exit(1);
    /* Here the zombie of the process that this one starts must wait to be read. */
    signal(SIGCHLD, SIG_DFL);
    serve_exec(connection, workload, number, payload, size);
}

/* Takes one request. The agent sends it at once, so reading its start here keeps nobody else waiting. */
static void take_request(int connection, int listener, struct workload *workload, uint64_t number)
{
    uint8_t start[HEADER + 1], time[8] = {0};
    if (!read_exactly(connection, start, sizeof start)) return;
    size_t size = get32(start + 8) - 1;
    if (start[0] != OPEN || size >= MAX_OPEN) return;
    if (start[HEADER] == 'C') {
        if (size == sizeof time && !read_exactly(connection, time, sizeof time)) return;
        serve_clock(connection, time, size);
        return;
    }
    if (start[HEADER] == 'Q') {
        serve_shutdown(connection, workload);
        return;
    }
    if (start[HEADER] != 'E') {
        send_failure(connection, "agent.bad_request", "unknown request to the helper");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(listener);
        serve_process(connection, workload, number, size);
    }
    if (pid < 0) send_failure(connection, "exec.failed", "the guest cannot start another process");
}

_Noreturn void serve(int listener, const struct settings *settings, const char *directory, int processors)
{
    struct workload workload;
    prctl(PR_SET_NAME, "smolvm-helper");
    mkdir(CGROUP_DIR, 0755);
    if (mount("cgroup2", CGROUP_DIR, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        say("mount cgroup2: %s", strerror(errno));
    /* Until the workload is ready requests wait in the listener's queue: no readiness is polled for, or signalled. */
    start_workload(&workload, settings, directory);
    if (workload.failure[0] != '\0') say("%s", workload.failure);
    /* A program may look only once how many processors there are. */
    if (processors >= 0) {
        char none;
        while (read(processors, &none, 1) < 0 && errno == EINTR) {}
        close(processors);
    }
    signal(SIGCHLD, SIG_IGN);
    for (uint64_t number = 0;; number++) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) continue;
        take_request(connection, listener, &workload, number);
        close(connection);
    }
}
