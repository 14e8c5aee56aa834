/** Processes of a machine that outlive their clients. */
import type { ExecEvent, ExecRequest, ExecResult, TerminalSize } from "../../protocol/index.ts";
import { Channel } from "../../protocol/index.ts";
import { AttachedProcess, readProcessLogs } from "../host/processes/client.ts";
import type { ProcessInfo } from "../host/processes/info.ts";
import type { LogEntry } from "../logs/index.ts";
import type { Machine } from "./connect.ts";
import { toSmolError } from "./failure.ts";
import type { ForegroundProcess } from "./process.ts";

export type { ProcessInfo };
