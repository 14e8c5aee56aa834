/**
 * A WebSocket (RFC 6455) of Node's modules alone: Node 20 has none of its own, and none of any runtime's takes a Unix socket
 * and a header for the token everywhere.
 */
import { connect, type Socket } from "node:net";
import { errorOf, type SmolvmError } from "../../errors.ts";
import type { Address } from "./address.ts";
import { connectionFailure, failureOf } from "./failure.ts";

/** What a server's key becomes (RFC 6455, 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Of a server's first words, and of a refusal. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Servers send pieces of 64 KiB; longer messages are none of ours. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** RFC 6455, 5.2. */
const OPCODE = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Handlers {
  readonly onMessage: (message: string | Uint8Array) => void;
  /** Once, when it is over, however. */
  readonly onClose: (failure: SmolvmError) => void;
}

export class WebSocketClient {
  readonly #socket: Socket;
  readonly #handlers: Handlers;
  readonly #place: string;
  #received: Buffer;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  #isText = false;
  #isOver = false;

  private constructor(socket: Socket, received: Buffer, handlers: Handlers, place: string) {
    this.#socket = socket;
    this.#received = received;
    this.#handlers = handlers;
    this.#place = place;
    socket.on("data", (bytes: Buffer) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#read();
    });
    socket.on("error", (cause) => this.#close(lost(place, cause)));
    socket.on("close", () => this.#close(lost(place)));
    socket.resume();
  }

  /** @throws SmolvmError what the server says, `sdk.unreachable`; the signal's reason */
  static async open(
    address: Address,
    path: string,
    handlers: Handlers,
    signal: AbortSignal | undefined,
  ): Promise<WebSocketClient> {
    // What takes long to load is for those who have a server.
    const { createHash } = await import("node:crypto");
    const secure = address.tls === undefined ? undefined : await import("node:tls");
    signal?.throwIfAborted();
    const socket = secure === undefined ? connect(placeOf(address)) : secure.connect(tlsOf(address));
    const stop = () => socket.destroy();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const key = Buffer.from(random(16)).toString("base64");
      const lines = Object.entries({
        ...address.headers,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
      }).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
      const { status, head, rest } = await headOf(socket);
      if (status !== 101) throw failureOf(await bodyOf(socket, head, rest), status);
      const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
      if (/^sec-websocket-accept: *(\S+)/im.exec(head)?.[1] !== accept) throw new Error("it is no WebSocket");
      const client = new WebSocketClient(socket, rest, handlers, address.text);
      // The caller has to have it before the first message.
      queueMicrotask(() => client.#read());
      return client;
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      throw connectionFailure(error, address.text);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  send(message: string | Uint8Array): void {
    if (typeof message === "string") this.#write(OPCODE.text, Buffer.from(message));
    else this.#write(OPCODE.binary, message);
  }

  /** Keeps the program from ending as long as it is open, or not. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#socket.ref();
    else this.#socket.unref();
  }

  /** At once; what the server has not taken may be lost. */
  close(): void {
    this.#socket.destroy();
    this.#close(lost(this.#place));
  }

  #close(failure: SmolvmError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.onClose(failure);
  }

  /** What clients send is masked (RFC 6455, 5.3). */
  #write(opcode: number, payload: Uint8Array): void {
    if (this.#isOver) return;
    const size = payload.length;
    const head = Buffer.alloc(size < 126 ? 6 : size < 65_536 ? 8 : 14);
    head[0] = 0x80 | opcode;
    if (size < 126) head[1] = 0x80 | size;
    else if (size < 65_536) {
      head[1] = 0x80 | 126;
      head.writeUInt16BE(size, 2);
    } else {
      head[1] = 0x80 | 127;
      head.writeBigUInt64BE(BigInt(size), 2);
    }
    const mask = random(4);
    head.set(mask, head.length - 4);
    const masked = Buffer.from(payload);
    for (let at = 0; at < size; at++) masked[at] = (masked[at] as number) ^ (mask[at & 3] as number);
    this.#socket.write(Buffer.concat([head, masked]));
  }

  #read(): void {
    while (!this.#isOver) {
      const frame = frameOf(this.#received);
      if (frame === "wrong") {
        this.#socket.destroy();
        this.#close(connectionFailure(new Error("it breaks the rules of WebSockets"), this.#place));
        return;
      }
      if (frame === undefined) return;
      this.#received = this.#received.subarray(frame.end);
      this.#take(frame);
    }
  }

  #take({ opcode, isLast, payload }: Frame): void {
    if (opcode === OPCODE.ping) this.#write(OPCODE.pong, payload);
    if (opcode === OPCODE.close) {
      this.#write(OPCODE.close, payload);
      this.#socket.end();
      return;
    }
    if (opcode > OPCODE.binary) return;
    if (opcode !== OPCODE.more) this.#isText = opcode === OPCODE.text;
    this.#parts.push(payload);
    this.#partsBytes += payload.length;
    if (this.#partsBytes > MAX_MESSAGE_BYTES) this.close();
    if (!isLast || this.#isOver) return;
    const message = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partsBytes = 0;
    try {
      this.#handlers.onMessage(this.#isText ? message.toString() : message);
    } catch (cause) {
      // What the other side has sent is none of our messages; the caller has to know, and the program must not end of it.
      this.#socket.destroy();
      this.#close(connectionFailure(cause, this.#place));
    }
  }
}

interface Frame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly payload: Uint8Array;
  readonly end: number;
}

/** @returns undefined: it has not come whole yet */
function frameOf(bytes: Buffer): Frame | "wrong" | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  // Extensions were not asked for, and servers do not mask.
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0) return "wrong";
  let size = second & 0x7f;
  let begin = 2;
  if (size === 126) {
    if (bytes.length < 4) return undefined;
    size = bytes.readUInt16BE(2);
    begin = 4;
  } else if (size === 127) {
    if (bytes.length < 10) return undefined;
    const long = bytes.readBigUInt64BE(2);
    if (long > BigInt(MAX_MESSAGE_BYTES)) return "wrong";
    size = Number(long);
    begin = 10;
  }
  const end = begin + size;
  if (bytes.length < end) return undefined;
  return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, payload: bytes.subarray(begin, end), end };
}

