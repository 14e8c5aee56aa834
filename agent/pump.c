/*
 * Moves input, output, signals and the end of one process between its pipes (or terminal) and the agent.
 *
 * Memory is bounded by the windows: output is read only as far as the agent has granted credit, input is granted
 * as the process takes it. A process that floods or never reads therefore stops by itself, and stops nobody else:
 * each has its own helper process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "init.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
/* Input is granted again in pieces of this size, so that the agent need not wait for the last byte to be taken. */
#define GRANT (WINDOW / 4)
/* What a terminal can hold when its process ends: the kernel's flip buffers (64 KiB) and line buffer. */
#define TERMINAL_REST (128 * 1024)

struct pump {
    int connection;
    struct process *process;
    uint8_t received[HEADER + MAX_DATA]; /* frames from the agent, not yet complete */
    size_t received_length;
    uint8_t input[WINDOW]; /* a ring: bytes for the process that it did not take yet */
    size_t input_start, input_length, input_taken;
    bool input_ended;
    size_t credit[2];
    size_t rest[2]; /* once the process has ended: bytes that are still to be delivered */
    bool hung_up; /* the terminal: nothing more comes, but closing it would end whoever still uses it */
    bool started, ended, agent_gone;
    uint8_t result[2]; /* 0: exit code, 1: signal; its number */
};

static uint8_t output_frame[HEADER + MAX_DATA];

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Ends the process and everything it started. What it wrote is of no interest any more. */
static void cancel(struct pump *pump)
{
    int fd = openat(pump->process->cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) != 1) syscall(SYS_pidfd_send_signal, pump->process->pidfd, SIGKILL, NULL, 0);
    if (fd >= 0) close(fd);
    close_fd(&pump->process->output[0]);
    close_fd(&pump->process->output[1]);
    close_fd(&pump->process->input);
}

static void control(struct pump *pump, const uint8_t *payload, size_t length)
{
    struct process *process = pump->process;
    if (pump->ended) return;
    if (length == 2 && payload[0] == 'S') {
        /* The process leads a session of its own, so its group takes in what it runs in the foreground. */
        if (kill(-process->pid, payload[1]) < 0) kill(process->pid, payload[1]);
    } else if (length == 5 && payload[0] == 'R' && process->output[0] >= 0) {
        struct winsize size = {.ws_col = (unsigned short)(payload[1] << 8 | payload[2]),
                               .ws_row = (unsigned short)(payload[3] << 8 | payload[4])};
        ioctl(process->output[0], TIOCSWINSZ, &size);
    }
}

/* Tells the agent how much more it may send. */
static void grant_input(struct pump *pump)
{
    uint8_t payload[4];
    if (pump->input_taken < GRANT) return;
    put32(payload, (uint32_t)pump->input_taken);
    pump->input_taken = 0;
    send_frame(pump->connection, CREDIT, 0, payload, sizeof payload);
}

static void take_input(struct pump *pump, const uint8_t *payload, size_t length)
{
    if (pump->process->input < 0 || length > WINDOW - pump->input_length) return;
    if (pump->input_length == 0) {
        /* The common case: the process keeps up, and nothing has to be held for it. */
        ssize_t written = write(pump->process->input, payload, length);
        if (written > 0) {
            payload += written;
            length -= (size_t)written;
            pump->input_taken += (size_t)written;
            grant_input(pump);
        }
    }
    size_t end = (pump->input_start + pump->input_length) % WINDOW;
    size_t first = length < WINDOW - end ? length : WINDOW - end;
    memcpy(pump->input + end, payload, first);
    memcpy(pump->input, payload + first, length - first);
    pump->input_length += length;
}

static void handle_frame(struct pump *pump, const uint8_t *frame, size_t length)
{
    const uint8_t *payload = frame + HEADER;
    int channel = frame[1];
    if (frame[0] == DATA) take_input(pump, payload, length);
    else if (frame[0] == END) pump->input_ended = true;
    else if (frame[0] == CREDIT && length == 4 && (channel == 1 || channel == 2))
        pump->credit[channel - 1] += get32(payload);
    else if (frame[0] == CONTROL) control(pump, payload, length);
    else if (frame[0] == CANCEL) cancel(pump);
}

static void read_agent(struct pump *pump)
{
    ssize_t got = recv(pump->connection, pump->received + pump->received_length,
                       sizeof pump->received - pump->received_length, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        pump->agent_gone = true;
        cancel(pump);
        return;
    }
    pump->received_length += (size_t)got;
    size_t offset = 0;
    while (pump->received_length - offset >= HEADER) {
        const uint8_t *frame = pump->received + offset;
        size_t length = get32(frame + 8);
        if (length > MAX_DATA) length = MAX_DATA;
        if (pump->received_length - offset < HEADER + length) break;
        handle_frame(pump, frame, length);
        offset += HEADER + length;
    }
    pump->received_length -= offset;
    memmove(pump->received, pump->received + offset, pump->received_length);
}

/* End of input: a pipe is closed; a terminal's reader gets its end-of-file character. */
static void end_input(struct pump *pump)
{
    struct termios settings;
    struct process *process = pump->process;
    if (process->tty && tcgetattr(process->input, &settings) == 0 && (settings.c_lflag & ICANON))
        (void)!write(process->input, &settings.c_cc[VEOF], 1);
    close_fd(&process->input);
}

