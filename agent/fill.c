/*
 * Copies a directory's tree, as docker fills an empty volume from an image. Both sides may be hostile: every name is
 * opened relative to its directory, no link is followed, depth is bounded.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

/* Each level holds two descriptors and a directory stream. */
#define MAX_DEPTH 200
#define COPY_BYTES 65536
/* On a directory whose filling has begun and not ended: after a power cut it is filled anew. */
#define OWN_ATTRIBUTES "trusted.smolvm."
#define UNFINISHED OWN_ATTRIBUTES "unfinished"
/* On a directory that was filled once. */
#define FILLED OWN_ATTRIBUTES "filled"
/* On a storage disk, what begins so is not the user's: containers (src/machine/root/depot.ts), and the next. */
#define OWN_NAMES ".smolvm"
/* Where a tree is copied to before its parts get their places. */
#define FILLING OWN_NAMES "-filling"

static int copy_tree(int from, int to, int depth);

/* ---- hard links: where the first name of a file with several names went ---- */

#define BUCKETS 4096

struct original {
    dev_t device;
    ino_t inode;
    struct original *next;
    char path[]; /* from the tree's top */
};

static struct original *originals[BUCKETS];
static int top = -1;
/* The directory that is being copied, with a slash at its end; longer ones have their hard links copied. */
static char current[PATH_MAX];
static size_t current_length;

static struct original *find_original(const struct stat *info)
{
    struct original *one = originals[info->st_ino % BUCKETS];
    while (one != NULL && (one->inode != info->st_ino || one->device != info->st_dev)) one = one->next;
    return one;
}

static void remember_original(const struct stat *info, const char *name)
{
    size_t length = strlen(name);
    if (current_length + length >= sizeof current) return;
    struct original *one = allocate(sizeof *one + current_length + length + 1);
    struct original **bucket = &originals[info->st_ino % BUCKETS];
    *one = (struct original){info->st_dev, info->st_ino, *bucket};
    memcpy(one->path, current, current_length);
    memcpy(one->path + current_length, name, length + 1);
    *bucket = one;
}

/* Their names are of one tree: another one cannot be linked to it. */
static void forget_originals(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct original *one = originals[i], *next; one != NULL; one = next) {
            next = one->next;
            free(one);
        }
        originals[i] = NULL;
    }
}

/* ---- copies ---- */

