import { errnoOf } from "../errors.ts";

/** A duplex byte pipe, as a connection needs it. */
export interface Transport {
  /**
   * Sends bytes, or queues a copy of what the pipe does not take at once.
   * @returns false when the pipe is full: wait for `onDrain` before sending more than a few small frames.
   */
  write(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** Closes both directions; `onClose` is called once. */
  close(): void;
  /** The handlers below are there: delivers what has arrived before. */
  start(): void;
  onData: (bytes: Uint8Array) => void;
  onDrain: () => void;
  onClose: (error: Error | undefined) => void;
}

/** The part of Bun's socket that is used here. */
interface Socket {
  write(data: Uint8Array<ArrayBuffer>): number;
  end(): void;
  terminate(): void;
}

/** Above this many queued bytes `write` asks its caller to wait. */
const HIGH_WATER_BYTES = 256 * 1024;

/** More than this is queued only by small frames to a side that never reads: then the connection is given up. */
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
const MAX_QUEUED_FRAMES = 64 * 1024;

/** Puts a queue in front of a Bun socket, whose `write` takes only what the kernel takes at once. */
export class SocketTransport implements Transport {
  onData: Transport["onData"] = () => {};
  onDrain: Transport["onDrain"] = () => {};
  onClose: Transport["onClose"] = () => {};
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queued = 0;
  #closed = false;
  #early: Uint8Array[] = [];
  #started = false;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Delivers what arrived before the connection was ready to take it. */
  start(): void {
    this.#started = true;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.onData(bytes);
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#closed) return true;
    if (this.#queue.length === 0) {
      const written = this.#socket.write(bytes);
      if (written === bytes.length) return true;
      this.#enqueue(bytes.slice(Math.max(0, written)));
    } else {
      this.#enqueue(bytes.slice());
    }
    return this.#queued < HIGH_WATER_BYTES;
  }

  close(): void {
    if (this.#closed) return;
    if (this.#queue.length === 0) this.#socket.end();
    else this.#socket.terminate();
    this.handleClose(undefined);
  }

  /** To be called by the socket's handlers. */
  handleData(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#started) this.onData(bytes);
    else this.#early.push(new Uint8Array(bytes));
  }

  handleDrain(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const written = Math.max(0, this.#socket.write(first));
      this.#queued -= written;
      if (written < first.length) {
        this.#queue[0] = first.subarray(written);
        return;
      }
      this.#queue.shift();
    }
    if (!this.#closed) this.onDrain();
  }

  handleClose(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.onClose(error);
  }

  #enqueue(bytes: Uint8Array<ArrayBuffer>): void {
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#queued <= MAX_QUEUED_BYTES && this.#queue.length <= MAX_QUEUED_FRAMES) return;
    // In this order: the socket reports its end, without a reason, at once.
    this.handleClose(new Error("the other side does not read"));
    this.#socket.terminate();
  }
}

type Holder = { transport?: SocketTransport };

/** Socket handlers that pass everything on to the transport kept in the socket's `data`. */
function handlers(onOpen: (transport: SocketTransport) => void) {
  return {
    open(socket: Socket & { data: Holder }) {
      const transport = new SocketTransport(socket);
      socket.data = { transport };
      onOpen(transport);
    },
    data: (socket: { data: Holder }, bytes: Uint8Array) => socket.data.transport?.handleData(bytes),
    drain: (socket: { data: Holder }) => socket.data.transport?.handleDrain(),
    close: (socket: { data: Holder }, error?: Error) => socket.data.transport?.handleClose(error),
    error: (socket: { data: Holder }, error: Error) => socket.data.transport?.handleClose(error),
  };
}

/** Connects to a Unix socket, or takes over the descriptor of a connected socket. */
export function connectTransport(target: { unix: string } | { fd: number }): Promise<SocketTransport> {
  return new Promise((resolve, reject) => {
    const options = { ...target, data: {}, socket: handlers(resolve) } as unknown as Parameters<
      typeof Bun.connect<Holder>
    >[0];
    Bun.connect<Holder>(options).catch(reject);
  });
}

/** The socket is gone, nobody listens on it, or who did was killed before it took the connection. */
const NOBODY = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET"]);

/** Whether a failed `connectTransport` means that nobody answers there, rather than that something is wrong. */
export function isNobody(error: unknown): boolean {
  return NOBODY.has(errnoOf(error) ?? "");
}

/** Listens on a Unix socket and hands over each connection. */
export function listenTransport(
  path: string,
  onConnection: (transport: SocketTransport) => void,
): { stop(): void } {
  const listener = Bun.listen<Holder>({ unix: path, data: {}, socket: handlers(onConnection) });
  return { stop: () => listener.stop(false) };
}
