/** Sockets in the guest: streams to them, and those that come (docs/protocol.md, "Streams of bytes"). */
import { FieldReader, type FieldWriter } from "./fields.ts";
import { type AgentConnection, type AgentStream, checked, request, Verb } from "./link.ts";

/** A socket in a root (absent: the system's): a Unix socket, or a TCP port of an IP address (absent: 127.0.0.1). */
export type SocketAddress = { readonly root?: string } & (
  | { readonly path: string }
  | { readonly port: number; readonly address?: string }
);

/** A Unix socket to listen on has a mode and an owner. */
export type ListenAddress = SocketAddress & {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** A socket that is left at the path gives way. */
  readonly replace?: boolean | undefined;
};

function withAddress(fields: FieldWriter, socket: SocketAddress): FieldWriter {
  fields.text(1, socket.root);
  if ("path" in socket) return fields.text(2, socket.path);
  return fields.int(3, socket.port).text(4, socket.address);
}

export const encodeConnect = (socket: SocketAddress): Uint8Array =>
  withAddress(request(Verb.connect), socket).finish();

export const encodeListen = (socket: ListenAddress): Uint8Array =>
  withAddress(request(Verb.listen), socket)
    .int(5, socket.mode)
    .int(6, socket.uid)
    .int(7, socket.gid)
    .int(8, socket.replace ? 1 : undefined)
    .finish();

export const encodeTake = (connection: number): Uint8Array => request(Verb.take).int(1, connection).finish();

const nothing = (): void => {};

/** The one channel of a socket. */
const BYTES = 0;

/** A connected socket in the guest. */
export class GuestSocket {
  /** Resolves when it is connected; rejects with StreamFailure `connect.failed`, or the connection's error. */
  readonly connected: Promise<void>;
  /** Resolves when both directions have ended. */
  readonly ended: Promise<void>;
  readonly #stream: AgentStream;

  constructor(connection: AgentConnection, request: Uint8Array) {
    this.#stream = connection.open(request);
    this.connected = checked(connection, this.#stream.accepted, nothing);
    this.ended = checked(connection, this.#stream.result, nothing);
  }

  /** Resolves when the guest has room for more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(BYTES, bytes);
  }

  /** Nothing more follows: the other side reads the end. */
  end(): void {
    this.#stream.end(BYTES);
  }

  read(): AsyncGenerator<Uint8Array, void, void> {
    return this.#stream.read(BYTES);
  }

  /** Gives the connection up; `ended` settles when it is closed. */
  cancel(): void {
    this.#stream.cancel();
  }
}

/** Highest number of a connection: enough for 4 billion of them. */
const MAX_CONNECTION = 0xffff_ffff;

/** A socket that listens in the guest until it is cancelled. */
export class GuestListener {
  /** Resolves when it listens; rejects with StreamFailure `listen.failed`, or the connection's error. */
  readonly listening: Promise<void>;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
  readonly #stream: AgentStream;

  /** @param onConnection gets the number of each connection that came, to be taken */
  constructor(
    connection: AgentConnection,
    socket: ListenAddress,
    onConnection: (connection: number) => void,
  ) {
    this.#stream = connection.open(encodeListen(socket));
    this.#stream.onEvent = (payload) =>
      onConnection(new FieldReader(payload, "event of listen").int(1, MAX_CONNECTION));
    this.listening = checked(connection, this.#stream.accepted, nothing);
    this.ended = checked(connection, this.#stream.result, nothing);
  }

  cancel(): void {
    this.#stream.cancel();
  }
}
