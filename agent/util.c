#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

char failure[512];
int failure_errno;
bool in_child;

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("smolvm: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

_Noreturn void die(const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    fputs("smolvm: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, ": %s\n", strerror(error));
    power_off();
}

int fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    size_t length = (size_t)vsnprintf(failure, sizeof failure, format, arguments);
    va_end(arguments);
    if (error != 0 && length < sizeof failure)
        snprintf(failure + length, sizeof failure - length, ": %s", strerror(error));
    failure_errno = error;
    errno = error;
    return -1;
}

void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) die("allocate %zu bytes", size);
    return memory;
}

bool write_all(int fd, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t written = write(fd, next, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        next += written;
        length -= (size_t)written;
    }
    return true;
}

bool write_file_at(int directory, const char *path, const char *text)
{
    int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write_all(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written;
}

pid_t clone_into(uint64_t flags, int cgroup)
{
    struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) in_child = true;
    return pid;
}

bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void remove_tree(int at, const char *name, int levels_left)
{
    if (unlinkat(at, name, 0) == 0 || levels_left == 0) return;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        close_fd(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(dirfd(entries), entry->d_name, levels_left - 1);
    closedir(entries);
    unlinkat(at, name, AT_REMOVEDIR);
}
