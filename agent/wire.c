/* Frames out of and into the channel to the host. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* Above this much that waits, nobody reads more from pipes. A few frames: what waits here, waits for nothing. */
#define FULL (256 * 1024)
/* A host that lets this much of other frames pile up does not read any more. */
#define TOO_MUCH (64 * 1024 * 1024)
/* What is read at once: some data frames, and many small ones. */
#define READ_AHEAD (HEADER + 2 * MAX_DATA)

static struct source channel;
static uint8_t *out;
static size_t out_start, out_length, out_capacity;
static uint8_t *in;
static size_t in_length, in_capacity;

uint32_t get32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint64_t get64(const uint8_t *b)
{
    return (uint64_t)get32(b) << 32 | get32(b + 4);
}

void put32(uint8_t *b, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8) b[i] = (uint8_t)value;
}

void put64(uint8_t *b, uint64_t value)
{
    put32(b, (uint32_t)(value >> 32));
    put32(b + 4, (uint32_t)value);
}

_Noreturn void violation(const char *what)
{
    say("the host broke the protocol: %s", what);
    power_off();
}

static void put_header(uint8_t *frame, int type, int channel_number, uint32_t stream, size_t length)
{
    frame[0] = (uint8_t)type;
    frame[1] = (uint8_t)channel_number;
    frame[2] = frame[3] = 0;
    put32(frame + 4, stream);
    put32(frame + 8, (uint32_t)length);
}

size_t make_frame(uint8_t *frame, int type, uint32_t stream, const void *payload, size_t length)
{
    put_header(frame, type, 0, stream, length);
    memcpy(frame + HEADER, payload, length);
    return HEADER + length;
}

/* Makes room for this many bytes behind what waits, and returns where. */
static uint8_t *reserve(size_t length)
{
    if (out_length == 0) out_start = 0;
    if (out_start + out_length + length > out_capacity && out_start > 0) {
        memmove(out, out + out_start, out_length);
        out_start = 0;
    }
    if (out_length + length > out_capacity) {
        if (out_length + length > TOO_MUCH) violation("it does not read");
        out_capacity = out_length + length + FULL;
        out = realloc(out, out_capacity);
        if (out == NULL) die("allocate the output queue");
    }
    return out + out_start + out_length;
}

bool wire_has_room(void)
{
    return out_length < FULL;
}

void send_frame(int type, int channel_number, uint32_t stream, const void *payload, size_t length)
{
    uint8_t *frame = reserve(HEADER + length);
    put_header(frame, type, channel_number, stream, length);
    if (length > 0) memcpy(frame + HEADER, payload, length);
    out_length += HEADER + length;
}

ssize_t send_from(int fd, int channel_number, uint32_t stream, size_t limit)
{
    uint8_t *frame = reserve(HEADER + limit);
    ssize_t got = read(fd, frame + HEADER, limit);
    if (got <= 0) return got;
    put_header(frame, DATA, channel_number, stream, (size_t)got);
    out_length += HEADER + (size_t)got;
    return got;
}

void flush_wire(void)
{
    while (out_length > 0) {
        ssize_t written = write(channel.fd, out + out_start, out_length);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) break;
        if (written <= 0) power_off(); /* the host is gone */
        out_start += (size_t)written;
        out_length -= (size_t)written;
    }
    channel.events = out_length > 0 ? POLLIN | POLLOUT : POLLIN;
}

static size_t largest_payload(int type)
{
    switch (type) {
    case OPEN: return MAX_OPEN;
    case HELLO: case DATA: case CONTROL: return MAX_DATA;
    case CREDIT: return 4;
    case END: case CANCEL: return 0;
    default: violation("unknown frame type");
    }
}

/* The size of the frame that begins here, header included; 0 while the header is not complete. */
static size_t frame_size(const uint8_t *frame, size_t length)
{
    if (length < HEADER) return 0;
    size_t payload = get32(frame + 8);
    if (payload > largest_payload(frame[0]) || frame[2] != 0 || frame[3] != 0) violation("malformed header");
    return HEADER + payload;
}

static void handle_received(void)
{
    size_t offset = 0, size;
    while ((size = frame_size(in + offset, in_length - offset)) > 0 && size <= in_length - offset) {
        uint8_t *frame = in + offset;
        handle_frame(frame[0], frame[1], get32(frame + 4), frame + HEADER, size - HEADER);
        offset += size;
    }
    in_length -= offset;
    memmove(in, in + offset, in_length);
    if (size <= in_capacity) return;
    in_capacity = size; /* a large request, bounded by its header's check */
    in = realloc(in, in_capacity);
    if (in == NULL) die("allocate a request of %zu bytes", size);
}

static void receive(struct source *source, short revents)
{
    bool came = false, end = false;
    if (revents & POLLOUT) flush_wire();
    if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0) return;
    /* A virtio port hands out one page at a time: gathered, they cost one round of the loop. */
    while (in_length < in_capacity) {
        ssize_t got = read(source->fd, in + in_length, in_capacity - in_length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            end = got == 0 || errno != EAGAIN;
            break;
        }
        in_length += (size_t)got;
        came = true;
    }
    if (came) end_rest();
    if (came) handle_received();
    else if (end || (revents & POLLHUP)) power_off(); /* the host has closed the connection */
}

void start_wire(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    channel = (struct source){.fd = fd, .events = POLLIN, .ready = receive};
    in_capacity = READ_AHEAD;
    in = allocate(in_capacity);
    add_source(&channel);
}
