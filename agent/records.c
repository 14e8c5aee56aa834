/* Records out and in, see records.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "records.h"

/* Above the 64 KiB that a pipe has by itself: fewer turns between this process and the agent. */
#define PIPE_BYTES (1024 * 1024)

static void put16(uint8_t *bytes, size_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static size_t get16(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* ---- out ---- */

/* Behind the last segment of the present file. */
static uint64_t segments_end;
static uint8_t out[MAX_SEGMENT + SEGMENT_BYTES + RECORD_BYTES + NAME_MAX + PATH_MAX];
static size_t out_length;

bool flush_records(void)
{
    static bool grown;
    if (!grown) (void)!fcntl(1, F_SETPIPE_SZ, PIPE_BYTES);
    grown = true;
    size_t length = out_length;
    out_length = 0;
    return write_all(1, out, length);
}

static bool make_room(size_t length)
{
    return out_length + length <= sizeof out || flush_records();
}

bool put_record(const struct record *record)
{
    size_t name = strlen(record->name), target = strlen(record->target);
    if (!make_room(RECORD_BYTES + name + target)) return false;
    uint8_t *at = out + out_length;
    at[0] = (uint8_t)record->kind;
    at[1] = (uint8_t)record->flags;
    put16(at + 2, record->mode & 07777);
    put32(at + 4, record->uid);
    put32(at + 8, record->gid);
    put32(at + 12, (uint32_t)record->modified.tv_nsec);
    put64(at + 16, (uint64_t)record->modified.tv_sec);
    put64(at + 24, record->size);
    put16(at + 32, name);
    put16(at + 34, target);
    memcpy(at + RECORD_BYTES, record->name, name);
    memcpy(at + RECORD_BYTES + name, record->target, target);
    out_length += RECORD_BYTES + name + target;
    segments_end = 0;
    return true;
}

uint8_t *segment_room(size_t length)
{
    return make_room(SEGMENT_BYTES + length) ? out + out_length + SEGMENT_BYTES : NULL;
}

static void put_segment_header(uint64_t offset, size_t length)
{
    put64(out + out_length, offset);
    put32(out + out_length + 8, (uint32_t)length);
    out_length += SEGMENT_BYTES;
    segments_end = offset + length;
}

bool put_segment(uint64_t offset, size_t length)
{
    put_segment_header(offset, length);
    out_length += length;
    /* Large pieces leave at once: nothing is copied together with them. */
    return length < MAX_SEGMENT / 2 || flush_records();
}

/* Sends the rest of a segment whose header is out, by way of this process. */
static bool send_bytes(int fd, off_t offset, size_t rest)
{
    bool readable = true;
    while (rest > 0) {
        size_t length = rest < sizeof out ? rest : sizeof out;
        ssize_t got = readable ? pread(fd, out, length, offset) : 0;
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got < 0) fail("read");
            readable = readable && got == 0;
            memset(out, 0, length);
            got = (ssize_t)length;
        }
        if (!write_all(1, out, (size_t)got)) return false;
        offset += got;
        rest -= (size_t)got;
    }
    return readable;
}

bool send_segment(int fd, uint64_t offset, size_t length)
{
    if (!make_room(SEGMENT_BYTES)) return false;
    put_segment_header(offset, length);
    if (!flush_records()) return false;
    off_t at = (off_t)offset;
    while (length > 0) {
        ssize_t moved = splice(fd, &at, 1, NULL, length, SPLICE_F_MORE);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0 && errno == EPIPE) return false;
        /* Its end, sooner than it said; or a file or pipe that cannot do it. */
        if (moved <= 0) return send_bytes(fd, at, length);
        length -= (size_t)moved;
    }
    return true;
}

bool put_segment_end(uint64_t size)
{
    if (!make_room(SEGMENT_BYTES)) return false;
    put_segment_header(size > segments_end ? size : segments_end, 0);
    return true;
}

void put_record_failure(void)
{
    struct record record = {.kind = RECORD_FAILURE, .size = (uint64_t)failure_errno};
    memcpy(record.target, failure, strnlen(failure, sizeof failure - 1));
    (void)!(put_record(&record) && flush_records());
}

/* ---- in ---- */

static uint8_t in[MAX_SEGMENT];
static size_t in_start, in_end;

/* A segment of the present file was moved by the kernel: what comes next may be too, so that nothing of it is read. */
static bool moves;

/* Reads once more: `needed` bytes at the least are wanted. */
static bool fill(size_t needed)
{
    static bool grown;
    if (!grown) (void)!fcntl(0, F_SETPIPE_SZ, PIPE_BYTES);
    grown = true;
    if (in_start > 0) memmove(in, in + in_start, in_end - in_start);
    in_end -= in_start;
    in_start = 0;
    ssize_t got;
    do got = read(0, in + in_end, moves ? needed : sizeof in - in_end);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        errno = got < 0 ? errno : 0;
        fail("the copy was given up");
        return false;
    }
    in_end += (size_t)got;
    return true;
}

/* `length` bytes together, which are valid until the next call; NULL at the end. */
static const uint8_t *take(size_t length)
{
    while (in_end - in_start < length)
        if (!fill(length - (in_end - in_start))) return NULL;
    const uint8_t *bytes = in + in_start;
    in_start += length;
    return bytes;
}

static bool malformed(void)
{
    errno = 0;
    fail("a malformed record");
    return false;
}

static bool take_string(char *text, size_t length, size_t room)
{
    if (length >= room) return malformed();
    const uint8_t *bytes = take(length);
    if (bytes == NULL) return false;
    if (memchr(bytes, 0, length) != NULL) return malformed();
    memcpy(text, bytes, length);
    text[length] = '\0';
    return true;
}

bool take_record(struct record *record)
{
    const uint8_t *at = take(RECORD_BYTES);
    if (at == NULL) return false;
    record->kind = at[0];
    record->flags = at[1];
    record->mode = (mode_t)get16(at + 2);
    record->uid = get32(at + 4);
    record->gid = get32(at + 8);
    record->modified = (struct timespec){(time_t)(int64_t)get64(at + 16), (long)get32(at + 12)};
    record->size = get64(at + 24);
    size_t name = get16(at + 32), target = get16(at + 34);
    if (record->mode > 07777 || record->modified.tv_nsec > 999999999) return malformed();
    return take_string(record->name, name, sizeof record->name) &&
           take_string(record->target, target, sizeof record->target);
}

bool take_segment(uint64_t *offset, uint32_t *length)
{
    const uint8_t *at = take(SEGMENT_BYTES);
    if (at == NULL) return false;
    *offset = get64(at);
    *length = get32(at + 8);
    if (*length < LARGE_SEGMENT) moves = false;
    return (*length <= MAX_SEGMENT && *offset <= (uint64_t)INT64_MAX - MAX_SEGMENT) || malformed();
}

ssize_t splice_bytes(int fd, uint64_t offset, size_t most)
{
    if (in_start < in_end || most < LARGE_SEGMENT / 2) return 0;
    off_t at = (off_t)offset;
    ssize_t moved;
    do moved = splice(0, NULL, fd, &at, most, SPLICE_F_MORE);
    while (moved < 0 && errno == EINTR);
    if (moved < 0 && errno == EINVAL) moved = 0;
    moves = moved > 0;
    return moved;
}

const uint8_t *take_bytes(size_t most, size_t *length)
{
    if (in_start == in_end && !fill(most < sizeof in ? most : sizeof in)) return NULL;
    *length = in_end - in_start < most ? in_end - in_start : most;
    return take(*length);
}
