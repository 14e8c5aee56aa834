import { errnoOf } from "../../errors.ts";
import type { Endpoint } from "../types.ts";
import { BUSY, receiveChunk } from "./chunks.ts";
import type { HostStream, HostStreamUser } from "./stream.ts";

/** What a socket's handlers know: whose it is. */
interface Held {
  user: HostStreamUser | undefined;
  stream?: TcpStream;
}

/** The socket's descriptor, which the runtime's types do not tell; it is -1 when the socket is closed. */
type Socket = Bun.Socket<Held> & { readonly fd?: number };

/** Reads of one socket before others have their turn. */
const TURN = 8;

/**
 * A TCP socket of the host's. The runtime tells when there is something to read. It copies what it has read into memory
 * of its own for each event, so a busy socket is read here, until nothing is left or the user has enough: that saves a
 * third of what a connection's bytes cost (docs/benchmarks.md).
 */
class TcpStream implements HostStream {
  readonly #socket: Socket;
  #paused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.data.stream = this;
  }

  /** Gives the user what else has come. */
  readOn(): void {
    const { data, fd } = this.#socket;
    if (fd === undefined) return;
    for (let turn = 0; turn < TURN && !this.#paused && data.user !== undefined; turn++) {
      const chunk = receiveChunk(fd);
      if (chunk === undefined) return;
      data.user.onData(chunk);
      // Nothing was left behind it, as a rule; what comes later is an event.
      if (chunk.length < BUSY) return;
    }
  }

  write(bytes: Uint8Array<ArrayBuffer>): number {
    return Math.max(0, this.#socket.write(bytes));
  }

  end(): void {
    this.#socket.shutdown();
  }

  reset(): void {
    this.#socket.data.user = undefined;
    this.#socket.terminate();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.readOn();
    if (!this.#paused) this.#socket.resume();
  }
}

/** The same for all sockets: no function is made for a connection. */
const handlers = {
  data(socket: Socket, bytes: Uint8Array) {
    socket.data.user?.onData(bytes);
    if (bytes.length >= BUSY) socket.data.stream?.readOn();
  },
  end: (socket: Socket) => socket.data.user?.onEnd(),
  drain: (socket: Socket) => socket.data.user?.onDrain(),
  close(socket: Socket, error?: Error) {
    socket.data.user?.onClose(error === undefined ? undefined : (errnoOf(error) ?? "ECONNRESET"));
    socket.data.user = undefined;
  },
  // What is wrong is said by `close`, or by the promise of `connect`.
  error() {},
  connectError() {},
};

/**
 * Connects.
 *
 * @throws an error with the code of connect(2)
 */
export async function connectTcp({ address, port }: Endpoint, user: HostStreamUser): Promise<HostStream> {
  const socket = await Bun.connect<Held>({
    hostname: address,
    port,
    allowHalfOpen: true,
    data: { user },
    socket: handlers,
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
  return new TcpStream(socket);
}

/** A far side that is gone is noticed before a day has passed, and routers on the way keep the connection. */
const KEEPALIVE_MS = 60_000;

/**
 * Listens.
 *
 * @param onConnection gets each connection; returns its user, or undefined to refuse it
 * @throws the error of bind(2) or listen(2)
 */
export function listenTcp(
  address: string,
  port: number,
  onConnection: (stream: HostStream) => HostStreamUser | undefined,
): { readonly port: number; close(): void } {
  const listener = Bun.listen<Held>({
    hostname: address,
    port,
    allowHalfOpen: true,
    exclusive: true,
    socket: {
      ...handlers,
      open(socket) {
        socket.data = { user: undefined };
        socket.setNoDelay(true);
        const user = onConnection(new TcpStream(socket));
        if (user === undefined) socket.terminate();
        else socket.data.user = user;
      },
    },
  });
  return { port: listener.port, close: () => listener.stop(false) };
}
