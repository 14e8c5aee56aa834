/** Processes that outlive their clients: their table, their last output, and clients that come and go. */
export { Attachment, serveAttach } from "./attach.ts";
export { AttachedProcess, readProcessLogs } from "./client.ts";
export { HostedProcess, type ProcessAbout, type ProcessEnd } from "./hosted-process.ts";
export type { ProcessInfo } from "./info.ts";
export type {
  AttachEvent,
  Attached,
  AttachRequest,
  AttachResult,
  Offsets,
  ProcessLogsRequest,
} from "./messages.ts";
export type { OutputChannel } from "./output-buffer.ts";
export { serveProcessLogs } from "./process-logs.ts";
export { ProcessTable, type StartOptions, type TableOptions } from "./table.ts";
