/* Verbs root, steps and drop: named places for workloads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <poll.h>

#include "agent.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#define DEVPTS_MAGIC 0x1cd1

enum { NAME = 1, HOSTNAME, STEP, CGROUP, KEPT_MEMORY, HOME };

static struct root *roots;
static struct source beside = {.fd = -1};
static void (*all_ended)(void);

/* ---- which roots there are ---- */

struct root *find_root(const char *name)
{
    for (struct root *root = roots; root != NULL; root = root->next)
        if (strcmp(root->name, name) == 0) return root;
    return NULL;
}

bool has_roots(void)
{
    return roots != NULL || beside.fd >= 0;
}

bool root_is_ending(const struct root *root)
{
    return root->dropping != NULL || all_ended != NULL;
}

struct root *find_ready_root(const char *name)
{
    struct root *root = find_root(name);
    return root != NULL && root->state == ROOT_READY && !root_is_ending(root) ? root : NULL;
}

bool root_is_ready(const struct root *root)
{
    return root->state == ROOT_READY && beside.fd < 0;
}

static void free_root(struct root *root)
{
    UNLINK(roots, root);
    /* Of a root that could not be made, they may still be about to end. */
    forget_workers(root);
    if (root->home_name[0] != '\0') unlinkat(root->cgroup, root->home_name, AT_REMOVEDIR);
    /* With the last descriptor goes the mount namespace, and with that its mounts. */
    int *all[] = {&root->mount, &root->uts,       &root->ipc,    &root->cgroup_namespace,
                  &root->pids,  &root->terminals, &root->cgroup, &root->home};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) close_fd(all[i]);
    char path[128];
    snprintf(path, sizeof path, CGROUP_DIR "/%s", root->name);
    rmdir(path);
    free(root);
}

static void resume_waiting(struct root *root)
{
    while (root->waiting != NULL) {
        struct request *request = root->waiting;
        root->waiting = request->next;
        resume_request(request, root);
    }
}

static void beside_changed(struct source *source, short revents)
{
    char none;
    (void)revents;
    if (read(source->fd, &none, 1) < 0 && (errno == EINTR || errno == EAGAIN)) return;
    remove_source(source);
    close_fd(&source->fd);
    for (struct root *root = roots; root != NULL; root = root->next)
        if (root->state == ROOT_READY) resume_waiting(root);
}

/* A program may look only once how many processors there are, so it starts when all of them run. */
static void start_processors(void)
{
    int fd = start_beside();
    if (fd < 0) return;
    beside = (struct source){.fd = fd, .events = POLLIN, .ready = beside_changed};
    add_source(&beside);
}

int enter_root_namespaces(const struct root *root)
{
    if (setns(root->mount, CLONE_NEWNS) < 0 || setns(root->uts, CLONE_NEWUTS) < 0 ||
        setns(root->ipc, CLONE_NEWIPC) < 0 || setns(root->cgroup_namespace, CLONE_NEWCGROUP) < 0)
        return fail("enter the root's namespaces");
    return 0;
}

/* ---- making one ---- */

struct plan {
    struct root *root;
    struct stream *stream;
    uint8_t *payload;
    size_t length;
    char *hostname;
};

static void free_plan(struct plan *plan)
{
    free(plan->payload);
    free(plan);
}

/* The descriptor of the root's own terminals, for the agent to copy: 0 when the root has none. */
static int find_terminals(void)
{
    struct statfs info;
    int fd = open("/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstatfs(fd, &info) == 0 && info.f_type == DEVPTS_MAGIC) return fd;
    if (fd >= 0) close(fd);
    return 0;
}

static int prepare_root(const struct plan *plan, struct builder *notes, int *failed_step)
{
    /* As root of its cgroup namespace the workload sees its own cgroup, and nothing above it. */
    if (syscall(SYS_unshare, CLONE_NEWCGROUP) < 0) return fail("make a cgroup namespace");
    /* Nothing that is mounted here may show outside, and the other way round. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail("make mounts private");
    if (sethostname(plan->hostname, strlen(plan->hostname)) < 0) return fail("set the hostname");
    return run_steps(plan->payload, plan->length, NULL, notes, failed_step);
}

/* In the maker's process. It waits for its end: the agent still has to look at its namespaces. */
static void make_root(void *state)
{
    static struct builder notes;
    int failed_step = -1;
    umask(0);
    if (prepare_root(state, &notes, &failed_step) < 0) {
        report_step_failure(failed_step);
        return;
    }
    uint8_t terminals[4];
    put32(terminals, (uint32_t)find_terminals());
    put_field(&notes, 255, terminals, sizeof terminals);
    report(RESULT, &notes);
    for (;;) pause();
}

static int open_namespace(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fail("open %s", path) : fd;
}

/* Bytes of the maker's last field, which is not the host's: the descriptor of the terminals. */
#define TERMINALS_FIELD 8

/* Takes over what the maker has made. */
static int adopt(struct root *root, pid_t pid, uint8_t *payload, size_t *length)
{
    *length -= TERMINALS_FIELD;
    int remote = (int)get32(payload + *length + 4);
    if (remote > 0) {
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
        root->terminals = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, remote, 0u);
        if (pidfd >= 0) close(pidfd);
        if (root->terminals < 0) return fail("take over the root's terminals");
    }
    if ((root->mount = open_namespace(pid, "mnt")) < 0 || (root->uts = open_namespace(pid, "uts")) < 0 ||
        (root->ipc = open_namespace(pid, "ipc")) < 0 || (root->cgroup_namespace = open_namespace(pid, "cgroup")) < 0)
        return -1;
    return 0;
}

static void root_failed(struct root *root, struct stream *stream, const char *code)
{
    root->state = ROOT_FAILED;
    snprintf(root->failure, sizeof root->failure, "%s", failure);
    if (code != NULL) finish_failed(stream, code);
    resume_waiting(root);
}

/* The text of a failure, for those who wait for the root. */
static void read_failure(uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    errno = 0;
    fail("the root could not be made");
    while (next_field(&fields, &field))
        if (field.tag == 2) snprintf(failure, sizeof failure, "%.*s", (int)field.length, (char *)field.value);
}

static void root_made(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct plan *plan = worker->state;
    struct root *root = plan->root;
    struct stream *stream = plan->stream;
    free_plan(plan);
    errno = 0;
    if (type != RESULT) {
        finish_with(stream, type, payload, length);
        read_failure(payload, length);
        root_failed(root, stream, NULL);
    } else if (adopt(root, worker->child.pid, payload, &length) < 0) {
        root_failed(root, stream, "step.failed");
    } else {
        root->state = ROOT_READY;
        finish_with(stream, RESULT, payload, length);
        if (root_is_ready(root)) resume_waiting(root);
    }
}

static bool is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && length <= 64 && name[length] == '\0';
}

