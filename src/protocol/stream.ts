import { deferred } from "../deferred.ts";
import type { Codec } from "./codec.ts";
import { FrameType, MAX_DATA_BYTES, ProtocolError } from "./frame.ts";
import type { JsonRequest } from "./json.ts";
import type { Failure } from "./messages.ts";
import { ReceiveWindow, SendWindow } from "./window.ts";

/** What a stream needs of its connection. */
export interface FrameSender {
  send(type: FrameType, stream: number, payload: Uint8Array, channel?: number): void;
  /** Whether `whenWritable` would call at once. */
  readonly isWritable: boolean;
  /** Calls `task`, which sends at most one frame: now, or once the pipe has room; waiting tasks take turns. */
  whenWritable(task: () => void): void;
}

/** The other side refused or gave up the work of a stream. */
export class StreamFailure extends Error {
  override name = "StreamFailure";
  readonly code: string;
  readonly hint: string | undefined;
  readonly errno: number | undefined;
  readonly step: number | undefined;

  constructor(failure: Failure) {
    super(failure.message);
    this.code = failure.code;
    this.hint = failure.hint;
    this.errno = failure.errno;
    this.step = failure.step;
  }
}

/** What to tell the other side about anything that was thrown. */
export function failureOf(error: unknown): Failure {
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  return {
    // A system error's code (ENOSPC) is kept; an Error without any is a lost connection or a bug.
    code: typeof code === "string" ? code : "internal",
    message: error instanceof Error ? error.message : String(error),
    hint: typeof hint === "string" ? hint : undefined,
  };
}

/** Channels are numbered from 0; more than any method uses would only cost memory. */
const MAX_CHANNEL = 3;

/** Frames of control messages for work that listens to none yet: thousands of sizes of a terminal while a machine boots. */
const MAX_EARLY_CONTROL_BYTES = 256 * 1024;

function checkChannel(channel: number): void {
  if (channel > MAX_CHANNEL) throw new ProtocolError(`channel ${channel} does not exist`);
}

const empty = new Uint8Array(0);

/**
 * One piece of work on a connection, e.g. one process: numbered byte channels in both directions, each with its own
 * flow control, control messages from the opener, events and one final result or failure from the other side.
 * Requests and messages of the other side are unchecked data.
 */
export class Stream<Request = JsonRequest, Message = unknown> {
  readonly id: number;
  /** What the opener asked for. */
  readonly request: Request;
  /** The opener: resolves when the other side has started the work; undefined when it told nothing about it. */
  readonly accepted: Promise<Message | undefined>;
  /** The opener: resolves with the result; rejects with StreamFailure or the connection's error. */
  readonly result: Promise<Message>;
  /** The opener: called for each event. What it throws ends the connection. */
  onEvent: (message: Message) => void = () => {};
  #sender: FrameSender;
  #codec: Codec<unknown, Request, Message>;
  #sending = new Map<number, SendWindow>();
  #receiving = new Map<number, ReceiveWindow>();
  #endSent = new Set<number>();
  #closed = false;
  #cancelled = false;
  #givenUp = false;
  #onCancel = () => {};
  #onControl: ((message: Message) => void) | undefined;
  #earlyControls: Message[] = [];
  #earlyBytes = 0;
  #accept = deferred<Message | undefined>();
  #finish = deferred<Message>();

  constructor(sender: FrameSender, codec: Codec<unknown, Request, Message>, id: number, request: Request) {
    this.#sender = sender;
    this.#codec = codec;
    this.id = id;
    this.request = request;
    this.accepted = this.#accept.promise;
    this.result = this.#finish.promise;
    // Nobody has to wait for either.
    this.accepted.catch(() => {});
    this.result.catch(() => {});
  }

