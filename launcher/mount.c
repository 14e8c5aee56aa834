#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"

/* Fields: what, where, filesystem, flags (u64), options; an empty text is none. */
void step_mount(struct fields *fields)
{
    const char *source = take_text(fields), *target = take_text(fields), *type = take_text(fields);
    unsigned long flags = take_u64(fields);
    const char *options = take_text(fields);
    if (mount(source, target, *type ? type : NULL, flags, *options ? options : NULL) != 0) give_up("mount");
}

/* Makes the directories on the way to `path`; what is there already stays. */
static void make_parents(const char *path)
{
    char prefix[PATH_MAX];
    if (strlen(path) >= sizeof prefix) {
        errno = ENAMETOOLONG;
        give_up("directory");
    }
    strcpy(prefix, path);
    /* Who goes through them may be another user. */
    mode_t mask = umask(022);
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(prefix, 0755) != 0 && errno != EEXIST) give_up("directory");
        *slash = '/';
    }
    umask(mask);
}

/* Fields: path. Makes a directory and those above it. */
void step_directory(struct fields *fields)
{
    const char *path = take_text(fields);
    make_parents(path);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) give_up("directory");
}

/* struct mount_attr of mount_setattr(2). */
struct attributes {
    uint64_t set, clear, propagation, namespace;
};
#define AND_BELOW 0x8000 /* AT_RECURSIVE */

/*
 * Takes rights away from a mount and from all that is mounted below it; before Linux 5.12 only from the mount itself.
 * Flags that it has already cannot be taken from it in a user namespace, and are kept. Of MS_RDONLY, -NOSUID, -NODEV and
 * -NOEXEC, which are all that come here, the attributes have the numbers.
 */
static void restrict_mount(const char *path, unsigned long flags)
{
    struct attributes attributes = {.set = flags};
    if (syscall(SYS_mount_setattr, -1, path, AND_BELOW, &attributes, sizeof attributes) == 0) return;
    if (errno != ENOSYS) give_up("bind");
    struct statvfs filesystem;
    if (statvfs(path, &filesystem) != 0) give_up("bind");
    unsigned long kept = filesystem.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
    if (filesystem.f_flag & ST_RELATIME) kept |= MS_RELATIME;
    if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | kept | flags, NULL) != 0) give_up("bind");
}

/*
 * Fields: what, where, flags (u64). Shows a file or a directory at another place, which is made, and takes rights away
 * from it there. What is mounted below it comes along: in a user namespace it is not to be uncovered.
 */
void step_bind(struct fields *fields)
{
    const char *source = take_text(fields), *target = take_text(fields);
    unsigned long flags = take_u64(fields);
    struct stat status;
    if (stat(source, &status) != 0) give_up("bind");
    make_parents(target);
    if (S_ISDIR(status.st_mode)) {
        if (mkdir(target, 0755) != 0 && errno != EEXIST) give_up("bind");
    } else {
        int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) give_up("bind");
        close(fd);
    }
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) give_up("bind");
    restrict_mount(target, flags);
}

/* Fields: the new root, and the place below it where the old one is afterwards. */
void step_pivot(struct fields *fields)
{
    const char *root = take_text(fields), *old = take_text(fields);
    if (syscall(SYS_pivot_root, root, old) != 0 || chdir("/") != 0) give_up("pivot_root");
}

/* Fields: path. Takes a mount and all below it away, and its directory. */
void step_unmount(struct fields *fields)
{
    const char *path = take_text(fields);
    if (umount2(path, MNT_DETACH) != 0 || rmdir(path) != 0) give_up("unmount");
}
