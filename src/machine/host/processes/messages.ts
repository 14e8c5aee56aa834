/** What a client and the machine's process say to each other about processes that outlive their clients; JSON. */
import {
  Channel,
  checkExecEvent,
  checkExecResult,
  type ExecEvent,
  type ExecResult,
  ProtocolError,
} from "../../../protocol/index.ts";
import type { OutputChannel } from "./output-buffer.ts";

/** A number of bytes of each channel, counted from the process's start. */
export interface Offsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** Parameters of `attach`. */
export interface AttachRequest {
  /** The process: its id, the start of it, or its name. */
  readonly process: string;
  /** Go on behind what the client has of each channel. */
  readonly since?: Offsets | undefined;
  /** Without `since`: begin with about so many of the last bytes of each channel, at a line's start; default 0. */
  readonly replay?: number | undefined;
  /** What comes on the stdin channel is the process's input, and its end the input's end. */
  readonly stdin: boolean;
  /**
   * The process waits for this client when it reads slowly. The text is the client's own, such as a random number:
   * when its connection breaks, the process still waits for a while, until an `attach` with the same text takes over.
   * Undefined: the process goes on, and the client is told what it has missed.
   */
  readonly hold?: string | undefined;
}

/** Answer to `attach`, before any output. */
export interface Attached {
  readonly id: string;
  readonly pid: number;
  readonly tty: boolean;
  /** The first byte that comes on each channel; with `since`, what is missing is the difference. */
  readonly offset: Offsets;
}

/** `lost`: on this channel `bytes` are missing behind `offset`, because the client did not read fast enough. */
export type AttachEvent =
  | ExecEvent
  | {
      readonly type: "lost";
      readonly channel: OutputChannel;
      readonly offset: number;
      readonly bytes: number;
    };

/** `detached`: the client has cancelled, or its hold was taken over; the process runs on. */
export type AttachResult = ExecResult | { readonly detached: true };

/** Parameters of `processLogs`. */
export interface ProcessLogsRequest {
  readonly process: string;
  /** Begin with the last so many lines. */
  readonly tail?: number | undefined;
  /** Go on until the process's output ends. */
  readonly follow: boolean;
}

/** The longest name, id, or mark of a hold. */
const MAX_NAME_LENGTH = 200;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isOptionalCount = (value: unknown): value is number | undefined =>
  value === undefined || isCount(value);

const reject = (what: string): never => {
  throw new ProtocolError(`malformed ${what}`);
};

function checkOffsets(value: unknown, what: string): Offsets {
  if (!isObject(value) || !isCount(value.stdout) || !isCount(value.stderr)) return reject(what);
  return { stdout: value.stdout, stderr: value.stderr };
}

const isName = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= MAX_NAME_LENGTH;

/** @throws ProtocolError */
export function checkAttachRequest(value: unknown): AttachRequest {
  if (!isObject(value) || !isName(value.process)) return reject("attach: process");
  const { process, since, replay, stdin, hold } = value;
  if (!isOptionalCount(replay)) return reject("attach: replay");
  if (typeof stdin !== "boolean") return reject("attach: stdin");
  if (hold !== undefined && !isName(hold)) return reject("attach: hold");
  const offsets = since === undefined ? undefined : checkOffsets(since, "attach: since");
  return { process, since: offsets, replay, stdin, hold };
}

/** @throws ProtocolError */
export function checkProcessLogsRequest(value: unknown): ProcessLogsRequest {
  if (!isObject(value) || !isName(value.process)) return reject("processLogs: process");
  const { process, tail, follow } = value;
  if (!isOptionalCount(tail) || typeof follow !== "boolean") return reject("processLogs: tail, follow");
  return { process, tail, follow };
}

/** @throws ProtocolError */
export function checkAttached(value: unknown): Attached {
  if (!isObject(value) || !isName(value.id) || !isCount(value.pid) || typeof value.tty !== "boolean")
    return reject("answer to attach");
  const { id, pid, tty, offset } = value;
  return { id, pid, tty, offset: checkOffsets(offset, "answer to attach") };
}

/** Undefined for an event that a later program tells. @throws ProtocolError */
export function checkAttachEvent(value: unknown): AttachEvent | undefined {
  if (!isObject(value) || value.type !== "lost") return checkExecEvent(value);
  const { channel, offset, bytes } = value;
  if (channel !== Channel.stdout && channel !== Channel.stderr) return reject("event of attach");
  if (!isCount(offset) || !isCount(bytes)) return reject("event of attach");
  return { type: "lost", channel, offset, bytes };
}

/** @throws ProtocolError */
export function checkAttachResult(value: unknown): AttachResult {
  return isObject(value) && value.detached === true ? { detached: true } : checkExecResult(value);
}
