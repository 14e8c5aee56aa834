/* The steps of the verbs root and steps, run by a process of their own (docs/protocol.md, "A step"). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent.h"

/* linux/mount.h, which does not get along with sys/mount.h in older C libraries */
#define CLONE_TREE 1       /* OPEN_TREE_CLONE */
#define EMPTY_SOURCE 4     /* MOVE_MOUNT_F_EMPTY_PATH */
#define FOLLOW_TARGET 0x10 /* MOVE_MOUNT_T_SYMLINKS */
#define RECURSIVE 0x8000   /* AT_RECURSIVE */
#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif

/* The field of a request that holds a step. */
#define STEP 3
enum kind { MKDIR = 1, MOUNT, HOLD, ATTACH, UNMOUNT, WRITE, SYMLINK, NODE, FILL, GROW, ENTER };
enum { PATH = 1, SOURCE, TYPE, FLAGS, MOUNT_FLAGS, DATA_TEXT, MODE, UID, GID, MAJOR, MINOR, SLOT, CONTENT };
enum { MAKE_DIRECTORY = 1, MAKE_FILE = 2, ONLY_DIRECTORY = 4, MAY_FAIL = 8 };
enum { IF_ABSENT = 16, ONCE = 32, REPLACE_LINK = 64 };
#define SLOTS 96
#define MOST_NOTES (32 * 1024)

struct step {
    int kind;
    char *path, *source, *type, *data;
    unsigned flags;
    unsigned long mount_flags;
    mode_t mode;
    bool has_mode, has_owner;
    uid_t uid;
    gid_t gid;
    unsigned major_number, minor_number;
    int slot;
    uint8_t *content;
    size_t content_length;
};

static int slots[SLOTS];
static bool slots_ready;

static bool parse_step(const struct field *outer, struct step *step)
{
    struct field field;
    if (outer->length == 0) return false;
    *step = (struct step){.kind = outer->value[0], .slot = -1};
    struct fields fields = fields_of(outer->value + 1, outer->length - 1);
    while (next_field(&fields, &field)) {
        switch (field.tag) {
        case PATH: step->path = take_text(&fields, &field); break;
        case SOURCE: step->source = take_text(&fields, &field); break;
        case TYPE: step->type = take_text(&fields, &field); break;
        case FLAGS: step->flags = (unsigned)take_int(&fields, &field, 127); break;
        case MOUNT_FLAGS: step->mount_flags = take_int(&fields, &field, UINT32_MAX); break;
        case DATA_TEXT: step->data = take_text(&fields, &field); break;
        case MODE:
            step->mode = (mode_t)take_int(&fields, &field, 0177777);
            step->has_mode = true;
            break;
        case UID:
            step->uid = (uid_t)take_int(&fields, &field, UINT32_MAX - 1);
            step->has_owner = true;
            break;
        case GID:
            step->gid = (gid_t)take_int(&fields, &field, UINT32_MAX - 1);
            step->has_owner = true;
            break;
        case MAJOR: step->major_number = (unsigned)take_int(&fields, &field, 0xfff); break;
        case MINOR: step->minor_number = (unsigned)take_int(&fields, &field, 0xfffff); break;
        case SLOT: step->slot = (int)take_int(&fields, &field, SLOTS - 1); break;
        case CONTENT:
            step->content = field.value;
            step->content_length = field.length;
            break;
        default: return false;
        }
    }
    bool needs_slot = step->kind == HOLD || step->kind == ATTACH || step->kind == FILL;
    return !fields.malformed && (step->path != NULL || step->kind == ENTER) && (!needs_slot || step->slot >= 0);
}

/* ---- what may be where ---- */

int make_directories(const char *path, bool whole, mode_t mode)
{
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part) {
        errno = ENAMETOOLONG;
        return fail("mkdir %.60s...", path);
    }
    for (char *slash = part; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash == NULL && !whole) return 0;
        if (slash != NULL) *slash = '\0';
        if (mkdir(part, slash == NULL ? mode : 0755) < 0 && errno != EEXIST) return fail("mkdir %s", part);
        if (slash != NULL) *slash = '/';
    }
    return 0;
}

int make_missing_file(const char *path, mode_t mode)
{
    char target[PATH_MAX];
    struct stat info;
    /* One that exists is only looked at: opened for writing, the overlay would copy it up. */
    if (stat(path, &info) == 0) return 0;
    if (make_directories(path, false, 0755) < 0) return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    if (fd < 0 && errno == ENOENT) {
        /* A link into a directory that does not exist yet, e.g. /etc/resolv.conf into /run/systemd/resolve. */
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            char whole[2 * PATH_MAX];
            const char *end = strrchr(path, '/');
            int parent = target[0] == '/' || end == NULL ? 0 : (int)(end - path + 1);
            snprintf(whole, sizeof whole, "%.*s%s", parent, path, target);
            if (make_directories(whole, false, 0755) < 0) return -1;
            fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
        }
    }
    if (fd < 0) return fail("make %s", path);
    return close(fd);
}

