/*
 * `/init unpack`: makes the files that come in on descriptor 0 as records. It runs in a workload's root, whose processes
 * may change the target under it: every name is made relative to its directory, and no link is followed. A file, and a
 * directory that was not there, appear under their names when they are complete.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "records.h"

/* RENAME_NOREPLACE, which not every libc knows. */
#define KEEP_OTHERS 1
#define TEMPORARY_NAME ".smolvm-cp-%016llx"

/* A directory that is being filled. */
struct level {
    int fd;
    bool fresh;            /* this copy has made it: nobody else's files are in it */
    bool keep;             /* it was there before, and keeps its owner, mode and times */
    char temporary[32];    /* its name until it is complete, where that is not its own */
    struct record record;
};

static struct level levels[MAX_LEVELS + 1];
static int depth;
static struct target target = {.parent = -1, .directory = -1};
/* The top was sent with a name, which is not the one that it gets. */
static bool renamed;
/* The file or link that is being made, where it has a name that is to be removed. */
static char unfinished[NAME_MAX + 1];

static struct level *current(void)
{
    return &levels[depth];
}

static void choose_temporary_name(char *name, size_t room)
{
    unsigned long long random = 0;
    if (getrandom(&random, sizeof random, 0) < 0) random = (unsigned long long)getpid();
    snprintf(name, room, TEMPORARY_NAME, random);
}

/* ---- names that appear ---- */

/* Gives what is complete its name, in the place of another file. */
static int appear(const char *temporary, const char *name)
{
    int at = current()->fd;
    if (renameat(at, temporary, at, name) < 0) return fail("%s", name);
    /* Where both are names of one file, rename(2) does nothing. */
    unlinkat(at, temporary, 0);
    return 0;
}

/* The name under which something is made first: its own, where no other file can be in the way. */
static const char *first_name(const char *name)
{
    if (current()->fresh && faccessat(current()->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        memcpy(unfinished, name, strlen(name) + 1);
    } else {
        choose_temporary_name(unfinished, sizeof unfinished);
    }
    return unfinished;
}

static int finish_name(const char *name)
{
    if (strcmp(unfinished, name) != 0 && appear(unfinished, name) < 0) return -1;
    unfinished[0] = '\0';
    return 0;
}

static int set_owner(int fd, const struct record *record)
{
    struct stat info;
    if (fchown(fd, record->uid, record->gid) == 0) return 0;
    int error = errno;
    /* A filesystem that has no owners to set, and has just this one. */
    if (fstat(fd, &info) == 0 && info.st_uid == record->uid && info.st_gid == record->gid) return 0;
    errno = error;
    return fail("set the owner of %s", record->name);
}

/* Owner first: changing it takes set-uid bits away. */
static int set_attributes(int fd, const struct record *record)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, record->modified};
    if (set_owner(fd, record) < 0) return -1;
    if (fchmod(fd, record->mode) < 0) return fail("set the mode of %s", record->name);
    return futimens(fd, times) < 0 ? fail("set the times of %s", record->name) : 0;
}

/* ---- files ---- */

static int write_at(int fd, const uint8_t *bytes, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t written = pwrite(fd, bytes, length, offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return -1;
        bytes += written;
        length -= (size_t)written;
        offset += written;
    }
    return 0;
}

static int write_segments(int fd, const char *name)
{
    uint64_t offset, end = 0;
    uint32_t rest;
    for (;;) {
        if (!take_segment(&offset, &rest)) return -1;
        if (rest == 0) break;
        while (rest > 0) {
            size_t length;
            ssize_t moved = splice_bytes(fd, offset, rest);
            if (moved < 0) return fail("write %s", name);
            if (moved > 0) {
                offset += (uint64_t)moved;
                rest -= (uint32_t)moved;
                continue;
            }
            const uint8_t *bytes = take_bytes(rest, &length);
            if (bytes == NULL) return -1;
            if (write_at(fd, bytes, length, (off_t)offset) < 0) return fail("write %s", name);
            offset += length;
            rest -= (uint32_t)length;
        }
        end = offset;
    }
    if (offset != end && ftruncate(fd, (off_t)offset) < 0) return fail("write %s", name);
    return 0;
}

static int make_file(const struct record *record)
{
    const char *name = first_name(record->name);
    int fd = openat(current()->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        unfinished[0] = '\0';
        return fail("make %s", record->name);
    }
    int result = write_segments(fd, record->name);
    if (result == 0) result = set_attributes(fd, record);
    close(fd);
    return result < 0 ? -1 : finish_name(record->name);
}

static int make_symlink(const struct record *record)
{
    const char *name = first_name(record->name);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, record->modified};
    int at = current()->fd;
    if (symlinkat(record->target, at, name) < 0) {
        unfinished[0] = '\0';
        return fail("make the link %s", record->name);
    }
    if (fchownat(at, name, record->uid, record->gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM && errno != ENOTSUP)
        return fail("set the owner of %s", record->name);
    if (utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOTSUP)
        return fail("set the times of %s", record->name);
    return finish_name(record->name);
}

/*
 * Opens a file of this tree by its path, of names as they were sent. Directories in progress may have other names yet,
 * and the one whose name unpack was told has another one than was sent.
 */
