/* Where what `/init unpack` makes belongs: what is at the path that it was told, or the directory above it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "records.h"

/* The directory that a path is in, and its last component. */
static int open_parent(const char *path, struct target *target)
{
    static char above[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    size_t start = length;
    while (start > 0 && path[start - 1] != '/') start--;
    errno = ENAMETOOLONG;
    if (length >= sizeof above || length - start >= sizeof target->name) return fail("%s", path);
    memcpy(target->name, path + start, length - start);
    target->name[length - start] = '\0';
    errno = EINVAL;
    if (target->name[0] == '\0' || strcmp(target->name, ".") == 0 || strcmp(target->name, "..") == 0)
        return fail("%s", path);
    memcpy(above, path, start);
    above[start] = '\0';
    target->parent = open(start == 0 ? "." : above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return target->parent < 0 ? fail("%s", above) : 0;
}

int find_target(const char *path, struct target *target)
{
    struct stat info;
    static char real[PATH_MAX];
    target->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target->directory >= 0) return FOUND_DIRECTORY;
    if (errno != ENOENT && errno != ENOTDIR) return fail("%s", path);
    if (fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT) return fail("%s", path);
        return open_parent(path, target) < 0 ? -1 : FOUND_NOTHING;
    }
    /* A link to a file: the file is replaced, and the link stays. */
    if (S_ISLNK(info.st_mode) && realpath(path, real) == NULL) return fail("%s is a link that leads nowhere", path);
    if (stat(path, &info) < 0) return fail("%s", path);
    errno = 0;
    if (!S_ISREG(info.st_mode)) return fail("%s is neither a file nor a directory", path);
    if (fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) < 0) return fail("%s", path);
    return open_parent(S_ISLNK(info.st_mode) ? real : path, target) < 0 ? -1 : FOUND_OTHER;
}
