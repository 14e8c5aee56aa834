/* Verb watch: lack of memory in a root, and figures of memory and disks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent.h"

enum { ROOT = 1, INTERVAL, PATH };
enum { OUT_OF_MEMORY = 1, FIGURES = 2 };
#define MOST_PATHS 16
#define SHORTEST_INTERVAL 100
#define LONGEST_INTERVAL (24 * 3600 * 1000)

struct watch {
    struct stream *stream;
    struct source memory; /* memory.events of the root's cgroup */
    struct source timer;
    int cgroup;
    uint64_t kills;
    char *paths[MOST_PATHS];
    size_t path_count;
    char *root_name;        /* it may be gone when the next figures are due */
    struct worker *worker;  /* measures the filesystems */
    struct builder *figures; /* meanwhile, the rest of the event */
    bool ended;
    struct watch *next;
};

static struct watch *watches;

/* Reads a small file from its start. */
static const char *read_text(int fd)
{
    static char text[4096];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static const char *read_file_at(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return "";
    const char *text = read_text(fd);
    close(fd);
    return text;
}

/* The number behind a word at the start of a line. */
static uint64_t number_in(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, word, length) == 0) return strtoull(line + length, NULL, 10);
    }
    return 0;
}

uint64_t available_memory(void)
{
    return number_in(read_file_at(AT_FDCWD, "/proc/meminfo"), "MemAvailable:") * 1024;
}

static void send_event(const struct watch *watch, const struct builder *event)
{
    send_frame(EVENT, 0, watch->stream->id, event->bytes, event->length);
}

static void look_at_memory(struct watch *watch)
{
    /* Reading it is what makes the kernel ready to tell of the next change. */
    const char *text = read_text(watch->memory.fd);
    if (*text == '\0') {
        /* The root is gone, and its cgroup: from now on the kernel would tell of a change all the time. */
        remove_source(&watch->memory);
        close_fd(&watch->memory.fd);
        return;
    }
    uint64_t kills = number_in(text, "oom_kill ");
    if (kills <= watch->kills) return;
    watch->kills = kills;
    struct builder *event = allocate(sizeof *event);
    put_int(event, 1, OUT_OF_MEMORY);
    put_int(event, 2, kills);
    send_event(watch, event);
    free(event);
}

static void memory_changed(struct source *source, short revents)
{
    (void)revents;
    look_at_memory((struct watch *)((char *)source - offsetof(struct watch, memory)));
}

void tell_lack_of_memory(void)
{
    for (struct watch *watch = watches; watch != NULL; watch = watch->next)
        if (watch->memory.fd >= 0) look_at_memory(watch);
}

/* In a worker: a filesystem of the root may well be a program of the workload, which never answers. */
static void measure_disks(void *state)
{
    static struct builder disks;
    static uint8_t bytes[16 + PATH_MAX];
    const struct watch *watch = state;
    struct statvfs info;
    const struct root *root = watch->root_name == NULL ? NULL : find_root(watch->root_name);
    bool there = watch->root_name == NULL || (root != NULL && enter_root_namespaces(root) == 0);
    for (size_t i = 0; there && i < watch->path_count; i++) {
        size_t length = strlen(watch->paths[i]);
        if (length >= PATH_MAX || statvfs(watch->paths[i], &info) < 0) continue;
        put64(bytes, (uint64_t)info.f_blocks * info.f_frsize);
        put64(bytes + 8, (uint64_t)info.f_bavail * info.f_frsize);
        memcpy(bytes + 16, watch->paths[i], length);
        put_field(&disks, 8, bytes, 16 + length);
    }
    report(RESULT, &disks);
}

static void free_watch(struct watch *watch)
{
    for (size_t i = 0; i < watch->path_count; i++) free(watch->paths[i]);
    free(watch->root_name);
    free(watch->figures);
    free(watch);
}

static void disks_measured(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct watch *watch = worker->state;
    struct field field;
    struct fields fields = fields_of(payload, type == RESULT ? length : 0);
    watch->worker = NULL;
    if (watch->ended) {
        free_watch(watch);
        return;
    }
    while (next_field(&fields, &field)) put_field(watch->figures, field.tag, field.value, field.length);
    send_event(watch, watch->figures);
    free(watch->figures);
    watch->figures = NULL;
}