static void write_input(struct pump *pump)
{
    while (pump->input_length > 0) {
        size_t piece = WINDOW - pump->input_start;
        if (piece > pump->input_length) piece = pump->input_length;
        ssize_t written = write(pump->process->input, pump->input + pump->input_start, piece);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (written <= 0) {
            /* Nobody reads: nothing more is granted, and what has come is dropped. */
            close_fd(&pump->process->input);
            return;
        }
        pump->input_start = (pump->input_start + (size_t)written) % WINDOW;
        pump->input_length -= (size_t)written;
        pump->input_taken += (size_t)written;
        grant_input(pump);
    }
}

static void read_output(struct pump *pump, int index)
{
    int *fd = &pump->process->output[index];
    size_t limit = pump->credit[index] < MAX_DATA ? pump->credit[index] : MAX_DATA;
    if (pump->ended && pump->rest[index] < limit) limit = pump->rest[index];
    if (limit == 0) return;
    ssize_t got = read(*fd, output_frame + HEADER, limit);
    if (got < 0 && errno == EINTR) return;
    if (got < 0 && errno == EAGAIN) {
        pump->rest[index] = 0;
        return;
    }
    if (got <= 0 && pump->process->tty && !pump->ended) {
        pump->hung_up = true;
        return;
    }
    if (got <= 0) { /* end of the pipe, or EIO: nobody has the terminal open any more */
        close_fd(fd);
        send_frame(pump->connection, END, index + 1, NULL, 0);
        return;
    }
    put_header(output_frame, DATA, index + 1, (size_t)got);
    size_t sent = 0, size = HEADER + (size_t)got;
    while (sent < size) {
        ssize_t part = send(pump->connection, output_frame + sent, size - sent, MSG_NOSIGNAL);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return;
        sent += (size_t)part;
    }
    pump->credit[index] -= (size_t)got;
    if (pump->ended) pump->rest[index] -= (size_t)got;
}

/* The other end of the status pipe closes when the program is executed; before that it tells why it was not. */
static void read_status(struct pump *pump)
{
    char text[700];
    ssize_t got = read(pump->process->status, text, sizeof text);
    if (got < 0 && errno == EINTR) return;
    if (got > 0) {
        send_frame(pump->connection, FAIL, 0, text, (size_t)got);
        waitpid(pump->process->pid, NULL, 0);
        pump->ended = true;
        pump->agent_gone = true;
    } else {
        uint8_t payload[4];
        put32(payload, (uint32_t)pump->process->pid);
        send_frame(pump->connection, ACCEPT, 0, payload, sizeof payload);
        pump->started = true;
    }
    close_fd(&pump->process->status);
}

static void read_end(struct pump *pump)
{
    int status;
    if (waitpid(pump->process->pid, &status, 0) < 0) return;
    pump->ended = true;
    pump->result[0] = WIFSIGNALED(status);
    pump->result[1] = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    close_fd(&pump->process->input);
    close_fd(&pump->process->terminal);
    pump->hung_up = false;
    /* Daemons may keep the pipes open and go on writing: only what is in them now belongs to this process. */
    for (int i = 0; i < 2; i++) {
        int bytes = 0;
        if (pump->process->tty) pump->rest[i] = TERMINAL_REST;
        else if (pump->process->output[i] >= 0 && ioctl(pump->process->output[i], FIONREAD, &bytes) == 0)
            pump->rest[i] = (size_t)bytes;
    }
}

static bool is_done(const struct pump *pump)
{
    if (!pump->ended || pump->process->status >= 0) return false;
    for (int i = 0; i < 2; i++)
        if (pump->process->output[i] >= 0 && pump->rest[i] > 0) return false;
    return true;
}

/* poll() ignores negative descriptors: those are the events that are of no interest now. */
static int if_wanted(int fd, bool wanted)
{
    return wanted ? fd : -1;
}

void pump(int connection, struct process *process)
{
    static struct pump state;
    struct pump *pump = &state;
    pump->connection = connection;
    pump->process = process;
    pump->credit[0] = pump->credit[1] = WINDOW;
    signal(SIGPIPE, SIG_IGN);
    while (!is_done(pump)) {
        enum { AGENT, STATUS, CHILD, INPUT, OUTPUT, ERROR, COUNT };
        struct pollfd polls[COUNT] = {
            [AGENT] = {.fd = if_wanted(connection, !pump->agent_gone), .events = POLLIN},
            [STATUS] = {.fd = process->status, .events = POLLIN},
            [CHILD] = {.fd = if_wanted(process->pidfd, !pump->ended && process->status < 0), .events = POLLIN},
            [INPUT] = {.fd = if_wanted(process->input, pump->input_length > 0), .events = POLLOUT},
            [OUTPUT] = {.fd = if_wanted(process->output[0], pump->credit[0] > 0 && !pump->hung_up), .events = POLLIN},
            [ERROR] = {.fd = if_wanted(process->output[1], pump->credit[1] > 0), .events = POLLIN},
        };
        /* What a terminal still holds is not counted, and a daemon may keep it open: only reading tells. */
        bool drain = process->tty && pump->ended && process->output[0] >= 0 && pump->credit[0] > 0;
        if (poll(polls, COUNT, drain ? 0 : -1) < 0) continue;
        if (polls[AGENT].revents) read_agent(pump);
        if (polls[STATUS].revents) read_status(pump);
        if (polls[CHILD].revents) read_end(pump);
        if (polls[INPUT].revents && process->input >= 0) write_input(pump);
        if (pump->input_ended && pump->input_length == 0 && process->input >= 0) end_input(pump);
        if ((polls[OUTPUT].revents || drain) && process->output[0] >= 0) read_output(pump, 0);
        if (polls[ERROR].revents && process->output[1] >= 0) read_output(pump, 1);
    }
    if (pump->started) send_frame(connection, RESULT, 0, pump->result, sizeof pump->result);
}