static int copy_attributes(int from, int to)
{
    static char names[65536], value[65536];
    ssize_t length = flistxattr(from, names, sizeof names);
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        /* The overlay's marks, and those of this file: an image has no say in them. */
        if (starts_with(names + at, "trusted.overlay.") || starts_with(names + at, OWN_ATTRIBUTES)) continue;
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

static bool is_zero(const char *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* Holes stay holes, and blocks of zeros become some: not every filesystem tells where its files have holes. */
static int copy_bytes(int in, int out)
{
    static char buffer[COPY_BYTES];
    struct stat info;
    if (fstat(in, &info) < 0) return -1;
    for (off_t offset = 0; offset < info.st_size;) {
        off_t data = lseek(in, offset, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        if (data > offset) offset = data;
        ssize_t got = pread(in, buffer, sizeof buffer, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        bool written = is_zero(buffer, (size_t)got) || (lseek(out, offset, SEEK_SET) == offset &&
                                                        write_all(out, buffer, (size_t)got));
        if (!written) return -1;
        offset += got;
    }
    return ftruncate(out, info.st_size);
}

static int copy_file(int from, int to, const char *name)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = out < 0 || copy_bytes(in, out) < 0 ? fail("copy %s", name) : copy_metadata(in, out);
    close_fd(&in);
    close_fd(&out);
    return result;
}

/* Of what cannot be opened without consequences: links, devices, sockets, pipes. */
static int copy_owner_and_times(int to, const char *name, const struct stat *info)
{
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (fchownat(to, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail("copy the owner of %s", name);
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
    size_t length = strlen(name), before = current_length;
    if (mkdirat(to, name, 0700) < 0) return fail("mkdir %s", name);
    if (before + length + 1 < sizeof current) {
        memcpy(current + before, name, length);
        current[before + length] = '/';
    }
    current_length = before + length + 1;
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = out < 0 ? fail("open %s", name) : copy_tree(in, out, depth + 1);
    current_length = before;
    if (result == 0) result = copy_metadata(in, out);
    close_fd(&in);
    close_fd(&out);
    return result;
}

static int copy_special(int from, int to, const char *name, const struct stat *info)
{
    int result = S_ISLNK(info->st_mode) ? copy_link(from, to, name) : mknodat(to, name, info->st_mode, info->st_rdev);
    return result < 0 ? fail("make %s", name) : copy_owner_and_times(to, name, info);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return fail("look at %s", name);
    if (S_ISDIR(info.st_mode)) return copy_directory(from, to, name, depth);
    if (info.st_nlink > 1) {
        const struct original *original = find_original(&info);
        if (original != NULL) return linkat(top, original->path, to, name, 0) < 0 ? fail("link %s", name) : 0;
        remember_original(&info, name);
    }
    return S_ISREG(info.st_mode) ? copy_file(from, to, name) : copy_special(from, to, name, &info);
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

/* ---- the whole ---- */

/* Calls for each name in a directory until one of the calls fails. */
static int for_each(int directory, int (*call)(int directory, const char *name, int depth), int depth)
{
    DIR *entries = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int result = entries == NULL ? fail("read a directory") : 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = call(directory, entry->d_name, depth);
    if (entries != NULL) closedir(entries);
    return result;
}

static int found(int directory, const char *name, int depth)
{
    (void)directory;
    (void)name;
    (void)depth;
    return -1;
}

static int remove_entry(int directory, const char *name, int depth)
{
    if (unlinkat(directory, name, 0) == 0) return 0;
    if (errno != EISDIR || depth > MAX_DEPTH) return fail("remove %s", name);
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = fd < 0 ? fail("open %s", name) : for_each(fd, remove_entry, depth + 1);
    close_fd(&fd);
    if (result < 0) return -1;
    return unlinkat(directory, name, AT_REMOVEDIR) < 0 ? fail("remove %s", name) : 0;
}

/*
 * The mark goes only after all bytes are on the disk: what counts as filled is complete whenever the power fails. A
 * filesystem without attributes goes without.
 */
int fill_directory(int from, int to)
{
    bool unfinished = fgetxattr(to, UNFINISHED, NULL, 0) >= 0;
    if (!unfinished && for_each(to, found, 0) < 0) return 0;
    if (unfinished && for_each(to, remove_entry, 0) < 0) return -1;
    if (for_each(from, found, 0) == 0) return copy_metadata(from, to);
    if (fsetxattr(to, UNFINISHED, "", 0, 0) < 0 && errno != ENOTSUP) return fail("mark a directory");
    top = to;
    int copied = copy_tree(from, to, 0);
    forget_originals();
    if (copied < 0 || copy_metadata(from, to) < 0) return -1;
    if (syncfs(to) < 0) return fail("write the files");
    if (fremovexattr(to, UNFINISHED) < 0 && errno != ENOTSUP && errno != ENODATA) return fail("unmark a directory");
    return 0;
}

/* Gives a part of the copy (at `top`) its name in the tree that is filled, unless that has something there. */
static int settle(int copy, const char *name, int depth)
{
    struct stat info;
    bool stays = starts_with(name, OWN_NAMES) || fstatat(top, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (stays) return remove_entry(copy, name, depth);
    return renameat(copy, name, top, name) < 0 ? fail("move %s", name) : 0;
}

/* A copy of the tree `from`, made anew in the directory that is filled. */
static int make_copy(int from, int to)
{
    if (mkdirat(to, FILLING, 0700) < 0 && errno != EEXIST) return fail("mkdir %s", FILLING);
    int copy = openat(to, FILLING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = copy < 0 ? fail("open %s", FILLING) : for_each(copy, remove_entry, 0);
    top = copy;
    if (result == 0) result = copy_tree(from, copy, 0);
    forget_originals();
    if (result == 0) return copy;
    close_fd(&copy);
    return -1;
}

/* As above, whole whenever the power fails: parts that have their names are complete, and the mark comes after all. */
int fill_once(int from, int to)
{
    if (fgetxattr(to, FILLED, NULL, 0) >= 0 || for_each(from, found, 0) == 0) return 0;
    int copy = make_copy(from, to);
    if (copy < 0) return -1;
    top = to;
    int result = syncfs(to) < 0 ? fail("write the files") : for_each(copy, settle, 0);
    close_fd(&copy);
    if (result < 0) return -1;
    if (unlinkat(to, FILLING, AT_REMOVEDIR) < 0) return fail("remove %s", FILLING);
    if (copy_metadata(from, to) < 0) return -1;
    if (syncfs(to) < 0) return fail("write the files");
    return fsetxattr(to, FILLED, "", 0, 0) < 0 ? fail("mark a directory") : 0;
}
