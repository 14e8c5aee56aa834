import {
  decodeJson,
  encodeFrame,
  encodeJson,
  type Frame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
  MAX_DATA_BYTES,
  MAX_OPEN_BYTES,
  ProtocolError,
} from "./frame.ts";
import { checkFailure, checkHello, type Hello, PROTOCOL_VERSION } from "./messages.ts";
import { type FrameSender, Stream, StreamFailure } from "./stream.ts";
import type { SocketTransport } from "./transport.ts";

/** Streams that the other side may have open at once; each costs memory on this side. */
const MAX_STREAMS = 1024;

/** Frames are put together here; the transport copies what it cannot send at once. */
const scratch = new Uint8Array(HEADER_BYTES + MAX_DATA_BYTES);

export interface ConnectionOptions {
  readonly hello: Omit<Hello, "protocol">;
  /** Called for each stream that the other side opens; without it the other side may open none. */
  readonly onStream?: (stream: Stream) => void;
}

/**
 * One side of the protocol on a byte pipe. Both sides say hello first; the side that asks for work opens streams,
 * the other side serves them. Whatever breaks the rules ends the connection and all its streams with one error.
 */
export class Connection implements FrameSender {
  /** The other side's hello; rejects if the connection ends before it. */
  readonly hello: Promise<Hello>;
  /** Resolves once the connection is over: with the error, or undefined after an orderly end. */
  readonly closed: Promise<Error | undefined>;

  #transport: SocketTransport;
  #options: ConnectionOptions;
  #decoder = new FrameDecoder();
  #streams = new Map<number, Stream>();
  #nextId = 1;
  #hello = Promise.withResolvers<Hello>();
  #greeted = false;
  #closed = Promise.withResolvers<Error | undefined>();
  #isClosed = false;
  #full = false;
  /** Frames that wait for room in the pipe, in turn. */
  #waiting: (() => void)[] = [];
  /** The highest stream that the other side has opened: each number is used once. */
  #lastAccepted = 0;

  constructor(transport: SocketTransport, options: ConnectionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.hello = this.#hello.promise;
    this.hello.catch(() => {});
    this.closed = this.#closed.promise;
    transport.onData = (bytes) => this.#receive(bytes);
    transport.onDrain = () => this.#drained();
    transport.onClose = (error) => this.#end(error);
    this.send(FrameType.hello, 0, encodeJson({ protocol: PROTOCOL_VERSION, ...options.hello }));
    transport.start();
  }

