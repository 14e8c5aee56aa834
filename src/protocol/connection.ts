import { deferred } from "../deferred.ts";
import type { Codec } from "./codec.ts";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
  MAX_DATA_BYTES,
  MAX_OPEN_BYTES,
  ProtocolError,
} from "./frame.ts";
import type { JsonRequest } from "./json.ts";
import type { Hello } from "./messages.ts";
import { type FrameSender, Stream, StreamFailure } from "./stream.ts";
import type { Transport } from "./transport.ts";

/** Streams of a connection that may be open at once; each costs memory on both sides. */
const MAX_STREAMS = 1024;

/** Frames are put together here; the transport copies what it cannot send at once. */
const scratch = new Uint8Array(HEADER_BYTES + MAX_DATA_BYTES);

export interface ConnectionOptions<Greeting, Request, Message> {
  readonly codec: Codec<Greeting, Request, Message>;
  /** Called for each stream that the other side opens; without it the other side may open none. */
  readonly onStream?: ((stream: Stream<Request, Message>) => void) | undefined;
}

/**
 * One side of the protocol on a byte pipe. Both sides say hello first; the side that asks for work opens streams,
 * the other side serves them. Whatever breaks the rules ends the connection and all its streams with one error.
 */
export class Connection<Greeting = Hello, Request = JsonRequest, Message = unknown> implements FrameSender {
  /** The other side's hello; rejects if the connection ends before it. */
  readonly hello: Promise<Greeting>;
  /** Resolves once the connection is over: with the error, or undefined after an orderly end. */
  readonly closed: Promise<Error | undefined>;

  #transport: Transport;
  #codec: Codec<Greeting, Request, Message>;
  #onStream: ((stream: Stream<Request, Message>) => void) | undefined;
  #decoder = new FrameDecoder();
  #streams = new Map<number, Stream<Request, Message>>();
  #nextId = 1;
  #hello = deferred<Greeting>();
  #greeted = false;
  #closed = deferred<Error | undefined>();
  #isClosed = false;
  #full = false;
  /** Frames that wait for room in the pipe, in turn. */
  #waiting: (() => void)[] = [];
  /** The highest stream that the other side has opened: each number is used once. */
  #lastAccepted = 0;

  constructor(transport: Transport, options: ConnectionOptions<Greeting, Request, Message>) {
    this.#transport = transport;
    this.#codec = options.codec;
    this.#onStream = options.onStream;
    this.hello = this.#hello.promise;
    this.hello.catch(() => {});
    this.closed = this.#closed.promise;
    transport.onData = (bytes) => this.#receive(bytes);
    transport.onDrain = () => this.#drained();
    transport.onClose = (error) => this.#end(error);
    this.send(FrameType.hello, 0, this.#codec.encodeHello());
    transport.start();
  }

  /** Asks the other side to do something; the stream tells how it went. */
  open(request: Request): Stream<Request, Message> {
    const stream = new Stream(this, this.#codec, this.#nextId++, request);
    const payload = this.#codec.encodeRequest(request);
    if (this.#isClosed) {
      stream.close(new Error("connection closed"));
    } else if (payload.length > MAX_OPEN_BYTES) {
      // Sent, it would cost the whole connection.
      const message = `the request has ${payload.length} bytes, at most ${MAX_OPEN_BYTES} are possible`;
      stream.close(new StreamFailure({ code: "protocol.too_large", message }));
    } else if (this.#streams.size >= MAX_STREAMS) {
      const message = `${MAX_STREAMS} requests are under way, more are not possible`;
      stream.close(new StreamFailure({ code: "protocol.too_many", message }));
    } else {
      this.#streams.set(stream.id, stream);
      this.send(FrameType.open, stream.id, payload);
    }
    return stream;
  }

  /** Ends the connection; open streams fail on both sides. */
  close(): void {
    this.#transport.close();
  }

  /** The other side broke a rule that only its reader knows: ends the connection with that reason. */
  abort(reason: Error): void {
    // In this order: closing the transport reports an orderly end.
    this.#end(reason);
    this.#transport.close();
  }

  send(type: FrameType, stream: number, payload: Uint8Array, channel = 0): void {
    if (this.#isClosed) return;
    if (!this.#transport.write(encodeFrame(type, stream, payload, channel, scratch))) this.#full = true;
    // A side that serves forgets a stream with the last frame it sends for it.
    if ((type === FrameType.result || type === FrameType.fail) && this.#onStream)
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
      this.abort(error instanceof Error ? error : new ProtocolError(String(error)));
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
      else if (this.#onStream === undefined || frame.stream > this.#lastAccepted)
        throw new ProtocolError(`stream ${frame.stream} is not open`);
    }
  }

  #greet(frame: Frame): void {
    if (frame.type !== FrameType.hello) throw new ProtocolError("no hello");
    const hello = this.#codec.decodeHello(frame.payload);
    this.#greeted = true;
    this.#hello.resolve(hello);
  }

  #accept(frame: Frame): void {
    const onStream = this.#onStream;
    if (onStream === undefined) throw new ProtocolError("unexpected open");
    const request = this.#codec.decodeRequest(frame.payload);
    if (frame.stream <= this.#lastAccepted) throw new ProtocolError(`stream ${frame.stream} was open before`);
    if (this.#streams.size >= MAX_STREAMS) throw new ProtocolError("too many streams");
    this.#lastAccepted = frame.stream;
    const stream = new Stream(this, this.#codec, frame.stream, request);
    this.#streams.set(frame.stream, stream);
    onStream(stream);
  }

  #dispatch(stream: Stream<Request, Message>, frame: Frame): void {
    if (frame.type === FrameType.data) {
      stream.receive(frame.channel, frame.payload);
    } else if (frame.type === FrameType.end) {
      stream.receiveEnd(frame.channel);
    } else if (frame.type === FrameType.credit) {
      stream.receiveCredit(frame.channel, new DataView(frame.payload.slice().buffer).getUint32(0));
    } else if (this.#onStream === undefined) {
      this.#dispatchAnswer(stream, frame);
    } else {
      this.#dispatchRequest(stream, frame);
    }
  }

  #dispatchRequest(stream: Stream<Request, Message>, frame: Frame): void {
    const { payload } = frame;
    if (frame.type === FrameType.control)
      stream.receiveControl(this.#codec.decodeMessage(payload), HEADER_BYTES + payload.length);
    else if (frame.type === FrameType.cancel) stream.receiveCancel();
    else throw new ProtocolError(`unexpected frame type ${frame.type}`);
  }

  #dispatchAnswer(stream: Stream<Request, Message>, { type, payload }: Frame): void {
    if (type === FrameType.fail) {
      const failure = new StreamFailure(this.#codec.decodeFailure(payload));
      this.#streams.delete(stream.id);
      stream.close(failure);
      return;
    }
    if (type !== FrameType.accept && type !== FrameType.event && type !== FrameType.result)
      throw new ProtocolError(`unexpected frame type ${type}`);
    const message = this.#codec.decodeMessage(payload);
    if (type === FrameType.accept) {
      stream.receiveAccept(message);
    } else if (type === FrameType.event) {
      stream.onEvent(message);
    } else {
      this.#streams.delete(stream.id);
      stream.receiveResult(message);
    }
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = error ?? new Error("connection closed");
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) {
      stream.close(reason);
      stream.giveUp();
    }
    this.#drained();
    this.#hello.reject(reason);
    this.#closed.resolve(error);
  }
}
