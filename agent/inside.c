/*
 * The last steps of the workload's root, done by a process that already lives in it: links in a hostile image can
 * then lead nowhere but into the image itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init.h"

/* linux/mount.h, which does not get along with sys/mount.h in older C libraries */
#define CLONE_TREE 1          /* OPEN_TREE_CLONE */
#define EMPTY_SOURCE 4        /* MOVE_MOUNT_F_EMPTY_PATH */
#define FOLLOW_TARGET 0x10    /* MOVE_MOUNT_T_SYMLINKS */

static int take_tree(const char *path)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, CLONE_TREE | O_CLOEXEC);
    return tree < 0 ? fail("open_tree %s", path) : tree;
}

/* Prepares, still on the system's side, what is attached inside later. */
int take_trees(const struct settings *settings, struct trees *trees)
{
    char hosts[512], hostname[80];
    trees->storage = -1;
    snprintf(hostname, sizeof hostname, "%s\n", settings->hostname);
    snprintf(hosts, sizeof hosts,
             "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
             "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
             settings->hostname);
    /* A filesystem of its own, with a limit: the workload may write to these files. */
    mkdir(ETC_DIR, 0755);
    if (mount("etc", ETC_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,nr_inodes=16,mode=0755") < 0)
        return fail("mount %s", ETC_DIR);
    if (!write_file(ETC_DIR "/hosts", hosts) || !write_file(ETC_DIR "/hostname", hostname) ||
        !write_file(ETC_DIR "/resolv.conf", ""))
        return fail("write %s", ETC_DIR);
    if ((trees->hosts = take_tree(ETC_DIR "/hosts")) < 0) return -1;
    if ((trees->hostname = take_tree(ETC_DIR "/hostname")) < 0) return -1;
    if ((trees->resolv = take_tree(ETC_DIR "/resolv.conf")) < 0) return -1;
    if (settings->storage[0] == '\0') return 0;
    mkdir(STORAGE_DIR, 0755);
    if (mount_disk(settings->storage, STORAGE_DIR, settings->format_storage) < 0) return -1;
    /* A directory of it, so that lost+found is not in the user's way. */
    if (mkdir(STORAGE_DIR "/workspace", 0755) < 0 && errno != EEXIST) return fail("mkdir %s/workspace", STORAGE_DIR);
    return (trees->storage = take_tree(STORAGE_DIR "/workspace")) < 0 ? -1 : 0;
}

static int attach(int tree, const char *path)
{
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, EMPTY_SOURCE | FOLLOW_TARGET) < 0)
        return fail("mount %s", path);
    return close(tree);
}

/*
 * Missing files are made as mount points, as docker does. What an image makes impossible, say because its /etc is a
 * file, it goes without.
 */
static void attach_file(int tree, const char *path)
{
    mkdir("/etc", 0755);
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (fd >= 0) close(fd);
    if (attach(tree, path) < 0) say("%s", failure);
}

static int mount_inside(const char *type, const char *path, unsigned long flags, const char *options)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST) return fail("mkdir %s", path);
    return mount(type, path, type, flags, options) < 0 ? fail("mount %s", path) : 0;
}

static int make_device(const char *path, unsigned major_number, unsigned minor_number)
{
    /* The mode is set again because of the umask. */
    if (mknod(path, S_IFCHR | 0666, makedev(major_number, minor_number)) < 0 || chmod(path, 0666) < 0)
        return fail("mknod %s", path);
    return 0;
}

static int fill_dev(void)
{
    if (make_device("/dev/null", 1, 3) < 0 || make_device("/dev/zero", 1, 5) < 0 ||
        make_device("/dev/full", 1, 7) < 0 || make_device("/dev/random", 1, 8) < 0 ||
        make_device("/dev/urandom", 1, 9) < 0 || make_device("/dev/tty", 5, 0) < 0)
        return -1;
    if (symlink("pts/ptmx", "/dev/ptmx") < 0 || symlink("/proc/self/fd", "/dev/fd") < 0 ||
        symlink("/proc/self/fd/0", "/dev/stdin") < 0 || symlink("/proc/self/fd/1", "/dev/stdout") < 0 ||
        symlink("/proc/self/fd/2", "/dev/stderr") < 0 || symlink("/proc/kcore", "/dev/core") < 0)
        return fail("fill /dev");
    return 0;
}

int complete_root(const struct trees *trees)
{
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount_inside("proc", "/proc", safe, NULL) < 0) return -1;
    if (mount_inside("tmpfs", "/dev", MS_NOSUID, "mode=0755,size=64k,nr_inodes=1k") < 0 || fill_dev() < 0) return -1;
    if (mount_inside("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") < 0)
        return -1;
    if (mount_inside("tmpfs", "/dev/shm", safe, "mode=1777") < 0) return -1;
    if (mount_inside("mqueue", "/dev/mqueue", safe, NULL) < 0) return -1;
    if (mount_inside("sysfs", "/sys", safe | MS_RDONLY, NULL) < 0) return -1;
    if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", safe, "nsdelegate") < 0) return fail("mount /sys/fs/cgroup");
    attach_file(trees->hosts, "/etc/hosts");
    attach_file(trees->hostname, "/etc/hostname");
    attach_file(trees->resolv, "/etc/resolv.conf");
    if (trees->storage < 0) return 0;
    if (mkdir("/workspace", 0755) < 0 && errno != EEXIST) return fail("mkdir /workspace");
    return attach(trees->storage, "/workspace");
}
