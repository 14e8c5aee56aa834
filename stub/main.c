#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_error(const char *format, va_list values, const char *reason) {
  fputs("error: ", stderr);
  vfprintf(stderr, format, values);
  if (reason) fprintf(stderr, ": %s", reason);
  fputc('\n', stderr);
}

static _Noreturn void end(const char *hint) {
  if (hint) fprintf(stderr, "hint: %s\n", hint);
  exit(EXIT_FAILED_BEFORE);
}

_Noreturn void fail(const char *hint, const char *format, ...) {
  va_list values;
  va_start(values, format);
  print_error(format, values, NULL);
  va_end(values);
  end(hint);
}

_Noreturn void fail_errno(const char *hint, const char *format, ...) {
  const char *reason = strerror(errno);
  va_list values;
  va_start(values, format);
  print_error(format, values, reason);
  va_end(values);
  end(hint);
}

void path_format(char *path, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int length = vsnprintf(path, PATH_ROOM, format, values);
  va_end(values);
  if (length < 0 || length >= PATH_ROOM) fail(NULL, "a path is longer than %d bytes", PATH_ROOM);
}

/* The file that runs, by its real name: through symbolic links, and wherever it was moved to. */
static void find_self(char *self) {
  ssize_t length = readlink("/proc/self/exe", self, PATH_ROOM - 1);
  if (length < 0) fail_errno("/proc has to be mounted", "cannot find the file of this program");
  self[length] = '\0';
}

/* The pack at the end of the program itself, or else beside it. */
static void find_pack(const char *self, struct pack *pack, char *path) {
  int fd = open(self, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && pack_open(fd, self, pack)) {
    path_format(path, "%s", self);
    return;
  }
  if (fd >= 0) close(fd);
  path_format(path, "%s.smolmachine", self);
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT)
    fail("the two files belong together: move and rename both", "%s is missing, which holds what this program runs", path);
  if (fd < 0) fail_errno(NULL, "cannot read %s", path);
  if (!pack_open(fd, path, pack)) fail("get it once more from where it came from", "%s is not a pack, or is cut off", path);
}

/* The runtime's own variables would decide what runs; with BUN_BE_BUN the program would be no smolvm at all. */
static void drop_runtime_variables(void) {
  extern char **environ;
  char **kept = environ;
  for (char **variable = environ; *variable; variable++)
    if (strncmp(*variable, "BUN_", 4) != 0) *kept++ = *variable;
  *kept = NULL;
}

/* How often the cache may be removed while smolvm is unpacked to it, and before it starts. */
enum { ATTEMPTS = 5 };

int main(int count, char **words) {
  /* An installed program is asked for its version: a packed one that somebody named smolvm is none. */
  if (getenv(STUB_GUARD)) return EXIT_FAILED_BEFORE;
  char self[PATH_ROOM], path[PATH_ROOM], cache[PATH_ROOM] = "", program[PATH_ROOM];
  struct pack pack;
  find_self(self);
  find_pack(self, &pack, path);
  bool has_cache = cache_directory(cache);
  bool is_installed = installed_find(cache, program);
  if (!is_installed) {
    if (!pack.has_runtime)
      fail("install smolvm " STUB_VERSION " or newer", "%s carries no smolvm for " STUB_PLATFORM, path);
    if (!has_cache)
      fail("set HOME, or SMOLVM_DATA_DIR to a directory that may be written to", "there is no place to unpack smolvm to");
  }

  /* smolvm __packed PACK NAME WORDS...; see src/cli/packed/. Before Linux 5.18 there may be no word at all. */
  char **argv = calloc((size_t)count + 5, sizeof *argv);
  if (!argv) fail(NULL, "there is not enough memory");
  const char *name = count > 0 ? words[0] : self;
  const char *slash = strrchr(name, '/');
  char *const front[] = {program, "__packed", path, (char *)(slash ? slash + 1 : name)};
  memcpy(argv, front, sizeof front);
  for (int i = 1; i < count; i++) argv[3 + i] = words[i];
  drop_runtime_variables();
  for (int attempt = 0; attempt < (is_installed ? 1 : ATTEMPTS); attempt++) {
    if (is_installed || cache_runtime(cache, &pack, path, program)) {
      execv(program, argv);
      if (errno != ENOENT) break;
    }
    errno = ENOENT;
  }
  if (errno == EACCES)
    fail_errno("where programs may not run (noexec), name another place: SMOLVM_DATA_DIR", "cannot start %s", program);
  fail_errno(NULL, "cannot start %s", program);
}
