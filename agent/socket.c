/* Verbs connect, listen and take: sockets of the guest, carried as streams. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"

enum { ROOT = 1, PATH, PORT, ADDRESS, MODE, UID, GID, REPLACE };
/* Connections that wait for the host to take them; more wait in the kernel's queue. */
#define MOST_PENDING 64

struct target {
    struct root *root;
    struct stream *stream;
    struct worker *worker;
    const char *code; /* of its failures */
    /* The socket. The loop does not look at it: as a source it is closed in workers that start while this one works. */
    struct source source;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    socklen_t length;
    bool has_mode, has_owner, replaces, cancelled;
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* ---- what was asked for ---- */

static bool set_path(struct target *target, const char *path)
{
    if (strlen(path) >= sizeof target->address.local.sun_path || path[0] != '/') return false;
    target->address.local.sun_family = AF_UNIX;
    strcpy(target->address.local.sun_path, path);
    target->length = sizeof target->address.local;
    return true;
}

static bool set_port(struct target *target, uint16_t port, const char *ip)
{
    if (inet_pton(AF_INET, ip, &target->address.in.sin_addr) == 1) {
        target->address.in.sin_family = AF_INET;
        target->address.in.sin_port = htons(port);
        target->length = sizeof target->address.in;
        return true;
    }
    if (inet_pton(AF_INET6, ip, &target->address.in6.sin6_addr) != 1) return false;
    target->address.in6.sin6_family = AF_INET6;
    target->address.in6.sin6_port = htons(port);
    target->length = sizeof target->address.in6;
    return true;
}

static bool parse(struct target *target, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    const char *path = NULL, *ip = "127.0.0.1";
    int port = -1;
    while (next_field(&fields, &field)) {
        switch (field.tag) {
        case ROOT:
            target->root = find_ready_root(take_text(&fields, &field));
            if (target->root == NULL) return false;
            break;
        case PATH: path = take_text(&fields, &field); break;
        case PORT: port = (int)take_int(&fields, &field, UINT16_MAX); break;
        case ADDRESS: ip = take_text(&fields, &field); break;
        case MODE:
            target->mode = (mode_t)take_int(&fields, &field, 0777);
            target->has_mode = true;
            break;
        case UID:
            target->uid = (uid_t)take_int(&fields, &field, UINT32_MAX - 1);
            target->has_owner = true;
            break;
        case GID:
            target->gid = (gid_t)take_int(&fields, &field, UINT32_MAX - 1);
            target->has_owner = true;
            break;
        case REPLACE: target->replaces = take_int(&fields, &field, 1) == 1; break;
        default: return false;
        }
    }
    if (fields.malformed || (path == NULL) == (port < 0)) return false;
    return path != NULL ? set_path(target, path) : set_port(target, (uint16_t)port, ip);
}

/* ---- the agent's side of a worker that connects or binds ---- */

/* Connecting to nowhere can take the kernel minutes. */
static void cancel_target(struct stream *stream)
{
    struct target *target = stream->state;
    target->cancelled = true;
    if (target->worker->child.pid > 0) kill(target->worker->child.pid, SIGKILL);
}

static const struct work target_work = {.cancel = cancel_target};

static bool enter(const struct target *target)
{
    return target->root == NULL || enter_root_namespaces(target->root) == 0;
}

/* In the worker, with the failure set if there was one. Once the agent has heard of it, it alone has the socket. */
static void tell(const struct target *target, bool done)
{
    static const struct builder empty;
    close(target->source.fd);
    if (done) report(RESULT, &empty);
    else report_failure(target->code);
}

static void start(struct stream *stream, uint8_t *payload, size_t length, const char *code, void (*work)(void *),
                  worker_done done)
{
    struct target *target = allocate(sizeof *target);
    target->stream = stream;
    target->code = code;
    target->source.fd = -1;
    errno = 0;
    if (!parse(target, payload, length)) {
        free(target);
        finish_refused(stream, "agent.bad_request", "malformed request, or no such root");
        return;
    }
    /* The worker's calls act on this very socket, wherever in the guest its path leads. */
    target->source.fd = socket(target->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_work(stream, &target_work, target);
    if (target->source.fd >= 0) target->worker = start_worker(0, -1, target, work, done);
    if (target->worker != NULL) {
        target->worker->root = target->root;
        add_source(&target->source);
        return;
    }
    if (target->source.fd < 0) fail("make a socket");
    close_fd(&target->source.fd);
    free(target);
    finish_failed(stream, code);
}

/* Ends a target whose work failed or is not wanted any more; false when it goes on. */
static bool given_up(struct target *target, int type, uint8_t *payload, size_t length)
{
    remove_source(&target->source);
    if (type == RESULT && !target->cancelled) return false;
    close_fd(&target->source.fd);
    if (target->cancelled) finish_refused(target->stream, target->code, "given up");
    else finish_with(target->stream, type, payload, length);
    free(target);
    return true;
}

/* ---- connect ---- */

static void do_connect(void *state)
{
    struct target *target = state;
    bool connected = enter(target) &&
                     (connect(target->source.fd, &target->address.any, target->length) == 0 || fail("connect") == 0);
    tell(target, connected);
}

static void connect_done(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct target *target = worker->state;
    if (given_up(target, type, payload, length)) return;
    carry_connection(target->stream, target->source.fd);
    free(target);
}

void open_connect(struct stream *stream, uint8_t *payload, size_t length)
{
    start(stream, payload, length, "connect.failed", do_connect, connect_done);
}

/* ---- listen and take ---- */

struct listener {
    struct source source;
    struct stream *stream;
};
struct pending {
    struct source source; /* as that of a target */
    uint32_t number;
    struct listener *listener;
    struct pending *next;
};

static struct pending *waiting;
static uint32_t last_connection;

static size_t count_pending(const struct listener *listener)
{
    size_t count = 0;
    for (struct pending *one = waiting; one != NULL; one = one->next)
        if (one->listener == listener) count++;
    return count;
}

static void connection_came(struct source *source, short revents)
{
    struct listener *listener = (struct listener *)source;
    (void)revents;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct pending *one = allocate(sizeof *one);
    *one = (struct pending){.source = {.fd = fd}, .number = ++last_connection, .listener = listener, .next = waiting};
    waiting = one;
    add_source(&one->source);
    struct builder *event = allocate(sizeof *event);
    put_int(event, 1, one->number);
    send_frame(EVENT, 0, listener->stream->id, event->bytes, event->length);
    free(event);
    if (count_pending(listener) == MOST_PENDING) source->events = 0;
}

static void cancel_listener(struct stream *stream)
{
    struct listener *listener = stream->state;
    remove_source(&listener->source);
    close_fd(&listener->source.fd);
    for (struct pending **link = &waiting; *link != NULL;) {
        struct pending *one = *link;
        if (one->listener != listener) {
            link = &one->next;
            continue;
        }
        *link = one->next;
        remove_source(&one->source);
        close(one->source.fd);
        free(one);
    }
    free(listener);
    finish(stream, NULL);
}

static const struct work listener_work = {.cancel = cancel_listener};

/* Of the socket itself: whoever may write to its directory can put something else, or a link, into its place. */
static int set_owner(const struct target *target)
{
    struct stat info;
    const char *path = target->address.local.sun_path;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    errno = fd < 0 ? errno : ENOTSOCK;
    bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) &&
                fchownat(fd, "", target->uid, target->gid, AT_EMPTY_PATH) == 0;
    int result = good ? 0 : fail("chown %s", path);
    close_fd(&fd);
    return result;
}

/* What a listener that is gone has left at the path; nothing but a socket gives way. */
static void remove_socket(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISSOCK(info.st_mode)) unlink(path);
}

