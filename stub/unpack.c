#define _GNU_SOURCE
#include "stub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

/*
 * All of a runtime is unpacked in memory, of which the kernel gives only what is written to. So its addresses can be
 * turned back, and the decoder needs no window beside it, however far a frame refers back.
 */
enum { WINDOW_LOG = 27, PIECE = 1 << 17 };

/* Takes the next stored bytes; `in_frame` tells whether a frame is still open behind them. */
static enum unpacked decompress(ZSTD_DCtx *context, ZSTD_outBuffer *content, const uint8_t *bytes, size_t size,
                                bool *in_frame) {
  ZSTD_inBuffer from = {bytes, size, 0};
  while (from.pos < from.size) {
    size_t taken = from.pos, made = content->pos;
    size_t hint = ZSTD_decompressStream(context, content, &from);
    if (ZSTD_isError(hint)) return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? OUT_OF_MEMORY : DAMAGED;
    *in_frame = hint != 0;
    if (from.pos == taken && content->pos == made) return DAMAGED; /* there is no room for more */
  }
  return UNPACKED;
}

static enum unpacked copy(ZSTD_outBuffer *content, const uint8_t *bytes, size_t size) {
  if (size > content->size - content->pos) return DAMAGED;
  memcpy((uint8_t *)content->dst + content->pos, bytes, size);
  content->pos += size;
  return UNPACKED;
}

/* Reads what is stored into memory; only UNPACKED means that all of it is what the table says. */
static enum unpacked read_content(const struct pack *pack, ZSTD_DCtx *context, uint8_t *piece, ZSTD_outBuffer *content) {
  const struct runtime *runtime = &pack->runtime;
  struct sha256 hash;
  sha256_begin(&hash);
  bool in_frame = false;
  for (uint64_t done = 0; done < runtime->stored;) {
    size_t wanted = runtime->stored - done < PIECE ? (size_t)(runtime->stored - done) : PIECE;
    ssize_t count = pread(pack->fd, piece, wanted, (off_t)(runtime->offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return DAMAGED;
    done += (uint64_t)count;
    sha256_add(&hash, piece, (size_t)count);
    enum unpacked result = runtime->encoding == RAW ? copy(content, piece, (size_t)count)
                                                    : decompress(context, content, piece, (size_t)count, &in_frame);
    if (result != UNPACKED) return result;
  }
  uint8_t digest[32];
  sha256_end(&hash, digest);
  bool is_whole = !in_frame && content->pos == content->size;
  return is_whole && memcmp(digest, runtime->digest, 32) == 0 ? UNPACKED : DAMAGED;
}

static enum unpacked write_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == ENOSPC || errno == EDQUOT ? NO_SPACE : UNWRITABLE;
    bytes += count;
    size -= (size_t)count;
  }
  return UNPACKED;
}

enum unpacked unpack(const struct pack *pack, int target) {
  const struct runtime *runtime = &pack->runtime;
  size_t size = (size_t)runtime->size, room = size > 0 ? size : 1;
  void *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return OUT_OF_MEMORY;
  ZSTD_outBuffer content = {memory, size, 0};
  uint8_t *piece = malloc(PIECE);
  ZSTD_DCtx *context = ZSTD_createDCtx();
  enum unpacked result = piece && context ? UNPACKED : OUT_OF_MEMORY;
  if (result == UNPACKED) {
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG);
    ZSTD_DCtx_setParameter(context, ZSTD_d_stableOutBuffer, 1);
    result = read_content(pack, context, piece, &content);
  }
  if (result == UNPACKED && runtime->encoding == ZSTD_FOLDED) unfold_addresses(memory, size);
  if (result == UNPACKED) result = write_all(target, memory, size);
  int reason = errno;
  ZSTD_freeDCtx(context);
  free(piece);
  munmap(memory, room);
  errno = reason;
  return result;
}
