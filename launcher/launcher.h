/*
 * The launcher: confines a process as it is told, and becomes the program that is to be confined. It has mechanisms and
 * no decisions: what it does, in which order, stands in an order that src/confine/ writes (docs/design/confinement.md).
 *
 *   main.c      reads the order, takes its steps one after the other
 *   order.c     fields of a step
 *   process.c   what a process is: limits, descriptors, capabilities, the program
 *   namespace.c namespaces, and the process that stays outside
 *   cgroup.c    how much of the host's memory and processes it may use
 *   mount.c     a root directory of its own
 *   landlock.c  which files it may use
 *   seccomp.c   which system calls it may make; a forbidden one reaches the process outside, which tells
 *   warden.c    that process
 *   starter.c   another one outside, which carries out orders that it has learned as often as it is asked to
 *   leave.c     what it removes for a machine that has ended
 *   krun/       another program: calls libkrun as its arguments say
 *   threads/    a library for our own processes: rules of Landlock for threads that are there
 */
#ifndef SMOLVM_LAUNCHER_H
#define SMOLVM_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- order.c ---- */

/* What is left of the fields of a step. */
struct fields {
    const unsigned char *next;
    size_t left;
};

/* A field that is not there ends the launcher: whoever wrote the order is of another version. */
uint32_t take_u32(struct fields *fields);
uint64_t take_u64(struct fields *fields);
/* A text: its length (u32), its bytes, a zero that the length does not count. Valid as long as the order is. */
const char *take_text(struct fields *fields);
const void *take_bytes(struct fields *fields, size_t length);
void take_end(const struct fields *fields);

/* ---- main.c ---- */

/* Writes which step failed, and errno, where the parent reads it. */
bool tell_failure(int fd, const char *what);
/* The same on standard error, and ends the launcher. */
_Noreturn void give_up(const char *what);

/* Bytes of an order. Mounts and rules of a machine with a hundred volumes are some 30 KB. */
#define LONGEST_ORDER (4u << 20)

/* Takes the steps of an order, of which one becomes a program, or ends. */
_Noreturn void take_steps(struct fields order);

/* ---- steps: each takes its fields, and ends the launcher when it cannot be taken ---- */

/* process.c */
void step_limit(struct fields *fields);
void step_keep_descriptors(struct fields *fields);
void step_open(struct fields *fields);
void step_connect(struct fields *fields);
void step_no_new_privileges(struct fields *fields);
void step_become(struct fields *fields);
void step_drop_capabilities(struct fields *fields);
void step_execute(struct fields *fields);
/* Closes the descriptors from `first` to `last`; those that are closed already do no harm. */
void close_descriptors(unsigned first, unsigned last);
/* The kernel ends this process with the thread that started it, which is one of `parent`'s. */
void die_with_parent(pid_t parent);

/* namespace.c */
void step_enter(struct fields *fields);
void step_write(struct fields *fields);

/* cgroup.c */
void step_cgroup(struct fields *fields);
/* Of the process outside, where the order has that step: makes the cgroup and puts another process in; removes it. */
void enter_cgroup(pid_t pid);
void leave_cgroup(void);

/* mount.c */
void step_mount(struct fields *fields);
void step_bind(struct fields *fields);
void step_directory(struct fields *fields);
void step_pivot(struct fields *fields);
void step_unmount(struct fields *fields);

/* landlock.c */
void step_landlock(struct fields *fields);
void step_allow_path(struct fields *fields);
void step_landlock_enforce(struct fields *fields);

/* seccomp.c */
void step_seccomp(struct fields *fields);

/* starter.c */
void step_serve(struct fields *fields);

/* leave.c */
void step_unlink(struct fields *fields);
void step_remove_empty(struct fields *fields);
void step_remove_all(struct fields *fields);
void step_finish(struct fields *fields);

/* ---- warden.c ---- */

/*
 * Stays outside while the confined process runs, and ends as that has ended. `link` is connected with it: over it comes
 * the descriptor on which the kernel tells of forbidden system calls.
 */
_Noreturn void keep_watch(pid_t confined, int link);

/* Of the confined process: the end of its connection with the warden; -1 where there is none. */
extern int warden_link;

/*
 * Sends the descriptor of notifications out; the warden's answer means that it watches. Without one (-1): that it is
 * there.
 */
void report_to_warden(int listener);

#endif
