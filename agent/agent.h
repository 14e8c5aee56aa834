/*
 * The guest's agent: one static program that is the guest's first process, speaks the protocol with the host
 * (docs/protocol.md) and starts, connects and mounts what the host asks for. It has mechanisms and no decisions.
 *
 *   main.c      entry: as the first process of a guest, or beside others for tests
 *   boot.c      first process: mounts, console, processors, the end
 *   channel.c   the byte pipe to the host
 *   loop.c      one loop over everything that can become ready; reaps children
 *   wire.c      frames out of and into the channel
 *   fields.c    payloads: fields in, fields out
 *   stream.c    streams: windows, and which verb serves which stream
 *   flow.c      bytes between a stream's channel and a descriptor
 *   exec.c      verb exec: what was asked, and when it can start
 *   process.c   one process: what it reads and writes, signals, its end
 *   stdio.c     its pipes, or its terminal
 *   cgroup.c    cgroups of roots and processes
 *   signal.c    what a signal would do to a process
 *   terminal.c  the end of a terminal's input
 *   child.c     what a new process does before it becomes the program
 *   user.c      docker's rules for USER
 *   root.c      verbs root and drop: how roots come and go
 *   errand.c    verb steps: work on a root that is there
 *   steps.c     the steps, run by a process of their own
 *   fill.c      copies a directory tree
 *   worker.c    work that may block, in a process of its own
 *   socket.c    verbs connect, listen, take
 *   connection.c  one connection
 *   fuse.c      verb fuse: filesystems whose files are the host's
 *   reap.c      another program in this one: the first process of a namespace that has none of its own
 *   records.c   file trees as bytes (records.h)
 *   pack.c      another program: reads a tree for the host
 *   unpack.c    another program: makes a tree that the host sends
 *   target.c    where that belongs
 *   watch.c     verb watch: lack of memory, figures
 *   system.c    verbs clock and shutdown
 *   rest.c      verbs rest and entropy: a guest that is saved, and goes on elsewhere
 *   util.c      small things
 */
#ifndef SMOLVM_AGENT_H
#define SMOLVM_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL 4
#define CGROUP_DIR "/sys/fs/cgroup"

/* ---- main.c ---- */

/* The first frame of a connection. `started`: milliseconds since the kernel's start. */
void send_hello(long started);

/* ---- reap.c ---- */

_Noreturn void only_reap(void);

/* ---- util.c ---- */

/* Writes a line to the console. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The last failure: its text, and the errno it came from or 0. fail() sets both and returns -1. */
extern char failure[512];
extern int failure_errno;
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Memory that is there or ends the agent: nothing sensible can be done without. */
void *allocate(size_t size);
bool write_all(int fd, const void *bytes, size_t length);
/* Writes one text to an existing file below `directory` (AT_FDCWD: the current one); false with errno. */
bool write_file_at(int directory, const char *path, const char *text);
/* fork() with flags and a cgroup (a directory, or -1) that the child starts in: moving it later costs milliseconds. */
pid_t clone_into(uint64_t flags, int cgroup);
/* In a child that clone_into() has made, until it executes something else. */
extern bool in_child;
bool starts_with(const char *text, const char *prefix);
void close_fd(int *fd);
/* Removes a name with what is in it, as far as that goes: whoever changes it meanwhile gets what is left. */
void remove_tree(int at, const char *name, int levels_left);
/* Takes an item out of a list that is linked by `next`; one that is not in it stays out. */
#define UNLINK(list, item)                                                               \
    do {                                                                                 \
        for (__typeof__(list) *link = &(list); *link != NULL; link = &(*link)->next) {   \
            if (*link != (item)) continue;                                               \
            *link = (item)->next;                                                        \
            break;                                                                       \
        }                                                                                \
    } while (0)

/* ---- loop.c ---- */

