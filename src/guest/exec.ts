/** Processes in the guest (docs/protocol.md, "exec"). */
import {
  type Channel,
  type ExecAccepted,
  type ExecResult,
  ProtocolError,
  type ResourceLimit,
  type TerminalSize,
} from "../protocol/index.ts";
import { FieldReader, FieldWriter } from "./fields.ts";
import { encodeLimit } from "./limits.ts";
import { type AgentConnection, type AgentStream, checked, request, Verb } from "./link.ts";

/** A process to start. In texts, bytes that are not UTF-8 are lone surrogates (surrogate-escape.ts). */
export interface GuestExec {
  /** Absent: the system's own root. */
  readonly root?: string | undefined;
  /** Program and arguments; the program is looked up in the PATH of `env` unless it has a slash. */
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** Absolute; made when it is missing. Absent: `/`. */
  readonly cwd?: string | undefined;
  /** As in an image: empty (root), `name`, `uid`, `name:group`, `uid:gid`. */
  readonly user?: string | undefined;
  /** False: standard input is /dev/null. */
  readonly stdin: boolean;
  /** Gives the process a terminal: all its output is then on the stdout channel. */
  readonly tty?: TerminalSize | undefined;
  /** It is the first process of the root's PID namespace, or the child of one that only reaps. */
  readonly first?: "itself" | "reaper" | undefined;
  /** The program is the system's, run in this root. */
  readonly systemProgram?: boolean | undefined;
  readonly rlimits?: readonly ResourceLimit[] | undefined;
  /** `FILE=VALUE` for the process's cgroup. */
  readonly cgroup?: readonly string[] | undefined;
}

const Flag = { stdin: 1, terminal: 2, first: 4, reaper: 8, systemProgram: 16 } as const;

/** @throws StreamFailure `exec.bad_request` for an unknown resource limit */
export function encodeExec(exec: GuestExec): Uint8Array {
  const flags =
    (exec.stdin ? Flag.stdin : 0) |
    (exec.tty === undefined ? 0 : Flag.terminal) |
    (exec.first === undefined ? 0 : Flag.first) |
    (exec.first === "reaper" ? Flag.reaper : 0) |
    (exec.systemProgram ? Flag.systemProgram : 0);
  const fields = request(Verb.exec)
    .text(1, exec.root)
    .texts(2, exec.argv)
    .texts(3, exec.env)
    .text(4, exec.cwd)
    .text(5, exec.user)
    .int(6, flags)
    .int(7, exec.tty?.columns)
    .int(8, exec.tty?.rows);
  for (const limit of exec.rlimits ?? []) fields.bytes(9, encodeLimit(limit));
  return fields.texts(10, exec.cgroup).finish();
}

const MAX_PID = 0x7fff_ffff;

function decodeAccepted(payload: Uint8Array): ExecAccepted {
  return { pid: new FieldReader(payload, "answer to exec").int(1, MAX_PID) };
}

function decodeResult(payload: Uint8Array): ExecResult {
  const fields = new FieldReader(payload, "result of exec");
  const exitCode = fields.optionalInt(1, 255);
  const signal = fields.optionalInt(2, 127);
  const halt = fields.optionalInt(3, 2);
  const said = [exitCode, signal, halt].filter((value) => value !== undefined);
  if (said.length !== 1) throw new ProtocolError("malformed result of exec: it is not one of the three");
  if (exitCode !== undefined) return { exitCode };
  if (signal !== undefined) return { signal };
  if (halt === 0) throw new ProtocolError("malformed result of exec: no way to halt");
  return { halted: halt === 1 ? "restart" : "poweroff" };
}

/** A process in the guest, from the request for it until its end. */
export class GuestProcess {
  /** Resolves when the program has been executed; rejects with StreamFailure, or the connection's error. */
  readonly accepted: Promise<ExecAccepted>;
  /** Resolves when it has ended and all its output has arrived here. */
  readonly result: Promise<ExecResult>;
  readonly #stream: AgentStream;

  constructor(connection: AgentConnection, exec: GuestExec) {
    this.#stream = connection.open(encodeExec(exec));
    this.accepted = checked(connection, this.#stream.accepted, decodeAccepted);
    this.result = checked(connection, this.#stream.result, decodeResult);
  }

  /** Standard input; resolves when the guest has room for more. */
  write(channel: typeof Channel.stdin, bytes: Uint8Array): Promise<void> {
    return this.#stream.write(channel, bytes);
  }

  end(channel: typeof Channel.stdin): void {
    this.#stream.end(channel);
  }

  /** Output as it arrives; reading it is what lets the process write more. */
  read(channel: typeof Channel.stdout | typeof Channel.stderr): AsyncGenerator<Uint8Array, void, void> {
    return this.#stream.read(channel);
  }

  /** Sends a signal to the program's process group. */
  signal(signal: number): void {
    this.#stream.control(new FieldWriter().int(1, signal).finish());
  }

  /** The terminal has another size now. */
  resize({ columns, rows }: TerminalSize): void {
    this.#stream.control(new FieldWriter().int(2, columns).int(3, rows).finish());
  }

  /** Kills the program and everything that it started; `result` settles when it has ended. */
  cancel(): void {
    this.#stream.cancel();
  }
}
