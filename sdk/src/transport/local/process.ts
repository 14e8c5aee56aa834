/** A process of a machine, on a stream of the machine's own socket or of the child's. */
import { Channel, checkExecResult, exitCodeOf } from "../../../../src/protocol/messages.ts";
import type { Stream } from "../../../../src/protocol/stream.ts";
import type { ProcessEnd, RemoteProcess } from "../types.ts";
import type { Link } from "./link.ts";

export class StreamProcess implements RemoteProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #stream: Stream;

  private constructor(link: Link, stream: Stream, pid: number) {
    this.pid = pid;
    this.#stream = stream;
    this.ended = link.resultOf(stream).then((message) => {
      const result = checkExecResult(message);
      return "signal" in result ? result : { exitCode: exitCodeOf(result) };
    });
    this.ended.catch(() => {});
  }

  /** Resolves when the program runs. @throws SmolvmError `exec.*`; the signal's reason */
  static async open(link: Link, stream: Stream, signal?: AbortSignal): Promise<StreamProcess> {
    const accepted = (await link.acceptedOf(stream, signal)) as { readonly pid?: number } | undefined;
    return new StreamProcess(link, stream, accepted?.pid ?? 0);
  }

  get stdout(): AsyncIterable<Uint8Array> {
    return this.#stream.read(Channel.stdout);
  }

  get stderr(): AsyncIterable<Uint8Array> {
    return this.#stream.read(Channel.stderr);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(Channel.stdin, bytes);
  }

  end(): void {
    this.#stream.end(Channel.stdin);
  }

  signal(number: number): void {
    this.#stream.control({ type: "signal", signal: number });
  }

  resize(size: { readonly columns: number; readonly rows: number }): void {
    this.#stream.control({ type: "resize", ...size });
  }

  kill(): void {
    this.#stream.cancel();
  }
}
