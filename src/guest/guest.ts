import { Connection, type SocketTransport } from "../protocol/index.ts";
import { fieldsCodec, type GuestHello } from "./codec.ts";
import { type GuestExec, GuestProcess } from "./exec.ts";
import { encodeReplay, type FuseRequest, GuestFuse, type ReplayedChange } from "./fuse.ts";
import { type AgentConnection, checked, request, Verb } from "./link.ts";
import { decodeNotes, encodeDrop, encodeRoot, encodeSteps, type Note, type RootRequest } from "./roots.ts";
import {
  encodeConnect,
  encodeTake,
  GuestListener,
  GuestSocket,
  type ListenAddress,
  type SocketAddress,
} from "./sockets.ts";
import type { Step } from "./steps.ts";
import { Watch, type WatchEvent, type WatchRequest } from "./watch.ts";

const nothing = (): void => {};

/**
 * A guest, as its agent serves it. Everything may be asked for at once, before the agent's hello: it is done in order.
 * Whatever the agent says is checked, and what breaks the protocol ends the connection with the reason. Requests fail
 * with StreamFailure, whose codes are in docs/protocol.md, or with the connection's error.
 */
export class Guest {
  /** The agent's hello; rejects when the connection ends before it. */
  readonly hello: Promise<GuestHello>;
  /** Resolves once the connection is over: with the error, or undefined after an orderly end. */
  readonly closed: Promise<Error | undefined>;
  readonly #connection: AgentConnection;

  /** @param transport the guest's channel */
  constructor(transport: SocketTransport) {
    this.#connection = new Connection(transport, { codec: fieldsCodec });
    this.hello = this.#connection.hello;
    this.closed = this.#connection.closed;
  }

  /** Starts a process. @throws StreamFailure `exec.bad_request` for an unknown resource limit */
  exec(exec: GuestExec): GuestProcess {
    return new GuestProcess(this.#connection, exec);
  }

  /** Makes a root. What came up and did not matter is in the notes. */
  root(root: RootRequest): Promise<readonly Note[]> {
    return this.#ask(encodeRoot(root), decodeNotes);
  }

  /** Takes steps in a root that is there, or in the system's. */
  steps(root: string | undefined, steps: readonly Step[]): Promise<readonly Note[]> {
    return this.#ask(encodeSteps(root, steps), decodeNotes);
  }

  /** Ends a root's processes and forgets it. */
  drop(name: string): Promise<void> {
    return this.#ask(encodeDrop(name), nothing);
  }

  connect(socket: SocketAddress): GuestSocket {
    return new GuestSocket(this.#connection, encodeConnect(socket));
  }

  /** Listens in the guest; `onConnection` gets a number for each connection that comes, to be taken. */
  listen(socket: ListenAddress, onConnection: (connection: number) => void): GuestListener {
    return new GuestListener(this.#connection, socket, onConnection);
  }

  /** Takes a connection that came to a listener. */
  take(connection: number): GuestSocket {
    return new GuestSocket(this.#connection, encodeTake(connection));
  }

  /** Mounts a filesystem whose requests come here. */
  fuse(fuse: FuseRequest): GuestFuse {
    return new GuestFuse(this.#connection, fuse);
  }

  /**
   * Repeats in a filesystem what has changed on the host, so that who watches there is told; resolves when it is done.
   *
   * @param place where it is mounted
   */
  replay(place: string, changes: readonly ReplayedChange[]): Promise<void> {
    return this.#ask(encodeReplay(place, changes), nothing);
  }

  watch(watch: WatchRequest, onEvent: (event: WatchEvent) => void): Watch {
    return new Watch(this.#connection, watch, onEvent);
  }

  /** Sets the guest's clock: nanoseconds since the epoch. */
  clock(nanoseconds: bigint): Promise<void> {
    return this.#ask(request(Verb.clock).int(1, nanoseconds).finish(), nothing);
  }

  /** Gives the guest's kernel random bytes, at most 512: from now on it makes its own from these and nothing older. */
  entropy(bytes: Uint8Array): Promise<void> {
    return this.#ask(request(Verb.entropy).bytes(1, bytes).finish(), nothing);
  }

  /**
   * Makes a guest without work and roots let go of devices (`block/vda`, `net/eth0`) and wait. Once this has resolved
   * it may be saved, and nothing more can be asked on this connection: the next words begin another one, and there the
   * guest says hello again and takes the devices back.
   */
  rest(devices: readonly string[]): Promise<void> {
    return this.#ask(request(Verb.rest).texts(1, devices).finish(), nothing);
  }

  /** Ends every root's processes; resolves when the disks are unmounted and clean. */
  shutdown(): Promise<void> {
    return this.#ask(request(Verb.shutdown).finish(), nothing);
  }

  /** Ends the connection, and with it the guest. */
  close(): void {
    this.#connection.close();
  }

  #ask<T>(request: Uint8Array, check: (payload: Uint8Array) => T): Promise<T> {
    return checked(this.#connection, this.#connection.open(request).result, check);
  }
}
