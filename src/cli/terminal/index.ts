/** This process's own standard streams, terminal and signals, and how a machine's process is connected to them. */
export { type AttachOptions, attach } from "./attach.ts";
export { type ForegroundOptions, runInForeground } from "./foreground.ts";
export { checkStdin, readStdin } from "./input.ts";
export { Interrupted, Interrupts, settled } from "./interrupt.ts";
export { OutputClosed, writeFully } from "./output.ts";
export { type LocalTerminal, openTerminal, terminalSize } from "./terminal.ts";
export { Timings } from "./timings.ts";
