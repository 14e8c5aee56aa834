#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"

/*
 * Instructions that load a constant into the register X stand for this process's id, which who wrote the order could not
 * know; it uses them for nothing else.
 */
static void fill_in_process(struct sock_filter *instructions, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        if (instructions[index].code == (BPF_LDX | BPF_IMM)) instructions[index].k = (uint32_t)getpid();
}

/*
 * Fields: whether a warden hears of forbidden calls (u32), how many instructions (u32), the instructions: struct
 * sock_filter. It holds from here on, for execve too.
 */
void step_seccomp(struct fields *fields)
{
    bool watched = take_u32(fields) != 0;
    uint32_t count = take_u32(fields);
    if (count > BPF_MAXINSNS) {
        errno = E2BIG;
        give_up("seccomp");
    }
    struct sock_fprog program = {
        .len = (unsigned short)count,
        .filter = (struct sock_filter *)take_bytes(fields, count * sizeof(struct sock_filter)),
    };
    fill_in_process(program.filter, count);
    unsigned flags = watched ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (listener < 0) give_up("seccomp");
    if (watched) report_to_warden(listener);
    if (warden_link >= 0) close(warden_link);
}
