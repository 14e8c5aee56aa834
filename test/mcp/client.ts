import type { Home } from "../support/home.ts";
import { inputOf, Talking } from "../support/process.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a server says is what tests look at
type Json = any;

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A client that sends what it is told, right or wrong, over the standard streams of `smolvm mcp`. */
export class McpClient {
  readonly #server: Talking;
  readonly #waiting = new Map<unknown, (message: Json) => void>();
  /** Answers to no request of this client. */
  readonly others: Json[] = [];
  /** Resolves when the server says no more. */
  readonly closed: Promise<void>;
  #last = 0;

  constructor(home: Home, options: readonly string[] = []) {
    this.#server = new Talking(home.start(["mcp", "start", ...options], { stdin: "pipe" }));
    this.closed = this.#read();
  }

  get pid(): number {
    return this.#server.child.pid;
  }

  get exited(): Promise<number> {
    return this.#server.child.exited;
  }

  send(line: string | Uint8Array): void {
    const input = inputOf(this.#server.child);
    input.write(line);
    input.flush();
  }

  ask(method: string, params: object = {}, modern = false): Promise<Json> {
    const id = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<Json>();
    this.#waiting.set(id, resolve);
    const whole = modern ? { ...params, _meta: META } : params;
    this.send(`${JSON.stringify({ jsonrpc: "2.0", id, method, params: whole })}\n`);
    return promise;
  }

  /** What a tool has to give, which is no failure. */
  async call(name: string, args: object): Promise<Json> {
    const { result, error } = await this.ask("tools/call", { name, arguments: args });
    if (result === undefined || result.isError === true)
      throw new Error(`${name}: ${JSON.stringify(error ?? result)}`);
    return result.structuredContent;
  }

  /** The code of a tool's failure. */
  async refusal(name: string, args: object): Promise<string> {
    const { result, error } = await this.ask("tools/call", { name, arguments: args });
    if (result?.isError !== true) throw new Error(`${name}: ${JSON.stringify(error ?? result)}`);
    return result.structuredContent.error.code;
  }

  /** Its client goes. @returns its exit code */
  async end(): Promise<number> {
    inputOf(this.#server.child).end();
    return await this.exited;
  }

  kill(): void {
    this.#server.child.kill("SIGKILL");
  }

  async #read(): Promise<void> {
    for (;;) {
      const line = await this.#server.line().catch(() => undefined);
      if (line === undefined) return;
      const message = JSON.parse(line);
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (waiting === undefined) this.others.push(message);
      else waiting(message);
    }
  }
}
