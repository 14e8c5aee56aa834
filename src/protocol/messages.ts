/** What command line and machine process say to each other, in JSON, and the checks for data from the other side. */
import { ProtocolError } from "./frame.ts";

/**
 * What this program speaks, and the oldest that it still understands. A machine outlives the program that started it, so
 * both sides may be of different versions. A method, a field or an event is added without a new number: who does not know
 * a method says so (`machine.unsupported`), and fields and events that are not known are ignored. The number grows when
 * something that both sides know changes its meaning, or a client has a new kind of control message.
 */
export const PROTOCOL_VERSION = 3;
export const OLDEST_PROTOCOL = 3;

/** The channels of an `exec` stream. */
export const Channel = { stdin: 0, stdout: 1, stderr: 2 } as const;
export type Channel = (typeof Channel)[keyof typeof Channel];

/** First frame in both directions. */
export interface Hello {
  readonly protocol: number;
  /** The oldest protocol that the sender understands; absent: only its own. */
  readonly oldest?: number | undefined;
  /** Version of the program that speaks. */
  readonly version: string;
}

/**
 * Parameters of `exec`: start a process in the workload's root. What is absent is the machine's, or its image's. Bytes
 * of texts that are not UTF-8 are lone surrogates (surrogate-escape.ts).
 */
export interface ExecRequest {
  /**
   * Program and arguments; the program is looked up in PATH unless it has a slash. Empty: the machine's own command,
   * which only the owner of a throw-away machine may ask for.
   */
  readonly argv: readonly string[];
  /** `NAME=value`; wins over the machine's. HOME, when absent, is that of the user's passwd entry. */
  readonly env?: readonly string[] | undefined;
  /** Absolute directory in the workload's root; made when it does not exist, as container runtimes do. */
  readonly cwd?: string | undefined;
  /** As in an image: `name`, `uid`, `name:group`, `uid:gid`. */
  readonly user?: string | undefined;
  /** Give the process a terminal of this size: all output is then on the stdout channel. */
  readonly tty?: TerminalSize | undefined;
  /** False: standard input is /dev/null and the stdin channel is not used. */
  readonly stdin: boolean;
  readonly rlimits?: readonly ResourceLimit[] | undefined;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A limit of setrlimit(2), e.g. `{ name: "nofile", soft: 1024, hard: 4096 }`; -1 is unlimited. */
export interface ResourceLimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Answer to `exec` once the program runs: its process id as the guest's kernel counts. */
export interface ExecAccepted {
  readonly pid: number;
}

/** How a process ended: exactly one of the three; `halted`: it asked the kernel, as init programs do, to stop. */
export type ExecResult =
  | { readonly exitCode: number }
  | { readonly signal: number }
  | { readonly halted: "restart" | "poweroff" };

/** The exit code for who ran it, as a shell counts: 128 plus the signal's number; 0 when it stopped its machine. */
export function exitCodeOf(result: ExecResult): number {
  if ("halted" in result) return 0;
  return "exitCode" in result ? result.exitCode : 128 + result.signal;
}

/** The same where both are told side by side, as in a list of processes; undefined: it has not ended. */
export const exitCodeIn = ({
  exitCode,
  signal,
}: {
  readonly exitCode: number | null;
  readonly signal: number | null;
}): number | undefined => (signal === null ? (exitCode ?? undefined) : 128 + signal);

/** What happens while a process runs. */
export type ExecEvent =
  /** The kernel ended processes of the machine for lack of memory. */
  | { readonly type: "out_of_memory" }
  /** The machine used the SSH agent that it was lent, or tried to; one line of hostile text. */
  | { readonly type: "ssh_agent"; readonly text: string };

/** Control messages on an `exec` stream. */
export type ExecControl =
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  | { readonly type: "signal"; readonly signal: number };

/** Why work could not be done. Codes: docs/errors.md, and of the guest's agent docs/protocol.md. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  /** The guest's errno, when a system call of the agent's failed. */
  readonly errno?: number | undefined;
  /** The number of the step that failed, from 0, when the agent was told to take steps. */
  readonly step?: number | undefined;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown, maximum: number): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maximum;
