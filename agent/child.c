/* What the new process does between fork and exec. Every descriptor but 0, 1, 2 and the status pipe is closed first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STATUS 3

/* Tells the parent why there is no program: the code, a line feed, the failure text. */
static _Noreturn void give_up(const char *code)
{
    char text[600];
    int length = snprintf(text, sizeof text, "%s\n%s", code, failure);
    write_all(STATUS, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    _exit(1);
}

static void take_descriptors(const int stdio[3], int status)
{
    /* Above the numbers they are going to have, so that none overwrites another. */
    int source[4] = {stdio[0], stdio[1], stdio[2], status};
    for (int i = 0; i < 4; i++) source[i] = fcntl(source[i], F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++) dup2(source[i], i);
    dup3(source[3], STATUS, O_CLOEXEC);
    syscall(SYS_close_range, STATUS + 1u, ~0u, 0u);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
}

static int set_limits(const struct request *request)
{
    for (size_t i = 0; i < request->limit_count; i++) {
        const struct limit *limit = &request->limits[i];
        struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
        if (setrlimit((__rlimit_resource_t)limit->resource, &value) < 0) return fail("set resource limit");
    }
    return 0;
}

/* Makes the directory and its parents where they are missing, as container runtimes do for WORKDIR. */
static int enter_directory(const char *path)
{
    char part[PATH_MAX];
    if (chdir(path) == 0) return 0;
    if (errno != ENOENT) return fail("%s", path);
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part) return fail("%s", path);
    for (char *slash = part; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL) *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST) return fail("mkdir %s", part);
        if (slash != NULL) *slash = '/';
    }
    return chdir(path) < 0 ? fail("%s", path) : 0;
}

/* The user may open /dev/stdout and the like again only as their owner. */
static void own_stdio(uid_t uid)
{
    struct stat info;
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &info) < 0 || info.st_uid == uid) continue;
        if (S_ISFIFO(info.st_mode) || isatty(fd)) (void)!fchown(fd, uid, (gid_t)-1);
    }
}

static int become(const struct identity *identity)
{
    if (setgroups(identity->group_count, identity->groups) < 0) return fail("setgroups");
    if (setresgid(identity->gid, identity->gid, identity->gid) < 0) return fail("setgid");
    if (setresuid(identity->uid, identity->uid, identity->uid) < 0) return fail("setuid");
    return 0;
}

static const char *get_variable(char **env, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;
    for (; *env != NULL; env++)
        if (strncmp(*env, name, length) == 0 && (*env)[length] == '=') value = *env + length + 1;
    return value;
}

static void add_home(const struct request *request, const char *home)
{
    static char variable[sizeof "HOME=" + sizeof ((struct identity *)0)->home];
    if (get_variable(request->env, "HOME") != NULL) return;
    snprintf(variable, sizeof variable, "HOME=%s", home[0] == '\0' ? "/" : home);
    request->env[request->env_count] = variable;
    request->env[request->env_count + 1] = NULL;
}

/* A text that helps where the errno alone misleads. */
static int explain(const char *name)
{
    struct stat info;
    int error = errno;
    bool exists = strchr(name, '/') != NULL && stat(name, &info) == 0;
    errno = exists && error == EACCES && S_ISDIR(info.st_mode) ? EISDIR : error;
    if (exists && error == ENOENT) {
        errno = 0;
        return fail("%s: the interpreter or loader that it names does not exist", name);
    }
    return fail("%s", name);
}

/* Replaces this process by the program, or returns with errno of the most telling attempt. */
static void execute(char **argv, char **env)
{
    char path[PATH_MAX];
    const char *name = argv[0];
    const char *directories = get_variable(env, "PATH");
    bool denied = false;
    if (strchr(name, '/') != NULL) {
        execve(name, argv, env);
        return;
    }
    if (directories == NULL) directories = DEFAULT_PATH;
    for (const char *next = directories; next != NULL && *name != '\0';) {
        size_t length = strcspn(next, ":");
        const char *separator = length == 0 ? "" : "/";
        int size = snprintf(path, sizeof path, "%.*s%s%s", (int)length, next, separator, name);
        if (size > 0 && (size_t)size < sizeof path) {
            execve(path, argv, env);
            if (errno == EACCES) denied = true;
            else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG && errno != ELOOP) return;
        }
        next = next[length] == ':' ? next + length + 1 : NULL;
    }
    errno = denied ? EACCES : ENOENT;
}

_Noreturn void run_child(const struct request *request, int workload_pidfd, const int stdio[3], int status)
{
    static struct identity identity;
    int namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    bool entered = setns(workload_pidfd, namespaces) == 0;
    int error = errno;
    take_descriptors(stdio, status);
    errno = error;
    if (!entered) {
        fail("enter the workload's namespaces");
        give_up("exec.no_root");
    }
    setsid();
    setpriority(PRIO_PROCESS, 0, 0);
    if (request->tty) ioctl(0, TIOCSCTTY, 1);
    reset_signals();
    umask(022);
    if (!resolve_user(request->user, &identity)) give_up("exec.bad_user");
    if (enter_directory(request->cwd) < 0) give_up("exec.bad_cwd");
    if (set_limits(request) < 0) give_up("exec.bad_request");
    own_stdio(identity.uid);
    if (become(&identity) < 0) give_up("exec.bad_user");
    add_home(request, identity.home);
    /* After the change of user, which clears it: no process outlives the helper that watches it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execute(request->argv, request->env);
    bool missing = errno == ENOENT || errno == ENOTDIR;
    explain(request->argv[0]);
    give_up(missing ? "exec.not_found" : "exec.not_executable");
}
