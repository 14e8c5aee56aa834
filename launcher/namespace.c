#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"

int warden_link = -1;

/*
 * Fields: which namespaces are new (u64, the flags of clone(2)), descriptor (u32). A child goes on with the order; this
 * process stays outside as its warden. The child's process id goes to the descriptor, as the parent sees it.
 */
void step_enter(struct fields *fields)
{
    unsigned long flags = take_u64(fields);
    int report = (int)take_u32(fields);
    int link[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) != 0) give_up("socketpair");
    /* The plain system call, which x86-64 and arm64 give their arguments in the same order as far as they are here. */
    long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) give_up("namespaces");
    if (child > 0) {
        enter_cgroup((pid_t)child);
        char line[32];
        int length = snprintf(line, sizeof line, "%ld\n", child);
        if (write(report, line, (size_t)length) != length) _exit(1);
        close(report);
        close(link[1]);
        keep_watch((pid_t)child, link[0]);
    }
    close(report);
    close(link[0]);
    warden_link = link[1];
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up("pdeathsig");
    /* The answer of a warden that had ended before that would not come. */
    report_to_warden(-1);
}

/* Fields: path, text. Writes to a file that is there: the kernel's switches, and lists of users. */
void step_write(struct fields *fields)
{
    const char *path = take_text(fields);
    const char *text = take_text(fields);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) give_up("write");
    close(fd);
}