/* Something that can become ready. `events` 0: of no interest now. */
struct source {
    int fd;
    short events;
    bool needs_room; /* it fills the wire: of no interest while that is full */
    bool always;     /* call it without asking the kernel */
    void (*ready)(struct source *source, short revents);
    struct source *next;
    int slot;
};
void add_source(struct source *source);
/* Safe within any ready(): the source is not called again. The descriptor stays open. */
void remove_source(struct source *source);
/* In a new process: it has nothing to do with any of them. */
void close_sources(void);

/* A child of the agent; `ended` is called once, with the status of wait(2), after which it is forgotten. */
struct child {
    pid_t pid;
    void (*ended)(struct child *child, int status);
    struct child *next;
};
void add_child(struct child *child);
_Noreturn void run_loop(void);

/* ---- boot.c ---- */

/* As the first process: mounts what the channel needs and finds out which it is; then, with the host told, the rest. */
void boot_first(char *channel, size_t size);
/* Once, as the first process: starts what programs need; a descriptor that is at its end when that is done, else -1. */
int start_beside(void);
void boot_rest(void);
/* Ends the machine, outside of one the program, in a child only that. */
_Noreturn void power_off(void);
long milliseconds_since_boot(void);

/* ---- channel.c ---- */

/* Connects to the host: "vsock:PORT", "virtio:NAME" or a Unix socket's path. Writes `first` before anything else. */
int open_channel(const char *name, const uint8_t *first, size_t length);

/* ---- fields.c ---- */

struct field {
    int tag;
    uint8_t *value;
    size_t length;
};
struct fields {
    uint8_t *next, *end;
    bool malformed;
};
struct fields fields_of(uint8_t *payload, size_t length);
/* False at the end, and where the rest is malformed. Take texts before the next call of it for nested fields only. */
bool next_field(struct fields *fields, struct field *field);
/* An int of one to eight bytes; marks the fields as malformed if it is none or over `most`. */
uint64_t take_int(struct fields *fields, const struct field *field, uint64_t most);
/* The value as a C string, in place; marks the fields as malformed if it holds a NUL. */
char *take_text(struct fields *fields, const struct field *field);

struct builder {
    uint8_t bytes[65536];
    size_t length;
};
void put_field(struct builder *builder, int tag, const void *value, size_t length);
void put_int(struct builder *builder, int tag, uint64_t value);
void put_text(struct builder *builder, int tag, const char *text);

/* ---- wire.c ---- */

enum frame_type { HELLO = 1, OPEN, ACCEPT, DATA, END, CREDIT, CONTROL, RESULT, FAIL, CANCEL, EVENT };
#define HEADER 12
#define MAX_DATA 65536
#define MAX_OPEN (1024 * 1024)
#define WINDOW (256 * 1024)

uint32_t get32(const uint8_t *bytes);
uint64_t get64(const uint8_t *bytes);
void put32(uint8_t *bytes, uint32_t value);
void put64(uint8_t *bytes, uint64_t value);
size_t make_frame(uint8_t *frame, int type, uint32_t stream, const void *payload, size_t length);
/* Takes over the channel. */
void start_wire(int channel);
void send_frame(int type, int channel, uint32_t stream, const void *payload, size_t length);
/* Room for data frames; other frames are queued always. */
bool wire_has_room(void);
/*
 * Reads at most `limit` bytes (1 to MAX_DATA) from a descriptor right into a data frame. Returns what read() returned;
 * a frame is sent when that is positive.
 */
ssize_t send_from(int fd, int channel, uint32_t stream, size_t limit);
/* Sends what is queued as far as the channel takes it. */
void flush_wire(void);
/* The host broke the protocol: the connection, and with it the machine, ends. */
_Noreturn void violation(const char *what);

/* ---- stream.c ---- */

