#include "stub.h"

/* The inverse of src/assets/fold.ts; docs/pack-format.md has the rule. Whatever the bytes are, it stays inside of them. */

static bool is_before_address(const uint8_t *content, size_t at, size_t seen) {
  uint8_t byte = content[at];
  if (byte == 0xe8) return true;
  if ((byte & 0xc7) != 0x05 || at < seen + 2) return false;
  uint8_t prefix = content[at - 2], opcode = content[at - 1];
  if ((prefix & 0xf0) == 0x40 || (prefix == 0x0f && (opcode & 0xf0) != 0x80)) return true;
  switch (opcode) {
    case 0x38: case 0x3b: case 0x80: case 0x83: case 0x89: case 0x8b: case 0x8d: case 0xff: return true;
    default: return false;
  }
}

static int64_t distance_of(int64_t place, int64_t next, int64_t size) {
  if (place >= 0 && place < size) return place - next;
  return place < 0 && place >= -next ? place + size : place;
}

void unfold_addresses(uint8_t *content, size_t size) {
  size_t seen = 0; /* what stands before here has been turned back, and is no sign of an address */
  for (size_t at = 0; at + 5 <= size; at++) {
    if (!is_before_address(content, at, seen)) continue;
    uint8_t *address = content + at + 1;
    uint32_t stored = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
    int64_t place = stored < 0x80000000 ? (int64_t)stored : (int64_t)stored - 0x100000000;
    uint32_t distance = (uint32_t)distance_of(place, (int64_t)at + 5, (int64_t)size);
    for (int i = 0; i < 4; i++) address[i] = (uint8_t)(distance >> 8 * i);
    seen = at + 5;
    at += 4;
  }
}