const lost = (place: string, cause?: unknown): SmolvmError =>
  errorOf({ code: "sdk.lost", message: `the connection to the server at ${place} has ended`, cause });

const placeOf = ({ target }: Address) => ("socketPath" in target ? { path: target.socketPath } : target);

function tlsOf(address: Address) {
  const place = placeOf(address);
  const { tls } = address;
  return { ...place, ...(typeof tls === "object" && tls), ...("host" in place && named(place.host)) };
}

/** Bytes that nobody can guess. */
const random = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count));

/** Server names are no addresses (RFC 6066, 3). */
const named = (host: string): { servername?: string } =>
  /^[\d.]+$|:/.test(host) ? {} : { servername: host };

interface Head {
  readonly status: number;
  readonly head: string;
  readonly rest: Buffer;
}

/** Reads until the empty line; what has come behind it is left to whoever reads next. */
async function headOf(socket: Socket): Promise<Head> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    bytes = Buffer.concat([bytes, await next(socket)]);
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0 && bytes.length <= MAX_HEAD_BYTES) continue;
    const head = bytes.subarray(0, Math.max(end, 0)).toString("latin1");
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (Number.isNaN(status)) throw new Error("it does not speak HTTP");
    return { status, head, rest: bytes.subarray(end + 4) };
  }
}

/** The Problem that a refusal has. */
async function bodyOf(socket: Socket, head: string, begin: Buffer): Promise<unknown> {
  const size = Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
  if (!(size <= MAX_HEAD_BYTES)) return undefined;
  let bytes = begin;
  while (bytes.length < size) bytes = Buffer.concat([bytes, await next(socket)]);
  try {
    return JSON.parse(bytes.subarray(0, size).toString());
  } catch {
    return undefined;
  }
}

function next(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const over = (settle: () => void) => {
      socket.off("data", onData);
      socket.off("error", onError);
      socket.off("close", onClose);
      // A pause keeps what comes now for whoever reads next.
      socket.pause();
      settle();
    };
    const onData = (bytes: Buffer) => over(() => resolve(bytes));
    const onError = (error: Error) => over(() => reject(error));
    const onClose = () => over(() => reject(new Error("it has closed the connection")));
    socket.on("data", onData);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.resume();
  });
}
