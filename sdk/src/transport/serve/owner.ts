/** Machines that end with this program: `owner` of the HTTP API, a WebSocket each for as long as it is owned. */

import { deferred } from "../../../../src/deferred.ts";
import type { SmolvmError } from "../../errors.ts";
import type { Address } from "./address.ts";
import { failureOf } from "./failure.ts";
import { machinePath, withQuery } from "./operations.ts";
import { WebSocketClient } from "./websocket.ts";

type Ending = "delete" | "stop";

interface Owned {
  readonly owner: Ending;
  readonly socket: WebSocketClient;
  readonly released: Promise<void>;
}

interface Begun {
  readonly socket: WebSocketClient;
  /** What the server has said first. */
  readonly said: Readonly<Record<string, unknown>>;
  readonly released: Promise<void>;
  readonly closed: Promise<void>;
}

export class Owners {
  readonly #address: Address;
  readonly #owned = new Map<string, Owned>();

  constructor(address: Address) {
    this.#address = address;
  }

  /** Resolves when the server knows. @throws SmolvmError `machine.not_found`, `sdk.*` */
  async own(name: string, owner: Ending): Promise<void> {
    if (this.#owned.has(name)) return;
    const path = withQuery(machinePath(name, "/owner"), { owner });
    const begun = await this.#open(path, undefined, undefined);
    this.#keep(name, owner, begun);
  }

  /**
   * Makes a machine that is owned from its first moment: a program that is killed meanwhile leaves none.
   *
   * @returns the machine
   * @throws SmolvmError as for `createMachine`; the signal's reason
   */
  async make(machine: object, owner: Ending, signal: AbortSignal | undefined): Promise<unknown> {
    const begun = await this.#open("/api/v1/owned", { machine, owner }, signal);
    const made = begun.said.machine as { readonly name: string };
    this.#keep(made.name, owner, begun);
    return made;
  }

  /** Begins a conversation. Resolves with the first that the server says. */
  async #open(path: string, first: object | undefined, signal: AbortSignal | undefined): Promise<Begun> {
    const said = deferred<Readonly<Record<string, unknown>>>();
    const released = deferred<void>();
    const closed = deferred<void>();
    said.promise.catch(() => {});
    const onMessage = (text: string | Uint8Array) => {
      const message = JSON.parse(text.toString()) as Readonly<Record<string, unknown>>;
      if (message.type === "released") released.resolve();
      else if (message.type === "error") said.reject(failureOf(message));
      else said.resolve(message);
    };
    const onClose = (failure: SmolvmError) => {
      said.reject(failure);
      // A server that is gone ends nothing any more.
      released.resolve();
      closed.resolve();
    };
    const socket = await WebSocketClient.open(this.#address, path, { onMessage, onClose }, signal);
    const stop = () => socket.close();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      if (first !== undefined) socket.send(JSON.stringify(first));
      return { socket, said: await said.promise, released: released.promise, closed: closed.promise };
    } catch (error) {
      socket.close();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  #keep(name: string, owner: Ending, { socket, released, closed }: Begun): void {
    // To own a machine is no work that a program would have to wait for.
    socket.hold(false);
    const owned = { owner, socket, released };
    this.#owned.set(name, owned);
    void closed.then(() => {
      if (this.#owned.get(name) === owned) this.#owned.delete(name);
    });
  }

  async release(name: string): Promise<void> {
    const owned = this.#owned.get(name);
    if (owned === undefined) return;
    this.#owned.delete(name);
    owned.socket.hold(true);
    owned.socket.send('{"type":"release"}');
    await owned.released;
    owned.socket.close();
  }

  /** The machines that are owned, and what becomes of them. */
  get list(): readonly (readonly [name: string, owner: Ending])[] {
    return [...this.#owned].map(([name, { owner }]) => [name, owner]);
  }

  /** Their machines end now. */
  close(): void {
    for (const { socket } of this.#owned.values()) socket.close();
    this.#owned.clear();
  }
}
