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

/** Its answer. */
interface Attached {
  readonly id: string;
  readonly pid: number;
  /** The first bytes that come. */
  readonly offset: Offsets;
}

export class AttachedStream extends StreamProcess implements AttachedRemote {
  readonly id: string;
  readonly #missed: { bytes: number };

  private constructor(link: Link, stream: Stream, about: Attached, missed: { bytes: number }) {
    super(link, stream, about.pid);
    this.id = about.id;
    this.#missed = missed;
  }

  get missedBytes(): number {
    return this.#missed.bytes;
  }

  /** @throws SmolvmError `process.not_found`; the signal's reason */
  static async attach(link: Link, request: AttachRequest, signal?: AbortSignal): Promise<AttachedStream> {
    const stream = link.open({ method: "attach", params: request });
    const missed = { bytes: 0 };
    stream.onEvent = (event) => {
      const { type, bytes } = event as { readonly type: string; readonly bytes: number };
      if (type === "lost") missed.bytes += bytes;
    };
    const about = (await link.acceptedOf(stream, signal)) as Attached;
    const { since } = request;
    missed.bytes += about.offset.stdout - since.stdout + about.offset.stderr - since.stderr;
    return new AttachedStream(link, stream, about, missed);
  }
}

/** @throws SmolvmError `sdk.detached` when it has not ended: its client has let go */
function endOf(message: unknown): ProcessEnd {
  if ((message as { readonly detached?: boolean }).detached === true)
    throw errorOf({ code: "sdk.detached", message: "this handle has let go of the process, which runs on" });
  const result = checkExecResult(message);
  return "signal" in result ? result : { exitCode: exitCodeOf(result) };
}
