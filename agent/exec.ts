import { messageOf } from "../src/errors.ts";
import {
  Channel,
  checkExecControl,
  checkExecRequest,
  type ExecAccepted,
  type ExecResult,
  type Frame,
  FrameType,
  SendWindow,
  type Stream,
} from "../src/protocol/index.ts";
import { decodeFailure, type HelperLink, helperEnded, openHelper } from "./helper.ts";
import { Output } from "./output.ts";
import { encodeControl, encodeExecRequest } from "./request.ts";

const empty = new Uint8Array(0);

/**
 * Serves one `exec` stream: passes everything between the host and the helper process that looks after the program.
 *
 * The helper speaks the same frames with windows of the same size, and gets credit for output only once the host
 * had room for it: so what this process holds of an exec is bounded, and it never has to stop reading a socket.
 */
export function serveExec(stream: Stream): Promise<void> {
  const request = encodeExecRequest(checkExecRequest(stream.params));
  return new Exec(stream).run(request);
}

class Exec {
  readonly #stream: Stream;
  readonly #stdin = new SendWindow();
  readonly #outputs: readonly Output[];
  #link: HelperLink | undefined;
  /** What the host said before the helper was connected. */
  #early: [FrameType, Uint8Array][] = [];
  /** The helper's result or failure; undefined when its process died without one. */
  readonly #last = Promise.withResolvers<Frame | undefined>();

  constructor(stream: Stream) {
    this.#stream = stream;
    const sendCredit = (channel: number, bytes: number) =>
      this.#link?.send(FrameType.credit, channel, encodeNumber(bytes));
    this.#outputs = [Channel.stdout, Channel.stderr].map(
      (channel) => new Output(stream, channel, sendCredit),
    );
    stream.onControl = (message) => this.#control(message);
    stream.onCancel = () => this.#tell(FrameType.cancel, empty);
  }

  async run(request: Uint8Array): Promise<void> {
    const link = await openHelper(request, {
      onFrame: (frame) => this.#receive(frame),
      onClose: () => this.#last.resolve(undefined),
    });
    this.#link = link;
    for (const [type, payload] of this.#early) link.send(type, 0, payload);
    void this.#copyInput(link);
    await this.#finish(await this.#last.promise);
  }

  #control(message: unknown): void {
    try {
      this.#tell(FrameType.control, encodeControl(checkExecControl(message)));
    } catch (error) {
      // Thrown further it would cost the whole connection.
      this.#stream.fail({ code: "exec.bad_request", message: messageOf(error) });
      this.#tell(FrameType.cancel, empty);
    }
  }

  #tell(type: FrameType, payload: Uint8Array): void {
    if (this.#link === undefined) this.#early.push([type, payload]);
    else this.#link.send(type, 0, payload);
  }

  #receive(frame: Frame): void {
    if (frame.type === FrameType.data) this.#outputs[frame.channel - 1]?.push(frame.payload);
    else if (frame.type === FrameType.end) this.#outputs[frame.channel - 1]?.end();
    else if (frame.type === FrameType.credit) this.#stdin.grant(decodeNumber(frame));
    else if (frame.type === FrameType.accept)
      this.#stream.accept({ pid: decodeNumber(frame) } satisfies ExecAccepted);
    else this.#last.resolve({ ...frame, payload: frame.payload.slice() });
  }

  /** Host to program. The helper grants more as the program reads. */
  async #copyInput(link: HelperLink): Promise<void> {
    for await (const chunk of this.#stream.read(Channel.stdin)) {
      for (let offset = 0; offset < chunk.length; ) {
        await this.#stdin.ready();
        if (this.#stdin.closed) return;
        const size = Math.min(chunk.length - offset, this.#stdin.available);
        this.#stdin.take(size);
        link.send(FrameType.data, Channel.stdin, chunk.subarray(offset, offset + size));
        offset += size;
      }
    }
    if (!this.#stdin.closed) link.send(FrameType.end, Channel.stdin, empty);
  }

  /** All that the helper read of the program's output has arrived here before its last frame. */
  async #finish(last: Frame | undefined): Promise<void> {
    this.#stdin.close();
    for (const output of this.#outputs) output.end();
    await Promise.all(this.#outputs.map((output) => output.done));
    if (last?.type === FrameType.result) this.#stream.finish(decodeResult(last.payload));
    else throw last === undefined ? helperEnded() : decodeFailure(last.payload);
  }
}

function encodeNumber(value: number): Uint8Array {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return payload;
}

function decodeNumber({ payload }: Frame): number {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
}

function decodeResult([kind = 0, value = 0]: Uint8Array): ExecResult {
  return kind === 0 ? { exitCode: value } : { signal: value };
}
