/*
 * The workload's namespaces and their first process. It sets up the root and then only reaps: whatever loses its
 * parent inside becomes its child. It holds nothing of the system's side but its own executable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* What the first process reports when all is well; anything else is the reason why not. */
#define READY "+"

/* Makes ROOT_DIR the root of this mount namespace and lets go of the old one, see pivot_root(2), NOTES. */
static int enter_root(void)
{
    if (chdir(ROOT_DIR) < 0) return fail("enter the workload's root");
    if (syscall(SYS_pivot_root, ".", ".") < 0) return fail("pivot_root");
    if (umount2(".", MNT_DETACH) < 0) return fail("detach the system's root");
    if (chdir("/") < 0) return fail("chdir /");
    return 0;
}

static int prepare(const struct settings *settings, const char *directory)
{
    struct trees trees;
    /* Nothing that is mounted here may show outside, and the other way round. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail("make mounts private");
    if (directory == NULL) {
        if (mount_root(settings) < 0) return -1;
    } else {
        if (mkdir(ROOT_DIR, 0755) < 0 && errno != EEXIST) return fail("mkdir %s", ROOT_DIR);
        if (mount(directory, ROOT_DIR, NULL, MS_BIND, NULL) < 0) return fail("mount %s", directory);
    }
    if (take_trees(settings, &trees) < 0) return -1;
    if (sethostname(settings->hostname, strlen(settings->hostname)) < 0) return fail("set the hostname");
    if (enter_root() < 0) return -1;
    return complete_root(&trees);
}

static _Noreturn void reap(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        sigwaitinfo(&child, NULL);
    }
}

static _Noreturn void first_process(const struct settings *settings, const char *directory, int report)
{
    prctl(PR_SET_NAME, "init");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    umask(022);
    /* As root of its cgroup namespace it sees its own cgroup, and nothing above it. */
    bool ready = syscall(SYS_unshare, CLONE_NEWCGROUP) == 0 || fail("make a cgroup namespace") == 0;
    ready = ready && prepare(settings, directory) == 0;
    const char *text = ready ? READY : failure;
    if (!write_all(report, text, strlen(text)) || !ready) _exit(1);
    /* The console stays as the only descriptor of the system's side: replace it by the workload's own /dev/null. */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    reap();
}

/* Waits for the first process's report: an event, however long a disk check takes. */
static void read_report(int report)
{
    size_t length = 0;
    while (length < sizeof failure - 1) {
        ssize_t got = read(report, failure + length, sizeof failure - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        length += (size_t)got;
    }
    failure[length] = '\0';
    errno = 0;
    if (length == 0) fail("the workload's first process ended unexpectedly");
    if (strcmp(failure, READY) == 0) failure[0] = '\0';
}

/*
 * Leaves some of the kernel's processes to the system's side: else a fork bomb would keep the helper from starting
 * anything. Numbers: pid_max is 4096 in a kernel built small, at most 32768 there; threads-max goes by memory.
 */
static void limit_processes(int cgroup)
{
    char text[32] = "";
    const long highest = 32768;
    if (!write_file("/proc/sys/kernel/pid_max", "32768")) say("raise pid_max: %s", strerror(errno));
    int fd = open("/proc/sys/kernel/threads-max", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    long most = length > 0 ? strtol(text, NULL, 10) : highest;
    int size = snprintf(text, sizeof text, "%ld", (most < highest ? most : highest) * 7 / 8);
    int limit = openat(cgroup, "pids.max", O_WRONLY | O_CLOEXEC);
    if (limit < 0 || write(limit, text, (size_t)size) != size)
        say("limit the workload's processes: %s", strerror(errno));
    if (limit >= 0) close(limit);
}

static int start(struct workload *workload, const struct settings *settings, const char *directory)
{
    int report[2];
    char cgroup[64];
    if (directory == NULL && !write_file(CGROUP_DIR "/cgroup.subtree_control", "+pids"))
        say("count processes: %s", strerror(errno));
    snprintf(cgroup, sizeof cgroup, CGROUP_DIR "/workload-%d", getpid());
    if (mkdir(cgroup, 0755) < 0) return fail("mkdir %s", cgroup);
    workload->cgroup = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (workload->cgroup < 0) return fail("open %s", cgroup);
    if (directory == NULL) limit_processes(workload->cgroup);
    if (pipe2(report, O_CLOEXEC) < 0) return fail("pipe");
    uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
    workload->pid = clone_into(flags, workload->cgroup, &workload->pidfd);
    if (workload->pid < 0) return fail("start the workload's first process");
    if (workload->pid == 0) {
        close(report[0]);
        first_process(settings, directory, report[1]);
    }
    close(report[1]);
    read_report(report[0]);
    return close(report[0]);
}

void start_workload(struct workload *workload, const struct settings *settings, const char *directory)
{
    failure[0] = '\0';
    start(workload, settings, directory);
    snprintf(workload->failure, sizeof workload->failure, "%s", failure);
}
