import { chmodSync, rmSync } from "node:fs";
import { FrameReader } from "./frames.ts";
import { Output } from "./output.ts";

export interface LinkEvents {
  /** A frame of the guest's; the bytes are valid until the call returns. */
  onFrame(bytes: Uint8Array, start: number, end: number): void;
  /** All frames that came together have been handed over. */
  onBatch(): void;
  /** The card is gone, and whatever was behind it. */
  onGone(): void;
  /** `onFrame` has thrown. The frame is lost, and the next one is where it should be. */
  onTrouble(error: unknown): void;
}

/** The wire to the guest's card: a Unix stream socket to which the VMM connects. One at a time: the next replaces it. */
export class Link {
  readonly output = new Output();
  readonly #path: string;
  readonly #listener: { stop(closeActive?: boolean): void };
  #card: Bun.Socket<Card> | undefined;

  /** Listens. @throws the error of listen(2) */
  constructor(path: string, events: LinkEvents) {
    this.#path = path;
    rmSync(path, { force: true });
    this.#listener = Bun.listen<Card>({
      unix: path,
      socket: {
        open: (socket) => {
          this.#card?.terminate();
          if (this.#card !== undefined) events.onGone();
          this.#card = socket;
          socket.data = {
            frames: new FrameReader((bytes, start, end) => {
              try {
                events.onFrame(bytes, start, end);
              } catch (error) {
                events.onTrouble(error);
              }
            }),
          };
          this.output.connect(socket);
        },
        data: (socket, chunk) => {
          // What does not keep to the format is no card.
          if (socket !== this.#card) return;
          if (socket.data.frames.push(chunk)) events.onBatch();
          else socket.terminate();
        },
        drain: (socket) => {
          if (socket === this.#card) this.output.flush();
        },
        close: (socket) => {
          if (socket !== this.#card) return;
          this.#card = undefined;
          this.output.connect(undefined);
          events.onGone();
        },
        error: () => {},
      },
    });
    chmodSync(path, 0o600);
  }

  close(): void {
    this.#listener.stop(true);
    rmSync(this.#path, { force: true });
  }
}

interface Card {
  readonly frames: FrameReader;
}