  /** Asks the other side to do something; the stream tells how it went. */
  open(method: string, params?: unknown): Stream {
    const stream = new Stream(this, this.#nextId++, method, undefined);
    const request = encodeJson({ method, params });
    if (this.#isClosed) {
      stream.close(new Error("connection closed"));
    } else if (request.length > MAX_OPEN_BYTES) {
      // Sent, it would cost the whole connection.
      const message = `the request has ${request.length} bytes, at most ${MAX_OPEN_BYTES} are possible`;
      stream.close(new StreamFailure({ code: "protocol.too_large", message }));
    } else {
      this.#streams.set(stream.id, stream);
      this.send(FrameType.open, stream.id, request);
    }
    return stream;
  }

  /** Ends the connection; open streams fail on both sides. */
  close(): void {
    this.#transport.close();
  }

  send(type: FrameType, stream: number, payload: Uint8Array, channel = 0): void {
    if (this.#isClosed) return;
    if (!this.#transport.write(encodeFrame(type, stream, payload, channel, scratch))) this.#full = true;
    // A side that serves forgets a stream with the last frame it sends for it.
    if ((type === FrameType.result || type === FrameType.fail) && this.#options.onStream)
      this.#streams.delete(stream);
  }

  get isWritable(): boolean {
    return !this.#full;
  }

  whenWritable(task: () => void): void {
    if (this.#full && !this.#isClosed) this.#waiting.push(task);
    else task();
  }

  /** Whoever waited longest sends first, one frame each, for as long as there is room. */
  #drained(): void {
    this.#full = false;
    while (!this.#full || this.#isClosed) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      task();
    }
  }

  #receive(bytes: Uint8Array): void {
    try {
      this.#decoder.push(bytes, (frame) => {
        if (!this.#isClosed) this.#handle(frame);
      });
    } catch (error) {
      // In this order: closing the transport reports an orderly end.
      this.#end(error instanceof Error ? error : new ProtocolError(String(error)));
      this.#transport.close();
    }
  }

  #handle(frame: Frame): void {
    if (!this.#greeted) {
      this.#greet(frame);
    } else if (frame.type === FrameType.open) {
      this.#accept(frame);
    } else {
      const stream = this.#streams.get(frame.stream);
      if (stream !== undefined) this.#dispatch(stream, frame);
      // The opener may still send for a stream that this side has just finished: those frames crossed on the way.
      else if (this.#options.onStream === undefined || frame.stream > this.#lastAccepted)
        throw new ProtocolError(`stream ${frame.stream} is not open`);
    }
  }

  #greet(frame: Frame): void {
    if (frame.type !== FrameType.hello) throw new ProtocolError("no hello");
    const hello = checkHello(decodeJson(frame.payload));
    if (hello.protocol !== PROTOCOL_VERSION) {
      throw new ProtocolError(
        `the other side speaks protocol ${hello.protocol}, this one ${PROTOCOL_VERSION}`,
      );
    }
    this.#greeted = true;
    this.#hello.resolve(hello);
  }

  #accept(frame: Frame): void {
    const { onStream } = this.#options;
    const request = decodeJson(frame.payload) as { method?: unknown; params?: unknown } | undefined;
    if (onStream === undefined || typeof request?.method !== "string")
      throw new ProtocolError("unexpected open");
    if (frame.stream <= this.#lastAccepted) throw new ProtocolError(`stream ${frame.stream} was open before`);
    if (this.#streams.size >= MAX_STREAMS) throw new ProtocolError("too many streams");
    this.#lastAccepted = frame.stream;
    const stream = new Stream(this, frame.stream, request.method, request.params);
    this.#streams.set(frame.stream, stream);
    onStream(stream);
  }

  #dispatch(stream: Stream, frame: Frame): void {
    if (frame.type === FrameType.data) {
      stream.receive(frame.channel, frame.payload);
    } else if (frame.type === FrameType.end) {
      stream.receiveEnd(frame.channel);
    } else if (frame.type === FrameType.credit) {
      stream.receiveCredit(frame.channel, new DataView(frame.payload.slice().buffer).getUint32(0));
    } else if (this.#options.onStream === undefined) {
      this.#dispatchAnswer(stream, frame);
    } else {
      this.#dispatchRequest(stream, frame);
    }
  }

  #dispatchRequest(stream: Stream, frame: Frame): void {
    if (frame.type === FrameType.control) stream.onControl(decodeJson(frame.payload));
    else if (frame.type === FrameType.cancel) stream.receiveCancel();
    else throw new ProtocolError(`unexpected frame type ${frame.type}`);
  }

  #dispatchAnswer(stream: Stream, frame: Frame): void {
    const message = decodeJson(frame.payload);
    if (frame.type === FrameType.accept) stream.receiveAccept(message);
    else if (frame.type === FrameType.result) this.#finish(stream, undefined, message);
    else if (frame.type === FrameType.fail) this.#finish(stream, new StreamFailure(checkFailure(message)));
    else throw new ProtocolError(`unexpected frame type ${frame.type}`);
  }

  #finish(stream: Stream, error: Error | undefined, result?: unknown): void {
    this.#streams.delete(stream.id);
    stream.close(error, result);
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = error ?? new Error("connection closed");
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) {
      stream.close(reason);
      stream.onCancel();
    }
    this.#drained();
    this.#hello.reject(reason);
    this.#closed.resolve(error);
  }
}
