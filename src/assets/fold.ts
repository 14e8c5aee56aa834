/**
 * x86-64 code names what it calls and reads by the distance from the next instruction, so one function has as many
 * names as callers. Told as places in the file they are the same bytes each time, which compress: a smolvm has 6 % less
 * in a pack, whose launcher turns them back (stub/unfold.c), and so have the kernel and others of its assets.
 * docs/pack-format.md has the rule.
 */

/**
 * Rewrites addresses in place. It knows no instructions, only bytes that stand before an address most of the time;
 * whatever the bytes are, they can be turned back.
 *
 * @param content all of a program, at most 1 GiB
 */
export function foldAddresses(content: Uint8Array): void {
  rewrite(content, (view, at, next) => {
    view.setInt32(at, placeOf(view.getInt32(at, true), next, content.length));
  });
}

/** Turns back what `foldAddresses` did; whatever the bytes are, it stays inside of them. */
export function unfoldAddresses(content: Uint8Array): void {
  rewrite(content, (view, at, next) => {
    view.setInt32(at, distanceOf(view.getInt32(at), next, content.length), true);
  });
}

/** @param change rewrites the four bytes of an address; `next` is the position behind them */
function rewrite(content: Uint8Array, change: (view: DataView, at: number, next: number) => void): void {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  // What was rewritten is no sign of an address: the other side sees other bytes there.
  let seen = 0;
  for (let at = 0; at + 5 <= content.length; at++) {
    if (!isBeforeAddress(content, at, seen)) continue;
    seen = at + 5;
    change(view, at + 1, seen);
    at += 4;
  }
}

/** Opcodes that mostly stand before a ModRM byte: mov, lea, and comparisons. */
const withModRm = new Set([0x38, 0x3b, 0x80, 0x83, 0x89, 0x8b, 0x8d, 0xff]);

/** Whether the byte is the last one before an address: of a call, or a ModRM byte that says "relative to here". */
function isBeforeAddress(content: Uint8Array, at: number, seen: number): boolean {
  const byte = content[at] as number;
  if (byte === 0xe8) return true;
  if ((byte & 0xc7) !== 0x05 || at < seen + 2) return false;
  const prefix = content[at - 2] as number;
  const opcode = content[at - 1] as number;
  const isRex = (prefix & 0xf0) === 0x40;
  const isTwoBytes = prefix === 0x0f && (opcode & 0xf0) !== 0x80;
  return isRex || isTwoBytes || withModRm.has(opcode);
}

/** Distances that lead into the file become places; those that places would collide with take what is free then. */
function placeOf(distance: number, next: number, size: number): number {
  if (distance >= -next && distance < size - next) return distance + next;
  return distance >= size - next && distance < size ? distance - size : distance;
}

function distanceOf(place: number, next: number, size: number): number {
  if (place >= 0 && place < size) return place - next;
  return place < 0 && place >= -next ? place + size : place;
}
