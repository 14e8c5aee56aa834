/*
 * Entry: `/init` as the first process of a guest, `/init reap` as that of a PID namespace in it, `/init pack|unpack PATH`
 * as one that copies files, or for tests `agent serve SOCKET` beside other processes.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent.h"
#include "records.h"

/* The first frame; see docs/protocol.md for the fields. */
static const struct builder *make_hello(long started)
{
    struct sysinfo memory;
    struct utsname system;
    static struct builder hello;
    hello.length = 0;
    put_int(&hello, 1, PROTOCOL);
    put_int(&hello, 2, (uint64_t)started);
    put_int(&hello, 3, (uint64_t)milliseconds_since_boot());
    if (sysinfo(&memory) == 0) put_int(&hello, 4, (uint64_t)memory.totalram * memory.mem_unit);
    if (uname(&system) == 0) put_text(&hello, 5, system.release);
    return &hello;
}

void send_hello(long started)
{
    const struct builder *hello = make_hello(started);
    send_frame(HELLO, 0, 0, hello->bytes, hello->length);
}

int main(int argc, char **argv)
{
    char channel[128] = "";
    uint8_t frame[1024];
    if (argc == 2 && strcmp(argv[1], "reap") == 0) only_reap();
    if (argc == 3 && strcmp(argv[1], "pack") == 0) return pack(argv[2], false);
    if (argc == 3 && strcmp(argv[1], "pack-followed") == 0) return pack(argv[2], true);
    if (argc == 3 && strcmp(argv[1], "unpack") == 0) return unpack(argv[2]);
    long started = milliseconds_since_boot();
    bool first = getpid() == 1 && argc < 3;
    if (!first && (argc != 3 || strcmp(argv[1], "serve") != 0)) {
        say("this is the first process of a smolvm guest; for tests: agent serve SOCKET");
        return 2;
    }
    if (first) boot_first(channel, sizeof channel);
    const struct builder *hello = make_hello(started);
    size_t length = make_frame(frame, HELLO, 0, hello->bytes, hello->length);
    int fd = open_channel(first ? channel : argv[2], frame, length);
    /* The host is heard of as early as possible; what it asks for waits for the rest. */
    if (first) boot_rest();
    raise_descriptor_limit();
    start_wire(fd);
    run_loop();
}
