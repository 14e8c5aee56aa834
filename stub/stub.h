/*
 * The launcher of packed programs: what `pack create -o my-app` writes as `my-app`.
 *
 * It does as little as possible in C. It finds the pack that belongs to it, finds a smolvm that can run it (one that is
 * installed, or else the one that the pack carries, which it unpacks once into the user's cache), and becomes that
 * smolvm, in the role of a packed program (src/cli/packed/). Everything else is decided there.
 *
 *     main.c      the order of things
 *     pack.c      reads the outermost layer of a pack (docs/pack-format.md); everything in it may be hostile
 *     installed.c looks for an installed smolvm
 *     files.c     directories, files that appear complete or not at all, what tells that a file was changed
 *     cache.c     the cache of runtimes: found again in microseconds, unpacked once, healed, limited
 *     unpack.c    from a section of the pack to a file, verified
 *     unfold.c    turns the addresses of its code back
 *     sha256.c    FIPS 180-4
 */
#ifndef STUB_H
#define STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* In the environment of a program that is asked whether it is a smolvm. */
#define STUB_GUARD "SMOLVM_STUB_ASKS"

/* Paths of this length are refused with a message instead of being cut off. */
#define PATH_ROOM 4096

/* Exit codes as of smolvm itself (docs/errors.md). */
#define EXIT_FAILED_BEFORE 125

/* Prints `error: ...` (and `hint: ...` when it is not NULL) and ends the program. */
_Noreturn void fail(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the text of errno behind a colon. */
_Noreturn void fail_errno(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like snprintf into a path of PATH_ROOM; ends the program when it does not fit. */
void path_format(char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- pack.c --- */

/* As the section table has it. */
enum encoding { RAW, ZSTD, ZSTD_FOLDED, ENCODINGS };

/* A section that holds a smolvm for this platform. */
struct runtime {
  uint64_t offset; /* of the file, not of the pack */
  uint64_t stored; /* bytes there */
  uint64_t size;   /* bytes after decompression */
  enum encoding encoding;
  uint8_t digest[32]; /* SHA-256 of the stored bytes */
};

struct pack {
  int fd;
  bool has_runtime;
  struct runtime runtime;
};

/*
 * Reads the footer and the table of the pack at the end of an open file.
 *
 * Returns false when the file does not end in a pack; ends the program when it ends in a damaged or unknown one.
 */
bool pack_open(int fd, const char *path, struct pack *pack);

/* --- installed.c --- */

/* Finds in PATH a smolvm that is not older than this launcher. Its answers are remembered in the cache. */
bool installed_find(const char *cache, char *path);

/* --- files.c --- */

/* Sets `path` to smolvm's cache directory, which need not exist; false when nothing says where it could be. */
bool cache_directory(char *path);

/* Makes a directory and its parents; false with errno when that is not possible. */
bool make_directories(const char *path);

/* Reads a whole small file as text; -1 when there is none. At most `room - 1` bytes. */
ssize_t read_text(const char *path, char *text, size_t room);

/*
 * An empty file in a directory that has no name yet; -1 with errno. Where the filesystem has none without a name, it is
 * `fallback`, which is then there until it is renamed.
 */
int new_file(const char *directory, const char *fallback);

/* Gives a file of `new_file` its name, by way of the fallback's, in one step; false with errno. */
bool name_file(int fd, const char *fallback, const char *path);

/* Writes a small file in one step; what goes wrong is ignored: it is only remembered. */
void remember(const char *directory, const char *name, const char *text);

/* What changes whenever a file is written, replaced or, with `boot`, may have been lost by a power cut. */
void identity_of(const struct stat *status, bool boot, char *text, size_t room);

/* --- cache.c --- */

/*
 * The file of the pack's runtime, unpacked if it is not there or not as it was. False when somebody removed the cache
 * meanwhile; ends the program when it cannot be unpacked.
 */
bool cache_runtime(const char *cache, const struct pack *pack, const char *pack_path, char *program);

/* --- unpack.c --- */

enum unpacked { UNPACKED, NO_SPACE, UNWRITABLE, DAMAGED, OUT_OF_MEMORY };

/* Writes the runtime to an open, empty file; only UNPACKED means that all of it is right. */
enum unpacked unpack(const struct pack *pack, int target);

/* --- unfold.c --- */

/* Turns back what src/assets/fold.ts did to all of a program. */
void unfold_addresses(uint8_t *content, size_t size);

/* --- sha256.c --- */

struct sha256 {
  uint32_t state[8];
  uint64_t bytes;
  uint8_t block[64];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);
void sha256_end(struct sha256 *hash, uint8_t digest[32]);

#endif
