/* One loop over everything that can become ready. Few descriptors are open at a time, so poll() is enough. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

static struct source *sources;
static struct child *children;
/* What the current round looks at; a source that is removed meanwhile is taken out of it. */
static struct source **round_sources;
static struct pollfd *round_polls;
static size_t round_size, round_capacity;

void add_source(struct source *source)
{
    source->slot = -1;
    source->next = sources;
    sources = source;
}

void remove_source(struct source *source)
{
    UNLINK(sources, source);
    if (source->slot >= 0 && (size_t)source->slot < round_size && round_sources[source->slot] == source)
        round_sources[source->slot] = NULL;
    source->slot = -1;
}

void close_sources(void)
{
    for (struct source *source = sources; source != NULL; source = source->next) close_fd(&source->fd);
}

void add_child(struct child *child)
{
    child->next = children;
    children = child;
}

static void child_ended(pid_t pid, int status)
{
    for (struct child **link = &children; *link != NULL; link = &(*link)->next) {
        struct child *child = *link;
        if (child->pid != pid) continue;
        *link = child->next;
        child->ended(child, status);
        return;
    }
    /* An orphan that the kernel gave to the first process: reaping it was all. */
}

static void reap(struct source *source, short revents)
{
    struct signalfd_siginfo info;
    int status;
    (void)revents;
    (void)!read(source->fd, &info, sizeof info);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) child_ended(pid, status);
}

static void make_room(size_t needed)
{
    if (needed <= round_capacity) return;
    round_capacity = needed * 2;
    round_sources = realloc(round_sources, round_capacity * sizeof *round_sources);
    round_polls = realloc(round_polls, round_capacity * sizeof *round_polls);
    if (round_sources == NULL || round_polls == NULL) die("allocate the table of descriptors");
}

/* Returns whether some source wants to be called without waiting. */
static bool gather(void)
{
    bool hurry = false, room = wire_has_room();
    size_t count = 0;
    for (struct source *source = sources; source != NULL; source = source->next) count++;
    make_room(count);
    round_size = 0;
    for (struct source *source = sources; source != NULL; source = source->next) {
        source->slot = -1;
        if ((source->events == 0 && !source->always) || (source->needs_room && !room)) continue;
        if (source->always) hurry = true;
        source->slot = (int)round_size;
        round_polls[round_size] = (struct pollfd){.fd = source->fd, .events = source->events};
        round_sources[round_size++] = source;
    }
    return hurry;
}

_Noreturn void run_loop(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    /* Whoever runs it beside others, for tests, may ignore some; programs would inherit that. */
    for (int number = 1; getpid() != 1 && number < NSIG; number++) signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    struct source ends = {.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN, .ready = reap};
    if (ends.fd < 0) die("signalfd");
    add_source(&ends);
    for (size_t first = 0;; first++) {
        bool hurry = gather();
        flush_wire();
        if (poll(round_polls, round_size, hurry ? 0 : -1) < 0) continue;
        /* Each round starts with another one, so that none is always first to fill the wire. */
        for (size_t i = 0; i < round_size; i++) {
            size_t slot = (first + i) % round_size;
            struct source *source = round_sources[slot];
            if (source == NULL || (round_polls[slot].revents == 0 && !source->always)) continue;
            if (source->needs_room && !wire_has_room()) continue;
            source->ready(source, round_polls[slot].revents);
        }
        flush_wire();
    }
}