/* Whether the step is to be left out. */
static bool is_skipped(const struct step *step)
{
    struct stat info;
    /* Who does not need to know does not look: the path may be a filesystem of the host's, which answers later. */
    if (!(step->flags & (IF_ABSENT | ONLY_DIRECTORY)) || step->path == NULL) return false;
    if (lstat(step->path, &info) < 0) return false;
    if (step->flags & IF_ABSENT) return true;
    return (step->flags & ONLY_DIRECTORY) && !S_ISDIR(info.st_mode);
}

static int make_target(const struct step *step)
{
    struct stat info;
    if ((step->flags & REPLACE_LINK) && lstat(step->path, &info) == 0 && S_ISLNK(info.st_mode) &&
        unlink(step->path) < 0)
        return fail("remove the link %s", step->path);
    if (step->flags & MAKE_DIRECTORY) return make_directories(step->path, true, step->has_mode ? step->mode : 0755);
    if (step->flags & MAKE_FILE) return make_missing_file(step->path, step->has_mode ? step->mode : 0644);
    return 0;
}

/* ---- the kinds ---- */

static int set_owner_and_mode(const struct step *step)
{
    if (step->has_owner && lchown(step->path, step->uid, step->gid) < 0) return fail("chown %s", step->path);
    if (step->has_mode && chmod(step->path, step->mode & 07777) < 0) return fail("chmod %s", step->path);
    return 0;
}

static int do_mkdir(const struct step *step)
{
    struct stat info;
    if (stat(step->path, &info) == 0) {
        errno = ENOTDIR;
        return S_ISDIR(info.st_mode) ? 0 : fail("mkdir %s", step->path);
    }
    if (make_directories(step->path, true, 0755) < 0) return -1;
    return set_owner_and_mode(step);
}

static int do_mount(const struct step *step)
{
    const char *source = step->source == NULL ? "none" : step->source;
    if (make_target(step) < 0) return -1;
    if (mount(source, step->path, step->type, step->mount_flags, step->data) < 0)
        return fail("mount %s on %s", source, step->path);
    return 0;
}

static int do_hold(const struct step *step)
{
    close_fd(&slots[step->slot]);
    slots[step->slot] = (int)syscall(SYS_open_tree, AT_FDCWD, step->path, CLONE_TREE | RECURSIVE | O_CLOEXEC);
    return slots[step->slot] < 0 ? fail("open_tree %s", step->path) : 0;
}

