#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "init.h"

#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, __u64)
#endif

/* The ext4 superblock, 1024 bytes into the disk; offsets from the kernel's Documentation/filesystems/ext4/super.rst. */
enum { BLOCKS_LOW = 4, LOG_BLOCK_SIZE = 24, MAGIC = 56, STATE = 58, BLOCKS_HIGH = 336, SUPERBLOCK_BYTES = 1024 };
#define EXT4_MAGIC 0xef53
#define STATE_ERRORS 2

static uint32_t little(const uint8_t *b, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | b[i];
    return value;
}

struct filesystem {
    bool valid, errors;
    uint64_t blocks, device_blocks;
};

static int inspect(const char *device, struct filesystem *fs)
{
    uint8_t block[SUPERBLOCK_BYTES];
    uint64_t bytes = 0;
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail("open %s", device);
    bool read_it = pread(fd, block, sizeof block, 1024) == sizeof block && ioctl(fd, BLKGETSIZE64, &bytes) == 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!read_it) return fail("read %s", device);
    unsigned shift = 10 + little(block + LOG_BLOCK_SIZE, 4);
    fs->valid = little(block + MAGIC, 2) == EXT4_MAGIC && shift <= 16;
    fs->errors = little(block + STATE, 2) & STATE_ERRORS;
    fs->blocks = (uint64_t)little(block + BLOCKS_HIGH, 4) << 32 | little(block + BLOCKS_LOW, 4);
    fs->device_blocks = fs->valid ? bytes >> shift : 0;
    return 0;
}

static int format_disk(const char *device)
{
    /* Lazy: the kernel's own thread writes the tables later, and only where they are used. */
    const char *const argv[] = {"mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E",
                                "lazy_itable_init=1,lazy_journal_init=1,nodiscard", device, NULL};
    int code = run(argv);
    errno = 0;
    return code == 0 ? 0 : fail("format %s: mke2fs ended with code %d", device, code);
}

/* First what is safe without asking, then everything: a damaged disk is repaired, never formatted anew. */
static int check_disk(const char *device)
{
    const char *const careful[] = {"e2fsck", "-p", "-f", device, NULL};
    const char *const thorough[] = {"e2fsck", "-y", "-f", device, NULL};
    int code = run(careful);
    if (code < 0 || code > 3) code = run(thorough);
    errno = 0;
    return code >= 0 && code <= 3 ? 0 : fail("repair %s: e2fsck ended with code %d", device, code);
}

/* The host made the disk larger than its template: the kernel grows a mounted ext4 by itself. */
static void grow(const char *target, const struct filesystem *fs)
{
    uint64_t blocks = fs->device_blocks;
    int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0) say("grow %s: %s", target, strerror(errno));
    if (fd >= 0) close(fd);
}

int mount_disk(const char *device, const char *target, bool format)
{
    struct filesystem fs;
    if (format && format_disk(device) < 0) return -1;
    if (inspect(device, &fs) < 0) return -1;
    errno = 0;
    if (!fs.valid) return fail("%s holds no ext4 filesystem", device);
    if (fs.errors && check_disk(device) < 0) return -1;
    /* A journal left by a power cut is replayed by mount itself. */
    if (mount(device, target, "ext4", 0, "errors=remount-ro") < 0) {
        if (errno != EUCLEAN && errno != EINVAL && errno != EIO && errno != EBADMSG)
            return fail("mount %s", device);
        if (check_disk(device) < 0) return -1;
        if (mount(device, target, "ext4", 0, "errors=remount-ro") < 0) return fail("mount %s", device);
    }
    if (fs.device_blocks > fs.blocks) grow(target, &fs);
    return 0;
}
