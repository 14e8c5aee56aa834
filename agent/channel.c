#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "init.h"

/* One read of the relay: what the port's 32 KiB buffers and Bun's reads make worth while. */
#define RELAY_BYTES (128 * 1024)
#define ATTEMPTS 50

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

/* Finds the device of the virtio port with this name: /dev/vport0p1 or so, or false. */
static bool find_port(const char *name, char *device, size_t size)
{
    bool found = false;
    DIR *ports = opendir("/sys/class/virtio-ports");
    for (struct dirent *entry; !found && ports != NULL && (entry = readdir(ports)) != NULL;) {
        char path[512], text[128] = "";
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        if (length > 0 && text[length - 1] == '\n') text[length - 1] = '\0';
        found = strcmp(text, name) == 0;
        if (found) snprintf(device, size, "/dev/%s", entry->d_name);
    }
    if (ports != NULL) closedir(ports);
    return found;
}

/* Ports are announced by the host one after the other: each new node in /dev is a reason to look again. */
static int wait_for_port(const char *name)
{
    char device[300], events[4096];
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch >= 0) inotify_add_watch(watch, "/dev", IN_CREATE | IN_ATTRIB);
    for (;;) {
        if (find_port(name, device, sizeof device)) {
            int port = open(device, O_RDWR | O_CLOEXEC);
            if (port >= 0 || errno != ENOENT) {
                close(watch);
                return port;
            }
        }
        struct pollfd wait = {.fd = watch, .events = POLLIN};
        if (poll(&wait, 1, 10000) <= 0) break;
        while (read(watch, events, sizeof events) > 0) {}
    }
    close(watch);
    errno = ETIMEDOUT;
    return -1;
}

/* Ends the relay so that the agent sees the end too, although the other process still holds the socket. */
static _Noreturn void stop_relay(int agent)
{
    shutdown(agent, SHUT_RDWR);
    exit(0);
}

static void send_to_port(int port, int agent, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(port, bytes, length);
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = port, .events = POLLOUT};
            poll(&wait, 1, -1);
            if (wait.revents & (POLLHUP | POLLERR)) stop_relay(agent);
        } else if (errno != EINTR) {
            stop_relay(agent);
        }
    }
}

/* Host to agent: the driver hands out one page per read, so reads are gathered before the agent is woken. */
static _Noreturn void relay_from_port(int port, int agent, char *buffer)
{
    for (;;) {
        struct pollfd wait = {.fd = port, .events = POLLIN};
        if (poll(&wait, 1, -1) < 0) continue;
        size_t length = 0;
        while (length < RELAY_BYTES) {
            ssize_t received = read(port, buffer + length, RELAY_BYTES - length);
            if (received <= 0) break;
            length += (size_t)received;
        }
        if (length > 0 ? !write_all(agent, buffer, length) : (wait.revents & POLLHUP) != 0) stop_relay(agent);
    }
}

static _Noreturn void relay(const char *name, int agent)
{
    char *buffer = malloc(RELAY_BYTES);
    int port = wait_for_port(name);
    if (port < 0 || buffer == NULL) die("open virtio port %s", name);
    /*
     * The port reports end-of-file until the host's side is connected, but a blocking write waits for it: so the
     * agent's first words, its hello, go first.
     */
    ssize_t length = read(agent, buffer, RELAY_BYTES);
    if (length <= 0) exit(0);
    if (!write_all(port, buffer, (size_t)length)) die("write to virtio port %s", name);
    fcntl(port, F_SETFL, O_NONBLOCK);
    pid_t reader = fork();
    if (reader < 0) die("fork");
    if (reader == 0) relay_from_port(port, agent, buffer);
    while ((length = read(agent, buffer, RELAY_BYTES)) > 0) send_to_port(port, agent, buffer, (size_t)length);
    stop_relay(agent);
}

/* Bun reads a virtio port 4 KiB at a time on its thread pool; two processes in between are many times faster. */
static int start_relay(const char *name)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        close(pair[0]);
        prctl(PR_SET_NAME, "smolvm-relay");
        relay(name, pair[1]);
    }
    close(pair[1]);
    return pair[0];
}

int open_channel(const char *name)
{
    if (starts_with(name, "vsock:")) return connect_vsock((unsigned)strtoul(name + strlen("vsock:"), NULL, 10));
    if (starts_with(name, "virtio:")) return start_relay(name + strlen("virtio:"));
    say("unknown agent channel: %s", name);
    return -1;
}
