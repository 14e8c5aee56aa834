/** What ends a foreground command: Ctrl-C, a request to terminate, a closed terminal. */
export const INTERRUPTS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The same on all systems (POSIX.1-2017, kill). Every command loads this file, and node:os takes its time. */
const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3 } as const;

/** This process was told to end. */
export class Interrupted extends Error {
  override name = "Interrupted";
  readonly signalNumber: number;
  /** 128 plus the number of the signal, as shells report it. */
  readonly exitCode: number;

  constructor(signal: (typeof INTERRUPTS)[number]) {
    super(`interrupted by ${signal}`);
    this.signalNumber = numbers[signal];
    this.exitCode = 128 + this.signalNumber;
  }
}
