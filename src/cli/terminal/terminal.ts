import { makeRaw, passOutput } from "../../../ffi/terminal.ts";
import type { TerminalSize } from "../../protocol/index.ts";
import { readStdin } from "./input.ts";

/** The user's terminal while a workload's terminal is shown on it. */
export interface LocalTerminal {
  readonly size: TerminalSize;
  /** What the user types, byte by byte. */
  readonly input: AsyncIterable<Uint8Array>;
  onResize(listener: (size: TerminalSize) => void): void;
  /** Gives the terminal back as it was. Idempotent. */
  restore(): void;
}

/** A terminal of no known size, as ssh and docker assume it. */
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** Size of the terminal that shows our output. */
export function terminalSize(): TerminalSize {
  const { columns, rows } = process.stdout;
  return columns && rows ? { columns, rows } : DEFAULT_SIZE;
}

/**
 * Shows a workload's terminal on this one: that terminal makes `\r\n` of a line feed, so ours must not do it again.
 * With `keyboard`, the workload also gets every key: nothing is echoed or interpreted here, Ctrl-C included. When
 * standard input is no terminal it is passed on as it is.
 */
export function openTerminal(options: { readonly keyboard: boolean }): LocalTerminal {
  const raw = options.keyboard ? makeRaw(0) : undefined;
  const plain = passOutput(1);
  // The last change is undone first: both may be the same terminal.
  const restore = () => {
    plain?.();
    raw?.();
  };
  process.on("exit", restore);
  return {
    size: terminalSize(),
    input: raw === undefined ? readStdin() : process.stdin,
    onResize: (listener) => process.stdout.on("resize", () => listener(terminalSize())),
    restore,
  };
}
