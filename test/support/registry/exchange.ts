import { once } from "node:events";
import type { Socket } from "node:net";

/** A request as it came, and what was sent back. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds, by performance.now(). */
  readonly at: number;
  /** The status that was sent; 0 when none was. */
  status: number;
  /** Bytes of the body that were sent. */
  sent: number;
}

/** One request and its answer, byte by byte as the rule wants it. */
export class Exchange {
  readonly request: SeenRequest;
  /** Nothing more can be said on this connection. */
  closed = false;

  constructor(
    head: string,
    readonly socket: Socket,
  ) {
    const [first = "", ...lines] = head.split("\r\n");
    const [method = "", path = ""] = first.split(" ");
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.request = { method, path, headers, at: performance.now(), status: 0, sent: 0 };
  }

  get answered(): boolean {
    return this.closed || this.request.status !== 0;
  }

  /** Sends the status line and headers exactly as they are. */
  async head(status: number, headers: Readonly<Record<string, string>>): Promise<void> {
    this.request.status = status;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    await this.#write(Buffer.from(`HTTP/1.1 ${status} Because\r\n${lines.join("")}\r\n`, "latin1"));
  }

  /** Sends a part of the body. */
  async body(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes);
    this.request.sent += bytes.length;
  }

  /** Answers in full, with the right length. */
  async respond(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string = "",
  ): Promise<void> {
    const bytes = Buffer.from(body);
    await this.head(status, { ...headers, "content-length": String(bytes.length) });
    if (this.request.method !== "HEAD") await this.body(bytes);
  }

  /** Ends the connection the ordinary way, once everything was sent. */
  async close(): Promise<void> {
    this.closed = true;
    if (!this.socket.destroyed) await new Promise<void>((resolve) => this.socket.end(resolve));
  }

  /** Says nothing more, and keeps the connection, until the client ends it. */
  async silence(): Promise<void> {
    this.closed = true;
    if (!this.socket.destroyed) await once(this.socket, "close");
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.socket.destroyed) throw new Error("the client went away");
    if (this.socket.write(bytes)) return;
    // Both: a client that goes away never lets it drain.
    const gone = new AbortController();
    const stop = () => gone.abort();
    this.socket.once("close", stop);
    try {
      await once(this.socket, "drain", { signal: gone.signal });
    } finally {
      this.socket.off("close", stop);
    }
  }
}