void open_root(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    char *name = NULL, *home = NULL, *values[32];
    size_t count = 0;
    uint64_t kept = 0;
    struct plan *plan = allocate(sizeof *plan);
    plan->payload = allocate(length + 1);
    memcpy(plan->payload, payload, length);
    plan->length = length;
    plan->hostname = "localhost";
    plan->stream = stream;
    /* Taking a text changes the payload; the maker reads its own, and starts before this one is gone. */
    struct fields fields = fields_of(payload, length);
    bool good = true;
    while (good && next_field(&fields, &field)) {
        switch (field.tag) {
        case NAME: name = take_text(&fields, &field); break;
        case HOSTNAME: plan->hostname = take_text(&fields, &field); break;
        case STEP: break;
        case CGROUP:
            good = count < sizeof values / sizeof values[0];
            if (good) values[count++] = take_text(&fields, &field);
            break;
        case KEPT_MEMORY: kept = take_int(&fields, &field, UINT64_MAX); break;
        case HOME: home = take_text(&fields, &field); break;
        default: good = false;
        }
    }
    if (!good || fields.malformed || name == NULL || !is_name(name) || (home != NULL && !is_name(home))) {
        free_plan(plan);
        finish_refused(stream, "agent.bad_request", "malformed request");
        return;
    }
    struct root *root = find_root(name);
    if (root != NULL && root->state == ROOT_FAILED && root->dropping == NULL) {
        free_root(root);
        root = NULL;
    }
    if (root != NULL || all_ended != NULL) {
        free_plan(plan);
        if (root != NULL) finish_refused(stream, "root.exists", "there is a root of that name");
        else finish_refused(stream, "agent.bad_request", "the guest is shutting down");
        return;
    }
    root = allocate(sizeof *root);
    root->mount = root->uts = root->ipc = root->cgroup_namespace = -1;
    root->pids = root->terminals = root->cgroup = root->home = -1;
    snprintf(root->name, sizeof root->name, "%s", name);
    if (home != NULL) snprintf(root->home_name, sizeof root->home_name, "%s", home);
    root->next = roots;
    roots = root;
    plan->root = root;
    struct worker *maker = NULL;
    if (make_root_cgroup(root, values, count, kept) == 0) {
        start_processors();
        maker = start_worker(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, root->cgroup, plan, make_root, root_made);
    }
    if (maker != NULL) {
        maker->root = root;
        return;
    }
    free_plan(plan);
    root_failed(root, stream, "step.failed");
}

/* ---- the end of roots ---- */

static void kill_root(const struct root *root)
{
    if (root->cgroup >= 0) write_file_at(root->cgroup, "cgroup.kill", "1");
    kill_workers(root);
}

void kill_all_roots(void)
{
    for (struct root *root = roots; root != NULL; root = root->next) kill_root(root);
}

/* Then nothing but the root itself keeps its mounts. */
static bool is_empty(const struct root *root)
{
    return !has_workers(root) && !has_processes(root);
}

void root_process_ended(void)
{
    for (struct root *root = roots, *next; root != NULL; root = next) {
        next = root->next;
        if (root->dropping == NULL || !is_empty(root)) continue;
        struct stream *stream = root->dropping;
        free_root(root);
        finish(stream, NULL);
    }
    if (all_ended == NULL) return;
    for (struct root *root = roots; root != NULL; root = root->next)
        if (!is_empty(root)) return;
    void (*done)(void) = all_ended;
    all_ended = NULL;
    while (roots != NULL) free_root(roots);
    done();
}

void open_drop(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    const char *name = NULL;
    bool good = true;
    while (good && next_field(&fields, &field)) {
        if (field.tag == NAME) name = take_text(&fields, &field);
        else good = false;
    }
    if (!good || fields.malformed || name == NULL) {
        finish_refused(stream, "agent.bad_request", "malformed request");
        return;
    }
    struct root *root = find_root(name);
    if (root == NULL || root_is_ending(root)) {
        finish_refused(stream, "exec.no_root", "there is no such root");
        return;
    }
    root->dropping = stream;
    kill_root(root);
    resume_waiting(root);
    root_process_ended();
}

void end_all_roots(void (*done)(void))
{
    all_ended = done;
    kill_all_roots();
    for (struct root *root = roots; root != NULL; root = root->next) resume_waiting(root);
    root_process_ended();
}