static int do_attach(const struct step *step)
{
    errno = EBADF;
    if (slots[step->slot] < 0) return fail("attach %s: nothing is held", step->path);
    if (make_target(step) < 0) return -1;
    /* The tree stays held: one can be attached in several places, each time as a copy. */
    int copy = (int)syscall(SYS_open_tree, slots[step->slot], "",
                            CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
    int tree = copy < 0 ? slots[step->slot] : copy;
    long moved = syscall(SYS_move_mount, tree, "", AT_FDCWD, step->path, EMPTY_SOURCE | FOLLOW_TARGET);
    int error = errno;
    if (copy < 0) slots[step->slot] = -1;
    close(tree);
    errno = error;
    if (moved < 0) return fail("mount %s", step->path);
    if (step->mount_flags == 0) return 0;
    if (mount(NULL, step->path, NULL, MS_REMOUNT | MS_BIND | step->mount_flags, NULL) < 0)
        return fail("remount %s", step->path);
    return 0;
}

static int do_unmount(const struct step *step)
{
    return umount2(step->path, MNT_DETACH) < 0 ? fail("unmount %s", step->path) : 0;
}

static int do_write(const struct step *step)
{
    if (step->flags & MAKE_FILE && make_missing_file(step->path, step->has_mode ? step->mode : 0644) < 0) return -1;
    int create = step->has_mode ? O_CREAT | O_TRUNC : 0;
    int fd = open(step->path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | create, step->mode & 07777);
    if (fd < 0) return fail("open %s", step->path);
    bool written = write_all(fd, step->content, step->content_length);
    int error = errno;
    close(fd);
    errno = error;
    return written ? 0 : fail("write %s", step->path);
}

static int do_symlink(const struct step *step)
{
    errno = EINVAL;
    if (step->source == NULL || symlink(step->source, step->path) < 0) return fail("symlink %s", step->path);
    return 0;
}

static int do_node(const struct step *step)
{
    if (mknod(step->path, step->mode, makedev(step->major_number, step->minor_number)) < 0)
        return fail("mknod %s", step->path);
    return set_owner_and_mode(step);
}

static int do_fill(const struct step *step)
{
    errno = EBADF;
    if (slots[step->slot] < 0) return fail("fill from %s: nothing is held", step->path);
    int from = open(step->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0) return errno == ENOENT ? 0 : fail("open %s", step->path);
    int to = openat(slots[step->slot], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;
    if (to < 0) fail("open the tree to fill");
    else result = step->flags & ONCE ? fill_once(from, to) : fill_directory(from, to);
    close(from);
    close_fd(&to);
    return result;
}

/* The kernel grows a mounted ext4 by itself; the number of blocks is what the device under it has room for. */
static int do_grow(const struct step *step)
{
    struct statfs filesystem;
    uint64_t bytes = 0;
    int fd = open(step->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int device = step->source == NULL ? -1 : open(step->source, O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && device >= 0 && fstatfs(fd, &filesystem) == 0 && ioctl(device, BLKGETSIZE64, &bytes) == 0;
    uint64_t blocks = known ? bytes / (uint64_t)filesystem.f_bsize : 0;
    int result = known && ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) == 0 ? 0 : fail("grow %s", step->path);
    close_fd(&fd);
    close_fd(&device);
    return result;
}

/* Makes a mounted directory the root of this mount namespace and lets go of the old one, see pivot_root(2), NOTES. */
static int do_enter(const struct step *step, const struct root *root)
{
    if (root != NULL) return enter_root_namespaces(root);
    errno = EINVAL;
    if (step->path == NULL || chdir(step->path) < 0) return fail("enter the root");
    if (syscall(SYS_pivot_root, ".", ".") < 0) return fail("pivot_root");
    if (umount2(".", MNT_DETACH) < 0) return fail("detach the system's root");
    return chdir("/") < 0 ? fail("chdir /") : 0;
}

static int run_step(const struct step *step, const struct root *root)
{
    errno = 0;
    switch (step->kind) {
    case MKDIR: return do_mkdir(step);
    case MOUNT: return do_mount(step);
    case HOLD: return do_hold(step);
    case ATTACH: return do_attach(step);
    case UNMOUNT: return do_unmount(step);
    case WRITE: return do_write(step);
    case SYMLINK: return do_symlink(step);
    case NODE: return do_node(step);
    case FILL: return do_fill(step);
    case GROW: return do_grow(step);
    case ENTER: return do_enter(step, root);
    default: return fail("unknown step %d", step->kind);
    }
}

/* ---- all of them ---- */

static void note(struct builder *notes, int number, const char *text)
{
    uint8_t bytes[2 + sizeof failure];
    size_t length = strlen(text);
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
    memcpy(bytes + 2, text, length);
    if (notes->length < MOST_NOTES) put_field(notes, 1, bytes, 2 + length);
}

/* Before an `enter` paths are the system's; without one, all of them are those of the root that was named. */
static bool begins_in_root(uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    while (next_field(&fields, &field))
        if (field.tag == STEP && field.length > 0 && field.value[0] == ENTER) return false;
    return true;
}

int run_steps(uint8_t *payload, size_t length, const struct root *root, struct builder *notes, int *failed_step)
{
    struct field field;
    int number = 0;
    if (!slots_ready) memset(slots, -1, sizeof slots);
    slots_ready = true;
    if (root != NULL && begins_in_root(payload, length) && enter_root_namespaces(root) < 0) return -1;
    struct fields fields = fields_of(payload, length);
    for (; next_field(&fields, &field);) {
        struct step step;
        if (field.tag != STEP) continue;
        *failed_step = number;
        errno = 0;
        if (!parse_step(&field, &step)) return fail("malformed step %d", number);
        if (is_skipped(&step)) {
            if (step.flags & ONLY_DIRECTORY) note(notes, number, "there is something else, which stays");
        } else if (run_step(&step, root) < 0) {
            if (!(step.flags & MAY_FAIL)) return -1;
            note(notes, number, failure);
        }
        number++;
    }
    *failed_step = -1;
    return 0;
}

void report_step_failure(int failed_step)
{
    static struct builder builder;
    put_failure(&builder, "step.failed");
    if (failed_step >= 0) put_int(&builder, 4, (uint64_t)failed_step);
    report(FAIL, &builder);
}
