#define _GNU_SOURCE
#include "stub.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A smolvm in PATH runs packs of its own version and of older ones. Which version it is, it says itself; the answer is
 * remembered, with what the file was then, in `<cache>/programs/installed`.
 */

/* An installed program that has not answered after so many seconds is none. */
enum { ANSWER_SECONDS = 5, VERSION_ROOM = 64, RECORD_ROOM = PATH_ROOM + 512 };

/* The first of that name in PATH, as a shell would take it; only from directories that do not depend on where we are. */
static bool find_in_path(char *path, struct stat *status) {
  const char *list = getenv("PATH");
  while (list && *list) {
    size_t length = strcspn(list, ":");
    if (list[0] == '/' && length < PATH_ROOM - 16) {
      snprintf(path, PATH_ROOM, "%.*s/smolvm", (int)length, list);
      if (stat(path, status) == 0 && S_ISREG(status->st_mode) && access(path, X_OK) == 0) return true;
    }
    list += length;
    if (*list == ':') list++;
  }
  return false;
}

/* What `smolvm --version` prints behind the name; false when it is another program, or does not run here. */
static bool ask_version(const char *program, char *version) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, 0), dup2(null, 2);
    dup2(ends[1], 1);
    alarm(ANSWER_SECONDS); /* outlives exec */
    char *const words[] = {"smolvm", "--version", NULL}, *const environment[] = {STUB_GUARD "=1", NULL};
    execve(program, words, environment);
    _exit(127);
  }
  close(ends[1]);
  char text[VERSION_ROOM + 16];
  size_t size = 0;
  for (ssize_t count; size < sizeof text - 1 && (count = read(ends[0], text + size, sizeof text - 1 - size)) > 0;)
    size += (size_t)count;
  close(ends[0]);
  text[size] = '\0';
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return false;
  text[strcspn(text, "\n")] = '\0';
  if (strncmp(text, "smolvm ", 7) != 0 || strlen(text + 7) >= VERSION_ROOM) return false;
  strcpy(version, text + 7);
  return true;
}

/* Whether version `have` is not older than `need`: three numbers (semver.org 2.0.0, section 11), and what follows them not. */
static bool is_at_least(const char *have, const char *need) {
  unsigned a[3] = {0}, b[3] = {0};
  if (sscanf(have, "%u.%u.%u", &a[0], &a[1], &a[2]) != 3) return false;
  sscanf(need, "%u.%u.%u", &b[0], &b[1], &b[2]);
  for (int i = 0; i < 3; i++)
    if (a[i] != b[i]) return a[i] > b[i];
  return true;
}

bool installed_find(const char *cache, char *path) {
  struct stat status;
  char identity[256], record[RECORD_ROOM], known[RECORD_ROOM], programs[PATH_ROOM], place[PATH_ROOM];
  char version[VERSION_ROOM];
  if (!find_in_path(path, &status)) return false;
  identity_of(&status, false, identity, sizeof identity);
  path_format(programs, "%s/programs", cache);
  path_format(place, "%s/installed", programs);
  int prefix = snprintf(record, sizeof record, "%s\n%s\n", path, identity);
  if (read_text(place, known, sizeof known) > prefix && strncmp(known, record, (size_t)prefix) == 0)
    return is_at_least(known + prefix, STUB_VERSION);
  if (!ask_version(path, version)) strcpy(version, "none");
  snprintf(record + prefix, sizeof record - (size_t)prefix, "%s", version);
  if (cache[0] != '\0' && make_directories(programs)) remember(programs, "installed", record);
  return is_at_least(version, STUB_VERSION);
}
