/** Processes of a machine that outlive their clients. */
import {
  Channel,
  type ExecEvent,
  type ExecRequest,
  type ExecResult,
  type TerminalSize,
} from "../../protocol/index.ts";
import { AttachedProcess, readProcessLogs } from "../host/processes/client.ts";
import type { ProcessInfo } from "../host/processes/info.ts";
import type { AttachRequest } from "../host/processes/messages.ts";
import type { LogEntry } from "../logs/index.ts";
import type { Machine } from "./connect.ts";
import { toSmolError } from "./failure.ts";
import type { RunningProcess } from "./process.ts";

export type { ProcessInfo };

/** Starts a process that outlives this client; resolves when it runs. @throws SmolError `exec.*`, `process.too_many` */
export async function startDetached(
  machine: Machine,
  request: ExecRequest,
): Promise<{ readonly id: string; readonly pid: number }> {
  return (await machine.ask("exec", { ...request, detach: true })) as { id: string; pid: number };
}

/** The workload and what was started detached, the latest first. */
export async function listProcesses(machine: Machine): Promise<readonly ProcessInfo[]> {
  return (await machine.ask("ps")) as readonly ProcessInfo[];
}

/**
 * @param process its id, the start of it, or its name
 * @param signal its number
 * @throws SmolError `process.not_found`, `process.ambiguous`, `process.ended`
 */
export async function killProcess(machine: Machine, process: string, signal: number): Promise<void> {
  await machine.ask("kill", { process, signal });
}

/** What a process has printed lately, and with `follow` what it prints until its end. */
export async function* processLog(
  machine: Machine,
  process: string,
  options: {
    /** Begin with the last so many lines. */
    readonly tail?: number | undefined;
    readonly follow: boolean;
    readonly onNote?: ((text: string) => void) | undefined;
  },
): AsyncGenerator<LogEntry, void, void> {
  const { tail, follow, onNote } = options;
  const stream = machine.open({ method: "processLogs", params: { process, tail, follow } });
  try {
    yield* readProcessLogs(stream, { onNote });
    await stream.result;
  } catch (error) {
    throw toSmolError(error);
  } finally {
    stream.cancel();
  }
}

/** Attaches to a process; leaving it changes nothing about it. */
export function attachProcess(machine: Machine, request: AttachRequest): RunningProcess {
  const stream = machine.open({ method: "attach", params: request });
  return new AttachedAsRunning(new AttachedProcess(stream, request.since));
}

/** An attachment, for those who show a process as if it ran here. */
class AttachedAsRunning implements RunningProcess {
  readonly started: Promise<void>;
  readonly result: Promise<ExecResult>;
  onEvent: (event: ExecEvent) => void = () => {};
  readonly #attached: AttachedProcess;

  constructor(attached: AttachedProcess) {
    this.#attached = attached;
    attached.onOutOfMemory = () => this.onEvent({ type: "out_of_memory" });
    this.started = attached.accepted.then(
      () => {},
      (error) => {
        throw toSmolError(error);
      },
    );
    this.result = attached.result.then(
      // Whoever leaves it has not failed.
      (result) => ("detached" in result ? { exitCode: 0 } : result),
      (error) => {
        throw toSmolError(error);
      },
    );
    this.started.catch(() => {});
    this.result.catch(() => {});
  }

  get stdout(): AsyncIterable<Uint8Array> {
    return this.#attached.read(Channel.stdout);
  }

  get stderr(): AsyncIterable<Uint8Array> {
    return this.#attached.read(Channel.stderr);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#attached.write(bytes);
  }

  end(): void {
    this.#attached.endInput();
  }

  signal(number: number): void {
    this.#attached.signal(number);
  }

  resize(size: TerminalSize): void {
    this.#attached.resize(size);
  }

  /** Leaves it. */
  kill(): void {
    this.#attached.detach();
  }
}
