import { errnoOf } from "../../errors.ts";
import type { Endpoint } from "../types.ts";
import type { HostStream, HostStreamUser } from "./stream.ts";

/** What a socket's handlers know: whose it is. */
interface Held {
  user: HostStreamUser | undefined;
}

type Socket = Bun.Socket<Held>;

/** A TCP socket of the host's. */
class TcpStream implements HostStream {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
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
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

/** The same for all sockets: no function is made for a connection. */
const handlers = {
  data(socket: Socket, bytes: Uint8Array) {
    socket.data.user?.onData(bytes);
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
 * @param onConnection gets each connection, paused: nothing is read before `resume`; returns its user, or undefined to
 *   refuse it
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
        socket.pause();
        socket.setNoDelay(true);
        const stream = new TcpStream(socket);
        const user = onConnection(stream);
        if (user === undefined) socket.terminate();
        else socket.data.user = user;
      },
    },
  });
  return { port: listener.port, close: () => listener.stop(false) };
}
