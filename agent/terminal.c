/*
 * The end of a terminal's input. Who reads a pipe that has ended meets its end again and again; a terminal has only its
 * end-of-file character (termios(3), VEOF), which one reader takes, which a line editor takes for a key, and which says
 * something else within a line. So it is typed whenever all that was typed before has been read.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

/* Nothing tells when a terminal's input was read: it is looked at, sooner in the beginning than later. */
#define FIRST_PAUSE_MS 1
#define LONGEST_PAUSE_MS 500

static void type_end(struct input_end *end)
{
    struct termios settings;
    struct pollfd unread = {.fd = end->terminal, .events = POLLIN};
    if (poll(&unread, 1, 0) != 0 || tcgetattr(end->terminal, &settings) < 0) return;
    char eof = (char)settings.c_cc[VEOF], twice[2] = {eof, eof}, enter = '\r';
    if (settings.c_lflag & ICANON) {
        /* Within a line the first one only hands that over. */
        (void)!write(end->master, twice, end->line_open ? 2 : 1);
        end->line_open = false;
        end->key_lies = true;
    } else if (end->line_open || end->key_lies) {
        /* A line editor: it holds an unfinished line, or what was meant for a reader of lines. */
        (void)!write(end->master, &enter, 1);
        end->line_open = end->key_lies = false;
    } else {
        (void)!write(end->master, &eof, 1);
    }
}

static void set_timer(struct input_end *end)
{
    struct itimerspec time = {.it_value = {.tv_nsec = end->pause_ms * 1000000L}};
    timerfd_settime(end->timer.fd, 0, &time, NULL);
    if (end->pause_ms < LONGEST_PAUSE_MS) end->pause_ms *= 2;
}

static void time_came(struct source *source, short revents)
{
    struct input_end *end = (struct input_end *)((char *)source - offsetof(struct input_end, timer));
    uint64_t times;
    (void)revents;
    if (read(source->fd, &times, sizeof times) < 0) return;
    type_end(end);
    set_timer(end);
}

void begin_input_end(struct input_end *end, int terminal, int master, bool line_open)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    *end = (struct input_end){.terminal = terminal, .master = master, .line_open = line_open, .pause_ms = FIRST_PAUSE_MS};
    end->timer = (struct source){.fd = timer, .events = POLLIN, .ready = time_came};
    type_end(end);
    if (timer < 0) return;
    add_source(&end->timer);
    set_timer(end);
}

void close_input_end(struct input_end *end)
{
    if (end->timer.fd >= 0) remove_source(&end->timer);
    close_fd(&end->timer.fd);
    close_fd(&end->master);
}