struct stream;
struct verb {
    int number;
    /* `payload` is valid during the call and may be changed. */
    void (*open)(struct stream *stream, uint8_t *payload, size_t length);
};
/* What a stream's work reacts to; NULL: it is of no interest. */
struct work {
    void (*data)(struct stream *stream, const uint8_t *bytes, size_t length); /* of channel 0 */
    void (*end)(struct stream *stream);                                       /* of channel 0 */
    void (*control)(struct stream *stream, uint8_t *payload, size_t length);
    void (*cancel)(struct stream *stream);
    void (*credit)(struct stream *stream);
};
struct stream {
    uint32_t id;
    const struct work *work;
    void *state;
    size_t credit[3];  /* bytes that the host still takes, by channel */
    size_t window;     /* bytes that the host may still send on channel 0 */
    size_t consumed;   /* of channel 0, not granted again yet */
    bool ended;        /* channel 0, by the host */
    uint8_t *early;    /* what came on channel 0 before there was work that takes it */
    size_t early_length;
    struct stream *next;
};
/* Gives the stream its work, and that what has come so far. */
void set_work(struct stream *stream, const struct work *work, void *state);
void handle_frame(int type, int channel, uint32_t id, uint8_t *payload, size_t length);
/* What comes next is the first frame of a connection. */
void begin_connection(void);
bool is_only_stream(const struct stream *stream);
/* Bytes that came on channel 0 have found their way. */
void grant(struct stream *stream, size_t bytes);
size_t *credit_of(struct stream *stream, int channel);
/* Each ends the stream and frees it. finish_failed() tells the last failure. */
void finish(struct stream *stream, const struct builder *result);
void finish_failed(struct stream *stream, const char *code);
void finish_refused(struct stream *stream, const char *code, const char *why);
void finish_with(struct stream *stream, int type, const void *payload, size_t length);
void put_failure(struct builder *builder, const char *code);

/* ---- flow.c ---- */

/* Bytes on their way from the host to a descriptor. */
struct sink {
    struct source source;
    struct stream *stream;
    uint8_t *ring; /* WINDOW bytes once something has to wait */
    size_t start, length;
    bool ended;
    /* Called once all was written after the host's end, or when nobody reads any more (`broken`). */
    void (*done)(struct sink *sink, bool broken);
};
void open_sink(struct sink *sink, struct stream *stream, int fd, void (*done)(struct sink *sink, bool broken));
void sink_take(struct sink *sink, const uint8_t *bytes, size_t length);
void sink_end(struct sink *sink);
void close_sink(struct sink *sink);

/* Bytes on their way from a descriptor to the host. */
struct tap {
    struct source source;
    struct stream *stream;
    int channel;
    bool limited; /* only `rest` more bytes are of interest, or what is there without waiting */
    size_t rest;
    /* Called once nothing more comes. */
    void (*done)(struct tap *tap);
};
void open_tap(struct tap *tap, struct stream *stream, int channel, int fd, void (*done)(struct tap *tap));
/* New credit, or a new limit. */
void tap_update(struct tap *tap);
void tap_limit(struct tap *tap, size_t rest);
void close_tap(struct tap *tap);

/* ---- root.c ---- */

struct request;
struct root {
    char name[65];
    enum { ROOT_MAKING, ROOT_READY, ROOT_FAILED } state;
    char failure[512];
    int mount, uts, ipc, cgroup_namespace, pids; /* namespaces; pids is -1 until there is a first process */
    int terminals;                               /* the root's own devpts, or -1 */
    int cgroup;                                  /* directory */
    int home;                                    /* cgroup of its first process and of daemons: its own, or one below */
    char home_name[65];                          /* of the one below; or empty */
    pid_t first;                                 /* the root's first process, or 0 */
    struct request *waiting; /* for the root to be made */
    struct stream *dropping;
    struct root *next;
};
struct root *find_root(const char *name);
/* Whether there is one, or processors are still being started for the first. */
bool has_roots(void);
/* One that is made and not about to end, or NULL. */
struct root *find_ready_root(const char *name);
/* Whether it is about to end: nothing more starts in it. */
bool root_is_ending(const struct root *root);
/* Whether processes can start in it now. */
bool root_is_ready(const struct root *root);
/* A process or worker has ended: whoever waits for an empty root looks again. It may free roots. */
void root_process_ended(void);
/* Ends every process of every root; calls back once they have gone and the roots with their mounts. */
void end_all_roots(void (*done)(void));
/* Kills the processes of every root at once. */
void kill_all_roots(void);
/* Makes this process live in the root, but for its PID namespace; -1 with the failure set. */
int enter_root_namespaces(const struct root *root);