const isText = (value: unknown, maximum: number): value is string =>
  typeof value === "string" && value.length <= maximum;

function reject(what: string): never {
  throw new ProtocolError(`malformed ${what}`);
}

export function checkHello(value: unknown): Hello {
  if (!isObject(value) || !isCount(value.protocol, 0xffff) || !isText(value.version, 100)) reject("hello");
  const { protocol, version, oldest } = value;
  if (oldest !== undefined && !isCount(oldest, 0xffff)) reject("hello");
  return { protocol, version, oldest };
}

export function checkExecResult(value: unknown): ExecResult {
  if (!isObject(value)) reject("result of exec");
  if (isCount(value.exitCode, 255)) return { exitCode: value.exitCode };
  if (isCount(value.signal, 127)) return { signal: value.signal };
  if (value.halted === "restart" || value.halted === "poweroff") return { halted: value.halted };
  reject("result of exec");
}

export function checkFailure(value: unknown): Failure {
  if (!isObject(value) || !isText(value.code, 100) || !isText(value.message, 4096)) reject("failure");
  const failure = { code: value.code, message: value.message };
  if (value.hint === undefined) return failure;
  if (!isText(value.hint, 4096)) reject("failure");
  return { ...failure, hint: value.hint };
}

const isPath = (value: unknown): value is string =>
  isText(value, 4096) && value.startsWith("/") && !value.includes("\0");

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string" && !item.includes("\0"));

function checkTerminalSize(value: unknown): TerminalSize {
  if (!isObject(value) || !isCount(value.columns, 0xffff) || !isCount(value.rows, 0xffff))
    reject("terminal size");
  return { columns: value.columns, rows: value.rows };
}

const isLimit = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= -1;

function checkResourceLimit(value: unknown): ResourceLimit {
  if (!isObject(value) || !isText(value.name, 20)) reject("resource limit");
  const { name, soft, hard } = value;
  if (!isLimit(soft) || !isLimit(hard)) reject("resource limit");
  return { name, soft, hard };
}

/** The machine process's check of what a command line asks for. */
export function checkExecRequest(value: unknown): ExecRequest {
  if (!isObject(value) || !isTextList(value.argv)) reject("exec: argv");
  const { env = [], cwd, user } = value;
  if (!isTextList(env)) reject("exec: env");
  if (cwd !== undefined && !isPath(cwd)) reject("exec: cwd");
  if (user !== undefined && (!isText(user, 256) || user.includes("\0"))) reject("exec: user");
  if (typeof value.stdin !== "boolean") reject("exec: stdin");
  const limits = value.rlimits ?? [];
  if (!Array.isArray(limits) || limits.length > 16) reject("exec: rlimits");
  return {
    argv: value.argv,
    env,
    cwd,
    user,
    stdin: value.stdin,
    rlimits: limits.map(checkResourceLimit),
    tty: value.tty === undefined ? undefined : checkTerminalSize(value.tty),
  };
}

export function checkExecControl(value: unknown): ExecControl {
  if (isObject(value) && value.type === "resize") return { type: "resize", ...checkTerminalSize(value) };
  if (isObject(value) && value.type === "signal" && isCount(value.signal, 64)) {
    return { type: "signal", signal: value.signal };
  }
  reject("control message");
}

/** Undefined for an event that a later program tells. */
export function checkExecEvent(value: unknown): ExecEvent | undefined {
  if (!isObject(value) || typeof value.type !== "string") reject("event of exec");
  if (value.type === "ssh_agent" && typeof value.text === "string")
    return { type: "ssh_agent", text: value.text };
  return value.type === "out_of_memory" ? { type: "out_of_memory" } : undefined;
}
