/*
 * A library of its own, which is loaded into QEMU before all others (LD_PRELOAD): a guest's memory begins as the content
 * of a file that many guests share (docs/design/boot.md, "Going on from a saved guest").
 *
 * QEMU can map a file as memory, but opens it for writing, punches holes in it when a guest frees memory, and puts each
 * page that a guest touches for the first time into the host's page cache too. So this library stands between it and
 * four functions of the C library. A name `template:PATH` opens PATH for reading. Of its mapping only the blocks that have
 * content are the file's, privately: what a guest writes is its own. All others are anonymous memory, as without a
 * template, in large pages where the host has them. A hole that is to be punched is none: QEMU gives the pages
 * themselves up afterwards (madvise).
 *
 * Linked without a C library, it takes the one that QEMU has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const char prefix[] = "template:";
/* Blocks with content begin and end at multiples of this: a large page, and few mappings. */
static const off_t BLOCK = 2 * 1024 * 1024;

/* The memory's file, or -1. QEMU opens it once, from its first thread. */
static int template = -1;

static int open_file(const char *path, int flags, mode_t mode)
{
    size_t length = sizeof prefix - 1;
    if (strncmp(path, prefix, length) != 0) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (template >= 0) {
        errno = EBUSY;
        return -1;
    }
    template = (int)syscall(SYS_openat, AT_FDCWD, path + length, O_RDONLY | O_CLOEXEC, 0);
    return template;
}

/* musl has these names without the 64, and on 64 bits they mean the same everywhere. */
#define ALSO(name) __attribute__((alias(#name)))

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_file(path, flags, mode);
}

/* What the C library's headers make of open() where its flags are no constant (_FORTIFY_SOURCE). */
int __open64_2(const char *path, int flags)
{
    return open_file(path, flags, 0);
}

static void *map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

/* Fills the mapping's blocks that have content in the file. False with errno: there is none of it then. */
static bool map_content(char *memory, size_t length, int protection, off_t offset)
{
    off_t end = offset + (off_t)length;
    off_t done = offset;
    while (done < end) {
        off_t data = lseek(template, done, SEEK_DATA);
        if (data < 0 && errno == ENXIO) return true; /* only holes are left */
        off_t hole = data < 0 ? -1 : lseek(template, data, SEEK_HOLE);
        if (hole < 0) return false;
        off_t from = data / BLOCK * BLOCK, to = (hole + BLOCK - 1) / BLOCK * BLOCK;
        if (from < done) from = done;
        if (to > end) to = end;
        if (from < to && map(memory + (from - offset), (size_t)(to - from), protection, MAP_PRIVATE | MAP_FIXED, template,
                             from) == MAP_FAILED)
            return false;
        if (to > done) done = to;
    }
    return true;
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (fd < 0 || fd != template) return map(at, length, protection, flags, fd, offset);
    char *memory = map(at, length, protection, (flags & MAP_FIXED) | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || map_content(memory, length, protection, offset)) return memory;
    int error = errno;
    syscall(SYS_munmap, memory, length);
    errno = error;
    return MAP_FAILED;
}

int fallocate64(int fd, int mode, off_t offset, off_t length)
{
    if (fd >= 0 && fd == template) return 0;
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int open(const char *path, int flags, ...) ALSO(open64);
int __open_2(const char *path, int flags) ALSO(__open64_2);
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) ALSO(mmap64);
int fallocate(int fd, int mode, off_t offset, off_t length) ALSO(fallocate64);