static int open_within(const char *path)
{
    int at = 0;
    const char *slash = strchr(path, '/');
    if (target.directory < 0 && depth > 0) {
        if (renamed && slash != NULL) path = slash + 1;
        at = 1;
    }
    for (; at < depth; at++) {
        const char *name = levels[at + 1].record.name;
        size_t length = strlen(name);
        if (length == 0 || strncmp(path, name, length) != 0 || path[length] != '/') break;
        path += length + 1;
    }
    const struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, levels[at].fd, path, &how, sizeof how);
}

static int make_link(const struct record *record)
{
    char by_number[64];
    int fd = open_within(record->target);
    if (fd < 0) return fail("link %s to %s", record->name, record->target);
    const char *name = first_name(record->name);
    int at = current()->fd;
    snprintf(by_number, sizeof by_number, "/proc/self/fd/%d", fd);
    int result = linkat(fd, "", at, name, AT_EMPTY_PATH);
    if (result < 0) result = linkat(AT_FDCWD, by_number, at, name, AT_SYMLINK_FOLLOW);
    if (result < 0) {
        unfinished[0] = '\0';
        fail("link %s to %s", record->name, record->target);
    }
    close(fd);
    return result < 0 ? -1 : finish_name(record->name);
}

/* ---- directories ---- */

static int open_directory(const struct record *record)
{
    struct stat info;
    int at = current()->fd;
    errno = ELOOP;
    if (depth == MAX_LEVELS) return fail("more than %d directories in each other", MAX_LEVELS);
    struct level *below = &levels[depth + 1];
    below->record = *record;
    below->temporary[0] = '\0';
    below->keep = fstatat(at, record->name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    below->fresh = !below->keep;
    const char *name = record->name;
    if (below->fresh && !current()->fresh) {
        choose_temporary_name(below->temporary, sizeof below->temporary);
        name = below->temporary;
    }
    if (below->fresh && mkdirat(at, name, 0700) < 0) {
        below->temporary[0] = '\0';
        return fail("make the directory %s", record->name);
    }
    errno = ENOTDIR;
    if (below->keep && !S_ISDIR(info.st_mode)) return fail("%s is in the way of a directory", record->name);
    below->fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* From here on it is the current one, which a failure removes again. */
    depth++;
    return below->fd < 0 ? fail("open the directory %s", record->name) : 0;
}

static int close_directory(void)
{
    if (depth == 0) {
        errno = 0;
        return fail("a malformed record");
    }
    struct level *level = current();
    if (!level->keep && set_attributes(level->fd, &level->record) < 0) return -1;
    close_fd(&level->fd);
    depth--;
    if (level->temporary[0] == '\0') return 0;
    int at = current()->fd;
    int result = (int)syscall(SYS_renameat2, at, level->temporary, at, level->record.name, KEEP_OTHERS);
    /* A filesystem that cannot do that. */
    if (result < 0 && errno == EINVAL) result = renameat(at, level->temporary, at, level->record.name);
    if (result == 0) return 0;
    fail("%s", level->record.name);
    depth++;
    return -1;
}

/* ---- the end of what failed ---- */

static void remove_unfinished(void)
{
    if (unfinished[0] != '\0') unlinkat(current()->fd, unfinished, 0);
    while (depth > 0) {
        struct level *level = current();
        close_fd(&level->fd);
        depth--;
        if (level->temporary[0] != '\0') remove_tree(current()->fd, level->temporary, MAX_LEVELS + 1);
    }
}

/* ---- all of it ---- */

static bool is_name(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strchr(name, '/') == NULL;
}

static int take_entry(struct record *record)
{
    switch (record->kind) {
    case RECORD_UP: return close_directory();
    case RECORD_DIRECTORY:
    case RECORD_FILE:
    case RECORD_SYMLINK:
    case RECORD_LINK: break;
    default: errno = 0; return fail("a malformed record");
    }
    if (depth == 0 && target.directory < 0) {
        renamed = record->name[0] != '\0';
        memcpy(record->name, target.name, sizeof target.name);
    }
    errno = EINVAL;
    if (!is_name(record->name)) return fail("the name %s", record->name);
    if (record->kind == RECORD_DIRECTORY) return open_directory(record);
    if (record->kind == RECORD_FILE) return make_file(record);
    return record->kind == RECORD_SYMLINK ? make_symlink(record) : make_link(record);
}

static int take_entries(void)
{
    static struct record record;
    if (!take_record(&record)) return -1;
    bool into = record.kind == RECORD_INTO && target.directory >= 0;
    errno = 0;
    if (!into && (record.kind != RECORD_AS || target.parent < 0)) return fail("a malformed record");
    levels[0].fd = into ? target.directory : target.parent;
    for (;;) {
        if (!take_record(&record)) return -1;
        if (record.kind == RECORD_END && depth == 0) return 0;
        if (take_entry(&record) < 0) return -1;
    }
}

int unpack(const char *path)
{
    struct record answer = {.kind = RECORD_FOUND};
    umask(0);
    int found = find_target(path, &target);
    answer.flags = found < 0 ? 0 : found;
    if (found >= 0 && put_record(&answer) && flush_records() && take_entries() == 0) {
        answer = (struct record){.kind = RECORD_END};
        return put_record(&answer) && flush_records() ? 0 : 1;
    }
    /* Before it is told: whoever reads that finds everything done. */
    remove_unfinished();
    put_record_failure();
    return 1;
}
