/*
 * `/init pack`: writes a file or a directory's tree to descriptor 1 as records. It runs in a workload's root, whose
 * processes may change the tree under it: every name is opened relative to its directory and no link is followed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent.h"
#include "records.h"

/* Missing in linux/magic.h, or not in every version of it. */
#define MQUEUE_MAGIC 0x19800202
#define CONFIG_MAGIC 0x62656570
#define GIVEN_UP (-2) /* nobody reads any more */

/* ---- hard links: the first names of files with several ---- */

#define BUCKETS 4096

struct first_name {
    dev_t device;
    ino_t inode;
    struct first_name *next;
    char path[];
};

static struct first_name *first_names[BUCKETS];
/* The path from the top of what is packed, as far as it fits; names of files further below are not remembered. */
static char here[PATH_MAX];
static size_t here_length;

static const struct first_name *find_first_name(const struct stat *info)
{
    const struct first_name *one = first_names[info->st_ino % BUCKETS];
    while (one != NULL && (one->inode != info->st_ino || one->device != info->st_dev)) one = one->next;
    return one;
}

static bool remember_first_name(const struct stat *info, const char *name)
{
    size_t length = strlen(name);
    if (here_length + length >= sizeof here) return false;
    struct first_name *one = allocate(sizeof *one + here_length + length + 1);
    struct first_name **bucket = &first_names[info->st_ino % BUCKETS];
    *one = (struct first_name){info->st_dev, info->st_ino, *bucket};
    memcpy(one->path, here, here_length);
    memcpy(one->path + here_length, name, length + 1);
    *bucket = one;
    return true;
}

/* ---- one entry ---- */

static const char *top;

static int fail_at(const char *what, const char *name)
{
    int error = errno;
    const char *slash = here_length + strlen(name) > 0 ? "/" : "";
    errno = error;
    return fail("%s %s%s%s%s", what, top, slash, here_length < sizeof here ? here : "...", name);
}

/* Of all levels, so that each of them costs little of the stack: it is sent before anything else is described. */
static struct record record;

static void describe(enum record_kind kind, const char *name, const struct stat *info)
{
    record = (struct record){
        .kind = kind,
        .mode = info->st_mode & 07777,
        .uid = info->st_uid,
        .gid = info->st_gid,
        .modified = info->st_mtim,
        .size = kind == RECORD_FILE ? (uint64_t)info->st_size : 0,
    };
    memcpy(record.name, name, strnlen(name, sizeof record.name - 1));
}

static int put(void)
{
    return put_record(&record) ? 0 : GIVEN_UP;
}

/*
 * Sends bytes from an offset up to another one, or, where `end` is not known to be right, to the end of the file.
 * Returns where it stopped, or below 0.
 */
static off_t pack_bytes(int fd, off_t offset, off_t end, bool known)
{
    while (offset < end) {
        size_t length = end - offset < MAX_SEGMENT ? (size_t)(end - offset) : MAX_SEGMENT;
        if (length >= LARGE_SEGMENT && known) {
            failure[0] = '\0';
            if (!send_segment(fd, (uint64_t)offset, length)) return failure[0] == '\0' ? GIVEN_UP : -1;
            offset += (off_t)length;
            continue;
        }
        uint8_t *room = segment_room(length);
        if (room == NULL) return GIVEN_UP;
        ssize_t got = pread(fd, room, length, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != EAGAIN) return -1;
        if (got <= 0) break;
        if (!put_segment((uint64_t)offset, (size_t)got)) return GIVEN_UP;
        offset += got;
    }
    return offset;
}

/* Returns the size of what was sent, or below 0. */
static off_t pack_data(int fd, const struct stat *info)
{
    /* Files of the kernel have no size before they are read. */
    if (info->st_size == 0) return pack_bytes(fd, 0, (off_t)1 << 40, false);
    if ((off_t)info->st_blocks * 512 >= info->st_size) return pack_bytes(fd, 0, info->st_size, true);
    for (off_t offset = 0; offset < info->st_size;) {
        off_t data = lseek(fd, offset, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        if (data < 0) data = offset; /* a filesystem that does not tell */
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data || hole > info->st_size) hole = info->st_size;
        off_t sent = pack_bytes(fd, data, hole, true);
        if (sent < 0) return sent;
        if (sent < hole) return sent;
        offset = hole;
    }
    return info->st_size;
}

