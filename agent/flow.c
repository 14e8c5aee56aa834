/*
 * Bytes between a stream's channel and a descriptor. Memory is bounded by the windows: output is read only as far as
 * the host has granted credit, input is granted as it is taken. A program that floods or never reads stops at its own
 * window, and stops no other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* ---- from the host ---- */

static void sink_ready(struct source *source, short revents);

void open_sink(struct sink *sink, struct stream *stream, int fd, void (*done)(struct sink *sink, bool broken))
{
    *sink = (struct sink){.source = {.fd = fd, .ready = sink_ready}, .stream = stream, .done = done};
    add_source(&sink->source);
}

void close_sink(struct sink *sink)
{
    if (sink->source.fd < 0) return;
    remove_source(&sink->source);
    close_fd(&sink->source.fd);
    free(sink->ring);
    sink->ring = NULL;
    sink->length = 0;
}

/* Nobody reads any more: nothing more is granted, and what has come is dropped. */
static void sink_broken(struct sink *sink)
{
    sink->length = 0;
    sink->source.events = 0;
    sink->done(sink, true);
}

static void check_end(struct sink *sink)
{
    if (sink->ended && sink->length == 0 && sink->source.fd >= 0) sink->done(sink, false);
}

/* Writes what it can; -1 once nobody reads. */
static ssize_t write_some(struct sink *sink, const uint8_t *bytes, size_t length)
{
    ssize_t written;
    do written = write(sink->source.fd, bytes, length);
    while (written < 0 && errno == EINTR);
    if (written < 0 && errno == EAGAIN) return 0;
    if (written > 0) grant(sink->stream, (size_t)written);
    return written;
}

static void keep(struct sink *sink, const uint8_t *bytes, size_t length)
{
    if (sink->ring == NULL) sink->ring = allocate(WINDOW);
    size_t end = (sink->start + sink->length) % WINDOW;
    size_t first = length < WINDOW - end ? length : WINDOW - end;
    memcpy(sink->ring + end, bytes, first);
    memcpy(sink->ring, bytes + first, length - first);
    sink->length += length;
}

void sink_take(struct sink *sink, const uint8_t *bytes, size_t length)
{
    if (sink->source.fd < 0) return;
    ssize_t written = 0;
    if (sink->length == 0) written = write_some(sink, bytes, length);
    if (written < 0) {
        sink_broken(sink);
        return;
    }
    /* What waits is part of the window, whose size the stream has checked. */
    if ((size_t)written < length) keep(sink, bytes + written, length - (size_t)written);
    if (sink->length > 0) sink->source.events = POLLOUT;
}

static void sink_ready(struct source *source, short revents)
{
    struct sink *sink = (struct sink *)source;
    (void)revents;
    while (sink->length > 0) {
        size_t piece = WINDOW - sink->start;
        if (piece > sink->length) piece = sink->length;
        ssize_t written = write_some(sink, sink->ring + sink->start, piece);
        if (written == 0) return;
        if (written < 0) {
            sink_broken(sink);
            return;
        }
        sink->start = (sink->start + (size_t)written) % WINDOW;
        sink->length -= (size_t)written;
    }
    source->events = 0;
    check_end(sink);
}

void sink_end(struct sink *sink)
{
    sink->ended = true;
    check_end(sink);
}

/* ---- to the host ---- */

static void tap_ready(struct source *source, short revents);

void open_tap(struct tap *tap, struct stream *stream, int channel, int fd, void (*done)(struct tap *tap))
{
    *tap = (struct tap){
        .source = {.fd = fd, .events = POLLIN, .needs_room = true, .ready = tap_ready},
        .stream = stream,
        .channel = channel,
        .done = done,
    };
    add_source(&tap->source);
}

void close_tap(struct tap *tap)
{
    if (tap->source.fd < 0) return;
    remove_source(&tap->source);
    close_fd(&tap->source.fd);
}

/* The last thing that happens to it: its owner may free it. */
static void tap_done(struct tap *tap)
{
    close_tap(tap);
    send_frame(END, tap->channel, tap->stream->id, NULL, 0);
    tap->done(tap);
}

void tap_update(struct tap *tap)
{
    if (tap->source.fd < 0) return;
    bool wanted = *credit_of(tap->stream, tap->channel) > 0;
    tap->source.events = wanted ? POLLIN : 0;
    /* Others may keep the other end open: only reading tells whether something is left. */
    tap->source.always = wanted && tap->limited;
}

void tap_limit(struct tap *tap, size_t rest)
{
    if (tap->source.fd < 0) return;
    tap->limited = true;
    tap->rest = rest;
    if (rest > 0) tap_update(tap);
    else tap_done(tap);
}

static void tap_ready(struct source *source, short revents)
{
    struct tap *tap = (struct tap *)source;
    size_t *credit = credit_of(tap->stream, tap->channel);
    size_t limit = *credit < MAX_DATA ? *credit : MAX_DATA;
    (void)revents;
    if (tap->limited && tap->rest < limit) limit = tap->rest;
    ssize_t got = send_from(source->fd, tap->channel, tap->stream->id, limit);
    if (got < 0 && errno == EINTR) return;
    if (got < 0 && errno == EAGAIN && !tap->limited) return;
    if (got <= 0) { /* its end; EIO: nobody has the terminal open; EAGAIN: nothing is left */
        tap_done(tap);
        return;
    }
    *credit -= (size_t)got;
    if (tap->limited) tap->rest -= (size_t)got;
    if (tap->limited && tap->rest == 0) tap_done(tap);
    else tap_update(tap);
}
