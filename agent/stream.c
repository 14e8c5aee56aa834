/* Streams of the connection: opened by the host, served by a verb each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#define MAX_STREAMS 1024
#define GRANT (WINDOW / 4)
#define CHANNELS 3

static const struct verb verbs[] = {
    {1, open_exec},    {2, open_root},  {3, open_steps}, {4, open_drop},   {5, open_connect},
    {6, open_listen},  {7, open_take},  {8, open_watch}, {9, open_clock},  {10, open_shutdown},
    {11, open_fuse},   {12, open_replay}, {13, open_rest}, {14, open_entropy},
};

static struct stream *streams;
static size_t stream_count;
static uint32_t last_opened;
static bool greeted;

static const struct work nothing;

size_t *credit_of(struct stream *stream, int channel)
{
    return &stream->credit[channel];
}

static void open_stream(uint32_t id, uint8_t *payload, size_t length)
{
    if (id <= last_opened) violation("a stream was open before");
    if (stream_count == MAX_STREAMS) violation("too many streams");
    last_opened = id;
    struct stream *stream = allocate(sizeof *stream);
    *stream = (struct stream){.id = id, .work = &nothing, .window = WINDOW, .next = streams};
    for (int i = 0; i < CHANNELS; i++) stream->credit[i] = WINDOW;
    streams = stream;
    stream_count++;
    for (size_t i = 0; length > 0 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (verbs[i].number != payload[0]) continue;
        verbs[i].open(stream, payload + 1, length - 1);
        return;
    }
    finish_refused(stream, "agent.bad_request", "unknown verb");
}

static struct stream *find_stream(uint32_t id)
{
    for (struct stream *stream = streams; stream != NULL; stream = stream->next)
        if (stream->id == id) return stream;
    return NULL;
}

/* Not granted, so the window bounds it. */
static void keep_early(struct stream *stream, const uint8_t *bytes, size_t length)
{
    stream->early = realloc(stream->early, stream->early_length + length);
    if (stream->early == NULL) die("keep early input");
    memcpy(stream->early + stream->early_length, bytes, length);
    stream->early_length += length;
}

static void take_data(struct stream *stream, int channel, const uint8_t *payload, size_t length)
{
    if (channel != 0 || length == 0 || stream->ended) violation("data where none may be");
    if (length > stream->window) violation("a window was exceeded");
    stream->window -= length;
    if (stream->work->data != NULL) stream->work->data(stream, payload, length);
    else keep_early(stream, payload, length);
}

void set_work(struct stream *stream, const struct work *work, void *state)
{
    stream->work = work;
    stream->state = state;
    if (work->data == NULL) return;
    uint8_t *early = stream->early;
    stream->early = NULL;
    /* Its end may be the stream's, so that comes last. */
    bool ended = stream->ended;
    if (early != NULL) work->data(stream, early, stream->early_length);
    free(early);
    if (ended) work->end(stream);
}

static void take_credit(struct stream *stream, int channel, const uint8_t *payload, size_t length)
{
    if (channel >= CHANNELS || length != 4) violation("malformed credit");
    size_t *credit = credit_of(stream, channel);
    *credit += get32(payload);
    if (*credit > WINDOW) violation("more credit than was used");
    if (stream->work->credit != NULL) stream->work->credit(stream);
}

void handle_frame(int type, int channel, uint32_t id, uint8_t *payload, size_t length)
{
    if (!greeted) {
        if (type != HELLO) violation("no hello");
        greeted = true; /* one protocol is all there is: what a newer host adds, it does not send to this one */
        return;
    }
    if (type == OPEN) {
        open_stream(id, payload, length);
        return;
    }
    struct stream *stream = find_stream(id);
    if (stream == NULL) {
        /* What the host sent before it saw the end of a stream. */
        if (id > last_opened || type == HELLO) violation("no such stream");
        return;
    }
    switch (type) {
    case DATA: take_data(stream, channel, payload, length); break;
    case END:
        if (channel != 0 || stream->ended) violation("an end where none may be");
        stream->ended = true;
        if (stream->work->end != NULL) stream->work->end(stream);
        break;
    case CREDIT: take_credit(stream, channel, payload, length); break;
    case CONTROL:
        if (stream->work->control != NULL) stream->work->control(stream, payload, length);
        break;
    case CANCEL:
        if (stream->work->cancel != NULL) stream->work->cancel(stream);
        break;
    default: violation("a frame that only a server sends");
    }
}

void begin_connection(void)
{
    greeted = false;
    last_opened = 0;
}

bool is_only_stream(const struct stream *stream)
{
    return streams == stream && stream->next == NULL;
}

void grant(struct stream *stream, size_t bytes)
{
    uint8_t payload[4];
    stream->consumed += bytes;
    if (stream->consumed < GRANT || stream->ended) return;
    put32(payload, (uint32_t)stream->consumed);
    stream->window += stream->consumed;
    stream->consumed = 0;
    send_frame(CREDIT, 0, stream->id, payload, sizeof payload);
}

void finish_with(struct stream *stream, int type, const void *payload, size_t length)
{
    send_frame(type, 0, stream->id, payload, length);
    UNLINK(streams, stream);
    stream_count--;
    free(stream->early);
    free(stream);
}

void finish(struct stream *stream, const struct builder *result)
{
    finish_with(stream, RESULT, result == NULL ? NULL : result->bytes, result == NULL ? 0 : result->length);
}

void put_failure(struct builder *builder, const char *code)
{
    put_text(builder, 1, code);
    put_text(builder, 2, failure);
    if (failure_errno != 0) put_int(builder, 3, (uint64_t)failure_errno);
}

void finish_failed(struct stream *stream, const char *code)
{
    static struct builder builder;
    builder.length = 0;
    put_failure(&builder, code);
    finish_with(stream, FAIL, builder.bytes, builder.length);
}

void finish_refused(struct stream *stream, const char *code, const char *why)
{
    errno = 0;
    fail("%s", why);
    finish_failed(stream, code);
}
