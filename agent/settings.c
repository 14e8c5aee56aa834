#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

static void set_formats(struct settings *settings, char *names)
{
    char *rest = names;
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        if (strcmp(name, "overlay") == 0) settings->format_overlay = true;
        if (strcmp(name, "storage") == 0) settings->format_storage = true;
    }
}

static void set(struct settings *settings, const char *key, char *value)
{
    struct { const char *key; char *to; size_t size; } table[] = {
        {"runtime", settings->runtime, sizeof settings->runtime},
        {"image", settings->image, sizeof settings->image},
        {"overlay", settings->overlay, sizeof settings->overlay},
        {"storage", settings->storage, sizeof settings->storage},
        {"agent", settings->agent, sizeof settings->agent},
        {"hostname", settings->hostname, sizeof settings->hostname},
    };
    if (strcmp(key, "format") == 0) {
        set_formats(settings, value);
        return;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(key, table[i].key) != 0) continue;
        if ((size_t)snprintf(table[i].to, table[i].size, "%s", value) >= table[i].size)
            say("setting %s is too long", key);
    }
}

/* Reads words like smolvm.image=/dev/vdb from the kernel command line, which the host wrote. */
void read_settings(struct settings *settings)
{
    char line[4096] = "";
    memset(settings, 0, sizeof *settings);
    strcpy(settings->hostname, "smolvm");
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (length < 0) die("read the kernel command line");
    close(fd);
    line[length] = '\0';
    char *rest = line;
    for (char *word; (word = strsep(&rest, " \n")) != NULL;) {
        if (!starts_with(word, "smolvm.")) continue;
        char *value = strchr(word, '=');
        if (value == NULL) continue;
        *value = '\0';
        set(settings, word + strlen("smolvm."), value + 1);
    }
}