static void time_came(struct source *source, short revents)
{
    struct watch *watch = (struct watch *)((char *)source - offsetof(struct watch, timer));
    uint64_t times;
    (void)revents;
    if (read(source->fd, &times, sizeof times) < 0) return;
    if (watch->worker != NULL) return; /* the last figures are not out yet */
    struct builder *event = allocate(sizeof *event);
    const char *memory = read_file_at(AT_FDCWD, "/proc/meminfo");
    put_int(event, 1, FIGURES);
    put_int(event, 3, number_in(memory, "MemTotal:") * 1024);
    put_int(event, 4, number_in(memory, "MemAvailable:") * 1024);
    if (watch->cgroup >= 0) {
        put_int(event, 5, strtoull(read_file_at(watch->cgroup, "memory.current"), NULL, 10));
        put_int(event, 6, number_in(read_file_at(watch->cgroup, "cpu.stat"), "usage_usec "));
        put_int(event, 7, strtoull(read_file_at(watch->cgroup, "pids.current"), NULL, 10));
    }
    watch->figures = event;
    if (watch->path_count > 0) watch->worker = start_worker(0, -1, watch, measure_disks, disks_measured);
    if (watch->worker != NULL) {
        watch->worker->root = watch->root_name == NULL ? NULL : find_root(watch->root_name);
        return;
    }
    send_event(watch, event);
    free(event);
    watch->figures = NULL;
}

static void end_watch(struct watch *watch)
{
    UNLINK(watches, watch);
    struct source *all[] = {&watch->memory, &watch->timer};
    for (int i = 0; i < 2; i++) {
        if (all[i]->fd < 0) continue;
        remove_source(all[i]);
        close_fd(&all[i]->fd);
    }
    close_fd(&watch->cgroup);
    watch->ended = true;
    if (watch->worker == NULL) free_watch(watch);
    else if (watch->worker->child.pid > 0) kill(watch->worker->child.pid, SIGKILL);
}

static void cancel_watch(struct stream *stream)
{
    end_watch(stream->state);
    finish(stream, NULL);
}

static const struct work watch_work = {.cancel = cancel_watch};

static void watch_memory(struct watch *watch)
{
    int fd = watch->cgroup < 0 ? -1 : openat(watch->cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return; /* a kernel without the controller has nothing to tell */
    watch->memory = (struct source){.fd = fd, .events = POLLPRI, .ready = memory_changed};
    watch->kills = number_in(read_text(fd), "oom_kill ");
    add_source(&watch->memory);
}

static bool watch_time(struct watch *watch, uint64_t milliseconds)
{
    struct timespec interval = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    struct itimerspec times = {.it_interval = interval, .it_value = {.tv_nsec = 1}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return false;
    watch->timer = (struct source){.fd = fd, .events = POLLIN, .ready = time_came};
    add_source(&watch->timer);
    return timerfd_settime(fd, 0, &times, NULL) == 0;
}

void open_watch(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    struct root *root = NULL;
    uint64_t interval = 0;
    bool good = true;
    struct watch *watch = allocate(sizeof *watch);
    watch->stream = stream;
    watch->cgroup = watch->memory.fd = watch->timer.fd = -1;
    while (good && next_field(&fields, &field)) {
        switch (field.tag) {
        case ROOT:
            root = find_root(take_text(&fields, &field));
            good = root != NULL && root->cgroup >= 0;
            break;
        case INTERVAL: interval = take_int(&fields, &field, LONGEST_INTERVAL); break;
        case PATH:
            good = watch->path_count < MOST_PATHS;
            if (good) watch->paths[watch->path_count++] = strdup(take_text(&fields, &field));
            break;
        default: good = false;
        }
    }
    if (root != NULL) watch->root_name = strdup(root->name);
    if (root != NULL) watch->cgroup = fcntl(root->cgroup, F_DUPFD_CLOEXEC, 0);
    if (interval > 0 && interval < SHORTEST_INTERVAL) interval = SHORTEST_INTERVAL;
    errno = 0;
    if (!good || fields.malformed || (interval > 0 && !watch_time(watch, interval))) {
        end_watch(watch);
        fail("malformed request, or no such root");
        finish_failed(stream, "agent.bad_request");
        return;
    }
    watch->next = watches;
    watches = watch;
    set_work(stream, &watch_work, watch);
    watch_memory(watch);
    send_frame(ACCEPT, 0, stream->id, NULL, 0);
}
