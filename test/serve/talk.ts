/** A WebSocket of the API's, whose messages a test takes one after the other. */
export class Conversation {
  readonly #socket: WebSocket;
  readonly #waiting: (string | Buffer)[] = [];
  #wake = () => {};
  /** The code that it was closed with. */
  readonly closed: Promise<number>;

  constructor(url: string) {
    this.#socket = new WebSocket(url.replace("http", "ws"));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => {
      this.#waiting.push(typeof data === "string" ? data : Buffer.from(data as ArrayBuffer));
      this.#wake();
    };
    this.closed = new Promise((resolve) => {
      this.#socket.onclose = ({ code }) => {
        resolve(code);
        this.#wake();
      };
    });
  }

  /** The next message: text as the document that it is. Undefined: there are no more. */
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect
  async next(): Promise<any> {
    while (this.#waiting.length === 0) {
      if (this.#socket.readyState === WebSocket.CLOSED) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const message = this.#waiting.shift();
    return typeof message === "string" ? JSON.parse(message) : message;
  }

  /** When it is open: text is a document. */
  async say(message: object): Promise<void> {
    if (this.#socket.readyState === WebSocket.CONNECTING)
      await new Promise((resolve) => {
        this.#socket.onopen = resolve;
      });
    this.#socket.send(
      message instanceof Uint8Array ? (message as Buffer<ArrayBuffer>) : JSON.stringify(message),
    );
  }

  close(): void {
    this.#socket.close();
  }
}
