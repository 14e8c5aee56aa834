/** Machines that end with this program: `owner` of the HTTP API, a WebSocket each for as long as it is owned. */
import type { SmolvmError } from "../../errors.ts";
import type { Address } from "./address.ts";
import { machinePath, withQuery } from "./operations.ts";
import { WebSocketClient } from "./websocket.ts";

interface Owned {
  readonly owner: "delete" | "stop";
  readonly socket: WebSocketClient;
  readonly released: Promise<void>;
}

export class Owners {
  readonly #address: Address;
  readonly #owned = new Map<string, Owned>();

  constructor(address: Address) {
    this.#address = address;
  }

  /** Resolves when the server knows. @throws SmolvmError `machine.not_found`, `sdk.*` */
  async own(name: string, owner: "delete" | "stop"): Promise<void> {
    if (this.#owned.has(name)) return;
    let confirm = () => {};
    let release = () => {};
    let fail: (failure: SmolvmError) => void = () => {};
    const owned = new Promise<void>((resolve, reject) => {
      confirm = resolve;
      fail = reject;
    });
    owned.catch(() => {});
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const onMessage = (message: string | Uint8Array) => {
      if (message === '{"type":"owned"}') confirm();
      if (message === '{"type":"released"}') release();
    };
    const onClose = (failure: SmolvmError) => {
      this.#owned.delete(name);
      fail(failure);
      // A server that is gone ends nothing any more.
      release();
    };
    const path = withQuery(machinePath(name, "/owner"), { owner });
    const socket = await WebSocketClient.open(this.#address, path, { onMessage, onClose }, undefined);
    await owned;
    // To own a machine is no work that a program would have to wait for.
    socket.hold(false);
    this.#owned.set(name, { owner, socket, released });
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
  get list(): readonly (readonly [name: string, owner: "delete" | "stop"])[] {
    return [...this.#owned].map(([name, { owner }]) => [name, owner]);
  }

  /** Their machines end now. */
  close(): void {
    for (const { socket } of this.#owned.values()) socket.close();
    this.#owned.clear();
  }
}
