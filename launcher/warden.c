/*
 * The process outside: it hears from the kernel of system calls that the confined process must not make, says which it
 * was, and ends that process. What it hears are numbers, and it trusts none of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher.h"

void report_to_warden(int listener)
{
    char byte = 0;
    struct iovec bytes = {&byte, 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof listener)];
    } control = {0};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (listener >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof listener);
        memcpy(CMSG_DATA(header), &listener, sizeof listener);
    }
    if (sendmsg(warden_link, &message, MSG_NOSIGNAL) != 1 || read(warden_link, &byte, 1) != 1) give_up("warden");
    if (listener >= 0) close(listener);
}

/* Answers the confined process: what it asked for is known. Returns the descriptor that came with it, -1 without one, -2 at its end. */
static int hear(int link)
{
    char byte;
    struct iovec bytes = {&byte, 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
    if (got != 1) return -2;
    int fd = -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (send(link, &byte, 1, MSG_NOSIGNAL) != 1) return -2;
    return fd;
}

/* Returns how it ended. */
static int wait_for(pid_t confined)
{
    int status;
    while (waitpid(confined, &status, 0) < 0)
        if (errno != EINTR) _exit(1);
    leave_cgroup();
    return status;
}

static pid_t watched;

static void end_watched(int signal)
{
    (void)signal;
    kill(watched, SIGKILL);
}

/* Whoever wants the end of the two says so to this process, as the kernel does when the parent has ended. */
static void end_in_order(pid_t confined)
{
    watched = confined;
    struct sigaction action = {.sa_handler = end_watched};
    if (sigaction(SIGTERM, &action, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) give_up("pdeathsig");
}

/* Ends as the confined process has ended. */
static _Noreturn void follow(int status)
{
    if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    _exit(1);
}

static void tell(const struct seccomp_data *call)
{
    char line[200];
    int length = snprintf(line, sizeof line,
                          "smolvm-vmm-failed: {\"stage\":\"seccomp\",\"syscall\":%d,\"argument\":\"%llx\",\"second\":\"%llx\"}\n",
                          call->nr, (unsigned long long)call->args[0], (unsigned long long)call->args[1]);
    /* The confined process had the same open file: it may not wait for room, if that one said so. */
    fcntl(STDERR_FILENO, F_SETFL, 0);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) return;
}

/*
 * The program that the launcher becomes is started by the one execve that passes: by then this process is the only one
 * that decides, and a second one is as forbidden as any other call.
 */
static bool may_pass(const struct seccomp_data *call)
{
    static bool started;
    if (call->nr != SYS_execve || started) return false;
    started = true;
    return true;
}

static void answer(int listener, pid_t confined)
{
    /* Larger than the kernel's structures of today: it may write as many bytes as it knows. */
    union {
        struct seccomp_notif call;
        char room[256];
    } asked = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;
    if (may_pass(&asked.call.data)) {
        union {
            struct seccomp_notif_resp answer;
            char room[256];
        } reply = {.answer = {.id = asked.call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE}};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply) == 0) return;
    }
    kill(confined, SIGKILL);
    int status = wait_for(confined);
    /* Now nobody writes behind it, and the last line is the one that counts. */
    tell(&asked.call.data);
    follow(status);
}

_Noreturn void keep_watch(pid_t confined, int link)
{
    end_in_order(confined);
    /* No copies of what only the confined process is to hold: an open end would keep its readers waiting. */
    close_descriptors(0, STDERR_FILENO - 1);
    close_descriptors(STDERR_FILENO + 1, (unsigned)link - 1);
    close_descriptors((unsigned)link + 1, ~0u);
    int listener = -1;
    struct pollfd waiting[2] = {{.fd = link, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    for (;;) {
        if (poll(waiting, 2, -1) < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (waiting[0].revents != 0) {
            int fd = hear(link);
            if (fd >= 0) listener = waiting[1].fd = fd;
            if (fd == -2) waiting[0].fd = -1;
        }
        if (waiting[1].revents & POLLIN) answer(listener, confined);
        /* All processes that the filter holds for have ended. */
        else if (waiting[1].revents != 0) break;
        /* It has closed its end without a filter: there is nothing to hear. */
        if (waiting[0].fd < 0 && waiting[1].fd < 0) break;
    }
    follow(wait_for(confined));
}
