/*
 * A library for a process that has threads already and wants all of them to have less: rules of Landlock and capabilities
 * hold for one thread and what it starts (landlock_restrict_self(2), whose flag for all came with Linux 7.0; capset(2)).
 * The C library does the same with setuid(2), and by the same signal: no program can block it, and who does not change
 * its user never uses it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIGNAL 33
#define SA_RESTORER 0x04000000

/* As the kernel has it, whose own functions are used: the C library's refuse this signal. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static int rules;
static uint64_t kept;
static _Atomic int answered;
static _Atomic int failure;

static int keep_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, sets) != 0) return -1;
    for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
        uint32_t mask = (uint32_t)(kept >> (32 * half));
        sets[half].effective &= mask;
        sets[half].permitted &= mask;
        sets[half].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, sets);
}

static void restrict_this(int signal)
{
    (void)signal;
    int before = errno;
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || keep_capabilities() != 0
        || (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0))
        failure = errno;
    errno = before;
    answered = 1;
    syscall(SYS_futex, &answered, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

#ifdef __x86_64__
/* Where a handler returns to; arm64 has its own in the kernel's page. */
__asm__(".hidden restore\n.globl restore\n.type restore, @function\nrestore:\n\tmov $15, %eax\n\tsyscall\n");
extern void restore(void);
#define ACTION {restrict_this, SA_RESTART | SA_RESTORER, restore, ~0ul}
#else
#define ACTION {restrict_this, SA_RESTART, 0, ~0ul}
#endif

/*
 * Of one thread of this process: it keeps these capabilities at most, and a ruleset's rules (-1: none) hold for it.
 * Waits for at most so many seconds. Returns 0, also for a thread that has ended, or errno.
 */
int restrict_thread(int ruleset, uint64_t capabilities, int thread, int seconds)
{
    rules = ruleset;
    kept = capabilities;
    answered = failure = 0;
    if (thread == (int)syscall(SYS_gettid)) {
        restrict_this(0);
        return failure;
    }
    struct kernel_sigaction action = ACTION, before;
    if (syscall(SYS_rt_sigaction, SIGNAL, &action, &before, sizeof action.mask) != 0) return errno;
    int result = ETIMEDOUT;
    if (syscall(SYS_tgkill, getpid(), thread, SIGNAL) != 0) result = errno == ESRCH ? 0 : errno;
    else {
        /* Once a second it is looked whether there is still somebody who could answer. */
        struct timespec second = {1, 0};
        for (int left = seconds; left > 0 && !answered; left--) {
            syscall(SYS_futex, &answered, FUTEX_WAIT_PRIVATE, 0, &second, 0, 0);
            if (!answered && syscall(SYS_tgkill, getpid(), thread, 0) != 0) {
                result = 0;
                break;
            }
        }
        if (answered) result = failure;
    }
    /* Late answers would otherwise end the process. */
    if (result != ETIMEDOUT) syscall(SYS_rt_sigaction, SIGNAL, &before, 0, sizeof action.mask);
    return result;
}
