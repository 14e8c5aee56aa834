/** MCP over two streams of bytes: a message a line (basic/transports/stdio). */

import { endsWithin } from "../../within.ts";
import { MAX_MESSAGE_BYTES, MAX_REQUESTS } from "../protocol/limits.ts";
import {
  checkMessage,
  ErrorCode,
  failureMessage,
  type Json,
  type Message,
  ProtocolFailure,
  type RequestId,
  resultMessage,
} from "../protocol/messages.ts";
import { answer, type Request, type ToolBox } from "../protocol/server.ts";
import { ReadAhead } from "./read-ahead.ts";

export interface Streams {
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more; rejects when nobody reads any more. */
  readonly write: (line: Uint8Array) => Promise<void>;
  /** Told of what is a fault of this program, and no client's. */
  readonly onFault: (error: unknown) => void;
}

/** Bytes of answers that a client has not read: until it has, nothing more is read of it. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** Bytes that are read of it all the same, so that its end is seen behind them. */
const MAX_AHEAD_BYTES = 256 * 1024;

/** Milliseconds for a client that has ended its stream, or whose server ends, to read what was said. */
const LAST_WORDS_MS = 2000;

/** Serves one client until its stream ends or the signal says so; what it still waits for is cancelled then. */
export async function serveStreams(tools: ToolBox, streams: Streams, signal: AbortSignal): Promise<void> {
  const conversation = new Conversation(tools, streams);
  const told = Promise.withResolvers<void>();
  const onAbort = () => told.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) told.resolve();
  try {
    await Promise.race([conversation.read(), conversation.unwritable, told.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await conversation.end();
  }
}

class Conversation {
  /** Resolves when the client does not read any more. */
  readonly unwritable: Promise<void>;
  readonly #tools: ToolBox;
  readonly #streams: Streams;
  readonly #running = new Map<RequestId, AbortController>();
  /** Requests that are worked on, the writing of their answers excluded. */
  readonly #work = new Set<Promise<void>>();
  readonly #broken = Promise.withResolvers<void>();
  #writing = Promise.resolve();
  #unreadBytes = 0;

  constructor(tools: ToolBox, streams: Streams) {
    this.#tools = tools;
    this.#streams = streams;
    this.unwritable = this.#broken.promise;
  }

  async read(): Promise<void> {
    const input = new ReadAhead(this.#streams.input, MAX_AHEAD_BYTES);
    for await (const line of linesOf(input)) {
      this.#take(line);
      while (this.#unreadBytes > MAX_UNREAD_BYTES) {
        await Promise.race([this.#writing, input.ended]);
        // It says no more, and reads no more: it has gone, though its pipe is still open.
        if (input.isOver && !(await endsWithin(this.#writing, LAST_WORDS_MS))) return;
      }
    }
  }

  /** Cancels what is being worked on, and waits until it has stopped; no longer for a client that does not read. */
  async end(): Promise<void> {
    for (const controller of this.#running.values()) controller.abort(new Error("the client has gone"));
    await Promise.all(this.#work);
    await endsWithin(this.#writing, LAST_WORDS_MS);
  }

  #take(line: Line): void {
    let message: Message;
    try {
      message = messageOf(line);
    } catch (error) {
      if (!(error instanceof ProtocolFailure)) throw error;
      this.#send(failureMessage(error));
      return;
    }
    if (message.kind === "notification" && message.method === "notifications/cancelled")
      this.#running.get(message.params.requestId as RequestId)?.abort(new Error("cancelled by the client"));
    if (message.kind !== "request") return;
    const refusal = this.#refusalOf(message);
    if (refusal !== undefined) {
      this.#send(failureMessage(refusal));
      return;
    }
    const work = this.#answer(message).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  #refusalOf({ id }: Request): ProtocolFailure | undefined {
    if (this.#running.has(id))
      return new ProtocolFailure(ErrorCode.invalidRequest, "another request has this id", { id });
    if (this.#running.size < MAX_REQUESTS) return undefined;
    return new ProtocolFailure(ErrorCode.internal, `more than ${MAX_REQUESTS} requests at once`, { id });
  }

  async #answer(request: Request): Promise<void> {
    const controller = new AbortController();
    this.#running.set(request.id, controller);
    let reply: Json;
    try {
      reply = resultMessage(request.id, await answer(this.#tools, request, controller.signal));
    } catch (error) {
      if (controller.signal.aborted) return;
      reply = failureMessage(this.#failureOf(error, request.id));
    } finally {
      this.#running.delete(request.id);
    }
    // A request that was cancelled has no answer (basic/patterns/cancellation).
    if (!controller.signal.aborted) this.#send(reply);
  }

  #failureOf(error: unknown, id: RequestId): ProtocolFailure {
    if (error instanceof ProtocolFailure) return error;
    this.#streams.onFault(error);
    return new ProtocolFailure(ErrorCode.internal, "a fault of the server's own", { id });
  }

  /** One line after the other. */
  #send(message: Json): void {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    this.#unreadBytes += line.length;
    this.#writing = this.#writing
      .then(() => this.#streams.write(line))
      .catch(() => this.#broken.resolve())
      .finally(() => {
        this.#unreadBytes -= line.length;
      });
  }
}

/** `undefined`: there was one that is longer than a message may be. */
type Line = Uint8Array | undefined;

function messageOf(line: Line): Message {
  if (line === undefined)
    throw new ProtocolFailure(
      ErrorCode.invalidRequest,
      `a message has at most ${MAX_MESSAGE_BYTES} bytes: give a large file in parts, or by the tool copy`,
    );
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    throw new ProtocolFailure(ErrorCode.parse, "not JSON in UTF-8");
  }
  return checkMessage(value);
}

const NEWLINE = 0x0a;

/** Lines without their ends; those that are empty are left out. What is too long is read to its end, and kept nowhere. */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line, void, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array) => {
    length += part.length;
    if (length > MAX_MESSAGE_BYTES) parts = [];
    // What is passed in may be used again.
    else parts.push(part.slice());
  };
  for await (let chunk of input) {
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE)) {
      add(chunk.subarray(0, end));
      chunk = chunk.subarray(end + 1);
      const line = length > MAX_MESSAGE_BYTES ? undefined : Buffer.concat(parts);
      [parts, length] = [[], 0];
      if (line === undefined || !isBlank(line)) yield line;
    }
    add(chunk);
  }
}

const isBlank = (line: Uint8Array) => line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
