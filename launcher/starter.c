/*
 * The starter: stays outside of a process that has given up starting programs, and starts them for it. It learns orders
 * until it is told that there are no more; from then on it carries out these and no others, each once at a time. What it
 * is told later may come from an attacker, who then has what is in the list, and cannot change it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher.h"

/* The VM, its server of files, and what is done when a machine ends. */
#define MOST_ORDERS 16
/* Standard output, standard error, where the launcher reports, a socket. */
#define MOST_DESCRIPTORS 4
/* Descriptors below are taken for as long as the starter lives, so that none that is handed over has such a number. */
#define FIRST_FREE 6

enum verb { LEARN, SEAL, START, KILL };

/* `number`: bytes of the order that follows, for LEARN; which order, for START and KILL. */
struct request {
    uint32_t verb;
    uint32_t number;
};

/* That what an order started has ended; `status` as wait(2) tells it. */
struct reply {
    uint32_t order;
    int32_t status;
};

static struct {
    struct fields steps;
    /* 0: it does not run. */
    pid_t pid;
} orders[MOST_ORDERS];

static uint32_t order_count;
static bool sealed;
static int control;

/* Ends the starter, and with it all that it has started: nobody is there to hear of it, or who is there cannot be trusted. */
static _Noreturn void leave(void)
{
    _exit(0);
}

static void read_rest(void *bytes, size_t length)
{
    if (length > 0 && recv(control, bytes, length, MSG_WAITALL) != (ssize_t)length) leave();
}

/* Returns how many descriptors came along, which are the caller's to close. */
static int hear(struct request *request, int descriptors[MOST_DESCRIPTORS])
{
    struct iovec bytes = {request, sizeof *request};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
    } room = {0};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
    ssize_t got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) leave();
    read_rest((char *)request + got, sizeof *request - (size_t)got);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return 0;
    size_t size = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors, CMSG_DATA(header), size);
    return (int)(size / sizeof(int));
}

static void learn(uint32_t length)
{
    if (sealed || order_count == MOST_ORDERS || length > LONGEST_ORDER) leave();
    unsigned char *bytes = malloc(length);
    if (bytes == NULL) leave();
    read_rest(bytes, length);
    orders[order_count++].steps = (struct fields){bytes, length};
}

static void tell_end(uint32_t order, int status)
{
    struct reply reply = {order, status};
    if (send(control, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply) leave();
}

/* The descriptors become the child's standard output and those behind it. */
static _Noreturn void carry_out(struct fields steps, pid_t starter, const int *descriptors, int count)
{
    die_with_parent(starter);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int index = 0; index < count; index++)
        if (dup2(descriptors[index], STDOUT_FILENO + index) < 0) _exit(1);
    take_steps(steps);
}

static void start(uint32_t number, const int *descriptors, int count)
{
    for (int index = 0; index < count; index++)
        if (descriptors[index] < FIRST_FREE) leave();
    if (number >= order_count || orders[number].pid != 0) {
        tell_end(number, 1 << 8);
        return;
    }
    pid_t starter = getpid(), child = fork();
    if (child == 0) carry_out(orders[number].steps, starter, descriptors, count);
    if (child > 0) {
        orders[number].pid = child;
        return;
    }
    /* As from the child: its standard error is the second. */
    if (count > 1) tell_failure(descriptors[1], "fork");
    tell_end(number, 1 << 8);
}

static void serve_request(void)
{
    struct request request;
    int descriptors[MOST_DESCRIPTORS];
    int count = hear(&request, descriptors);
    switch (request.verb) {
    case LEARN: learn(request.number); break;
    case SEAL: sealed = true; break;
    case START: start(request.number, descriptors, count); break;
    case KILL:
        if (request.number < order_count && orders[request.number].pid != 0) kill(orders[request.number].pid, SIGTERM);
        break;
    default: leave();
    }
    for (int index = 0; index < count; index++) close(descriptors[index]);
}

static void tell_ends(int signals)
{
    struct signalfd_siginfo signal;
    if (read(signals, &signal, sizeof signal) < 0 && errno != EAGAIN) leave();
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (uint32_t number = 0; number < order_count; number++)
            if (orders[number].pid == pid) {
                orders[number].pid = 0;
                tell_end(number, status);
            }
}

/* Fields: the descriptor over which it is told what to do (u32). */
void step_serve(struct fields *fields)
{
    control = (int)take_u32(fields);
    /* Whoever made it may have wanted it not to wait. */
    if (fcntl(control, F_SETFL, 0) != 0) give_up("serve");
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &ends, NULL) != 0) give_up("serve");
    int signals = signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < FIRST_FREE) give_up("serve");
    struct pollfd waiting[2] = {{.fd = control, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(waiting, 2, -1) < 0 && errno != EINTR) leave();
        /* First, so that an order whose end is waiting to be told can be started again. */
        if (waiting[1].revents != 0) tell_ends(signals);
        if (waiting[0].revents != 0) serve_request();
    }
}
