import type { TerminalSize } from "../protocol/index.ts";

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
 * Hands the keyboard to the workload: nothing is echoed or interpreted here, Ctrl-C included.
 * When standard input is no terminal it is passed on as it is.
 */
export function openTerminal(): LocalTerminal {
  const { stdin } = process;
  const raw = stdin.isTTY === true;
  const restore = () => {
    if (raw && stdin.isRaw) stdin.setRawMode(false);
  };
  if (raw) {
    stdin.setRawMode(true);
    process.on("exit", restore);
  }
  return {
    size: terminalSize(),
    input: raw ? stdin : Bun.stdin.stream(),
    onResize: (listener) => process.stdout.on("resize", () => listener(terminalSize())),
    restore,
  };
}
