/*
 * Verb replay: what the host has changed in one of its folders, again, so that the kernel tells those who watch there
 * (inotify). What has gone is removed, what has come is made, what was written to gets another time. The host's server
 * knows who asks by its group, and does none of it: it has all happened already (docs/design/files.md, "Watching").
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* As in src/files/replay/answer.ts. */
#define REPLAY_GID 0xfffeffffu

enum { PATH = 1, CHANGE };
enum { GONE = 1, GONE_DIRECTORY = 2, MADE = 4, MODIFIED = 8, WRITTEN = 16 };
/* Of a change, before its path: flags, mode. */
#define CHANGE_HEAD 3

/* linux/openat2.h, which older C libraries lack. */
#define SYS_openat2_number 437
#define NO_OTHER_FILESYSTEM 0x01 /* RESOLVE_NO_XDEV */
#define NO_MAGIC_LINKS 0x02
#define NO_LINKS 0x04
#define BENEATH 0x08
struct how {
    uint64_t flags, mode, resolve;
};

struct replay {
    struct stream *stream;
    char *place;
    uint8_t *payload;
    size_t length;
};

/* The directory of a change. Others rename and link in there meanwhile: no link is followed, and nothing leads out. */
static int open_directory(int root, const char *path)
{
    const struct how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                            .resolve = NO_OTHER_FILESYSTEM | NO_MAGIC_LINKS | NO_LINKS | BENEATH};
    return (int)syscall(SYS_openat2_number, root, path, &how, sizeof how);
}

static void make(int directory, const char *name, mode_t mode)
{
    if (S_ISDIR(mode)) mkdirat(directory, name, mode & 07777);
    else if (S_ISLNK(mode)) symlinkat("-", directory, name);
    else mknodat(directory, name, mode, 0);
}

/* Nothing of it has to succeed: what is not as the host said has changed again, of which the host will tell. */
static void replay_change(int directory, const char *name, int flags, mode_t mode)
{
    if (flags & GONE) unlinkat(directory, name, flags & GONE_DIRECTORY ? AT_REMOVEDIR : 0);
    if (flags & MADE) make(directory, name, mode);
    if (flags & MODIFIED) {
        /* The time of change alone: with both it would not be a change of the content for the kernel. */
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
        utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
    }
    if (flags & WRITTEN) {
        int fd = openat(directory, name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) close(fd);
    }
}

static void replay_field(int root, const char *place, const struct field *field)
{
    static char path[PATH_MAX];
    size_t length = field->length - CHANGE_HEAD;
    int flags = field->value[0];
    mode_t mode = (mode_t)(field->value[1] << 8 | field->value[2]);
    memcpy(path, field->value + CHANGE_HEAD, length);
    path[length] = '\0';
    if (length == 0) {
        /* The filesystem is one file. */
        replay_change(AT_FDCWD, place, flags & (MODIFIED | WRITTEN), mode);
        return;
    }
    char *slash = strrchr(path, '/');
    if (slash != NULL) *slash = '\0';
    int directory = open_directory(root, slash == NULL ? "." : path);
    if (directory < 0) return;
    replay_change(directory, slash == NULL ? path : slash + 1, flags, mode);
    close(directory);
}

static void do_replay(void *state)
{
    static struct builder nothing;
    const struct replay *replay = state;
    struct field field;
    struct fields fields = fields_of(replay->payload, replay->length);
    umask(0);
    setfsgid(REPLAY_GID);
    int root = open(replay->place, O_PATH | O_CLOEXEC);
    while (root >= 0 && next_field(&fields, &field))
        if (field.tag == CHANGE) replay_field(root, replay->place, &field);
    report(RESULT, &nothing);
}

static bool is_change(const struct field *field)
{
    if (field->length < CHANGE_HEAD || field->length - CHANGE_HEAD >= PATH_MAX) return false;
    return memchr(field->value + CHANGE_HEAD, '\0', field->length - CHANGE_HEAD) == NULL;
}

static void free_replay(struct replay *replay)
{
    free(replay->place);
    free(replay->payload);
    free(replay);
}

static void replay_done(struct worker *worker, int type, uint8_t *payload, size_t length)
{
    struct replay *replay = worker->state;
    finish_with(replay->stream, type, payload, length);
    free_replay(replay);
}

void open_replay(struct stream *stream, uint8_t *payload, size_t length)
{
    struct field field;
    struct replay *replay = allocate(sizeof *replay);
    *replay = (struct replay){.stream = stream, .payload = allocate(length + 1), .length = length};
    memcpy(replay->payload, payload, length);
    struct fields fields = fields_of(payload, length);
    bool good = true;
    while (good && next_field(&fields, &field)) {
        if (field.tag == PATH && replay->place == NULL) replay->place = strdup(take_text(&fields, &field));
        else good = field.tag == CHANGE && is_change(&field);
    }
    good = good && !fields.malformed && replay->place != NULL && is_fuse(replay->place);
    if (!good) {
        free_replay(replay);
        finish_refused(stream, "agent.bad_request", "malformed request, or no such filesystem");
        return;
    }
    errno = 0;
    if (start_worker(0, -1, replay, do_replay, replay_done) != NULL) return;
    free_replay(replay);
    finish_failed(stream, "replay.failed");
}
