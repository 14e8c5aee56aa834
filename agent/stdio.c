/* What a process reads and writes: pipes, or a terminal of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

/* The system's own terminals, mounted when somebody wants one. */
static int open_system_terminal(void)
{
    static bool mounted;
    if (!mounted) {
        mkdir("/dev/pts", 0755);
        if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0600") < 0 &&
            errno != EBUSY)
            return fail("mount /dev/pts");
        mounted = true;
    }
    return open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* A terminal of the root's own, so that the program finds it as /dev/pts/N; no path of the image leads there. */
static int open_terminal(const struct root *root, const struct request *request, int *slave)
{
    int master = root == NULL ? open_system_terminal()
                              : openat(root->terminals, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int unlock = 0;
    struct winsize size = {.ws_col = request->columns, .ws_row = request->rows};
    if (master < 0) return fail("open a terminal");
    if (ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCSWINSZ, &size) == 0)
        *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave >= 0) return master;
    fail("set up a terminal");
    close(master);
    return -1;
}

/* A pipe whose end on this side, 0 for reading or 1 for writing, does not block. */
static bool make_pipe(int ends[2], int ours)
{
    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    return fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
}

void close_stdio(struct stdio *stdio)
{
    for (int i = 0; i < 3; i++) {
        bool again = i > 0 && stdio->theirs[i] == stdio->theirs[0];
        if (!again && stdio->theirs[i] >= 0) close(stdio->theirs[i]);
    }
    close_fd(&stdio->input);
    close_fd(&stdio->output[0]);
    close_fd(&stdio->output[1]);
}

int open_stdio(const struct root *root, const struct request *request, struct stdio *stdio)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    *stdio = (struct stdio){{-1, -1, -1}, -1, {-1, -1}};
    if (request->flags & EXEC_TTY) {
        int slave = -1;
        stdio->output[0] = open_terminal(root, request, &slave);
        if (stdio->output[0] < 0) return -1;
        stdio->theirs[0] = stdio->theirs[1] = stdio->theirs[2] = slave;
        stdio->input = fcntl(stdio->output[0], F_DUPFD_CLOEXEC, 0);
        return stdio->input < 0 ? fail("duplicate a terminal") : 0;
    }
    bool made = make_pipe(out, 0) && make_pipe(err, 0);
    if (request->flags & EXEC_STDIN) {
        made = made && make_pipe(in, 1);
        stdio->theirs[0] = in[0];
        stdio->input = in[1];
    } else {
        stdio->theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    stdio->theirs[1] = out[1];
    stdio->theirs[2] = err[1];
    stdio->output[0] = out[0];
    stdio->output[1] = err[0];
    return made && stdio->theirs[0] >= 0 ? 0 : fail("make a pipe");
}
