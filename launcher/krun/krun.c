/*
 * A program of its own, which the launcher becomes for the krun engine: it calls libkrun's functions as its arguments
 * say and so turns into the VM. What is called stands in src/engine/krun/calls.ts.
 *
 *     krun LIBRARY KVM [FUNCTION ARGUMENT... ;]...
 *
 * KVM is the descriptor at which /dev/kvm is open. An argument is a number (42, -1), a text (=text), bytes in hex (#0a1b), nothing (-), or the VM's handle (@), which
 * the first call returns. A negative result ends the program with a line that src/engine/failure.ts reads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST_ARGUMENTS 8

static int kvm = -1;

/*
 * libkrun opens the console's file and /dev/kvm and connects the agent's socket by name. Here all three are open already,
 * and nothing of the kind can be had by a name: the functions of the C library are these instead, for libkrun too, because
 * a program's own functions come before those of libraries. `fd:N` is descriptor N.
 */
static int descriptor_called(const char *name)
{
    if (strcmp(name, "/dev/kvm") == 0) return kvm;
    return strncmp(name, "fd:", 3) == 0 ? atoi(name + 3) : -1;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    int fd = descriptor_called(path);
    if (fd >= 0) return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_file(path, flags, mode);
}

/* What Rust's crate for KVM calls. On 64-bit systems the two are one. */
int open(const char *path, int flags, ...) __attribute__((alias("open64")));

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)length;
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;
    int given = address->sa_family == AF_UNIX ? descriptor_called(local->sun_path) : -1;
    if (given < 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    /* Once: a second connection would share the bytes of the first. */
    if (dup3(given, fd, O_CLOEXEC) < 0 || close(given) != 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    return 0;
}

static _Noreturn void give_up(const char *what, long result)
{
    dprintf(STDERR_FILENO, "smolvm-vmm-failed: {\"stage\":\"krun\",\"what\":\"%s\",\"errno\":%ld}\n", what, -result);
    exit(1);
}

/* In place: there is one byte for each two digits. */
static long bytes_of(char *hex)
{
    size_t count = strlen(hex) / 2;
    for (size_t index = 0; index < count; index++) {
        char digits[3] = {hex[2 * index], hex[2 * index + 1], 0};
        hex[index] = (char)strtoul(digits, NULL, 16);
    }
    return (long)hex;
}

static long value_of(char *word, long handle)
{
    switch (word[0]) {
    case '@': return handle;
    case '=': return (long)(word + 1);
    case '#': return bytes_of(word + 1);
    case '-':
        if (word[1] == 0) return 0;
        /* fall through */
    default: return strtol(word, NULL, 10);
    }
}

int main(int count, char **words)
{
    if (count < 3) give_up("arguments", -EINVAL);
    kvm = atoi(words[2]);
    void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        give_up("dlopen", -ENOENT);
    }
    long handle = -1;
    for (int at = 3; at < count; at++) {
        const char *name = words[at++];
        /* Integers of any width and pointers go the same way on x86-64 and arm64, up to eight of them. */
        int (*call)(long, long, long, long, long, long, long, long);
        *(void **)&call = dlsym(library, name);
        if (call == NULL) give_up(name, -ENOSYS);
        long values[MOST_ARGUMENTS] = {0};
        for (int index = 0; at < count && strcmp(words[at], ";") != 0; at++, index++) {
            if (index == MOST_ARGUMENTS) give_up(name, -E2BIG);
            values[index] = value_of(words[at], handle);
        }
        int result = call(values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]);
        if (result < 0) give_up(name, result);
        if (handle < 0) handle = result;
    }
    give_up("arguments", -EINVAL);
}
