import { chmodSync, rmSync } from "node:fs";
import { receiveNow } from "../../../ffi/sockets.ts";
import { removeIfAllowed } from "../../host/index.ts";
import { BUSY, giveBack } from "../host/chunks.ts";
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
  readonly #events: LinkEvents;
  #card: Socket | undefined;

  /** Listens. @throws the error of listen(2) */
  constructor(path: string, events: LinkEvents) {
    this.#path = path;
    this.#events = events;
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
            }, BUFFER),
          };
          this.output.connect(socket);
        },
        data: (socket, chunk) => this.#onData(socket, chunk),
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

  /**
   * The runtime has read once, into memory made for it. What has come meanwhile is read into memory that is there: with
   * a busy guest that is nearly everything, and costs two thirds (bench/net.ts).
   */
  #onData(socket: Socket, chunk: Uint8Array): void {
    const { frames } = socket.data;
    let length = chunk.length;
    let isSound = frames.push(chunk);
    giveBack(chunk);
    for (let turn = 0; socket === this.#card; turn++) {
      // What does not keep to the format is no card.
      if (!isSound) {
        socket.terminate();
        return;
      }
      this.#events.onBatch();
      if (length < BUSY || turn === TURN || socket.fd === undefined) return;
      // Acknowledgements are not to wait for all turns: the guest could send nothing meanwhile.
      if (turn > 0) this.output.flush();
      length = receiveNow(socket.fd, frames.room());
      if (length <= 0) return;
      isSound = frames.filled(length);
    }
  }

  close(): void {
    this.#listener.stop(true);
    removeIfAllowed(this.#path);
  }
}

/** The socket's descriptor is missing from the runtime's types. */
type Socket = Bun.Socket<Card> & { readonly fd?: number };

/** Twice what a Unix socket holds as a rule: half of it is free for a read, at least. */
const BUFFER = 1024 * 1024;
/** Reads before the host's sockets have their turn. */
const TURN = 16;

interface Card {
  readonly frames: FrameReader;
}
