/** A process of a machine, on a stream of the machine's own socket or of the child's. */
import { Channel, checkExecResult, exitCodeOf } from "../../../../src/protocol/messages.ts";
import type { Stream } from "../../../../src/protocol/stream.ts";
import { errorOf } from "../../errors.ts";
import type { AttachedRemote, Offsets, ProcessEnd, RemoteProcess } from "../types.ts";
import type { Link } from "./link.ts";

export class StreamProcess implements RemoteProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #stream: Stream;

  protected constructor(link: Link, stream: Stream, pid: number) {
    this.pid = pid;
    this.#stream = stream;
    this.ended = link.resultOf(stream).then(endOf);
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

/** How a process that outlives its clients is attached to (docs/protocol.md). */
interface AttachRequest {
  readonly process: string;
  readonly stdin: boolean;
  readonly since: Offsets;
}

export class AttachedStream extends StreamProcess implements AttachedRemote {
  readonly id: string;
  missedBytes = 0;

  private constructor(
    link: Link,
    stream: Stream,
    { id, pid }: { readonly id: string; readonly pid: number },
  ) {
    super(link, stream, pid);
    this.id = id;
  }

  /** @throws SmolvmError `process.not_found`; the signal's reason */
  static async attach(link: Link, request: AttachRequest, signal?: AbortSignal): Promise<AttachedStream> {
    const stream = link.open({ method: "attach", params: request });
    let missed = 0;
    stream.onEvent = (event) => {
      const { type, bytes } = event as { readonly type: string; readonly bytes: number };
      if (type !== "lost") return;
      if (attached === undefined) missed += bytes;
      else attached.missedBytes += bytes;
    };
    let attached: AttachedStream | undefined;
    const accepted = (await link.acceptedOf(stream, signal)) as {
      readonly id: string;
      readonly pid: number;
      readonly offset: Offsets;
    };
    attached = new AttachedStream(link, stream, accepted);
    const { offset } = accepted;
    attached.missedBytes =
      missed + (offset.stdout - request.since.stdout) + (offset.stderr - request.since.stderr);
    return attached;
  }
}

/** @throws SmolvmError `sdk.detached` when it has not ended: its client has let go */
function endOf(message: unknown): ProcessEnd {
  if ((message as { readonly detached?: boolean }).detached === true)
    throw errorOf({ code: "sdk.detached", message: "this handle has let go of the process, which runs on" });
  const result = checkExecResult(message);
  return "signal" in result ? result : { exitCode: exitCodeOf(result) };
}
