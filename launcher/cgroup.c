/* A cgroup (version 2) for the confined process, which only the process outside can name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher.h"

/* Who removes empty cgroups that others have left may take one between its making and its use. */
#define MOST_ATTEMPTS 16

static const char *directory;
/* Pairs of texts: names of files in the directory, and what is written to them. */
static struct fields limits;
static uint32_t limit_count;

/* Fields: directory, how many limits (u32), each a file's name and a text. */
void step_cgroup(struct fields *fields)
{
    directory = take_text(fields);
    limit_count = take_u32(fields);
    limits = *fields;
    for (uint32_t left = 2 * limit_count; left > 0; left--) take_text(fields);
}

static int write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written == (ssize_t)strlen(text) ? 0 : -1;
}

static int try_to_enter(const char *pid)
{
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) return -1;
    struct fields rest = limits;
    for (uint32_t left = limit_count; left > 0; left--) {
        const char *name = take_text(&rest), *text = take_text(&rest);
        if (write_file(name, text) != 0) return -1;
    }
    return write_file("cgroup.procs", pid);
}

void enter_cgroup(pid_t pid)
{
    if (directory == NULL) return;
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        if (try_to_enter(text) == 0) return;
        if (errno != ENOENT && errno != ENODEV) break;
    }
    int error = errno;
    /* Which would have something to say of this process's end. */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    leave_cgroup();
    errno = error;
    give_up("cgroup");
}

/* One that is in use stays: for who removes what was left. */
void leave_cgroup(void)
{
    if (directory != NULL) rmdir(directory);
}
