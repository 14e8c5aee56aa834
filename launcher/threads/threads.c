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

/* Threads that are asked at once; a runtime has a dozen. */
#define MOST_THREADS 1024

static int rules;
static uint64_t kept;
/* Those that are asked, and which of them have answered; of how many the waiting thread has heard, in all. */
static struct {
    int thread;
    _Atomic int answered;
} asked[MOST_THREADS];
static int asked_count;
static _Atomic uint32_t answers;
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

static void restrict_this(void)
{
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || keep_capabilities() != 0
        || (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0))
        failure = errno;
}

static void answer(int signal)
{
    (void)signal;
    int before = errno;
    restrict_this();
    int self = (int)syscall(SYS_gettid);
    for (int index = 0; index < asked_count; index++)
        if (asked[index].thread == self) asked[index].answered = 1;
    answers++;
    syscall(SYS_futex, &answers, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    errno = before;
}

#ifdef __x86_64__
/* Where a handler returns to; arm64 has its own in the kernel's page. */
__asm__(".hidden restore\n.globl restore\n.type restore, @function\nrestore:\n\tmov $15, %eax\n\tsyscall\n");
extern void restore(void);
#define ACTION {answer, SA_RESTART | SA_RESTORER, restore, ~0ul}
#else
#define ACTION {answer, SA_RESTART, 0, ~0ul}
#endif

/* Those that have not answered. One that has ended never will. */
static int still_waiting(void)
{
    int left = 0;
    for (int index = 0; index < asked_count; index++)
        if (!asked[index].answered && syscall(SYS_tgkill, getpid(), asked[index].thread, 0) == 0) left++;
    return left;
}

/*
 * Of these threads of this process, the calling one among them or not: they keep these capabilities at most, and a
 * ruleset's rules (-1: none) hold for them. Waits for at most so many seconds. Returns 0, or errno.
 */
int restrict_threads(int ruleset, uint64_t capabilities, const int *threads, int count, int seconds)
{
    if (count > MOST_THREADS) return E2BIG;
    rules = ruleset;
    kept = capabilities;
    failure = 0;
    asked_count = count;
    struct kernel_sigaction action = ACTION, before;
    if (syscall(SYS_rt_sigaction, SIGNAL, &action, &before, sizeof action.mask) != 0) return errno;
    int self = (int)syscall(SYS_gettid);
    for (int index = 0; index < count; index++) {
        asked[index].thread = threads[index];
        asked[index].answered = threads[index] == self;
    }
    for (int index = 0; index < count; index++) {
        if (threads[index] == self) restrict_this();
        else if (syscall(SYS_tgkill, getpid(), threads[index], SIGNAL) != 0 && errno != ESRCH) failure = errno;
    }
    struct timespec second = {1, 0};
    int left;
    uint32_t seen = answers;
    /* Woken by each answer, and once a second to see who has ended meanwhile. */
    for (int waits = 0; (left = still_waiting()) > 0 && waits < seconds; seen = answers)
        if (syscall(SYS_futex, &answers, FUTEX_WAIT_PRIVATE, seen, &second, 0, 0) != 0 && errno == ETIMEDOUT) waits++;
    /* A late answer would end the process, were its handler gone. */
    if (left > 0) return ETIMEDOUT;
    syscall(SYS_rt_sigaction, SIGNAL, &before, 0, sizeof action.mask);
    return failure;
}
