#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"

/* struct landlock_ruleset_attr of Linux 6.12, whatever the headers of the machine that compiles this know. */
struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

/* Rights that a rule about a file that is no directory may have. */
#define FILE_RIGHTS                                                                                                    \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | 1ULL << 14 /* truncate */ \
     | 1ULL << 15 /* ioctl_dev */)

static int rules = -1;

/*
 * Fields: rights of files and of the network that are refused unless a rule allows them, and what stays inside (u64
 * each), bytes of the structure that this kernel knows (u32).
 */
void step_landlock(struct fields *fields)
{
    struct ruleset ruleset = {.handled_access_fs = take_u64(fields)};
    ruleset.handled_access_net = take_u64(fields);
    ruleset.scoped = take_u64(fields);
    size_t size = take_u32(fields);
    if (size > sizeof ruleset) {
        errno = E2BIG;
        give_up("landlock");
    }
    rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    if (rules < 0) give_up("landlock");
}

/* Fields: rights (u64), path, whether the path may be missing (u32). */
void step_allow_path(struct fields *fields)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = take_u64(fields)};
    const char *path = take_text(fields);
    int optional = (int)take_u32(fields);
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0 && optional) return;
    struct stat status;
    if (rule.parent_fd < 0 || fstat(rule.parent_fd, &status) != 0) give_up("landlock_path");
    if (!S_ISDIR(status.st_mode)) rule.allowed_access &= FILE_RIGHTS;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) give_up("landlock_path");
    close(rule.parent_fd);
}

void step_landlock_enforce(struct fields *fields)
{
    (void)fields;
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0) give_up("landlock");
    close(rules);
}
