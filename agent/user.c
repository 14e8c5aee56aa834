/*
 * Docker's rules for USER: `name`, `uid`, `name:group`, `uid:gid`, looked up in the image's own files, which may be
 * hostile: any size, any bytes, any file type. Reads line by line with a fixed buffer; longer lines do not count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

#define MAX_FILE (16 * 1024 * 1024)
#define MAX_LINE 65536
#define MAX_FIELDS 8

/* Called for each line, cut at its colons; returns true to stop. */
typedef bool (*visitor)(char *fields[], int count, void *context);

static int split(char *line, char *fields[])
{
    int count = 0;
    char *rest = line;
    for (char *field; count < MAX_FIELDS && (field = strsep(&rest, ":")) != NULL;) fields[count++] = field;
    return count;
}

/* One line, without its line feed; lines with a NUL are no text. */
static bool visit_line(char *line, size_t length, visitor visitor, void *context)
{
    char *fields[MAX_FIELDS];
    if (memchr(line, '\0', length) != NULL) return false;
    line[length] = '\0';
    int count = split(line, fields);
    return visitor(fields, count, context);
}

static void visit_lines(int fd, visitor visitor, void *context)
{
    static char buffer[MAX_LINE + 1];
    size_t length = 0;
    bool skip = false; /* the rest of a line that is too long */
    for (size_t total = 0; total < MAX_FILE;) {
        ssize_t got = read(fd, buffer + length, MAX_LINE - length);
        if (got <= 0) {
            if (length > 0 && !skip) visit_line(buffer, length, visitor, context);
            return;
        }
        total += (size_t)got;
        length += (size_t)got;
        size_t start = 0;
        for (char *end; (end = memchr(buffer + start, '\n', length - start)) != NULL; skip = false) {
            size_t size = (size_t)(end - (buffer + start));
            if (!skip && visit_line(buffer + start, size, visitor, context)) return;
            start += size + 1;
        }
        length -= start;
        memmove(buffer, buffer + start, length);
        if (length == MAX_LINE) {
            skip = true;
            length = 0;
        }
    }
}

static void visit(const char *path, visitor visitor, void *context)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) visit_lines(fd, visitor, context);
    close(fd);
}

/* A decimal id; 0xffffffff means "unchanged" to setuid and is no id. */
static bool parse_id(const char *text, uint32_t *id)
{
    uint64_t value = 0;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value >= UINT32_MAX) return false;
    }
    *id = (uint32_t)value;
    return true;
}

struct search {
    const char *wanted;
    struct identity *identity;
    bool found;
    char name[256]; /* of the user that was found */
};

static bool match_user(char *fields[], int count, void *context)
{
    struct search *search = context;
    uint32_t uid, gid;
    if (count < 6 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid)) return false;
    if (strcmp(fields[0], search->wanted) != 0 && strcmp(fields[2], search->wanted) != 0) return false;
    search->found = true;
    search->identity->uid = uid;
    search->identity->gid = gid;
    snprintf(search->name, sizeof search->name, "%s", fields[0]);
    snprintf(search->identity->home, sizeof search->identity->home, "%s", fields[5]);
    return true;
}

static bool match_group(char *fields[], int count, void *context)
{
    struct search *search = context;
    uint32_t gid;
    if (count < 3 || !parse_id(fields[2], &gid)) return false;
    if (strcmp(fields[0], search->wanted) != 0 && strcmp(fields[2], search->wanted) != 0) return false;
    search->found = true;
    search->identity->gid = gid;
    return true;
}

static bool collect_group(char *fields[], int count, void *context)
{
    struct search *search = context;
    struct identity *identity = search->identity;
    uint32_t gid;
    if (count < 4 || !parse_id(fields[2], &gid)) return false;
    char *rest = fields[3];
    for (char *member; (member = strsep(&rest, ",")) != NULL;) {
        if (strcmp(member, search->name) != 0) continue;
        identity->groups[identity->group_count++] = gid;
        break;
    }
    return identity->group_count == MAX_GROUPS;
}

bool resolve_user(const char *spec, struct identity *identity)
{
    char user[257];
    struct search search = {.identity = identity};
    memset(identity, 0, sizeof *identity);
    errno = 0;
    /* Cut, it could be somebody else. */
    if ((size_t)snprintf(user, sizeof user, "%s", spec) >= sizeof user) return fail("a user of too many bytes") == 0;
    char *group = strchr(user, ':');
    if (group != NULL) *group++ = '\0';

    search.wanted = user[0] == '\0' ? "0" : user;
    visit("/etc/passwd", match_user, &search);
    errno = 0;
    if (!search.found && !parse_id(search.wanted, &identity->uid))
        return fail("user %s is not in the image's /etc/passwd", user) == 0;
    bool named = search.found;
    if (group == NULL || *group == '\0') {
        if (named) visit("/etc/group", collect_group, &search);
        return true;
    }
    search.found = false;
    search.wanted = group;
    visit("/etc/group", match_group, &search);
    errno = 0;
    if (!search.found && !parse_id(group, &identity->gid))
        return fail("group %s is not in the image's /etc/group", group) == 0;
    return true;
}
