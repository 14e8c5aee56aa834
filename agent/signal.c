/* What a signal would do to a process. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* One of the masks in /proc/PID/status. */
static uint64_t mask_in(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 16);
}

bool is_deadly(pid_t pid, int number)
{
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    char path[64], status[4096];
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (number == harmless[i]) return false;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
    close_fd(&fd);
    if (length <= 0 || number < 1) return false;
    status[length] = '\0';
    uint64_t handled = mask_in(status, "SigBlk:") | mask_in(status, "SigIgn:") | mask_in(status, "SigCgt:");
    return !(handled >> (number - 1) & 1);
}
