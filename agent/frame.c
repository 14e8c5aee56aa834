#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "init.h"

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
    b[0] = (uint8_t)(value >> 24);
    b[1] = (uint8_t)(value >> 16);
    b[2] = (uint8_t)(value >> 8);
    b[3] = (uint8_t)value;
}

void put_header(uint8_t *frame, int type, int channel, size_t length)
{
    memset(frame, 0, HEADER);
    frame[0] = (uint8_t)type;
    frame[1] = (uint8_t)channel;
    put32(frame + 8, (uint32_t)length);
}

void send_frame(int connection, int type, int channel, const void *payload, size_t length)
{
    uint8_t header[HEADER];
    put_header(header, type, channel, length);
    struct iovec parts[2] = {{header, HEADER}, {(void *)payload, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    for (size_t left = HEADER + length; left > 0;) {
        ssize_t sent = sendmsg(connection, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return; /* the agent is gone; the reader of this connection notices and ends */
        left -= (size_t)sent;
        for (int i = 0; i < 2; i++) {
            size_t part = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            sent -= (ssize_t)part;
        }
    }
}

void send_failure(int connection, const char *code, const char *message)
{
    char text[700];
    int length = snprintf(text, sizeof text, "%s\n%s", code, message);
    if (length >= (int)sizeof text) length = sizeof text - 1;
    send_frame(connection, FAIL, 0, text, (size_t)length);
}
