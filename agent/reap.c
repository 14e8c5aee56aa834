/*
 * `/init reap`: the first process of a lasting machine's PID namespace. It reaps what loses its parent and does nothing
 * else, so that every other process of the machine may end without taking the rest with it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent.h"

_Noreturn void only_reap(void)
{
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ended, NULL);
    prctl(PR_SET_NAME, "init");
    for (;;) {
        sigwaitinfo(&child_ended, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    }
}
