/* One connection of the guest's, carried as a stream. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"

struct connection {
    struct stream *stream;
    struct sink input;
    struct tap output;
    bool input_ended, output_ended;
};

static void check_finished(struct connection *connection)
{
    if (!connection->input_ended || !connection->output_ended) return;
    struct stream *stream = connection->stream;
    close_sink(&connection->input);
    close_tap(&connection->output);
    free(connection);
    finish(stream, NULL);
}

static void input_done(struct sink *sink, bool broken)
{
    struct connection *connection = sink->stream->state;
    (void)broken;
    shutdown(sink->source.fd, SHUT_WR);
    close_sink(sink);
    connection->input_ended = true;
    check_finished(connection);
}

static void output_done(struct tap *tap)
{
    struct connection *connection = tap->stream->state;
    connection->output_ended = true;
    check_finished(connection);
}

static void take_data(struct stream *stream, const uint8_t *bytes, size_t length)
{
    sink_take(&((struct connection *)stream->state)->input, bytes, length);
}

static void take_end(struct stream *stream)
{
    struct connection *connection = stream->state;
    if (connection->input.source.fd >= 0) sink_end(&connection->input);
}

static void take_cancel(struct stream *stream)
{
    struct connection *connection = stream->state;
    connection->input_ended = connection->output_ended = true;
    check_finished(connection);
}

static void take_credit(struct stream *stream)
{
    tap_update(&((struct connection *)stream->state)->output);
}

static const struct work connection_work = {
    .data = take_data, .end = take_end, .cancel = take_cancel, .credit = take_credit};

void carry_connection(struct stream *stream, int fd)
{
    int input = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (input < 0) {
        fail("duplicate a connection");
        close(fd);
        finish_failed(stream, "connect.failed");
        return;
    }
    struct connection *connection = allocate(sizeof *connection);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    connection->stream = stream;
    open_sink(&connection->input, stream, input, input_done);
    open_tap(&connection->output, stream, 0, fd, output_done);
    send_frame(ACCEPT, 0, stream->id, NULL, 0);
    set_work(stream, &connection_work, connection);
}
