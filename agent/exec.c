/* Verb exec: what was asked for, and when it can start. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

enum { ROOT = 1, ARGUMENT, VARIABLE, DIRECTORY, USER, FLAGS, COLUMNS, ROWS, LIMIT, CGROUP };
#define LIMIT_BYTES 17

void free_request(struct request *request)
{
    free(request->payload);
    free(request->argv);
    free(request->env);
    free(request);
}

static bool take_limit(struct request *request, const struct field *field)
{
    if (field->length != LIMIT_BYTES || request->limit_count == sizeof request->limits / sizeof request->limits[0])
        return false;
    request->limits[request->limit_count++] =
        (struct limit){field->value[0], get64(field->value + 1), get64(field->value + 9)};
    return true;
}

static bool take_cgroup(struct request *request, char *text)
{
    if (request->cgroup_count == sizeof request->cgroup / sizeof request->cgroup[0]) return false;
    request->cgroup[request->cgroup_count++] = text;
    return true;
}

static void count_lists(struct request *request, size_t length)
{
    struct field field;
    struct fields fields = fields_of(request->payload, length);
    while (next_field(&fields, &field)) {
        if (field.tag == ARGUMENT) request->argc++;
        if (field.tag == VARIABLE) request->env_count++;
    }
}

static bool parse(struct request *request, size_t length)
{
    struct field field;
    size_t argc = 0, envc = 0;
    count_lists(request, length);
    request->argv = allocate((request->argc + 1) * sizeof(char *));
    request->env = allocate((request->env_count + 2) * sizeof(char *));
    request->cwd = "/";
    request->user = "";
    struct fields fields = fields_of(request->payload, length);
    while (next_field(&fields, &field)) {
        switch (field.tag) {
        case ROOT: request->root_name = take_text(&fields, &field); break;
        case ARGUMENT: request->argv[argc++] = take_text(&fields, &field); break;
        case VARIABLE: request->env[envc++] = take_text(&fields, &field); break;
        case DIRECTORY: request->cwd = take_text(&fields, &field); break;
        case USER: request->user = take_text(&fields, &field); break;
        case FLAGS: request->flags = (unsigned)take_int(&fields, &field, 31); break;
        case COLUMNS: request->columns = (uint16_t)take_int(&fields, &field, UINT16_MAX); break;
        case ROWS: request->rows = (uint16_t)take_int(&fields, &field, UINT16_MAX); break;
        case LIMIT:
            if (!take_limit(request, &field)) return false;
            break;
        case CGROUP:
            if (!take_cgroup(request, take_text(&fields, &field))) return false;
            break;
        default: return false;
        }
    }
    if ((request->flags & EXEC_REAPER) && !(request->flags & EXEC_FIRST)) return false;
    return !fields.malformed && argc > 0 && request->cwd[0] == '/';
}

static void refuse(struct request *request, const char *code)
{
    finish_failed(request->stream, code);
    free_request(request);
}

void resume_request(struct request *request, struct root *root)
{
    errno = 0;
    if (root != NULL && root_is_ending(root)) {
        fail("the root %s is being dropped", root->name);
        refuse(request, "exec.no_root");
    } else if (root != NULL && root->state == ROOT_FAILED) {
        fail("%s", root->failure);
        refuse(request, "exec.no_root");
    } else if (root != NULL && !(request->flags & EXEC_FIRST) && root->first == 0) {
        fail("the root %s has no first process, or it has ended", root->name);
        refuse(request, "exec.no_root");
    } else if (root != NULL && (request->flags & EXEC_FIRST) && root->first != 0) {
        fail("the root %s has a first process", root->name);
        refuse(request, "exec.bad_request");
    } else if (start_process(request, root) < 0) {
        refuse(request, failure_errno == ESRCH || failure_errno == ENOMEM ? "exec.no_root" : "exec.failed");
    }
}

static void unlink_waiting(struct request *request)
{
    struct root *root = find_root(request->root_name);
    if (root != NULL) UNLINK(root->waiting, request);
}

static void cancel_waiting(struct stream *stream)
{
    unlink_waiting(stream->state);
    errno = 0;
    fail("given up before it was started");
    refuse(stream->state, "exec.failed");
}

static void control_waiting(struct stream *stream, uint8_t *payload, size_t length)
{
    struct request *request = stream->state;
    struct control control;
    if (!parse_control(payload, length, &control)) violation("malformed control message");
    if (control.signal == 0) {
        request->columns = control.columns;
        request->rows = control.rows;
        return;
    }
    /* It ends as a process does that had no time to do anything about a signal. */
    struct builder result = {0};
    put_int(&result, 2, (uint64_t)control.signal);
    unlink_waiting(request);
    finish(stream, &result);
    free_request(request);
}

static const struct work waiting = {.control = control_waiting, .cancel = cancel_waiting};

void open_exec(struct stream *stream, uint8_t *payload, size_t length)
{
    struct request *request = allocate(sizeof *request);
    request->stream = stream;
    request->payload = allocate(length + 1);
    memcpy(request->payload, payload, length);
    if (!parse(request, length)) {
        errno = 0;
        fail("malformed request");
        refuse(request, "exec.bad_request");
        return;
    }
    struct root *root = request->root_name == NULL ? NULL : find_root(request->root_name);
    if (request->root_name != NULL && root == NULL) {
        errno = 0;
        fail("there is no root %s", request->root_name);
        refuse(request, "exec.no_root");
        return;
    }
    if (root == NULL || root_is_ready(root) || root_is_ending(root) || root->state == ROOT_FAILED) {
        resume_request(request, root);
        return;
    }
    set_work(stream, &waiting, request);
    struct request **last = &root->waiting;
    while (*last != NULL) last = &(*last)->next;
    *last = request;
}

bool parse_control(uint8_t *payload, size_t length, struct control *control)
{
    struct field field;
    struct fields fields = fields_of(payload, length);
    *control = (struct control){0};
    while (next_field(&fields, &field)) {
        switch (field.tag) {
        case 1: control->signal = (int)take_int(&fields, &field, 64); break;
        case 2: control->columns = (uint16_t)take_int(&fields, &field, UINT16_MAX); break;
        case 3: control->rows = (uint16_t)take_int(&fields, &field, UINT16_MAX); break;
        default: return false;
        }
    }
    return !fields.malformed;
}
