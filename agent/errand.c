/* Verb steps: work on a root that is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"

/* The fields of a root's description that it has too. */
enum { NAME = 1, STEP = 3 };

struct errand {
    const struct root *root;
    struct stream *stream;
    uint8_t *payload;
    size_t length;
};

static void do_errand(void *state)
{
    static struct builder notes;
    struct errand *errand = state;
    int failed_step = -1;
    umask(0);
    if (run_steps(errand->payload, errand->length, errand->root, &notes, &failed_step) < 0)
        report_step_failure(failed_step);
    else report(RESULT, &notes);
}

static void errand_done(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct errand *errand = worker->state;
    finish_with(errand->stream, type, payload, length);
    free(errand->payload);
    free(errand);
}

void open_steps(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    struct root *root = NULL;
    struct errand *errand = allocate(sizeof *errand);
    errand->payload = allocate(length + 1);
    memcpy(errand->payload, payload, length);
    bool good = true;
    while (good && next_field(&fields, &field)) {
        if (field.tag == NAME) {
            root = find_ready_root(take_text(&fields, &field));
            good = root != NULL;
        } else {
            good = field.tag == STEP;
        }
    }
    *errand = (struct errand){root, stream, errand->payload, length};
    errno = 0;
    good = good && !fields.malformed;
    struct worker *worker = good ? start_worker(0, -1, errand, do_errand, errand_done) : NULL;
    if (worker != NULL) {
        worker->root = root;
        return;
    }
    free(errand->payload);
    free(errand);
    if (good) finish_failed(stream, "step.failed");
    else finish_refused(stream, "agent.bad_request", "malformed request, or no such root");
}
