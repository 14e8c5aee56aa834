/*
 * In the place of a VMM: makes one attempt, named by its first argument, with what the others name. Exit code 0: it has
 * succeeded. 7: the kernel refused it. 9: there is no such attempt. A forbidden system call ends it before.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <errno.h>
#include <stdint.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const char *what;
static int attempts;

/* Whether this is the attempt that was asked for. */
static int is(const char *name)
{
    attempts++;
    return strcmp(what, name) == 0;
}

static _Noreturn void end(int succeeded)
{
    _exit(succeeded ? 0 : 7);
}

static int connected(int family, int type, int protocol, const void *address, socklen_t length)
{
    int fd = socket(family, type, protocol);
    return fd >= 0 && connect(fd, address, length) == 0;
}

static int unix_connected(const char *path, int abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + abstract, path, sizeof address.sun_path - 2);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract + strlen(path));
    return connected(AF_UNIX, SOCK_STREAM, 0, &address, length);
}

static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_ever(void *nothing)
{
    pthread_mutex_lock(&never);
    return nothing;
}

/* Whether there can be so many at a time. */
static int threads(int count)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    pthread_mutex_lock(&never);
    for (int index = 0; index < count; index++)
        if (pthread_create(&thread, &small, wait_for_ever, NULL) != 0) return 0;
    return 1;
}

/* By the call that the C library does not use any more, and that arm64 never had. */
static int open_of_old(const char *path, int flags)
{
#ifdef SYS_open
    return (int)syscall(SYS_open, path, flags, 0600);
#else
    return open(path, flags, 0600);
#endif
}

