/* The first process of a guest: what everything else needs, and the end of the machine. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

static bool is_init;

long milliseconds_since_boot(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* To the VMM a reset is the end: there is no firmware to power anything off. */
_Noreturn void power_off(void)
{
    /* It came to its end, not the machine. */
    if (in_child) _exit(1);
    end_all_fuse(); /* a process that waits for the host cannot be killed */
    kill_all_roots();
    if (!is_init) _exit(1);
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
    sync();
    reboot(RB_AUTOBOOT);
    for (;;) pause();
}

static void mount_first(const char *type, const char *path, unsigned long flags, const char *options)
{
    if (mount(type, path, type, flags, options) < 0 && errno != EBUSY) die("mount %s", path);
}

/* The kernel has done both as a rule. */
static void open_console(void)
{
    if (access("/dev/console", F_OK) < 0) mount_first("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, NULL);
    if (fcntl(STDERR_FILENO, F_GETFD) >= 0) return;
    int fd = open("/dev/console", O_RDWR);
    for (int i = 0; fd >= 0 && i < 3; i++) dup2(fd, i);
    if (fd > 2) close(fd);
}

/* The one thing that has to be known before the host can tell anything: where it is, `smolvm.agent=CHANNEL`. */
static void read_channel(char *channel, size_t size)
{
    static const char name[] = "smolvm.agent=";
    char line[4096] = "";
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, line, sizeof line - 1) < 0) die("read the kernel command line");
    close(fd);
    char *rest = line;
    for (char *word; (word = strsep(&rest, " \n")) != NULL;)
        if (starts_with(word, name)) snprintf(channel, size, "%s", word + strlen(name));
}

static void start_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) say("start the loopback interface: %s", strerror(errno));
    close_fd(&fd);
}

/*
 * Under emulation the kernel boots on one processor only (maxcpus=1), and the others start here, beside the making of a
 * root, as does what costs time and only programs need. Not before the first root has its cgroup: that makes the kernel
 * patch its own code, which QEMU's emulation survives on one processor only (seen: one start in 200 ended in a panic).
 */
int start_beside(void)
{
    static bool started;
    int ends[2];
    if (!is_init || started) return -1;
    started = true;
    pid_t pid = pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : clone_into(0, -1);
    if (pid < 0) die("start a process");
    if (pid == 0) {
        start_loopback();
        for (int number = 1;; number++) {
            char path[64];
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", number);
            if (access(path, F_OK) < 0) _exit(0);
            write_file_at(AT_FDCWD, path, "1");
        }
    }
    close(ends[1]);
    return ends[0];
}

void boot_first(char *channel, size_t size)
{
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    is_init = true;
    umask(022);
    open_console();
    mount_first("proc", "/proc", safe, NULL);
    mount_first("sysfs", "/sys", safe, NULL);
    /* A workload that takes all memory or all processors must not silence the agent. */
    write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
    setpriority(PRIO_PROCESS, 0, -10);
    read_channel(channel, size);
}

/* What roots have limits of and may pass on; others would only make each cgroup dearer. */
static bool is_delegated(const char *name)
{
    static const char *const names[] = {"cpuset", "cpu", "io", "memory", "pids"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static void enable_controllers(void)
{
    char list[256] = "", line[512] = "";
    int fd = open(CGROUP_DIR "/cgroup.controllers", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, list, sizeof list - 1) < 0) list[0] = '\0';
    close_fd(&fd);
    char *rest = list;
    for (char *name; (name = strsep(&rest, " \n")) != NULL;) {
        size_t length = strlen(line);
        if (is_delegated(name)) snprintf(line + length, sizeof line - length, "+%s ", name);
    }
    /* In one write: each costs the kernel a grace period. */
    if (!write_file_at(AT_FDCWD, CGROUP_DIR "/cgroup.subtree_control", line))
        say("enable the controllers %s: %s", line, strerror(errno));
}

void boot_rest(void)
{
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    mount_first("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
    mount_first("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_first("cgroup2", CGROUP_DIR, safe, "nsdelegate,memory_recursiveprot");
    enable_controllers();
}
