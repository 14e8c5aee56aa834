/*
 * The records in which file trees travel between host and guest (docs/protocol.md, "Copies"): a fixed header, a name, a
 * link's target; behind a file its bytes in segments, so that holes stay holes. A name is one component, and a directory
 * lasts until its RECORD_UP: no name can say where in the tree it belongs.
 */
#ifndef SMOLVM_RECORDS_H
#define SMOLVM_RECORDS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum record_kind {
    RECORD_DIRECTORY = 1, /* what follows is in it, until RECORD_UP */
    RECORD_FILE,          /* segments follow */
    RECORD_SYMLINK,
    RECORD_LINK, /* a further name of a file: its target is the path of the first one, of names as they were sent */
    RECORD_UP,
    RECORD_END,
    RECORD_SKIPPED, /* a name of what cannot be copied: a device, a socket, a FIFO */
    RECORD_FAILURE, /* size: errno or 0; target: the text */
    RECORD_FOUND,   /* what unpack has found; flags: one of FOUND_ */
    RECORD_INTO,    /* the host: entries go into the directory that was found */
    RECORD_AS       /* the host: the one entry gets the name that unpack was told */
};
enum { FOUND_NOTHING, FOUND_DIRECTORY, FOUND_OTHER };
/* Flags of a file. */
enum { FILE_HAS_MORE_NAMES = 1 };

/* kind, flags, u16 mode, u32 uid, gid, nanoseconds, i64 seconds, u64 size, u16 lengths of name and target. */
#define RECORD_BYTES 36
/* u64 offset, u32 length; length 0: the file ends there. */
#define SEGMENT_BYTES 12
#define MAX_SEGMENT (256 * 1024)
/* From here on a segment is moved by the kernel. */
#define LARGE_SEGMENT (64 * 1024)
/* Directories in each other: each level holds a descriptor. */
#define MAX_LEVELS 512

struct record {
    enum record_kind kind;
    int flags;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec modified;
    uint64_t size;
    char name[NAME_MAX + 1];
    char target[PATH_MAX];
};

/* ---- out, to descriptor 1; false once nobody reads ---- */

bool put_record(const struct record *record);
/* Room for a segment of so many bytes at most, to be filled and then sent with its real length. */
uint8_t *segment_room(size_t length);
bool put_segment(uint64_t offset, size_t length);
/*
 * A segment of a file's bytes, which the kernel moves to the pipe where it can. What cannot be read is sent as zeros: its
 * length is out. False also with the failure set, when reading failed.
 */
bool send_segment(int fd, uint64_t offset, size_t length);
/* The file ends, at the earliest behind its last segment. */
bool put_segment_end(uint64_t size);
bool flush_records(void);
/* Tells the last failure, see fail(). */
void put_record_failure(void);

/* ---- in, from descriptor 0; false, with the failure set, at the end and for what is malformed ---- */

bool take_record(struct record *record);
bool take_segment(uint64_t *offset, uint32_t *length);
/*
 * Lets the kernel move bytes of the present segment to a file. Returns how many; 0 when it cannot, or some have been read:
 * use take_bytes(); -1 when the file does not take them.
 */
ssize_t splice_bytes(int fd, uint64_t offset, size_t most);
/* The next bytes of the present segment, at most `most`; NULL as above. */
const uint8_t *take_bytes(size_t most, size_t *length);

/* ---- target.c ---- */

/* What is at a path: a directory, or else the directory that it is in and its name there. The other descriptor is -1. */
struct target {
    int directory;
    int parent;
    char name[NAME_MAX + 1];
};
/* Opens one of the two. Returns one of FOUND_, or -1 with the failure set. */
int find_target(const char *path, struct target *target);

/* ---- pack.c, unpack.c ---- */

/* Writes the tree at a path; `follow` a link that the path itself is. Returns an exit code. */
int pack(const char *path, bool follow);
/* Makes what comes in at a path. Returns an exit code. */
int unpack(const char *path);

#endif
