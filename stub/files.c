#define _GNU_SOURCE
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *absolute(const char *variable) {
  const char *value = getenv(variable);
  return value && value[0] == '/' ? value : NULL;
}

/* The same as in src/config/paths.ts; without HOME it is that of the user's passwd entry. */
bool cache_directory(char *path) {
  const char *data = absolute("SMOLVM_DATA_DIR"), *cache = absolute("XDG_CACHE_HOME"), *home = absolute("HOME");
  if (data) return path_format(path, "%s/cache", data), true;
  if (cache) return path_format(path, "%s/smolvm", cache), true;
  if (!home) {
    const struct passwd *entry = getpwuid(getuid());
    home = entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : NULL;
  }
  if (!home) return false;
  return path_format(path, "%s/.cache/smolvm", home), true;
}

bool make_directories(const char *path) {
  char part[PATH_ROOM];
  path_format(part, "%s", path);
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(part, 0700) != 0 && errno != EEXIST && access(part, F_OK) != 0) return false;
    *slash = '/';
  }
  return mkdir(part, 0700) == 0 || errno == EEXIST;
}

ssize_t read_text(const char *path, char *text, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -1;
  ssize_t size = read(fd, text, room - 1);
  close(fd);
  text[size < 0 ? 0 : size] = '\0';
  return size;
}

int new_file(const char *directory, const char *fallback) {
  int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  unlink(fallback);
  return open(fallback, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
}

bool name_file(int fd, const char *fallback, const char *path) {
  struct stat status, named;
  if (fstat(fd, &status) != 0) return false;
  bool has_name = lstat(fallback, &named) == 0 && named.st_ino == status.st_ino && named.st_dev == status.st_dev;
  if (!has_name) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    unlink(fallback); /* of a process that was killed */
    if (linkat(AT_FDCWD, link, AT_FDCWD, fallback, AT_SYMLINK_FOLLOW) != 0) return false;
  }
  return rename(fallback, path) == 0;
}

void remember(const char *directory, const char *name, const char *text) {
  char path[PATH_ROOM], fallback[PATH_ROOM];
  path_format(path, "%s/%s", directory, name);
  path_format(fallback, "%s.new", path);
  int fd = new_file(directory, fallback);
  if (fd < 0) return;
  size_t size = strlen(text);
  if (write(fd, text, size) != (ssize_t)size || !name_file(fd, fallback, path)) unlink(fallback);
  close(fd);
}

void identity_of(const struct stat *status, bool boot, char *text, size_t room) {
  char id[64] = "";
  if (boot && read_text("/proc/sys/kernel/random/boot_id", id, sizeof id) > 0) id[strcspn(id, "\n")] = '\0';
  snprintf(text, room, "%llu %llu %lld %lld.%09ld %lld.%09ld %s", (unsigned long long)status->st_dev,
           (unsigned long long)status->st_ino, (long long)status->st_size, (long long)status->st_mtim.tv_sec,
           status->st_mtim.tv_nsec, (long long)status->st_ctim.tv_sec, status->st_ctim.tv_nsec, id);
}
