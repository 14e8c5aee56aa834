import {
  Channel,
  checkExecEvent,
  checkExecResult,
  type ExecEvent,
  type ExecResult,
  type Stream,
  type TerminalSize,
} from "../../protocol/index.ts";
import { toSmolError } from "./failure.ts";

/** What whoever shows a process as if it ran here needs of it. */
export type RunningProcess = Pick<
  Process,
  "started" | "result" | "onEvent" | "stdout" | "stderr" | "write" | "end" | "signal" | "resize" | "kill"
>;

/** A process in a machine, seen from outside: its streams, what it is told, how it ends. */
export class Process {
  /** Resolves when its program runs. @throws SmolError `exec.*` when it cannot be started */
  readonly started: Promise<void>;
  /** How it ended, after all its output. @throws SmolError `exec.*`, `machine.lost` */
  readonly result: Promise<ExecResult>;
  /** Called for what happens while it runs. */
  onEvent: (event: ExecEvent) => void = () => {};
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.onEvent = (message) => {
      const event = checkExecEvent(message);
      if (event !== undefined) this.onEvent(event);
    };
    this.started = stream.accepted.then(
      () => {},
      (error) => {
        throw toSmolError(error);
      },
    );
    this.result = stream.result.then(checkExecResult, (error) => {
      throw toSmolError(error);
    });
    // Nobody has to wait for either.
    this.started.catch(() => {});
    this.result.catch(() => {});
  }

  /** What it prints, as it comes; with a terminal everything. Reading is what lets it write more. */
  get stdout(): AsyncIterable<Uint8Array> {
    return this.#stream.read(Channel.stdout);
  }

  get stderr(): AsyncIterable<Uint8Array> {
    return this.#stream.read(Channel.stderr);
  }

  /** Standard input; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(Channel.stdin, bytes);
  }

  /** Its standard input ends here. */
  end(): void {
    this.#stream.end(Channel.stdin);
  }

  /** To its process group. @param number of the signal */
  signal(number: number): void {
    this.#stream.control({ type: "signal", signal: number });
  }

  /** Its terminal has another size now. */
  resize(size: TerminalSize): void {
    this.#stream.control({ type: "resize", ...size });
  }

  /** Kills it and everything that it started. */
  kill(): void {
    this.#stream.cancel();
  }
}
