import { packError } from "../../sent-error.ts";
import { BlobDecoder } from "./decoder.ts";
import type { AboutStream, FromThread, ToThread } from "./messages.ts";
import { Abandoned, RingOutput } from "./ring.ts";

/** What a thread is to itself; the types know only what is common to all of them. */
declare const self: Worker;

/** The role of a thread that decodes blobs (see threads.ts): it works on messages until it is ended. */
export function runDecoderThread(): void {
  const streams = new Map<number, StreamOnThread>();
  self.onmessage = ({ data }: MessageEvent<ToThread>) => {
    const { stream } = data;
    switch (data.kind) {
      case "begin":
        streams.set(stream, new StreamOnThread(data));
        break;
      case "bytes":
        streams.get(stream)?.write(data.buffer, data.length);
        break;
      case "finish":
        streams.get(stream)?.finish();
        break;
      default:
        streams.get(stream)?.close();
        streams.delete(stream);
    }
  };
  send({ kind: "ready" });
}

const send = (message: FromThread) => self.postMessage(message);

class StreamOnThread {
  readonly #stream: number;
  readonly #decoder: BlobDecoder;
  #failed = false;

  constructor({ stream, expected, ring }: Extract<ToThread, { kind: "begin" }>) {
    this.#stream = stream;
    const output = new RingOutput(ring, (length) => this.#send({ kind: "piece", length }));
    this.#decoder = new BlobDecoder(expected, output);
  }

  write(buffer: SharedArrayBuffer, length: number): void {
    this.#attempt(() => this.#decoder.write(new Uint8Array(buffer, 0, length)));
    this.#send({ kind: "taken", buffer });
  }

  finish(): void {
    this.#attempt(() => this.#send({ kind: "finished", diffId: this.#decoder.finish() }));
  }

  close(): void {
    this.#decoder.close();
  }

  /** After the first failure there is nothing more to do. */
  #attempt(action: () => void): void {
    if (this.#failed) return;
    try {
      action();
    } catch (error) {
      this.#failed = true;
      if (!(error instanceof Abandoned)) this.#send({ kind: "failed", error: packError(error) });
    }
  }

  #send(message: WithoutStream<AboutStream>): void {
    send({ stream: this.#stream, ...message });
  }
}

/** `Omit` for each member of a union. */
type WithoutStream<Message> = Message extends unknown ? Omit<Message, "stream"> : never;
