/* Verbs clock and shutdown. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

void open_clock(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    uint64_t nanoseconds = 0;
    while (next_field(&fields, &field)) {
        if (field.tag == 1) nanoseconds = take_int(&fields, &field, INT64_MAX);
        else fields.malformed = true;
    }
    if (fields.malformed) {
        finish_refused(stream, "agent.bad_request", "malformed request");
        return;
    }
    struct timespec now = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    errno = EINVAL;
    if (nanoseconds > 0 && clock_settime(CLOCK_REALTIME, &now) == 0) {
        finish(stream, NULL);
        return;
    }
    fail("set the clock");
    finish_failed(stream, "clock.failed");
}

static struct stream *waiting;

static void done(void)
{
    end_all_fuse();
    sync();
    finish(waiting, NULL);
    waiting = NULL;
}

static void write_back(void *state)
{
    static struct builder nothing;
    (void)state;
    sync();
    report(RESULT, &nothing);
}

static void written_back(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    (void)worker, (void)type, (void)payload, (void)length;
    done();
}

/* What is on its way to the host's files waits for this process, so another one has to wait for it. */
static void roots_ended(void)
{
    if (!has_fuse() || start_worker(0, -1, NULL, write_back, written_back) == NULL) done();
}

void open_shutdown(struct stream *stream, uint8_t *payload, size_t length)
{
    (void)payload;
    if (length > 0 || waiting != NULL) {
        finish_refused(stream, "agent.bad_request", length > 0 ? "malformed request" : "it is under way");
        return;
    }
    waiting = stream;
    end_all_roots(roots_ended);
}
