/*
 * What is to be gone when a machine has ended, and lies where its own process may change nothing: names in directories
 * that other machines have, too. The starter keeps these steps as an order. Nothing here fails: what cannot be removed
 * stays for the next machine that looks for leftovers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher.h"

/* Fields: path, device and inode (u64 each): a socket, which is removed if it is this one still; 0 and 0: whatever it is. */
void step_unlink(struct fields *fields)
{
    const char *path = take_text(fields);
    uint64_t device = take_u64(fields), inode = take_u64(fields);
    struct stat now;
    if (inode != 0 && (lstat(path, &now) != 0 || !S_ISSOCK(now.st_mode) || now.st_dev != device || now.st_ino != inode)) return;
    unlink(path);
}

/*
 * Fields: path of a directory, which is removed when it is empty. Who works in it may hold its lock (flock), and then
 * looks for itself afterwards whether something is left.
 */
void step_remove_empty(struct fields *fields)
{
    const char *path = take_text(fields);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) rmdir(path);
    close(fd);
}

static DIR *list(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return NULL;
    DIR *entries = fdopendir(fd);
    if (entries == NULL) close(fd);
    return entries;
}

static const char *next_name(DIR *entries)
{
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return entry->d_name;
    return NULL;
}

/* Empties a directory in `top`; directories in it move up, so that no depth takes more descriptors. */
static bool remove_flat(int top, const char *name)
{
    static unsigned number;
    DIR *entries = list(top, name);
    if (entries == NULL) return false;
    for (const char *inner; (inner = next_name(entries)) != NULL;) {
        if (unlinkat(dirfd(entries), inner, 0) == 0) continue;
        char above[32];
        /* A name that is taken is one of finitely many. */
        do snprintf(above, sizeof above, ".%u", number++);
        while (renameat(dirfd(entries), inner, top, above) != 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
    }
    closedir(entries);
    return unlinkat(top, name, AT_REMOVEDIR) == 0;
}

/*
 * Fields: path of a directory, and a hidden name beside it. It gets that name first, so that nobody meets it half
 * removed, or puts something into it.
 */
void step_remove_all(struct fields *fields)
{
    const char *path = take_text(fields), *hidden = take_text(fields);
    if (rename(path, hidden) != 0) return;
    for (bool removed = true; removed;) {
        removed = false;
        DIR *entries = list(AT_FDCWD, hidden);
        if (entries == NULL) return;
        for (const char *name; (name = next_name(entries)) != NULL;)
            if (unlinkat(dirfd(entries), name, 0) == 0 || remove_flat(dirfd(entries), name)) removed = true;
        closedir(entries);
    }
    rmdir(hidden);
}

/* No fields: all has been done, and there is no program to become. */
void step_finish(struct fields *fields)
{
    take_end(fields);
    _exit(0);
}
