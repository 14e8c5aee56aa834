import { startThread } from "../../self.ts";
import type { AboutStream, FromThread, ToThread } from "./messages.ts";

/** Who wants to know what happens to a stream. */
interface StreamListener {
  /** Bytes of the blob, as far as that is known: how much there is to do. */
  readonly size: number;
  hear(message: AboutStream): void;
  /** The thread is gone: nothing will be heard any more. */
  lost(error: Error): void;
}

/** One thread that decodes blobs, seen from outside. */
export class DecoderWorker {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, StreamListener>();
  /** What could not be sent yet; undefined when the thread listens. */
  #unsent: ToThread[] | undefined = [];
  #failure: Error | undefined;

  constructor() {
    this.#worker = startThread("__decode");
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromThread>) => this.#hear(data));
    this.#worker.addEventListener("error", ({ message }) => this.#fail(message));
    this.#worker.addEventListener("close", () => this.#fail("it ended"));
  }

  /** Whether it failed, or was ended. */
  get isLost(): boolean {
    return this.#failure !== undefined;
  }

  /** Bytes of the blobs that it decodes; 0 when there are none. */
  get load(): number {
    return this.#listeners.values().reduce((sum, { size }) => sum + size, 0);
  }

  listen(stream: number, listener: StreamListener): void {
    this.#listeners.set(stream, listener);
    if (this.#failure !== undefined) listener.lost(this.#failure);
  }

  forget(stream: number): void {
    this.#listeners.delete(stream);
  }

  send(message: ToThread): void {
    if (this.#unsent === undefined) this.#worker.postMessage(message);
    else this.#unsent.push(message);
  }

  /** Ends the thread, whatever it does. */
  end(): void {
    this.#worker.terminate();
    this.#fail("it was ended");
  }

  #hear(message: FromThread): void {
    if (message.kind !== "ready") {
      this.#listeners.get(message.stream)?.hear(message);
      return;
    }
    const unsent = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const each of unsent) this.send(each);
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`a thread that decodes layers failed: ${why}`);
    for (const listener of this.#listeners.values()) listener.lost(this.#failure);
  }
}
