#include "stub.h"

#include <string.h>
#include <unistd.h>

/* docs/pack-format.md has the layout; src/pack/format.ts reads the same. All numbers are little-endian. */

enum {
  FOOTER_BYTES = 64,
  ENTRY_BYTES = 128,
  SIGNATURE_BYTES = 96,
  FORMAT_VERSION = 16,
  MOST_SECTIONS = 64,
  MOST_SIGNATURES = 8,
};

/* As src/pack/limits.ts has it. */
#define MOST_RUNTIME_BYTES ((uint64_t)1 << 30)

static uint32_t u32(const uint8_t *at) {
  return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static uint64_t u64(const uint8_t *at) { return (uint64_t)u32(at + 4) << 32 | u32(at); }

static bool read_at(int fd, void *bytes, size_t size, uint64_t position) {
  for (size_t done = 0; done < size;) {
    ssize_t count = pread(fd, (uint8_t *)bytes + done, size - done, (off_t)(position + done));
    if (count <= 0) return false;
    done += (size_t)count;
  }
  return true;
}

_Noreturn static void damaged(const char *path) {
  fail("get it once more from where it came from", "%s is damaged", path);
}

/* Whether a padded field has exactly this text. */
static bool field_is(const uint8_t *field, size_t room, const char *text) {
  size_t length = strlen(text);
  if (memcmp(field, text, length) != 0) return false;
  for (size_t at = length; at < room; at++)
    if (field[at] != 0) return false;
  return true;
}

static void take_runtime(struct pack *pack, const uint8_t *entry, uint64_t start, uint64_t table, const char *path) {
  uint64_t offset = u64(entry + 48);
  struct runtime *runtime = &pack->runtime;
  runtime->stored = u64(entry + 56);
  runtime->size = u64(entry + 64);
  uint32_t encoding = u32(entry + 72);
  if (offset > table || runtime->stored > table - offset || encoding >= ENCODINGS) damaged(path);
  if (runtime->size > MOST_RUNTIME_BYTES || runtime->stored > MOST_RUNTIME_BYTES || pack->has_runtime) damaged(path);
  runtime->offset = start + offset;
  runtime->encoding = (enum encoding)encoding;
  if (encoding == RAW && runtime->stored != runtime->size) damaged(path);
  memcpy(runtime->digest, entry + 80, 32);
  pack->has_runtime = true;
}

bool pack_open(int fd, const char *path, struct pack *pack) {
  memset(pack, 0, sizeof *pack);
  pack->fd = fd;
  struct stat status;
  uint8_t footer[FOOTER_BYTES];
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < FOOTER_BYTES) return false;
  uint64_t size = (uint64_t)status.st_size;
  if (!read_at(fd, footer, sizeof footer, size - FOOTER_BYTES) || memcmp(footer, "SMOLPACK", 8) != 0) return false;
  if (u32(footer + 8) != FORMAT_VERSION)
    fail("pack it again, with one version of smolvm", "%s has version %u of the format, and this program reads %d", path,
         u32(footer + 8), FORMAT_VERSION);
  uint32_t sections = u32(footer + 12), signatures = u32(footer + 24);
  uint64_t pack_bytes = u64(footer + 16);
  if (sections == 0 || sections > MOST_SECTIONS || signatures > MOST_SIGNATURES) damaged(path);
  uint64_t behind = FOOTER_BYTES + (uint64_t)signatures * SIGNATURE_BYTES + (uint64_t)sections * ENTRY_BYTES;
  if (pack_bytes > size || pack_bytes < behind) damaged(path);
  uint64_t start = size - pack_bytes, table = pack_bytes - behind;

  uint8_t entries[MOST_SECTIONS * ENTRY_BYTES], digest[32];
  size_t table_bytes = (size_t)sections * ENTRY_BYTES;
  if (!read_at(fd, entries, table_bytes, start + table)) damaged(path);
  struct sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, entries, table_bytes);
  sha256_end(&hash, digest);
  if (memcmp(digest, footer + 32, 32) != 0) damaged(path);
  for (size_t at = 0; at < table_bytes; at += ENTRY_BYTES) {
    const uint8_t *entry = entries + at;
    if (field_is(entry, 16, "runtime") && field_is(entry + 16, 32, STUB_PLATFORM))
      take_runtime(pack, entry, start, table, path);
  }
  return true;
}
