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

#include "init.h"

#define RUNTIME_DIR "/run/runtime"
#define AGENT RUNTIME_DIR "/smolvm"
/* The descriptor on which the agent finds its connection to the host. */
#define CHANNEL 3

static long milliseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ends the machine. To the VMM a reset is the end: there is no firmware to power anything off. */
static _Noreturn void power_off(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
    sync();
    reboot(RB_AUTOBOOT);
    for (;;) pause();
}

static _Noreturn void die_as_init(const char *what)
{
    say("%s: %s", what, strerror(errno));
    power_off();
}

static void mount_first(const char *type, const char *path, unsigned long flags, const char *options)
{
    mkdir(path, 0755);
    if (mount(type, path, type, flags, options) < 0 && errno != EBUSY) die_as_init(path);
}

static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR);
    for (int i = 0; fd >= 0 && i < 3; i++) dup2(fd, i);
    if (fd > 2) close(fd);
}

/* With DAX the guest maps the host's page cache of the one runtime that all machines share. */
static void mount_runtime(const char *source)
{
    mkdir(RUNTIME_DIR, 0755);
    if (starts_with(source, "virtiofs:")) {
        const char *tag = source + strlen("virtiofs:");
        if (mount(tag, RUNTIME_DIR, "virtiofs", MS_RDONLY, "dax") == 0) return;
        if (mount(tag, RUNTIME_DIR, "virtiofs", MS_RDONLY, NULL) == 0) return;
    } else if (mount(source, RUNTIME_DIR, "erofs", MS_RDONLY, NULL) == 0) {
        return;
    }
    die_as_init("mount the runtime");
}

/* The agent gets a minimal environment: nothing from the kernel command line may steer Bun. */
static pid_t start_agent(int channel, long started)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    char *const argv[] = {"smolvm", "__agent", NULL};
    char init[48], kernel[48];
    snprintf(init, sizeof init, "SMOLVM_INIT_MS=%ld", started);
    /* When the kernel started, by the guest's wall clock: the one clock that Bun shows as it is. */
    long booted = milliseconds(CLOCK_REALTIME) - milliseconds(CLOCK_BOOTTIME);
    snprintf(kernel, sizeof kernel, "SMOLVM_KERNEL_MS=%ld", booted);
    char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/tmp", init, kernel, NULL};
    if (dup2(channel, CHANNEL) < 0) die("hand over the channel");
    fcntl(CHANNEL, F_SETFD, 0);
    execve(AGENT, argv, env);
    die("start the agent %s", AGENT);
}

static void start_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) say("start the loopback interface: %s", strerror(errno));
    if (fd >= 0) close(fd);
}

/*
 * Under emulation the kernel boots on one processor only (maxcpus=1): that is faster, and the others start here, beside
 * everything else. Returns a descriptor that is at its end once all of them run.
 */
static int start_processors(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        for (int number = 1;; number++) {
            char path[64];
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", number);
            if (access(path, F_OK) < 0) _exit(0);
            write_file(path, "1");
        }
    }
    close(ends[1]);
    if (pid > 0) return ends[0];
    close(ends[0]);
    return -1;
}

/* Starting Bun takes most of the boot: only what it needs comes before it, the rest happens beside it. */
static _Noreturn void boot(void)
{
    struct settings settings;
    long started = milliseconds(CLOCK_BOOTTIME);
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    mount_first("proc", "/proc", safe, NULL);
    mount_first("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, NULL);
    open_console();
    mount_first("sysfs", "/sys", safe, NULL);
    mount_first("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
    /* A workload that takes all memory or all processors must not silence the system's side. */
    write_file("/proc/self/oom_score_adj", "-1000");
    setpriority(PRIO_PROCESS, 0, -10);
    read_settings(&settings);
    mount_runtime(settings.runtime);
    int listener = listen_helper(HELPER_SOCKET);
    int channel = open_channel(settings.agent);
    if (channel < 0) power_off();
    pid_t agent = start_agent(channel, started);
    if (agent < 0) die_as_init("fork");
    close(channel);
    mount_first("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    pid_t helper = fork();
    if (helper < 0) die_as_init("fork");
    if (helper == 0) {
        start_loopback();
        serve(listener, &settings, NULL, start_processors());
    }
    close(listener);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, 0);
        if (pid != agent && pid != helper) continue;
        if (pid == helper) say("the helper ended unexpectedly");
        power_off();
    }
}

/*
 * `init helper SOCKET DIRECTORY`: only the helper, with a directory as the workload's root; for a system that is
 * already running. It needs a mount namespace of its own, where it may mount on /run and /sys.
 */
int main(int argc, char **argv)
{
    if (getpid() == 1 && argc < 4) boot();
    if (argc != 4 || strcmp(argv[1], "helper") != 0) {
        say("this is the first process of a smolvm guest");
        return 2;
    }
    struct settings settings = {.hostname = "smolvm"};
    serve(listen_helper(argv[2]), &settings, argv[3], -1);
}
