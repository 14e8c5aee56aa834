/** The logs of a machine: its workload's output and its console, written by its process and read by any. */
export { Changes } from "./changes.ts";
export type { ConsoleEntry, ConsoleLevel } from "./console-entry.ts";
export { ConsoleLog } from "./console-log.ts";
export { decodeEntries } from "./decode.ts";
export { type EgressEntry, type EgressOperation, egressOperations, MEMBER_RULE } from "./egress-entry.ts";
export { EgressLog } from "./egress-log.ts";
export { LogPrinter, printConsole } from "./print.ts";
export { type ReadOptions, readConsole, readEgress, readLogs } from "./read.ts";
export { newsOf, serveNews } from "./remote.ts";
export type { LogLimits } from "./rotating-file.ts";
export { encodeEntry, encodeLost, type LogEntry, type OutputName } from "./workload-entry.ts";
export { type LogOptions, WorkloadLog } from "./workload-log.ts";