  /** The other side: called when the opener gives up or its connection is gone; at once, when that has happened already. */
  set onCancel(handler: () => void) {
    this.#onCancel = handler;
    if (this.#givenUp) handler();
  }

  /**
   * The other side: called for each control message, and at once for those that have come already. What it throws ends the
   * connection; for those, it is thrown at whoever sets it.
   */
  set onControl(handler: (message: Message) => void) {
    this.#onControl = handler;
    for (const message of this.#earlyControls.splice(0)) handler(message);
  }

  /** Nothing more can be said: its end has been sent or received, or its connection is gone. */
  get isOver(): boolean {
    return this.#closed;
  }

  /**
   * Sends bytes on a channel; resolves once they are handed to the connection, which is when the other side had
   * room for them. After the stream's end, or the channel's, it does nothing.
   */
  async write(channel: number, bytes: Uint8Array): Promise<void> {
    const window = this.#sendWindow(channel);
    for (let offset = 0; offset < bytes.length; ) {
      await window.ready();
      if (this.#closed || window.closed) return;
      offset += await new Promise<number>((resolve) => {
        this.#sender.whenWritable(() => resolve(this.#sendPart(channel, window, bytes, offset)));
      });
    }
  }

  /**
   * Sends bytes at once, without a copy of them, when there is room for all.
   *
   * @returns false when nothing was sent: use `write`. Not for a channel on which a `write` is under way.
   */
  tryWrite(channel: number, bytes: Uint8Array): boolean {
    const window = this.#sendWindow(channel);
    if (bytes.length > Math.min(window.available, MAX_DATA_BYTES) || !this.#sender.isWritable) return false;
    return this.#sendPart(channel, window, bytes, 0) === bytes.length;
  }

  /** Sends what a frame and the window hold, which is nothing when another writer was faster; returns its size. */
  #sendPart(channel: number, window: SendWindow, bytes: Uint8Array, offset: number): number {
    const size = Math.min(bytes.length - offset, window.available, MAX_DATA_BYTES);
    if (size === 0 || this.#closed || window.closed) return 0;
    window.take(size);
    this.#sender.send(FrameType.data, this.id, bytes.subarray(offset, offset + size), channel);
    return size;
  }

  /** Tells the other side that nothing more follows on this channel. */
  end(channel: number): void {
    if (this.#closed || this.#endSent.has(channel)) return;
    this.#endSent.add(channel);
    this.#sender.send(FrameType.end, this.id, empty, channel);
  }

  /** Chunks of a channel as they arrive, until its end or the stream's. Reading is what lets the sender go on. */
  read(channel: number): AsyncGenerator<Uint8Array, void, void> {
    return this.#receiveWindow(channel).read();
  }

  /** Opener: sends a control message. */
  control(message: Message): void {
    if (!this.#closed) this.#sender.send(FrameType.control, this.id, this.#codec.encodeMessage(message));
  }

  /** Opener: asks the other side to end the work; `result` settles when it has. */
  cancel(): void {
    if (this.#closed || this.#cancelled) return;
    this.#cancelled = true;
    this.#sender.send(FrameType.cancel, this.id, empty);
  }

  /** Other side: the work has started. */
  accept(info?: Message): void {
    this.#say(FrameType.accept, info);
  }

  /** Other side: something happened during the work. */
  event(message: Message): void {
    this.#say(FrameType.event, message);
  }

  /** Other side: the work is done; all data must have been written. */
  finish(result?: Message): void {
    if (this.#closed) return;
    this.#say(FrameType.result, result);
    this.close(undefined);
  }

  /** Other side: the work could not be done. */
  fail(failure: Failure): void {
    if (this.#closed) return;
    this.#sender.send(FrameType.fail, this.id, this.#codec.encodeFailure(failure));
    this.close(new StreamFailure(failure));
  }

  #say(type: FrameType, message: Message | undefined): void {
    if (this.#closed) return;
    this.#sender.send(type, this.id, message === undefined ? empty : this.#codec.encodeMessage(message));
  }

  /** For the connection: a data frame. */
  receive(channel: number, bytes: Uint8Array): void {
    this.#receiveWindow(channel).push(bytes);
  }

  receiveEnd(channel: number): void {
    this.#receiveWindow(channel).end();
  }

  receiveCredit(channel: number, bytes: number): void {
    this.#sendWindow(channel).grant(bytes);
  }

  /**
   * For the connection: a control message, kept until somebody listens.
   *
   * @param frameBytes that it took
   * @throws ProtocolError when more has come than is kept
   */
  receiveControl(message: Message, frameBytes: number): void {
    if (this.#onControl !== undefined) {
      this.#onControl(message);
      return;
    }
    this.#earlyBytes += frameBytes;
    if (this.#earlyBytes > MAX_EARLY_CONTROL_BYTES)
      throw new ProtocolError(
        `more than ${MAX_EARLY_CONTROL_BYTES} bytes of control messages wait on a stream`,
      );
    this.#earlyControls.push(message);
  }

  /** For the connection: the opener gave up; it will not read what is still to be sent. */
  receiveCancel(): void {
    for (let channel = 0; channel <= MAX_CHANNEL; channel++) this.#sendWindow(channel).close();
    this.giveUp();
  }

  /** For the connection: nobody waits for the work any more. */
  giveUp(): void {
    this.#givenUp = true;
    this.#onCancel();
  }

  receiveAccept(info: Message): void {
    this.#accept.resolve(info);
  }

  receiveResult(result: Message): void {
    this.#finish.resolve(result);
    this.close(undefined);
  }

  /** For the connection: the stream is over, after its result, or by a failure or the connection's end. */
  close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const window of this.#sending.values()) window.close();
    for (const window of this.#receiving.values()) window.end();
    if (error === undefined) {
      this.#accept.resolve(undefined);
    } else {
      this.#accept.reject(error);
      this.#finish.reject(error);
    }
  }

  #sendWindow(channel: number): SendWindow {
    let window = this.#sending.get(channel);
    if (window === undefined) {
      checkChannel(channel);
      window = new SendWindow();
      this.#sending.set(channel, window);
      if (this.#closed) window.close();
    }
    return window;
  }

  #receiveWindow(channel: number): ReceiveWindow {
    let window = this.#receiving.get(channel);
    if (window === undefined) {
      checkChannel(channel);
      window = new ReceiveWindow((bytes) => this.#grant(channel, bytes));
      this.#receiving.set(channel, window);
      if (this.#closed) window.end();
    }
    return window;
  }

  #grant(channel: number, bytes: number): void {
    if (this.#closed) return;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, bytes);
    this.#sender.send(FrameType.credit, this.id, payload, channel);
  }
}
