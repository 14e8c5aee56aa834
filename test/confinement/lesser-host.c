/*
 * Becomes a program on a host that has less: system calls fail as they do there, by a filter, for it and all it starts.
 *
 *     lesser-host old|container|apparmor PROGRAM ARGUMENT...
 *
 * old: Linux 4.19, without Landlock, close_range, mount_setattr, and notifications of forbidden calls. container: nobody
 * may have namespaces or mounts (Docker's default). apparmor: namespaces, without rights in them (Ubuntu 24.04's
 * restriction).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER offsetof(struct seccomp_data, nr)
/* The low half, of which all is that these calls look at. */
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static struct sock_filter program[64];
static unsigned short length;

static void add(struct sock_filter one)
{
    program[length++] = one;
}

static void fail(int call, int error)
{
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error));
}

/* Only with one of these flags. */
static void fail_with(int call, int argument, unsigned flags, int error)
{
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3));
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(argument)));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1));
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error));
}

int main(int count, char **words)
{
    if (count < 3) return 125;
    if (strcmp(words[1], "old") == 0) {
        fail(SYS_landlock_create_ruleset, ENOSYS);
        fail(SYS_close_range, ENOSYS);
        fail(SYS_mount_setattr, ENOSYS);
        fail_with(SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, EINVAL);
    } else if (strcmp(words[1], "container") == 0) {
        fail_with(SYS_clone, 0, NAMESPACES, EPERM);
        fail_with(SYS_unshare, 0, NAMESPACES, EPERM);
        fail(SYS_clone3, ENOSYS);
        fail(SYS_mount, EPERM);
    } else if (strcmp(words[1], "apparmor") == 0) {
        fail(SYS_mount, EACCES);
    } else {
        return 125;
    }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog filter = {length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        perror("lesser-host");
        return 125;
    }
    execvp(words[2], words + 2);
    perror(words[2]);
    return 127;
}