/* ---- terminal.c ---- */

struct input_end {
    struct source timer;
    int terminal, master;
    bool line_open; /* what was typed last did not end a line */
    bool key_lies;  /* an end-of-file character was typed for a reader of lines, which a line editor may find */
    long pause_ms;
};
/* Nothing more comes: whoever reads the terminal is told so, until close_input_end(). Takes over `master`. */
void begin_input_end(struct input_end *end, int terminal, int master, bool line_open);
/* Also for one that never began, with descriptors of -1. */
void close_input_end(struct input_end *end);

/* ---- exec.c, process.c ---- */

struct limit {
    int resource;
    uint64_t soft, hard;
};
enum { EXEC_STDIN = 1, EXEC_TTY = 2, EXEC_FIRST = 4, EXEC_REAPER = 8, EXEC_SYSTEM_PROGRAM = 16 };
struct request {
    struct stream *stream;
    uint8_t *payload; /* holds all the texts */
    char *root_name;
    char **argv;
    char **env; /* with one free slot for HOME */
    size_t argc, env_count;
    char *cwd, *user;
    unsigned flags;
    uint16_t columns, rows;
    struct limit limits[16];
    size_t limit_count;
    char *cgroup[32]; /* FILE=VALUE */
    size_t cgroup_count;
    struct request *next;
};
/* A control message: a signal, or 0 and the size of the terminal. */
struct control {
    int signal;
    uint16_t columns, rows;
};
bool parse_control(uint8_t *payload, size_t length, struct control *control);
/* The root of a waiting request was made, or failed: start it, or say why not. Takes the request over. */
void resume_request(struct request *request, struct root *root);
void free_request(struct request *request);
/* Starts the process; the stream is its from now on. -1 with the failure set. */
int start_process(struct request *request, struct root *root);
bool has_processes(const struct root *root);

/* ---- stdio.c ---- */

struct stdio {
    int theirs[3];
    int input, output[2]; /* ours, -1 where there is none */
};
/*
 * What a process gets as its standard streams, and the agent's ends of that. Real pipes, never sockets: programs open
 * /dev/stdout and /dev/stdin again, which fails on a socket. -1 with the failure set; close_stdio() then, too.
 */
int open_stdio(const struct root *root, const struct request *request, struct stdio *stdio);
void close_stdio(struct stdio *stdio);

/* ---- cgroup.c ---- */

/* Applies FILE=VALUE to a cgroup; -1 with the failure set. */
int set_cgroup(int cgroup, char *const *values, size_t count);
/* Makes a root's cgroup, its home, and their limits; -1 with the failure set. `kept`: memory that it shall not have. */
int make_root_cgroup(struct root *root, char *const *values, size_t count, uint64_t kept);
/* Makes a cgroup below a root's (NULL: the system's) and opens its directory; -1 with the failure set. */
int make_cgroup(const struct root *root, const char *name);
/* Removes it. Daemons may outlive the process that was asked for: they move home first. */
void remove_cgroup(const struct root *root, const char *name, int cgroup);

/* ---- signal.c ---- */

/* Whether the process neither catches, ignores nor blocks a signal whose default is to end it. */
bool is_deadly(pid_t pid, int signal);

/* ---- child.c ---- */

/* Lets the agent have as many descriptors as its streams may need; programs get the limit that it found. */
void raise_descriptor_limit(void);
/* Becomes the program; why not is told on `status`: code, line feed, text. */
_Noreturn void run_child(struct request *request, const struct root *root, const int stdio[3], int status);

/* ---- user.c ---- */

#define MAX_GROUPS 256
struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    char home[1024];
};
/* Returns false when the name is unknown or the files are unusable; the failure is set. */
bool resolve_user(const char *spec, struct identity *identity);

