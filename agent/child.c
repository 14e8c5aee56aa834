/* What a new process does between clone and exec. Every descriptor but 0, 1, 2 and the status pipe is closed first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* 1024 streams: of a listener one and its 64 connections that wait, of a process six. */
#define DESCRIPTORS (128 * 1024)
#define STATUS 3
#define PROGRAM 4

/* Tells the parent why there is no program: the code, a line feed, the failure text. */
static _Noreturn void give_up(const char *code)
{
    char text[600];
    int length = snprintf(text, sizeof text, "%s\n%s", code, failure);
    write_all(STATUS, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    _exit(1);
}

static void take_descriptors(const int stdio[3], int status, int program)
{
    /* Above the numbers they are going to have, so that none overwrites another. */
    int source[5] = {stdio[0], stdio[1], stdio[2], status, program};
    for (int i = 0; i < 5; i++) source[i] = fcntl(source[i], F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++) dup2(source[i], i);
    dup3(source[3], STATUS, O_CLOEXEC);
    if (program >= 0) dup3(source[4], PROGRAM, O_CLOEXEC);
    syscall(SYS_close_range, program >= 0 ? PROGRAM + 1u : STATUS + 1u, ~0u, 0u);
}

/* Of those that the agent found all have their defaults, see run_loop(). */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static struct rlimit found_limit;

void raise_descriptor_limit(void)
{
    if (getrlimit(RLIMIT_NOFILE, &found_limit) < 0) die("read the limit of descriptors");
    if (found_limit.rlim_cur >= DESCRIPTORS) return;
    const struct rlimit enough = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};
    const struct rlimit most = {.rlim_cur = found_limit.rlim_max, .rlim_max = found_limit.rlim_max};
    /* In a guest it may; beside other processes, for tests, perhaps only so far. */
    if (setrlimit(RLIMIT_NOFILE, &enough) < 0 && setrlimit(RLIMIT_NOFILE, &most) < 0)
        die("raise the limit of descriptors");
}

static int set_limits(struct request *request)
{
    if (setrlimit(RLIMIT_NOFILE, &found_limit) < 0) return fail("set resource limit");
    for (size_t i = 0; i < request->limit_count; i++) {
        const struct limit *limit = &request->limits[i];
        struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
        if (setrlimit(limit->resource, &value) < 0) return fail("set resource limit");
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

static void add_home(struct request *request, const char *home)
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

/* ---- the first process of a root ---- */

/* The root's /proc shows the PID namespace of whoever mounts it; one of an earlier first process is in the way. */
static int mount_proc(void)
{
    umount2("/proc", MNT_DETACH);
    mkdir("/proc", 0555);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) return fail("mount /proc");
    return 0;
}

/* Docker's /dev/console: the terminal of the first process. Without that file in the root there is none. */
static void mount_console(void)
{
    umount2("/dev/console", MNT_DETACH);
    (void)!mount("/proc/self/fd/0", "/dev/console", NULL, MS_BIND, NULL);
}

static pid_t reaped_program;

static void forward(int number)
{
    int error = errno;
    if (kill(-reaped_program, number) < 0) kill(reaped_program, number);
    errno = error;
}

/*
 * `--init`: this process stays the first of its namespace, passes signals on, reaps what loses its parent, and ends as
 * the program does. Returns in the program-to-be.
 */
static void stay_as_reaper(void)
{
    int ready[2], status;
    char none;
    if (pipe2(ready, O_CLOEXEC) < 0) return;
    reaped_program = fork();
    if (reaped_program < 0) {
        fail("start a process");
        give_up("exec.failed");
    }
    if (reaped_program == 0) {
        /* Not before its parent passes signals on: a first process without handlers loses them. */
        close(ready[1]);
        (void)!read(ready[0], &none, 1);
        close(ready[0]);
        return;
    }
    prctl(PR_SET_NAME, "init");
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
    for (int number = 1; number < NSIG; number++)
        if (number != SIGCHLD && number != SIGKILL && number != SIGSTOP) sigaction(number, &action, NULL);
    sigset_t no_signals;
    sigemptyset(&no_signals);
    sigprocmask(SIG_SETMASK, &no_signals, NULL);
    syscall(SYS_close_range, STATUS, ~0u, 0u); /* `ready` too, which lets the program go on */
    for (pid_t pid; (pid = waitpid(-1, &status, 0)) != reaped_program;)
        if (pid < 0 && errno != EINTR) break;
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- all of it ---- */

/* A program of the system's, which is opened before its root is out of sight; -1 when none was asked for. */
static int open_program(const struct request *request)
{
    static const char *const directories[] = {"", "/bin/", "/sbin/"};
    char path[PATH_MAX];
    if (!(request->flags & EXEC_SYSTEM_PROGRAM)) return -1;
    for (int i = strchr(request->argv[0], '/') == NULL ? 1 : 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", directories[i], request->argv[0]);
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd >= 0 || i == 0) return fd;
    }
    return -1;
}

static bool enter(const struct request *request, const struct root *root)
{
    if (root == NULL) return true;
    if (enter_root_namespaces(root) < 0) return false;
    return !(request->flags & EXEC_FIRST) || mount_proc() == 0;
}

static _Noreturn void become_program(struct request *request)
{
    bool of_system = request->flags & EXEC_SYSTEM_PROGRAM;
    if (of_system) syscall(SYS_execveat, PROGRAM, "", request->argv, request->env, AT_EMPTY_PATH);
    else execute(request->argv, request->env);
    bool missing = errno == ENOENT || errno == ENOTDIR;
    explain(request->argv[0]);
    give_up(missing ? "exec.not_found" : "exec.not_executable");
}

_Noreturn void run_child(struct request *request, const struct root *root, const int stdio[3], int status)
{
    static struct identity identity;
    bool of_system = request->flags & EXEC_SYSTEM_PROGRAM;
    /* The agent is never the out-of-memory killer's choice, the program is. */
    write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "0");
    int program = open_program(request);
    int missing = errno;
    bool entered = enter(request, root);
    take_descriptors(stdio, status, program);
    if (!entered) give_up("exec.no_root");
    if (of_system && program < 0) {
        errno = missing;
        fail("%s", request->argv[0]);
        give_up("exec.not_found");
    }
    if (request->flags & EXEC_REAPER) stay_as_reaper();
    setsid();
    setpriority(PRIO_PROCESS, 0, 0);
    if (request->flags & EXEC_TTY) {
        ioctl(0, TIOCSCTTY, 1);
        if (request->flags & EXEC_FIRST) mount_console();
    }
    reset_signals();
    umask(022);
    if (!resolve_user(request->user, &identity)) give_up("exec.bad_user");
    if (enter_directory(request->cwd) < 0) give_up("exec.bad_cwd");
    if (set_limits(request) < 0) give_up("exec.bad_request");
    own_stdio(identity.uid);
    if (become(&identity) < 0) give_up("exec.bad_user");
    add_home(request, identity.home);
    /* After the change of user, which clears it: no process outlives the agent. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    become_program(request);
}