static int pack_file(int directory, const char *name, const char *shown)
{
    struct stat info;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0 || fstat(fd, &info) < 0) {
        fail_at("open", shown);
        close_fd(&fd);
        return -1;
    }
    /* Something else has taken the name since. */
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return 0;
    }
    describe(RECORD_FILE, shown, &info);
    if (info.st_nlink > 1 && shown[0] != '\0' && remember_first_name(&info, shown))
        record.flags = FILE_HAS_MORE_NAMES;
    int result = put();
    off_t size = result < 0 ? result : pack_data(fd, &info);
    if (size == -1) fail_at("read", shown);
    if (size != GIVEN_UP && !put_segment_end(size < 0 ? 0 : (uint64_t)size)) size = GIVEN_UP;
    close(fd);
    return size < 0 ? (int)size : 0;
}

static int pack_link(int directory, const char *name, const char *shown, const struct stat *info)
{
    describe(RECORD_SYMLINK, shown, info);
    ssize_t length = readlinkat(directory, name, record.target, sizeof record.target - 1);
    if (length < 0 && (errno == ENOENT || errno == EINVAL)) return 0;
    if (length < 0) return fail_at("read the link", shown);
    return put();
}

/* Views of the kernel, which nobody means who copies a tree. */
static bool is_kernels(int fd)
{
    struct statfs info;
    if (fstatfs(fd, &info) < 0) return false;
    switch ((unsigned long)info.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case PSTOREFS_MAGIC:
    case BINFMTFS_MAGIC:
    case MQUEUE_MAGIC:
    case CONFIG_MAGIC: return true;
    default: return false;
    }
}

static int pack_entry(int directory, dev_t device, const char *name, int depth);

static int pack_entries(int fd, dev_t device, int depth)
{
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        close(fd);
        return fail_at("read", "");
    }
    int result = 0;
    errno = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = pack_entry(dirfd(entries), device, entry->d_name, depth);
    if (result == 0 && errno != 0) result = fail_at("read", "");
    closedir(entries);
    return result;
}

/* Takes over the directory, which is not the top unless it has no name. */
static int pack_directory(int fd, dev_t above, const char *shown, int depth)
{
    struct stat info;
    size_t before = here_length, length = strlen(shown);
    if (fstat(fd, &info) < 0) {
        close(fd);
        return fail_at("look at", shown);
    }
    describe(RECORD_DIRECTORY, shown, &info);
    int result = put();
    errno = ELOOP;
    if (result == 0 && depth > MAX_LEVELS) result = fail("more than %d directories in each other", MAX_LEVELS);
    if (result < 0 || (depth > 1 && info.st_dev != above && is_kernels(fd))) {
        close(fd);
    } else {
        bool fits = length > 0 && before + length + 1 < sizeof here;
        if (fits) {
            memcpy(here + before, shown, length);
            memcpy(here + before + length, "/", 2);
        }
        if (length > 0) here_length = before + length + 1;
        result = pack_entries(fd, info.st_dev, depth);
        here_length = before;
        if (fits) here[before] = '\0';
    }
    record = (struct record){.kind = RECORD_UP};
    return result < 0 ? result : put();
}

static int pack_special(const char *shown, const struct stat *info)
{
    describe(RECORD_SKIPPED, shown, info);
    return put();
}

static int pack_entry(int directory, dev_t device, const char *name, int depth)
{
    struct stat info;
    /* What has gone since the directory was read is not there. */
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail_at("look at", name);
    if (S_ISDIR(info.st_mode)) {
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail_at("open", name);
        return pack_directory(fd, device, name, depth + 1);
    }
    if (info.st_nlink > 1 && S_ISREG(info.st_mode)) {
        const struct first_name *first = find_first_name(&info);
        if (first != NULL) {
            describe(RECORD_LINK, name, &info);
            memcpy(record.target, first->path, strlen(first->path));
            return put();
        }
    }
    if (S_ISREG(info.st_mode)) return pack_file(directory, name, name);
    if (S_ISLNK(info.st_mode)) return pack_link(directory, name, name, &info);
    return pack_special(name, &info);
}

static int pack_top(const char *path, bool follow)
{
    struct stat info;
    static char real[PATH_MAX];
    top = path;
    if (fstatat(AT_FDCWD, path, &info, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return fail("%s", path);
    if (S_ISLNK(info.st_mode)) return pack_link(AT_FDCWD, path, "", &info);
    if (S_ISDIR(info.st_mode)) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? fail("%s", path) : pack_directory(fd, info.st_dev, "", 1);
    }
    if (!S_ISREG(info.st_mode)) return pack_special("", &info);
    /* Of a link that is followed, the file; if that is exchanged for a link now, it is not followed. */
    if (follow && realpath(path, real) == NULL) return fail("%s", path);
    return pack_file(AT_FDCWD, follow ? real : path, "");
}

int pack(const char *path, bool follow)
{
    int result = pack_top(path, follow);
    if (result == -1) put_record_failure();
    const struct record end = {.kind = RECORD_END};
    return result == 0 && put_record(&end) && flush_records() ? 0 : 1;
}
