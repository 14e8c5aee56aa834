#define _GNU_SOURCE
#include "stub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/*
 * `<cache>/programs/<content hash>/`: `smolvm`, `stamp` (what it was when it was last found to be right), and `lock`,
 * whose time of change is when the runtime was last used. A stamp holds for one boot: a power cut may lose what had not
 * been written. A runtime that does not match its stamp is unpacked anew; the pack has it.
 */

/* Runtimes beside the one in use that stay: about 130 MB each, and seldom has anybody packs of more versions. */
enum { KEPT = 3, MOST_LISTED = 256, HASH_DIGITS = 32, IDENTITY_ROOM = 256 };

static bool matches_stamp(const char *program, const char *stamp) {
  struct stat status;
  char known[IDENTITY_ROOM], found[IDENTITY_ROOM];
  if (lstat(program, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (read_text(stamp, known, sizeof known) <= 0) return false;
  identity_of(&status, true, found, sizeof found);
  return strcmp(known, found) == 0;
}

_Noreturn static void unwritable(const char *directory) {
  fail_errno("name a directory that may be written to: SMOLVM_DATA_DIR", "cannot write to the cache in %s", directory);
}

/* Waits for others that unpack the same. The lock's file may be removed by a process that makes room, and is then another. */
static int lock_directory(const char *directory, const char *lock) {
  for (;;) {
    if (!make_directories(directory)) unwritable(directory);
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT) continue;
    if (fd < 0) unwritable(directory);
    struct stat held, named;
    while (flock(fd, LOCK_EX) != 0)
      if (errno != EINTR) unwritable(directory);
    if (fstat(fd, &held) == 0 && stat(lock, &named) == 0 && held.st_ino == named.st_ino) return fd;
    close(fd);
  }
}

/* False when the directory was removed meanwhile, as whoever empties the cache does. */
static bool write_runtime(const struct pack *pack, const char *pack_path, const char *directory, const char *program) {
  char fallback[PATH_ROOM];
  path_format(fallback, "%s.new", program);
  int fd = new_file(directory, fallback);
  if (fd < 0 && errno == ENOENT) return false;
  if (fd < 0) unwritable(directory);
  enum unpacked result = unpack(pack, fd);
  if (result == UNPACKED && (fchmod(fd, 0555) != 0 || !name_file(fd, fallback, program))) result = UNWRITABLE;
  int reason = errno;
  if (result != UNPACKED) unlink(fallback);
  close(fd); /* a file that is open for writing cannot be executed */
  errno = reason;
  switch (result) {
    case UNPACKED: return true;
    case NO_SPACE:
      fail("free some, or name another place: SMOLVM_DATA_DIR", "unpacking smolvm needs %llu MB, and %s has no room",
           (unsigned long long)(pack->runtime.size / 1000000 + 1), directory);
    case UNWRITABLE:
      if (errno == ENOENT) return false;
      unwritable(directory);
    case OUT_OF_MEMORY: fail(NULL, "there is not enough memory to unpack smolvm");
    case DAMAGED: break;
  }
  fail("get it once more from where it came from", "the smolvm in %s is damaged", pack_path);
}

struct other {
  char name[HASH_DIGITS + 1];
  struct timespec used;
};

static bool is_newer(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Removes a runtime unless somebody is unpacking it. Whoever runs it keeps it: the kernel has the file open. */
static void remove_runtime(const char *programs, const char *name) {
  char path[PATH_ROOM];
  path_format(path, "%s/%s/lock", programs, name);
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
    static const char *const files[] = {"stamp", "stamp.new", "smolvm", "smolvm.new", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
      path_format(path, "%s/%s/%s", programs, name, files[i]);
      unlink(path);
    }
    path_format(path, "%s/%s", programs, name);
    rmdir(path);
  }
  if (fd >= 0) close(fd);
}

static void prune(const char *programs, const char *own) {
  static struct other others[MOST_LISTED];
  size_t count = 0;
  DIR *listing = opendir(programs);
  if (!listing) return;
  for (struct dirent *entry; count < MOST_LISTED && (entry = readdir(listing));) {
    if (strspn(entry->d_name, "0123456789abcdef") != HASH_DIGITS || entry->d_name[HASH_DIGITS] != '\0') continue;
    if (strcmp(entry->d_name, own) == 0) continue;
    char lock[PATH_ROOM];
    struct stat status;
    path_format(lock, "%s/%s/lock", programs, entry->d_name);
    if (lstat(lock, &status) != 0) continue;
    memcpy(others[count].name, entry->d_name, sizeof others[count].name);
    others[count++].used = status.st_mtim;
  }
  closedir(listing);
  for (size_t i = 0; i < count; i++) {
    size_t newer = 0;
    for (size_t j = 0; j < count; j++) newer += is_newer(&others[j].used, &others[i].used);
    if (newer >= KEPT) remove_runtime(programs, others[i].name);
  }
}

bool cache_runtime(const char *cache, const struct pack *pack, const char *pack_path, char *program) {
  char hash[HASH_DIGITS + 1], programs[PATH_ROOM], directory[PATH_ROOM], stamp[PATH_ROOM], lock[PATH_ROOM];
  for (int i = 0; i < HASH_DIGITS / 2; i++) snprintf(hash + 2 * i, 3, "%02x", pack->runtime.digest[i]);
  path_format(programs, "%s/programs", cache);
  path_format(directory, "%s/%s", programs, hash);
  path_format(program, "%s/smolvm", directory);
  path_format(stamp, "%s/stamp", directory);
  path_format(lock, "%s/lock", directory);
  if (matches_stamp(program, stamp)) {
    utimensat(AT_FDCWD, lock, NULL, AT_SYMLINK_NOFOLLOW);
    return true;
  }
  int held = lock_directory(directory, lock);
  if (!matches_stamp(program, stamp)) {
    if (!write_runtime(pack, pack_path, directory, program)) {
      close(held);
      return false;
    }
    struct stat status;
    char identity[IDENTITY_ROOM];
    if (lstat(program, &status) == 0) {
      identity_of(&status, true, identity, sizeof identity);
      remember(directory, "stamp", identity);
    }
    prune(programs, hash);
  }
  futimens(held, NULL);
  close(held);
  return true;
}
