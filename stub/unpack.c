#include "stub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

/*
 * What a frame may ask for: zstd -19 has windows of 8 MiB. A hostile frame that asks for more is refused before memory
 * is taken for it.
 */
enum { WINDOW_LOG = 23, PIECE = 1 << 17 };

struct output {
  int fd;
  uint64_t left; /* bytes that are still to come */
};

static enum unpacked write_all(struct output *output, const uint8_t *bytes, size_t size) {
  if (size > output->left) return DAMAGED;
  output->left -= size;
  while (size > 0) {
    ssize_t count = write(output->fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == ENOSPC || errno == EDQUOT ? NO_SPACE : UNWRITABLE;
    bytes += count;
    size -= (size_t)count;
  }
  return UNPACKED;
}

static enum unpacked decompress(ZSTD_DCtx *context, struct output *output, const uint8_t *bytes, size_t size,
                                uint8_t *room, bool *in_frame) {
  ZSTD_inBuffer from = {bytes, size, 0};
  for (;;) {
    ZSTD_outBuffer to = {room, PIECE, 0};
    size_t hint = ZSTD_decompressStream(context, &to, &from);
    if (ZSTD_isError(hint)) return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? OUT_OF_MEMORY : DAMAGED;
    *in_frame = hint != 0;
    enum unpacked result = write_all(output, room, to.pos);
    if (result != UNPACKED) return result;
    /* A full output may have more behind it, though nothing more is to be read; but not at the end of a frame. */
    if (from.pos == from.size && (to.pos < to.size || hint == 0)) return UNPACKED;
  }
}

enum unpacked unpack(const struct pack *pack, int target) {
  const struct runtime *runtime = &pack->runtime;
  uint8_t *piece = malloc(PIECE), *room = malloc(PIECE);
  ZSTD_DCtx *context = ZSTD_createDCtx();
  struct output output = {.fd = target, .left = runtime->size};
  enum unpacked result = piece && room && context ? UNPACKED : OUT_OF_MEMORY;
  if (result == UNPACKED) ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG);
  struct sha256 hash;
  sha256_begin(&hash);
  bool in_frame = false;
  for (uint64_t done = 0; result == UNPACKED && done < runtime->stored;) {
    size_t wanted = runtime->stored - done < PIECE ? (size_t)(runtime->stored - done) : PIECE;
    ssize_t count = pread(pack->fd, piece, wanted, (off_t)(runtime->offset + done));
    if (count <= 0) {
      if (count < 0 && errno == EINTR) continue;
      result = DAMAGED;
      break;
    }
    done += (uint64_t)count;
    sha256_add(&hash, piece, (size_t)count);
    result = runtime->is_zstd ? decompress(context, &output, piece, (size_t)count, room, &in_frame)
                              : write_all(&output, piece, (size_t)count);
  }
  uint8_t digest[32];
  sha256_end(&hash, digest);
  if (result == UNPACKED && (in_frame || output.left != 0 || memcmp(digest, runtime->digest, 32) != 0)) result = DAMAGED;
  ZSTD_freeDCtx(context);
  free(piece);
  free(room);
  return result;
}