/* ---- worker.c ---- */

/* Work in a process of its own: it reports one frame type and payload, which becomes a stream's end. */
struct worker;
/* Called once it has reported or ended, with the answer's type and payload. Its process is there until this returns. */
typedef void (*worker_done)(struct worker *worker, int type, uint8_t *payload, size_t length);
struct worker {
    struct child child;
    struct source source;
    uint8_t answer[5 + sizeof ((struct builder *)0)->bytes]; /* type, u32 length of the payload, payload */
    size_t length;
    bool reported, exited;
    void *state;
    worker_done done;
    const struct root *root; /* for its starter to set: where it works; that is not forgotten before it has ended */
    struct worker *next;
};
/* Forks; `work` calls report(). Returns NULL, with the failure set, when there can be no process. */
struct worker *start_worker(uint64_t flags, int cgroup, void *state, void (*work)(void *state), worker_done done);
bool has_workers(const struct root *root);
/* Ends those that work in this root (NULL: in any). */
void kill_workers(const struct root *root);
/* The root is gone: none of them is counted as its own any more. */
void forget_workers(const struct root *root);
/* In the child: tells the agent. */
void report(int type, const struct builder *payload);
void report_failure(const char *code);

/* ---- connection.c ---- */

/* Tells the host that the stream is open, and carries bytes between it and the socket. Takes over the descriptor. */
void carry_connection(struct stream *stream, int fd);

/* ---- fuse.c ---- */

/* Ends all of them: nobody waits for the host any more. */
void end_all_fuse(void);
bool has_fuse(void);
/* Whether one of them is mounted there. */
bool is_fuse(const char *path);

/* ---- steps.c, fill.c ---- */

/* Makes what is missing above a path, as mkdir -p does; the path itself too if `whole`. */
int make_directories(const char *path, bool whole, mode_t mode);
/* Makes an empty file where nothing is; through a dangling link, at the end that it leads to. */
int make_missing_file(const char *path, mode_t mode);

/* Runs the steps in a request's fields; notes go to `notes` as fields 1; -1 with the failure and `failed_step` set. */
int run_steps(uint8_t *payload, size_t length, const struct root *root, struct builder *notes, int *failed_step);
/* In a worker: tells the agent which step failed (-1: none of them), and why. */
void report_step_failure(int failed_step);
/* Copies content, owner, mode, times and attributes of one directory into another that is empty. */
int fill_directory(int from, int to);
/* The same into one that may have files of its own, which stay, and once only: also when all was deleted since. */
int fill_once(int from, int to);

/* ---- watch.c ---- */

/* Tells now what the kernel has killed for lack of memory: why a process ended must not come after its end. */
void tell_lack_of_memory(void);
/* Bytes of memory that programs could have now, as the kernel reckons; 0 when it does not say. */
uint64_t available_memory(void);

/* ---- the verbs ---- */

void open_exec(struct stream *stream, uint8_t *payload, size_t length);
void open_root(struct stream *stream, uint8_t *payload, size_t length);
void open_steps(struct stream *stream, uint8_t *payload, size_t length);
void open_drop(struct stream *stream, uint8_t *payload, size_t length);
void open_connect(struct stream *stream, uint8_t *payload, size_t length);
void open_listen(struct stream *stream, uint8_t *payload, size_t length);
void open_take(struct stream *stream, uint8_t *payload, size_t length);
void open_watch(struct stream *stream, uint8_t *payload, size_t length);
void open_clock(struct stream *stream, uint8_t *payload, size_t length);
void open_shutdown(struct stream *stream, uint8_t *payload, size_t length);
void open_fuse(struct stream *stream, uint8_t *payload, size_t length);
void open_replay(struct stream *stream, uint8_t *payload, size_t length);
void open_rest(struct stream *stream, uint8_t *payload, size_t length);
void open_entropy(struct stream *stream, uint8_t *payload, size_t length);
/* A host has spoken: if the guest was at rest, that is over. */
void end_rest(void);

#endif
