/* The byte pipe to the host. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define ATTEMPTS 50
/* A virtio-serial device has no more; a guest has one such device. */
#define MOST_PORTS 31

/* The device may appear a moment after this process; nothing announces an AF_VSOCK transport, so this tries again. */
static int connect_vsock(unsigned port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
    for (int attempt = 0;; attempt++) {
        int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
        int error = errno;
        if (fd >= 0) close(fd);
        bool temporary = error == ENODEV || error == ETIMEDOUT || error == ECONNRESET || error == EAFNOSUPPORT ||
                         error == EHOSTUNREACH || error == ENETUNREACH || error == EINTR;
        if (!temporary || attempt == ATTEMPTS) {
            say("connect to vsock port %u: %s", port, strerror(error));
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000L * (attempt < 10 ? 1 : 10)}, NULL);
    }
}

/* Opens the virtio port with this name; ENOENT as long as there is none. */
static int open_port(const char *name)
{
    char path[64], text[128];
    for (int number = 0; number < MOST_PORTS; number++) {
        snprintf(path, sizeof path, "/sys/class/virtio-ports/vport0p%d/name", number);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        if (length <= 0) continue;
        text[length - 1] = '\0'; /* a line feed */
        if (strcmp(text, name) != 0) continue;
        snprintf(path, sizeof path, "/dev/vport0p%d", number);
        return open(path, O_RDWR | O_CLOEXEC);
    }
    errno = ENOENT;
    return -1;
}

/* Ports are announced by the host one after the other: each new node in /dev is a reason to look again. */
static int wait_for_port(const char *name)
{
    char events[4096];
    /* It is there as a rule, and a watch takes milliseconds. */
    int port = open_port(name);
    if (port >= 0 || errno != ENOENT) return port;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0) inotify_add_watch(watch, "/dev", IN_CREATE | IN_ATTRIB);
    for (;;) {
        port = open_port(name);
        if (port >= 0 || errno != ENOENT) {
            close(watch);
            return port;
        }
        struct pollfd wait = {.fd = watch, .events = POLLIN};
        if (poll(&wait, 1, 10000) <= 0) break;
        while (read(watch, events, sizeof events) > 0) {}
    }
    close(watch);
    errno = ETIMEDOUT;
    return -1;
}

static int connect_local(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) close_fd(&fd);
    return fd;
}

/*
 * A virtio port reports end-of-file until the host's side is connected, but a blocking write waits for it: so the first
 * words, the hello, go out before the channel becomes one that does not block.
 */
int open_channel(const char *name, const uint8_t *first, size_t length)
{
    int fd;
    if (starts_with(name, "vsock:")) fd = connect_vsock((unsigned)strtoul(name + strlen("vsock:"), NULL, 10));
    else if (starts_with(name, "virtio:")) fd = wait_for_port(name + strlen("virtio:"));
    else fd = connect_local(name);
    if (fd < 0) die("open the channel %s", name);
    if (!write_all(fd, first, length)) die("write to the channel %s", name);
    return fd;
}