static void do_listen(void *state)
{
    struct target *target = state;
    bool is_local = target->address.any.sa_family == AF_UNIX;
    int on = 1;
    bool bound = enter(target);
    if (!is_local) setsockopt(target->source.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (is_local && target->has_mode) {
        /* Given before there is a name, it is that of the name from its first moment. */
        umask(0);
        fchmod(target->source.fd, target->mode);
    }
    if (bound && is_local && target->replaces) remove_socket(target->address.local.sun_path);
    if (bound && (bind(target->source.fd, &target->address.any, target->length) < 0 ||
                  listen(target->source.fd, 128) < 0))
        bound = fail("listen") == 0;
    if (bound && is_local && target->has_owner) bound = set_owner(target) == 0;
    tell(target, bound);
}

static void listen_done(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct target *target = worker->state;
    if (given_up(target, type, payload, length)) return;
    struct listener *listener = allocate(sizeof *listener);
    fcntl(target->source.fd, F_SETFL, fcntl(target->source.fd, F_GETFL) | O_NONBLOCK);
    *listener = (struct listener){
        .source = {.fd = target->source.fd, .events = POLLIN, .ready = connection_came},
        .stream = target->stream,
    };
    add_source(&listener->source);
    set_work(target->stream, &listener_work, listener);
    send_frame(ACCEPT, 0, target->stream->id, NULL, 0);
    free(target);
}

void open_listen(struct stream *stream, uint8_t *payload, size_t length)
{
    start(stream, payload, length, "listen.failed", do_listen, listen_done);
}

void open_take(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    uint64_t number = 0;
    while (next_field(&fields, &field)) {
        if (field.tag == 1) number = take_int(&fields, &field, UINT32_MAX);
        else fields.malformed = true;
    }
    for (struct pending **link = &waiting; !fields.malformed && *link != NULL; link = &(*link)->next) {
        struct pending *one = *link;
        if (one->number != number) continue;
        *link = one->next;
        remove_source(&one->source);
        one->listener->source.events = POLLIN;
        carry_connection(stream, one->source.fd);
        free(one);
        return;
    }
    finish_refused(stream, "agent.bad_request", "no such connection waits");
}
