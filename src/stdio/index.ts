/** This process's own standard streams and terminal, and how a workload is connected to them. */
export { type AttachOptions, attach } from "./attach.ts";
export { checkStdin, readStdin } from "./input.ts";
export { OutputClosed, writeFully } from "./output.ts";
export { type LocalTerminal, openTerminal } from "./terminal.ts";
