/** What a terminal does with the bytes that pass through it (termios(3)), by bun:ffi. */
import { dlopen, FFIType } from "bun:ffi";

const { i32, ptr } = FFIType;

const isMac = process.platform === "darwin";

/** Loaded only by who has a terminal: opening a library costs about a millisecond. */
let opened: ReturnType<typeof open> | undefined;

function open() {
  return dlopen(isMac ? "libSystem.B.dylib" : "libc.so.6", {
    tcgetattr: { args: [i32, ptr], returns: i32 },
    tcsetattr: { args: [i32, i32, ptr], returns: i32 },
    cfmakeraw: { args: [ptr], returns: FFIType.void },
    tcgetpgrp: { args: [i32], returns: i32 },
    getpgrp: { args: [], returns: i32 },
  }).symbols;
}

function libc() {
  opened ??= open();
  return opened;
}

/** At least `sizeof(struct termios)`: 60 bytes on Linux, 72 on macOS. */
const TERMIOS_BYTES = 128;
/** Offset of `c_oflag`, behind a `c_iflag` of 4 or 8 bytes. */
const OUTPUT_FLAGS = isMac ? 8 : 4;
const OPOST = 1;
/** Takes effect at once: waiting for output to drain would wait for a reader that may have stopped. */
const TCSANOW = 0;

/** Undoes a change. Idempotent. */
export type Restore = () => void;

/**
 * Makes a terminal pass every byte on unchanged, in both directions (cfmakeraw(3)).
 *
 * @returns undefined when the descriptor is no terminal
 */
export function makeRaw(fd: number): Restore | undefined {
  return change(fd, (termios) => libc().cfmakeraw(termios));
}

/**
 * Makes a terminal show output unchanged: line feeds get no carriage return (OPOST). A process in the background
 * leaves the terminal alone: it would be stopped (SIGTTOU).
 *
 * @returns undefined when the descriptor is no terminal, or not ours to change
 */
export function passOutput(fd: number): Restore | undefined {
  if (libc().tcgetpgrp(fd) !== libc().getpgrp()) return undefined;
  return change(fd, (termios) => {
    termios[OUTPUT_FLAGS] = (termios[OUTPUT_FLAGS] ?? 0) & ~OPOST;
  });
}

function change(fd: number, edit: (termios: Buffer) => void): Restore | undefined {
  const termios = Buffer.alloc(TERMIOS_BYTES);
  if (libc().tcgetattr(fd, termios) !== 0) return undefined;
  const before = Buffer.from(termios);
  edit(termios);
  if (libc().tcsetattr(fd, TCSANOW, termios) !== 0) return undefined;
  let changed = true;
  return () => {
    if (changed) libc().tcsetattr(fd, TCSANOW, before);
    changed = false;
  };
}
