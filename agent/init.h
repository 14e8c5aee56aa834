/*
 * /init: the guest's first process and its helper for everything that needs a system call Bun does not have.
 *
 *   init.c      process 1: mounts, starts the agent, reaps, powers off
 *   settings.c  what the host asked for on the kernel command line
 *   channel.c   the byte pipe to the host, handed to the agent as descriptor 3
 *   disk.c      ext4 disks: format, check, mount, grow
 *   root.c      the workload's root filesystem, seen from the system's side
 *   inside.c    the same, completed from within: /proc, /dev, /etc/hosts ...
 *   workload.c  namespaces of the workload and their first process
 *   server.c    takes the agent's requests (exec, clock, shutdown), one process each
 *   exec.c      starts one process in the workload
 *   child.c     what that process does before it becomes the program
 *   user.c      docker's rules for USER
 *   pump.c      moves the process's input and output while it runs
 *   frame.c     frames between agent and helper (the format of src/protocol/frame.ts)
 *   util.c      small things
 */
#ifndef SMOLVM_INIT_H
#define SMOLVM_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the agent asks for work; in the system's /run, which the workload cannot see. */
#define HELPER_SOCKET "/run/smolvm.helper"
/* Directories of the system's /run that become the workload's root. */
#define ROOT_DIR "/run/root"
#define ETC_DIR "/run/etc"
#define STORAGE_DIR "/run/storage"
#define CGROUP_DIR "/sys/fs/cgroup"

/* settings.c */
struct settings {
    char runtime[64];  /* "virtiofs:TAG" or a block device with the agent's executable */
    char image[64];    /* block device, EROFS */
    char overlay[64];  /* block device, ext4; empty: changes stay in memory */
    char storage[64];  /* block device, ext4; empty: none */
    char agent[64];    /* "vsock:PORT" or "virtio:NAME" */
    char hostname[65];
    bool format_overlay;
    bool format_storage;
};
void read_settings(struct settings *settings);

/* channel.c: returns a connected descriptor, or -1 after writing to the console why not. */
int open_channel(const char *name);

/* disk.c: mounts an ext4 disk; 0, or -1 with the failure text set. */
int mount_disk(const char *device, const char *target, bool format);

/* root.c: mounts the workload's root at ROOT_DIR in this mount namespace; 0, or -1 with the failure text set. */
int mount_root(const struct settings *settings);

/* inside.c */
struct trees {
    int storage; /* detached mount of the storage disk, or -1 */
    int hosts, hostname, resolv;
};
int take_trees(const struct settings *settings, struct trees *trees);
int complete_root(const struct trees *trees);

/* workload.c */
struct workload {
    pid_t pid;
    int pidfd;
    int cgroup;        /* directory of the workload's cgroup */
    char failure[512]; /* why there is none; empty when it is ready */
};
/* Starts the workload's first process; `directory` is used as root instead of the settings' disks when not NULL. */
void start_workload(struct workload *workload, const struct settings *settings, const char *directory);

/* server.c */
int listen_helper(const char *path);
/* `processors`: from start_processors, or -1. */
_Noreturn void serve(int listener, const struct settings *settings, const char *directory, int processors);

/* exec.c */
struct limit {
    int resource;
    uint64_t soft, hard;
};
struct request {
    char **argv;
    char **env; /* with one free slot for HOME */
    size_t env_count;
    const char *cwd, *user;
    bool stdin_open, tty;
    uint16_t columns, rows;
    struct limit limits[16];
    size_t limit_count;
};
_Noreturn void serve_exec(int connection, struct workload *workload, uint64_t number, uint8_t *payload, size_t size);

/* child.c: exit code of the process when the program could not be started; the reason is on `status`. */
_Noreturn void run_child(const struct request *request, int workload_pidfd, const int stdio[3], int status);

/* user.c */
#define MAX_GROUPS 256
struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    char home[1024];
};
/* Returns false when the name is unknown or the files are unusable; the failure text is set. */
bool resolve_user(const char *spec, struct identity *identity);

/* pump.c */
struct process {
    pid_t pid;
    int pidfd;
    int status;  /* readable: why the program could not be started; end: it runs */
    int input;   /* -1: none */
    int output[2];
    bool tty;    /* input and output[0] are the terminal's master */
    /*
     * The terminal itself, kept open until the process has ended: were the last one to close it the process (cat
     * does, before it exits), its end would look like that of the terminal.
     */
    int terminal;
    int cgroup;  /* directory of this process's own cgroup */
};
void pump(int connection, struct process *process);

/* frame.c: types and layout are those of src/protocol/frame.ts. */
enum { OPEN = 2, ACCEPT = 3, DATA = 4, END = 5, CREDIT = 6, CONTROL = 7, RESULT = 8, FAIL = 9, CANCEL = 10 };
#define HEADER 12
#define MAX_DATA 65536
#define MAX_OPEN (1024 * 1024)
#define WINDOW (256 * 1024)
uint32_t get32(const uint8_t *bytes);
uint64_t get64(const uint8_t *bytes);
void put32(uint8_t *bytes, uint32_t value);
void put_header(uint8_t *frame, int type, int channel, size_t length);
/* Sends a whole frame; the agent always reads, so this never waits for long. */
void send_frame(int connection, int type, int channel, const void *payload, size_t length);
/* Sends a failure; `code` is one of docs/protocol.md. */
void send_failure(int connection, const char *code, const char *message);

/* util.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The text of the last failure; fail() adds errno's text and returns -1. */
extern char failure[512];
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool write_all(int fd, const void *bytes, size_t length);
bool write_file(const char *path, const char *text);
/* Runs a program of the system image to its end; its exit code, or -1. */
int run(const char *const argv[]);
pid_t clone_into(uint64_t flags, int cgroup, int *pidfd);
int open_pidfd(pid_t pid);
bool starts_with(const char *text, const char *prefix);

#endif
