#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "launcher.h"

/* Descriptors, arguments and variables that an order may name. */
#define MOST_WORDS 4096

void die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up("pdeathsig");
    /* It may have ended before this process asked to be told. */
    if (getppid() != parent) _exit(1);
    umask(077);
    if (chdir("/") != 0) give_up("chdir");
}

/* Fields: resource (u32), soft and hard limit (u64). */
void step_limit(struct fields *fields)
{
    int resource = (int)take_u32(fields);
    struct rlimit wanted = {.rlim_cur = take_u64(fields), .rlim_max = take_u64(fields)}, current;
    if (getrlimit(resource, &current) != 0) give_up("limit");
    /* Only down: what the user's own limits forbid stays forbidden. */
    if (wanted.rlim_max > current.rlim_max) wanted.rlim_max = current.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
    if (setrlimit(resource, &wanted) != 0) give_up("limit");
}

void close_descriptors(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
    /* Before Linux 5.9. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) give_up("descriptors");
    for (unsigned fd = first; fd <= last && fd < files.rlim_max; fd++) close((int)fd);
}

/* Fields: how many (u32), then descriptors (u32), ascending. All others are closed. */
void step_keep_descriptors(struct fields *fields)
{
    unsigned first = 0;
    for (uint32_t left = take_u32(fields); left > 0; left--) {
        uint32_t fd = take_u32(fields);
        if (fd > first) close_descriptors(first, fd - 1);
        first = fd + 1;
    }
    close_descriptors(first, ~0u);
}

static void move_descriptor(int fd, int wanted)
{
    if (fd == wanted) return;
    if (dup2(fd, wanted) < 0) give_up("descriptors");
    close(fd);
}

/* Fields: descriptor (u32), path. Opens a file for reading and writing, which the program finds as that descriptor. */
void step_open(struct fields *fields)
{
    int wanted = (int)take_u32(fields);
    int fd = open(take_text(fields), O_RDWR);
    if (fd < 0) give_up("open");
    move_descriptor(fd, wanted);
}

/* Fields: descriptor (u32), path. Connects a Unix stream socket, which the program finds as that descriptor. */
void step_connect(struct fields *fields)
{
    int wanted = (int)take_u32(fields);
    const char *path = take_text(fields);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        give_up("connect");
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) give_up("connect");
    move_descriptor(fd, wanted);
}

void step_no_new_privileges(struct fields *fields)
{
    (void)fields;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
}

static void empty_bounding_set(void)
{
    /* Without CAP_SETPCAP (a user's process outside of any namespace of its own) there is nothing to take away. */
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) != 0 && errno != EPERM) give_up("capabilities");
}

/* Fields: user (u32), who is the group, too, and in no other. For root, who becomes somebody to whom nothing belongs. */
void step_become(struct fields *fields)
{
    uid_t user = take_u32(fields);
    empty_bounding_set();
    if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)
        give_up("user");
    /* Who becomes somebody else is not told of its parent's end any more; it may have ended in the meantime. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up("pdeathsig");
    if (warden_link >= 0) report_to_warden(-1);
}

/* From now on this process has no privilege and gets none by execve, whoever it runs as. */
void step_drop_capabilities(struct fields *fields)
{
    (void)fields;
    empty_bounding_set();
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) give_up("capabilities");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &header, none) != 0) give_up("capabilities");
}

static char **take_words(struct fields *fields)
{
    uint32_t count = take_u32(fields);
    if (count > MOST_WORDS) {
        errno = E2BIG;
        give_up("order");
    }
    char **words = calloc(count + 1, sizeof *words);
    if (words == NULL) give_up("memory");
    for (uint32_t index = 0; index < count; index++) words[index] = (char *)take_text(fields);
    return words;
}

/* Fields: path, arguments and variables, each as a number (u32) and texts. */
void step_execute(struct fields *fields)
{
    const char *path = take_text(fields);
    char **arguments = take_words(fields);
    char **variables = take_words(fields);
    take_end(fields);
    execve(path, arguments, variables);
    give_up("execve");
}
