/*
 * Verb fuse: a filesystem whose files are the host's (Linux, Documentation/filesystems/fuse). It is mounted in the
 * system's namespace; the kernel's requests go to the host as they come, and the host's replies to the kernel. Nothing
 * is understood here but lengths, and one question whose answer is known. When the stream ends, so does the
 * filesystem: whoever waits for it gets an error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent.h"

/*
 * A request or reply: 120 KiB of data, and what may be before them. The kernel is told so by the host. Less than half
 * of a window: a host grants what it has taken in halves, and until then that much is all the room that may be left.
 */
#define MOST (124 * 1024)
_Static_assert(MOST <= WINDOW / 2, "a request that a window may never have room for");
/* `struct fuse_out_header`: u32 length, s32 error, u64 unique. */
#define REPLY_HEADER 16
/* `struct fuse_in_header` (u32 length, u32 opcode, u64 unique, ...) and `struct fuse_getxattr_in`; then the name. */
#define BEFORE_ATTRIBUTE 48
#define FUSE_GETXATTR 22
/* Requests for which the loop is not asked in between. */
#define AT_ONCE 8

enum { PATH = 1, OPTIONS, MOUNT_FLAGS, FLAGS };
enum { IS_FILE = 1 };

struct fuse {
    struct source source;
    struct stream *stream;
    char *path;
    uint8_t *reply; /* one that has not come completely */
    size_t length;
    struct fuse *next;
};

static struct fuse *mounts;

/* Closing the device is what ends the filesystem; unmounting only takes its place away. */
static void close_fuse(struct fuse *fuse)
{
    UNLINK(mounts, fuse);
    remove_source(&fuse->source);
    close_fd(&fuse->source.fd);
    umount2(fuse->path, MNT_DETACH);
    free(fuse->path);
    free(fuse->reply);
    free(fuse);
}

static void end_fuse(struct fuse *fuse, const char *why)
{
    struct stream *stream = fuse->stream;
    close_fuse(fuse);
    if (why == NULL) finish(stream, NULL);
    else finish_refused(stream, "fuse.failed", why);
}

void end_all_fuse(void)
{
    while (mounts != NULL) end_fuse(mounts, NULL);
}

bool has_fuse(void)
{
    return mounts != NULL;
}

bool is_fuse(const char *path)
{
    for (const struct fuse *fuse = mounts; fuse != NULL; fuse = fuse->next)
        if (strcmp(fuse->path, path) == 0) return true;
    return false;
}

/* Gives the kernel a reply. Returns why it cannot get it; or NULL. */
static const char *deliver(const struct fuse *fuse, const uint8_t *reply, size_t length)
{
    uint64_t unique;
    memcpy(&unique, reply + 8, sizeof unique);
    /* A message of the host's own: the kernel may take locks for it that wait for this very process. */
    if (unique == 0) return "a message that is no reply";
    if (write(fuse->source.fd, reply, length) == (ssize_t)length) return NULL;
    /* ENOENT: whoever asked was killed meanwhile. */
    return errno == ENOENT || errno == EINTR ? NULL : "a reply that the kernel refuses";
}

/* ---- requests, to the host ---- */

/* A request is read as a whole, so there has to be room for the largest. */
static void update(struct fuse *fuse)
{
    fuse->source.events = *credit_of(fuse->stream, 0) >= MOST ? POLLIN : 0;
}

/*
 * Before each write, and each change of owners, the kernel asks whether the file is a program with capabilities. None
 * of the host's is: two of the five requests that write a small file anew need no journey there and back.
 */
static bool answer_here(const struct fuse *fuse, const uint8_t *request, size_t length)
{
    static const char capabilities[] = "security.capability";
    uint32_t opcode, reply[4] = {REPLY_HEADER, (uint32_t)-ENODATA};
    memcpy(&opcode, request + 4, sizeof opcode);
    if (opcode != FUSE_GETXATTR || length != BEFORE_ATTRIBUTE + sizeof capabilities) return false;
    if (memcmp(request + BEFORE_ATTRIBUTE, capabilities, sizeof capabilities) != 0) return false;
    memcpy(reply + 2, request + 8, sizeof(uint64_t));
    return deliver(fuse, (const uint8_t *)reply, sizeof reply) == NULL;
}

