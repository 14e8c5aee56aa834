/*
 * Verbs rest and entropy: a guest lets go of devices and waits, so that it can be saved, and goes on in other VMs, of
 * which each has devices and random numbers of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

/* More than a board has. */
#define MOST_DEVICES 32
/* The kernel's pool takes in 32 bytes; what is beyond is only mixed. */
#define MOST_ENTROPY 512

/* A device that has no driver meanwhile. */
struct released {
    char name[64];           /* as its bus has it */
    char driver[PATH_MAX];   /* the driver's directory */
};

static struct released *released;
static size_t released_count;
static bool resting;

/* The last component of a link's target. */
static int read_name(const char *link, char *name, size_t size)
{
    char target[PATH_MAX];
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return fail("read %s", link);
    target[length] = '\0';
    const char *last = strrchr(target, '/');
    last = last == NULL ? target : last + 1;
    errno = ENAMETOOLONG;
    if (strlen(last) >= size) return fail("read %s", link);
    memcpy(name, last, strlen(last) + 1);
    return 0;
}

static int bind_driver(const struct released *device, const char *how)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", device->driver, how);
    return write_file_at(AT_FDCWD, path, device->name) ? 0 : fail("%s %s", how, device->name);
}

/* Takes the driver away from what `class` names: "block/vda", "net/eth0". */
static int release(const char *class, struct released *device)
{
    char link[PATH_MAX];
    snprintf(link, sizeof link, "/sys/class/%s/device", class);
    if (read_name(link, device->name, sizeof device->name) < 0) return -1;
    snprintf(link, sizeof link, "/sys/class/%s/device/driver", class);
    if (realpath(link, device->driver) == NULL) return fail("find the driver of %s", class);
    return bind_driver(device, "unbind");
}

static bool is_class_path(const char *text)
{
    const char *slash = strchr(text, '/');
    return text[0] != '.' && slash != NULL && slash[1] != '.' && strchr(slash + 1, '/') == NULL && strlen(text) < 64;
}

static int release_all(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    bool idle = is_only_stream(stream) && !has_roots();
    while (next_field(&fields, &field) && !fields.malformed) {
        char *text = field.tag == 1 ? take_text(&fields, &field) : NULL;
        errno = 0;
        if (text == NULL || !is_class_path(text) || released_count == MOST_DEVICES) fields.malformed = true;
        else if (idle && release(text, &released[released_count]) == 0) released_count++;
        else if (idle) return -1;
    }
    errno = 0;
    if (fields.malformed) return fail("malformed request");
    return idle ? 0 : fail("there is work or a root");
}

/* What was released is taken again, in the same order: the kernel counts names (vda, vdb) by that. */
static void take_back(void)
{
    /* Without one of its devices the guest is not what its host takes it for: its end the host notices at once. */
    for (size_t i = 0; i < released_count; i++)
        if (bind_driver(&released[i], "bind") < 0) die("%s: %s", failure, strerror(failure_errno));
    free(released);
    released = NULL;
    released_count = 0;
}

void open_rest(struct stream *stream, uint8_t *payload, size_t length)
{
    if (released == NULL) released = allocate(MOST_DEVICES * sizeof *released);
    resting = release_all(stream, payload, length) == 0;
    if (resting) {
        finish(stream, NULL);
        return;
    }
    finish_failed(stream, "agent.rest_failed");
    take_back();
}

/* The answer went out before: what comes now is the first word of a host that may be another one. */
void end_rest(void)
{
    if (!resting) return;
    resting = false;
    long woken = milliseconds_since_boot();
    begin_connection();
    send_hello(woken);
    flush_wire(); /* it has more to do while the devices come */
    take_back();
}

void open_entropy(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    /* Its last array has no size. */
    static _Alignas(struct rand_pool_info) char space[sizeof(struct rand_pool_info) + MOST_ENTROPY];
    struct rand_pool_info *pool = (struct rand_pool_info *)space;
    pool->buf_size = 0;
    while (next_field(&fields, &field)) {
        if (field.tag != 1 || field.length > MOST_ENTROPY || pool->buf_size > 0) {
            fields.malformed = true;
            continue;
        }
        memcpy(pool->buf, field.value, field.length);
        pool->buf_size = (int)field.length;
    }
    if (fields.malformed || pool->buf_size == 0) {
        finish_refused(stream, "agent.bad_request", "malformed request");
        return;
    }
    pool->entropy_count = pool->buf_size * 8;
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    /* The second makes every processor forget what it had in stock. */
    bool done = fd >= 0 && ioctl(fd, RNDADDENTROPY, pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
    if (!done) fail("give entropy to the kernel");
    close_fd(&fd);
    explicit_bzero(space, sizeof space);
    if (done) finish(stream, NULL);
    else finish_failed(stream, "agent.entropy_failed");
}
