/** A program owns a machine for as long as its WebSocket (RFC 6455) is open: then the machine ends. */
import type { Asked } from "../http/route.ts";
import { CLOSE, type Socket, type Talk } from "./talk.ts";

/** What is owned. */
export interface Owned {
  /** Ends the machine; called when the client has gone without a word. */
  readonly finish: () => Promise<void>;
  /** Told to the client before anything else. */
  readonly words: object;
}

/** Makes the machine of a client's first message. @param gone aborted when the client has gone */
export type Make = (message: string, gone: AbortSignal) => Promise<Owned>;

export interface OwnerTalkOptions {
  /** Called once, when the conversation is over. */
  readonly ended: () => void;
  /** What the client is told of an error. */
  readonly explain: Asked["explain"];
}

export class OwnerTalk implements Talk {
  readonly #options: OwnerTalkOptions;
  readonly #gone = new AbortController();
  /** Undefined: it has been told what to make. */
  #make: Make | undefined;
  /** Undefined: it is not there yet. */
  #owned: Owned | undefined;
  #isReleased = false;
  /** Undefined: nobody has been let in, so nothing is owned. */
  #socket: Socket | undefined;

  /** @param machine that is there, or how it is made */
  constructor(machine: Owned | Make, options: OwnerTalkOptions) {
    this.#options = options;
    if (typeof machine === "function") this.#make = machine;
    else this.#owned = machine;
  }

  open(socket: Socket): void {
    this.#socket = socket;
    if (this.#owned !== undefined) socket.send(JSON.stringify(this.#owned.words));
  }

  message(socket: Socket, message: string | Uint8Array): void {
    const make = this.#make;
    if (make !== undefined && typeof message === "string") {
      this.#make = undefined;
      void this.#begin(socket, make(message, this.#gone.signal));
    } else if (this.#owned !== undefined && message === '{"type":"release"}') {
      this.#isReleased = true;
      socket.send(JSON.stringify({ type: "released" }));
      socket.close(CLOSE.normal);
    } else socket.close(CLOSE.wrong, "no message of this conversation");
  }

  async #begin(socket: Socket, making: Promise<Owned>): Promise<void> {
    try {
      this.#owned = await making;
    } catch (error) {
      if (this.#isOver) return;
      socket.send(JSON.stringify({ type: "error", ...this.#options.explain(error) }));
      socket.close(CLOSE.failed);
      return;
    }
    if (!this.#isOver) socket.send(JSON.stringify(this.#owned.words));
    // The client has gone while it was made.
    else if (!this.#isReleased) await this.#owned.finish();
  }

  drain(): void {}

  /** The server ends, and leaves machines as they are. */
  leave(): void {
    this.#isReleased = true;
    this.#socket?.close(CLOSE.ending, "the server ends");
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#gone.abort();
    this.#options.ended();
    if (!this.#isReleased && this.#socket !== undefined) void this.#owned?.finish();
  }

  get #isOver(): boolean {
    return this.#gone.signal.aborted;
  }
}