static void fuse_ready(struct source *source, short revents)
{
    static uint8_t request[MOST];
    struct fuse *fuse = (struct fuse *)source;
    size_t *credit = credit_of(fuse->stream, 0);
    (void)revents;
    for (int i = 0; i < AT_ONCE && *credit >= MOST && wire_has_room(); i++) {
        ssize_t got = read(source->fd, request, sizeof request);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (got < 0 && errno == ENOENT) continue; /* one that was given up meanwhile */
        if (got <= 0) {
            end_fuse(fuse, "the kernel has ended the filesystem");
            return;
        }
        if (answer_here(fuse, request, (size_t)got)) continue;
        for (size_t sent = 0; sent < (size_t)got;) {
            size_t part = (size_t)got - sent < MAX_DATA ? (size_t)got - sent : MAX_DATA;
            send_frame(DATA, 0, fuse->stream->id, request + sent, part);
            sent += part;
        }
        *credit -= (size_t)got;
    }
    update(fuse);
}

static void fuse_credit(struct stream *stream)
{
    update(stream->state);
}

/* ---- replies, from the host ---- */

/* In the byte order of this machine, which is the host's. */
static uint32_t length_of(const uint8_t *reply)
{
    uint32_t length;
    memcpy(&length, reply, sizeof length);
    return length;
}

static void fuse_data(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct fuse *fuse = stream->state;
    grant(stream, length);
    while (length > 0) {
        size_t wanted = REPLY_HEADER;
        if (fuse->length == 0 && length >= REPLY_HEADER) wanted = length_of(bytes);
        else if (fuse->length >= REPLY_HEADER) wanted = length_of(fuse->reply);
        if (wanted < REPLY_HEADER || wanted > MOST) {
            end_fuse(fuse, "a reply of an impossible length");
            return;
        }
        const char *wrong = NULL;
        size_t part = wanted - fuse->length < length ? wanted - fuse->length : length;
        if (fuse->length == 0 && part == wanted && part >= REPLY_HEADER && wanted == length_of(bytes)) {
            wrong = deliver(fuse, bytes, part);
        } else {
            if (fuse->reply == NULL) fuse->reply = allocate(MOST);
            memcpy(fuse->reply + fuse->length, bytes, part);
            fuse->length += part;
            if (fuse->length >= REPLY_HEADER && fuse->length == length_of(fuse->reply)) {
                fuse->length = 0;
                wrong = deliver(fuse, fuse->reply, length_of(fuse->reply));
            }
        }
        if (wrong != NULL) {
            end_fuse(fuse, wrong);
            return;
        }
        bytes += part;
        length -= part;
    }
}

static void fuse_end(struct stream *stream)
{
    end_fuse(stream->state, NULL);
}

/* ---- the verb ---- */

static const struct work fuse_work = {.data = fuse_data, .end = fuse_end, .cancel = fuse_end, .credit = fuse_credit};

static int mount_fuse(struct fuse *fuse, const char *options, unsigned long flags, bool is_file)
{
    char data[512];
    if (is_file ? make_missing_file(fuse->path, 0644) < 0 : make_directories(fuse->path, true, 0755) < 0) return -1;
    fuse->source.fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fuse->source.fd < 0) return fail("open /dev/fuse");
    int length = snprintf(data, sizeof data, "fd=%d,%s", fuse->source.fd, options);
    errno = EINVAL;
    if (length < 0 || (size_t)length >= sizeof data) return fail("mount options that are too long");
    return mount("smolvm", fuse->path, "fuse", flags, data) < 0 ? fail("mount %s", fuse->path) : 0;
}

void open_fuse(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    char *path = NULL, *options = NULL;
    unsigned long mount_flags = 0;
    unsigned flags = 0;
    while (next_field(&fields, &field)) {
        switch (field.tag) {
        case PATH: path = take_text(&fields, &field); break;
        case OPTIONS: options = take_text(&fields, &field); break;
        case MOUNT_FLAGS: mount_flags = take_int(&fields, &field, UINT32_MAX); break;
        case FLAGS: flags = (unsigned)take_int(&fields, &field, 1); break;
        default: fields.malformed = true;
        }
    }
    if (fields.malformed || path == NULL || path[0] != '/' || options == NULL) {
        finish_refused(stream, "agent.bad_request", "malformed request");
        return;
    }
    struct fuse *fuse = allocate(sizeof *fuse);
    *fuse = (struct fuse){.source = {.fd = -1, .needs_room = true, .ready = fuse_ready}, .stream = stream};
    fuse->path = strdup(path);
    if (fuse->path == NULL) die("keep a path");
    if (mount_fuse(fuse, options, mount_flags, flags & IS_FILE) < 0) {
        close_fd(&fuse->source.fd);
        free(fuse->path);
        free(fuse);
        finish_failed(stream, "fuse.failed");
        return;
    }
    fuse->next = mounts;
    mounts = fuse;
    add_source(&fuse->source);
    update(fuse);
    send_frame(ACCEPT, 0, stream->id, NULL, 0);
    set_work(stream, &fuse_work, fuse);
}