int main(int count, char **words)
{
    if (count < 3) return 9;
    what = words[1];
    const char *path = words[2];
    int number = atoi(words[2]);
    char byte;
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (is("nothing")) end(1);
    /* To the end of its input. */
    if (is("wait")) end(write(STDOUT_FILENO, "here\n", 5) == 5 && read(STDIN_FILENO, &byte, 1) == 0);
    if (is("read")) { int fd = open(path, O_RDONLY); end(fd >= 0 && read(fd, &byte, 1) == 1); }
    if (is("write")) { int fd = open(path, O_WRONLY); end(fd >= 0 && write(fd, "x", 1) == 1); }
    if (is("list")) end(open(path, O_RDONLY | O_DIRECTORY) >= 0);
    if (is("create")) end(open(path, O_WRONLY | O_CREAT, 0600) >= 0);
    if (is("unnamed")) end(open(path, O_WRONLY | O_TMPFILE, 0600) >= 0);
    /* Opened only for reading, which Landlock before its third version takes it for. */
    if (is("empty")) end(open(path, O_RDONLY | O_TRUNC) >= 0);
    if (is("old_create")) end(open_of_old(path, O_WRONLY | O_CREAT) >= 0);
    if (is("old_unnamed")) end(open_of_old(path, O_WRONLY | O_TMPFILE) >= 0);
    if (is("truncate")) end(truncate(path, 0) == 0);
    if (is("directory")) end(mkdir(path, 0700) == 0);
    if (is("remove")) end(unlink(path) == 0);
    if (is("rename")) end(rename(path, "/stolen") == 0);
    if (is("link")) end(link(path, "/stolen") == 0);
    if (is("symlink")) end(symlink("/", path) == 0);
    if (is("mode")) end(chmod(path, 0777) == 0);
    if (is("owner")) end(chown(path, 1, 1) == 0);
    if (is("tcp")) end(connected(AF_INET, SOCK_STREAM, 0, &loopback, sizeof loopback));
    if (is("udp")) end(connected(AF_INET, SOCK_DGRAM, 0, &loopback, sizeof loopback));
    if (is("listen")) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        loopback.sin_port = 0;
        end(fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0 && listen(fd, 1) == 0);
    }
    if (is("raw")) end(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
    if (is("unix")) end(unix_connected(path, 0));
    if (is("abstract")) end(unix_connected(path, 1));
    if (is("datagram")) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        end(fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address) == 1);
    }
    if (is("vsock")) {
        struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 1};
        int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
        end(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    }
    if (is("netlink")) end(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0);
    if (is("execute")) { execl(path, path, (char *)NULL); end(0); }
    if (is("again")) { execl(words[0], words[0], "nothing", "-", (char *)NULL); end(0); }
    if (is("fork")) end(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
    if (is("trace")) end(ptrace(PTRACE_ATTACH, number, 0, 0) == 0);
    if (is("signal")) end(kill(number, 0) == 0);
    if (is("thread_signal")) end(syscall(SYS_tgkill, number, number, SIGURG) == 0);
    if (is("pin")) { cpu_set_t one; CPU_ZERO(&one); CPU_SET(0, &one); end(sched_setaffinity(number, sizeof one, &one) == 0); }
    if (is("memory_of")) {
        struct iovec local = {&byte, 1}, remote = {main, 1};
        end(syscall(SYS_process_vm_readv, number, &local, 1, &remote, 1, 0) == 1);
    }
    if (is("pidfd")) end(syscall(SYS_pidfd_open, number, 0) >= 0);
    if (is("mount")) end(mount("none", "/", "tmpfs", 0, NULL) == 0);
    if (is("namespace")) end(unshare(CLONE_NEWUSER) == 0);
    if (is("module")) end(syscall(SYS_init_module, &byte, 1, "") == 0);
    if (is("bpf")) end(syscall(SYS_bpf, 0, &byte, 1) >= 0);
    if (is("perf")) end(syscall(SYS_perf_event_open, &byte, 0, -1, -1, 0) >= 0);
    if (is("keys")) end(syscall(SYS_keyctl, 0, -3, 1) >= 0);
    if (is("uring")) { char room[128] = {0}; end(syscall(SYS_io_uring_setup, 1, room) >= 0); }
    if (is("dumpable")) end(prctl(PR_SET_DUMPABLE, 1) == 0);
    if (is("root")) end(setuid(0) == 0 && syscall(SYS_capset, NULL, NULL) == 0);
    if (is("chroot")) end(chroot("/") == 0);
    if (is("limits")) {
        struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
        end(setrlimit(RLIMIT_AS, &more) == 0);
    }
    /* Where the low half of the address is zero, as if there were no limits to set. */
    if (is("hidden_limits")) {
        struct rlimit *less = mmap((void *)(1ul << 32), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (less != (void *)(1ul << 32) || syscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, less) != 0) end(0);
        end(syscall(SYS_prlimit64, 0, RLIMIT_STACK, less, NULL) == 0);
    }
    /* Speaks as smolvm's own processes do, before it is ended. */
    if (is("lie")) {
        const char *line = "smolvm-vmm-failed: {\"code\":\"host.full\",\"message\":\"\\u001b[2Jfull\",\"hint\":\"run this\"}\n";
        if (write(STDERR_FILENO, line, strlen(line)) < 0 || fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK) != 0) end(0);
        if (strcmp(path, "and fork") == 0) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        end(0);
    }
    /* A request that no engine makes: how KVM refuses it says that it has seen it (KVM_GET_EMULATED_CPUID, for no entries). */
    if (is("kvm")) {
        uint32_t none[2] = {0};
        int fd = number > 0 ? number : open("/dev/kvm", O_RDWR);
        end(ioctl(fd, 0xc008ae09, none) == 0 || (errno != ENOTTY && errno != ENOENT && errno != EBADF));
    }
    if (is("code")) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        end(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
    }
    if (is("memory")) end(mmap(NULL, 64ul << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
    if (is("threads")) end(threads(number));
    if (is("descriptors")) {
        for (int index = 0; index < 2000; index++)
            if (dup(0) < 0) end(0);
        end(1);
    }
    /* Its own disk: as large as it is, and no larger. */
    if (is("fill")) {
        int fd = open(path, O_RDWR);
        signal(SIGXFSZ, SIG_IGN);
        end(fd < 0 || pwrite(fd, "x", 1, 100 << 20) == 1);
    }
    return 9;
}
