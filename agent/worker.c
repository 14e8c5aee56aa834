/*
 * Work that may block (disks, mounts, connections), in a process of its own. It shares nothing with the agent but
 * namespaces and the descriptors that it inherits, and reports once: a frame type, a payload.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent.h"

/* Of an answer, before its payload. */
#define ANSWER_HEAD 5

/* In the child: where to report. */
static int report_to = -1;

static struct worker *workers;

bool has_workers(const struct root *root)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->root != NULL && worker->root == root) return true;
    return false;
}

void kill_workers(const struct root *root)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->root != NULL && (root == NULL || worker->root == root) && !worker->exited)
            kill(worker->child.pid, SIGKILL);
}

void forget_workers(const struct root *root)
{
    for (struct worker *worker = workers; worker != NULL; worker = worker->next)
        if (worker->root == root) worker->root = NULL;
}

/* Whoever kills it may do so in the middle of its report. */
static bool has_whole_answer(const struct worker *worker)
{
    return worker->length >= ANSWER_HEAD && get32(worker->answer + 1) == worker->length - ANSWER_HEAD;
}

static void answer(struct worker *worker)
{
    worker_done done = worker->done;
    worker->done = NULL;
    if (has_whole_answer(worker)) {
        done(worker, worker->answer[0], worker->answer + ANSWER_HEAD, worker->length - ANSWER_HEAD);
        return;
    }
    struct builder failed = {0};
    errno = 0;
    fail("the agent's worker ended unexpectedly");
    put_failure(&failed, "internal");
    done(worker, FAIL, failed.bytes, failed.length);
}

static void settle(struct worker *worker)
{
    if (!worker->reported) return;
    if (worker->done != NULL) answer(worker);
    if (!worker->exited) {
        /* It may wait for its end, so that its namespaces can be looked at until here. */
        kill(worker->child.pid, SIGKILL);
        return;
    }
    UNLINK(workers, worker);
    free(worker);
    root_process_ended();
}

static void report_ready(struct source *source, short revents)
{
    struct worker *worker = (struct worker *)((char *)source - offsetof(struct worker, source));
    (void)revents;
    size_t room = sizeof worker->answer - worker->length;
    ssize_t got = room == 0 ? 0 : read(source->fd, worker->answer + worker->length, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got > 0) {
        worker->length += (size_t)got;
        return;
    }
    remove_source(source);
    close_fd(&source->fd);
    worker->reported = true;
    settle(worker);
}

static void worker_ended(struct child *child, int status)
{
    struct worker *worker = (struct worker *)child;
    (void)status;
    worker->exited = true;
    worker->child.pid = 0;
    /* What it reported, or that it did not, comes with the end of its pipe. */
    if (worker->reported) settle(worker);
}

struct worker *start_worker(uint64_t flags, int cgroup, void *state, void (*work)(void *state), worker_done done)
{
    int ends[2] = {-1, -1};
    struct worker *worker = allocate(sizeof *worker);
    worker->state = state;
    worker->done = done;
    worker->child.ended = worker_ended;
    errno = 0;
    worker->child.pid = pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : clone_into(flags, cgroup);
    if (worker->child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "smolvm-worker");
        /* It may need much memory, for an image that was made to cost much: then it can be killed, unlike the agent. */
        write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "0");
        /* Pipes of other work must not stay open for as long as this takes. */
        close_sources();
        close(ends[0]);
        report_to = ends[1];
        fcntl(report_to, F_SETFL, 0);
        work(state);
        _exit(0);
    }
    if (worker->child.pid < 0) {
        fail("start a worker");
        close_fd(&ends[0]);
        close_fd(&ends[1]);
        free(worker);
        return NULL;
    }
    close(ends[1]);
    worker->source = (struct source){.fd = ends[0], .events = POLLIN, .ready = report_ready};
    add_source(&worker->source);
    add_child(&worker->child);
    worker->next = workers;
    workers = worker;
    return worker;
}

void report(int type, const struct builder *payload)
{
    uint8_t head[ANSWER_HEAD] = {(uint8_t)type};
    put32(head + 1, (uint32_t)payload->length);
    if (write_all(report_to, head, sizeof head)) write_all(report_to, payload->bytes, payload->length);
    close_fd(&report_to);
}

void report_failure(const char *code)
{
    static struct builder builder;
    builder.length = 0;
    put_failure(&builder, code);
    report(FAIL, &builder);
}
