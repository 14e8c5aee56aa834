/*
 * Entry. The order is on standard input: its length (u32), then steps, each a kind (u32), a length (u32) and fields.
 * Numbers are little-endian, as the machine's. What comes on standard input later is the program's. With an argument it
 * does nothing: that is for trying whether a program can be started in a certain way at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

static void (*const steps[])(struct fields *) = {
    step_limit, step_keep_descriptors, step_open, step_connect, step_no_new_privileges, step_become,
    step_drop_capabilities, step_cgroup, step_enter, step_write, step_mount, step_bind, step_directory, step_pivot,
    step_unmount, step_landlock, step_allow_path, step_landlock_enforce, step_seccomp, step_execute, step_serve,
    step_unlink, step_remove_empty, step_remove_all, step_finish,
};

/* Of the step that is being taken, from 0. */
static int step_number = -1;

bool tell_failure(int fd, const char *what)
{
    int error = errno;
    char line[200];
    int length = snprintf(line, sizeof line,
                          "smolvm-vmm-failed: {\"stage\":\"launcher\",\"what\":\"%s\",\"step\":%d,\"errno\":%d}\n", what,
                          step_number, error);
    return write(fd, line, (size_t)length) == length;
}

_Noreturn void give_up(const char *what)
{
    /* Nobody else hears of it when this fails. */
    _exit(tell_failure(STDERR_FILENO, what) ? 1 : 2);
}

static void read_exactly(void *bytes, size_t length)
{
    unsigned char *next = bytes;
    while (length > 0) {
        ssize_t got = read(STDIN_FILENO, next, length);
        if (got < 0 && errno == EINTR) continue;
        /* The parent has ended, or had nothing to start after all. */
        if (got == 0) _exit(0);
        if (got < 0) give_up("read");
        next += got;
        length -= (size_t)got;
    }
}

static struct fields read_order(void)
{
    uint32_t length;
    read_exactly(&length, sizeof length);
    if (length > LONGEST_ORDER) {
        errno = EMSGSIZE;
        give_up("order");
    }
    /* Lives until the program takes this one's place. */
    unsigned char *bytes = malloc(length);
    if (bytes == NULL) give_up("memory");
    read_exactly(bytes, length);
    return (struct fields){bytes, length};
}

_Noreturn void take_steps(struct fields order)
{
    step_number = -1;
    while (order.left > 0) {
        step_number++;
        uint32_t kind = take_u32(&order);
        uint32_t length = take_u32(&order);
        struct fields fields = {take_bytes(&order, length), length};
        if (kind >= sizeof steps / sizeof steps[0]) {
            errno = ENOSYS;
            give_up("order");
        }
        steps[kind](&fields);
        take_end(&fields);
    }
    errno = ENOEXEC;
    give_up("order");
}

int main(int count, char **words)
{
    (void)words;
    if (count > 1) return 0;
    die_with_parent(getppid());
    take_steps(read_order());
}
