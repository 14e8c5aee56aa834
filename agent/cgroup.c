/* Cgroups: a root's, and below it one for each process that was asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

int set_cgroup(int cgroup, char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        const char *equals = strchr(values[i], '=');
        size_t length = equals == NULL ? 0 : (size_t)(equals - values[i]);
        errno = EINVAL;
        if (length == 0 || length >= sizeof name || memchr(values[i], '/', length) != NULL)
            return fail("cgroup setting %s", values[i]);
        memcpy(name, values[i], length);
        name[length] = '\0';
        if (!write_file_at(cgroup, name, equals + 1)) return fail("cgroup setting %s", values[i]);
    }
    return 0;
}

/* ---- a root's ---- */

/*
 * Memory that the workload can have: what is there for programs when the first root is made, but for what is kept. The
 * total would be too much: kernel and agent have their share by then, and only a limit that is met before the machine
 * runs dry is met quickly.
 */
static int limit_memory(int cgroup, uint64_t kept)
{
    static uint64_t available;
    char text[32];
    if (available == 0) available = available_memory();
    if (kept == 0 || available == 0) return 0;
    uint64_t limit = kept < available / 2 ? available - kept : available / 2;
    snprintf(text, sizeof text, "%llu", (unsigned long long)limit);
    return write_file_at(cgroup, "memory.max", text) ? 0 : fail("limit the root's memory");
}

/*
 * Processes in a cgroup keep its controllers from the cgroups below it (cgroups(7), "no internal processes").
 * Below a root's own, container engines make theirs; the root's processes then have one of their own as well.
 */
static int make_home(struct root *root)
{
    const char *name = root->home_name;
    if (name[0] == '\0') root->home = fcntl(root->cgroup, F_DUPFD_CLOEXEC, 0);
    else if (mkdirat(root->cgroup, name, 0755) < 0 && errno != EEXIST) return fail("make the cgroup %s", name);
    else root->home = openat(root->cgroup, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root->home < 0 ? fail("open the cgroup %s", name) : 0;
}

int make_root_cgroup(struct root *root, char *const *values, size_t count, uint64_t kept)
{
    char path[128];
    snprintf(path, sizeof path, CGROUP_DIR "/%s", root->name);
    if (mkdir(path, 0755) < 0 && errno != EEXIST) return fail("mkdir %s", path);
    root->cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->cgroup < 0) return fail("open %s", path);
    if (limit_memory(root->cgroup, kept) < 0) say("%s", failure);
    return set_cgroup(root->cgroup, values, count) < 0 ? -1 : make_home(root);
}

/* ---- a process's ---- */

/* The system's directory is opened for the call; the root's is kept. */
static int open_parent(const struct root *root)
{
    return root == NULL ? open(CGROUP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : root->cgroup;
}

static void close_parent(const struct root *root, int parent)
{
    int error = errno;
    if (root == NULL && parent >= 0) close(parent);
    errno = error;
}

int make_cgroup(const struct root *root, const char *name)
{
    int parent = open_parent(root);
    bool made = parent >= 0 && mkdirat(parent, name, 0755) == 0;
    int cgroup = made ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int error = errno;
    if (made && cgroup < 0) unlinkat(parent, name, AT_REMOVEDIR);
    errno = error;
    close_parent(root, parent);
    return cgroup < 0 ? fail("make a cgroup") : cgroup;
}

static void move_home(int from, int home)
{
    char line[32];
    int to = openat(home, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    int list = openat(from, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *lines = list < 0 ? NULL : fdopen(list, "r");
    while (lines != NULL && to >= 0 && fgets(line, sizeof line, lines) != NULL)
        (void)!write(to, line, strlen(line));
    if (lines != NULL) fclose(lines);
    close_fd(&to);
}

void remove_cgroup(const struct root *root, const char *name, int cgroup)
{
    int parent = open_parent(root);
    /* What forks at this very moment shows in the next round; bounded, as somebody may fork for ever. */
    for (int round = 0; parent >= 0 && round < 10; round++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno != EBUSY) break;
        move_home(cgroup, root == NULL ? parent : root->home);
    }
    close_parent(root, parent);
}
