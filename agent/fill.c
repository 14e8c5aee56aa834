/*
 * Copies a directory's tree, as docker fills an empty volume from an image. Both sides may be hostile: every name is opened
 * relative to its directory, no link is followed, depth is bounded.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

/* Each level holds two descriptors and a directory stream. */
#define MAX_DEPTH 200
#define COPY_BYTES (1 << 30)

static int copy_tree(int from, int to, int depth);

static int copy_attributes(int from, int to)
{
    static char names[65536], value[65536];
    ssize_t length = flistxattr(from, names, sizeof names);
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        /* Those are the overlay's own marks. */
        if (starts_with(names + at, "trusted.overlay.")) continue;
        ssize_t size = fgetxattr(from, names + at, value, sizeof value);
        if (size >= 0 && fsetxattr(to, names + at, value, (size_t)size, 0) < 0 && errno != ENOTSUP)
            return fail("copy the attribute %s", names + at);
    }
    return 0;
}

/* Of files and directories. Owner first: changing it takes set-uid bits and capabilities away. */
static int copy_metadata(int from, int to)
{
    struct stat info;
    if (fstat(from, &info) < 0 || fchown(to, info.st_uid, info.st_gid) < 0) return fail("copy an owner");
    if (copy_attributes(from, to) < 0) return -1;
    if (fchmod(to, info.st_mode & 07777) < 0) return fail("copy a mode");
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    return futimens(to, times) < 0 ? fail("copy times") : 0;
}

static int copy_file(int from, int to, const char *name)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = out < 0 ? fail("copy %s", name) : 0;
    while (result == 0) {
        ssize_t copied = copy_file_range(in, NULL, out, NULL, COPY_BYTES, 0);
        if (copied < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            static char buffer[65536];
            copied = read(in, buffer, sizeof buffer);
            if (copied > 0 && !write_all(out, buffer, (size_t)copied)) copied = -1;
        }
        if (copied < 0) result = fail("copy %s", name);
        if (copied <= 0) break;
    }
    if (result == 0) result = copy_metadata(in, out);
    close_fd(&in);
    close_fd(&out);
    return result;
}

/* Of what cannot be opened without consequences: links, devices, sockets, pipes. */
static int copy_owner_and_times(int to, const char *name, const struct stat *info)
{
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return fail("copy the owner of %s", name);
    if (!S_ISLNK(info->st_mode) && fchmodat(to, name, info->st_mode & 07777, 0) < 0)
        return fail("copy the mode of %s", name);
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail("copy the times of %s", name) : 0;
}

static int copy_link(int from, int to, const char *name)
{
    char target[4096];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0) return fail("read the link %s", name);
    target[length] = '\0';
    return symlinkat(target, to, name) < 0 ? fail("make the link %s", name) : 0;
}

static int copy_directory(int from, int to, const char *name, int depth)
{
    if (mkdirat(to, name, 0700) < 0) return fail("mkdir %s", name);
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = out < 0 ? fail("open %s", name) : copy_tree(in, out, depth + 1);
    if (result == 0) result = copy_metadata(in, out);
    close_fd(&in);
    close_fd(&out);
    return result;
}

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return fail("look at %s", name);
    if (S_ISREG(info.st_mode)) return copy_file(from, to, name);
    if (S_ISDIR(info.st_mode)) return copy_directory(from, to, name, depth);
    int result = S_ISLNK(info.st_mode) ? copy_link(from, to, name) : mknodat(to, name, info.st_mode, info.st_rdev);
    if (result < 0) return fail("make %s", name);
    return copy_owner_and_times(to, name, &info);
}

static int copy_tree(int from, int to, int depth)
{
    errno = ELOOP;
    if (depth > MAX_DEPTH) return fail("more than %d directories in each other", MAX_DEPTH);
    DIR *entries = fdopendir(fcntl(from, F_DUPFD_CLOEXEC, 0));
    if (entries == NULL) return fail("read a directory");
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = copy_entry(from, to, entry->d_name, depth);
    closedir(entries);
    return result;
}

static bool is_empty(int directory)
{
    DIR *entries = fdopendir(fcntl(directory, F_DUPFD_CLOEXEC, 0));
    bool empty = entries != NULL;
    for (struct dirent *entry; empty && (entry = readdir(entries)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (entries != NULL) closedir(entries);
    return empty;
}

int fill_directory(int from, int to)
{
    if (!is_empty(to)) return 0;
    return copy_tree(from, to, 0) < 0 ? -1 : copy_metadata(from, to);
}
