/** Connections over real Unix sockets, and a peer that says whatever bytes a test wants, for the protocol's tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Connection } from "./connection.ts";
import { encodeFrame, type Frame, FrameDecoder, FrameType } from "./frame.ts";
import { encodeJson, jsonCodec } from "./json.ts";
import { PROTOCOL_VERSION } from "./messages.ts";
import type { Stream } from "./stream.ts";
import { connectTransport, listenTransport, type SocketTransport } from "./transport.ts";

/** Two ends of a Unix socket. */
export async function transportPair(): Promise<[SocketTransport, SocketTransport]> {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-protocol-`);
  const accepted = Promise.withResolvers<SocketTransport>();
  const listener = listenTransport(`${directory}/socket`, accepted.resolve);
  const opener = await connectTransport({ unix: `${directory}/socket` });
  const server = await accepted.promise;
  listener.stop();
  rmSync(directory, { recursive: true });
  return [opener, server];
}

/** A connection that opens streams and one that serves them with `onStream`. */
export async function connectionPair(
  onStream: (stream: Stream) => void,
): Promise<{ opener: Connection; server: Connection }> {
  const [first, second] = await transportPair();
  const opener = new Connection(first, { codec: jsonCodec("opener") });
  const server = new Connection(second, { codec: jsonCodec("server"), onStream });
  await Promise.all([opener.hello, server.hello]);
  return { opener, server };
}

/** A peer without manners: it sends raw bytes and collects the frames that it gets. */
export class RawPeer {
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  readonly #transport: SocketTransport;

  constructor(transport: SocketTransport) {
    this.#transport = transport;
    const decoder = new FrameDecoder();
    transport.onData = (bytes) =>
      decoder.push(bytes, (frame) => this.frames.push({ ...frame, payload: frame.payload.slice() }));
    this.closed = new Promise((resolve) => {
      transport.onClose = () => resolve();
    });
    transport.start();
  }

  send(bytes: Uint8Array): void {
    this.#transport.write(new Uint8Array(bytes));
  }

  frame(type: FrameType, stream: number, payload: Uint8Array = new Uint8Array(0), channel = 0): void {
    this.send(encodeFrame(type, stream, payload, channel));
  }

  json(type: FrameType, stream: number, value: unknown): void {
    this.frame(type, stream, encodeJson(value));
  }

  greet(): void {
    this.json(FrameType.hello, 0, { protocol: PROTOCOL_VERSION, version: "raw" });
  }

  close(): void {
    this.#transport.close();
  }
}

/** An opener, as the host is, whose guest is the raw peer. */
export async function openerWithRawPeer(): Promise<{ opener: Connection; peer: RawPeer }> {
  const [first, second] = await transportPair();
  return { opener: new Connection(first, { codec: jsonCodec("opener") }), peer: new RawPeer(second) };
}

/** A server, as the agent is, whose host is the raw peer. */
export async function serverWithRawPeer(
  onStream: (stream: Stream) => void,
): Promise<{ server: Connection; peer: RawPeer }> {
  const [first, second] = await transportPair();
  return {
    server: new Connection(second, { codec: jsonCodec("server"), onStream }),
    peer: new RawPeer(first),
  };
}
