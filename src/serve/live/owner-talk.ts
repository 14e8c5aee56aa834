/** A program owns a machine for as long as its WebSocket (RFC 6455) is open: then the machine ends. */
import { CLOSE, type Socket, type Talk } from "./talk.ts";

export class OwnerTalk implements Talk {
  readonly #finish: () => Promise<void>;
  readonly #ended: () => void;
  #isReleased = false;
  #isOver = false;
  #socket: Socket | undefined;

  /**
   * @param finish ends the machine; called when the client has gone without a word
   * @param ended called once, when nothing of it is left
   */
  constructor(finish: () => Promise<void>, ended: () => void) {
    this.#finish = finish;
    this.#ended = ended;
  }

  open(socket: Socket): void {
    this.#socket = socket;
    socket.send(JSON.stringify({ type: "owned" }));
  }

  /** The one thing that there is to say. */
  message(socket: Socket, message: string | Uint8Array): void {
    if (message !== '{"type":"release"}') {
      socket.close(CLOSE.wrong, "no message of this conversation");
      return;
    }
    this.#isReleased = true;
    socket.send(JSON.stringify({ type: "released" }));
    socket.close(CLOSE.normal);
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
    this.#isOver = true;
    this.#ended();
    if (!this.#isReleased) void this.#finish();
  }
}
