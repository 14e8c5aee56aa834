import { Ajv2020 } from "ajv/dist/2020.js";
import type { Home } from "../support/home.ts";
import { limitOf, Talking } from "../support/process.ts";

/** A server, and a client that believes nothing: every answer is held against the server's own document. */

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: Record<string, { readonly schema?: object }> }>
  >;
}

type Document = {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: object };
};

export interface Wanted {
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export class Api {
  readonly url: string;
  /** Operations that have been asked for something. */
  readonly called = new Set<string>();
  readonly #server: Talking;
  readonly #ajv = new Ajv2020({ strict: false });
  #document: Document | undefined;

  private constructor(server: Talking, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(home: Home, options: readonly string[] = []): Promise<Api> {
    const server = new Talking(home.start(["serve", "start", "-l", "127.0.0.1:0", ...options]));
    const line = await server.line();
    const url = /listening on (http\S+)/.exec(line ?? "")?.[1];
    if (url === undefined) throw new Error(`the server said ${JSON.stringify(line)}`);
    return new Api(server, url);
  }

  get pid(): number {
    return this.#server.child.pid;
  }

  async document(): Promise<Document> {
    this.#document ??= (await (await fetch(`${this.url}/api-docs/openapi.json`)).json()) as Document;
    return this.#document;
  }

  /** Asks, and checks status, type and shape of the answer. */
  async call(method: string, path: string, wanted: Wanted = {}): Promise<Response> {
    const { json, headers, body, signal } = wanted;
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: signal ?? AbortSignal.timeout(limitOf({}) * 1000),
    });
    await this.#check(
      method.toLowerCase(),
      new URL(`${this.url}${path}`).pathname,
      answer.clone() as Response,
    );
    return answer;
  }

  /** The same, for an answer that has to be a success. */
  // biome-ignore lint/suspicious/noExplicitAny: its shape has been checked
  async ask(method: string, path: string, wanted: Wanted = {}): Promise<any> {
    const answer = await this.call(method, path, wanted);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /** The same, for a failure: its status and body. */
  async refusal(
    method: string,
    path: string,
    wanted: Wanted = {},
  ): Promise<{ status: number; code: string; error: string }> {
    const answer = await this.call(method, path, wanted);
    if (answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
    return { status: answer.status, ...((await answer.json()) as { code: string; error: string }) };
  }

  async #check(method: string, pathname: string, answer: Response): Promise<void> {
    if (!/^[0-9a-f]{16}$/.test(answer.headers.get("x-trace-id") ?? ""))
      throw new Error(`${pathname}: no trace id`);
    const { paths, components } = await this.document();
    const found = Object.entries(paths).filter(([path]) => patternOf(path).test(pathname));
    const operation = found.map(([, methods]) => methods[method]).find((one) => one !== undefined);
    const problem = { $ref: "#/components/schemas/Problem", components };
    if (operation === undefined) {
      this.#validate(problem, await answer.json(), pathname);
      return;
    }
    this.called.add(operation.operationId);
    const described = operation.responses[String(answer.status)] ?? operation.responses.default;
    const [type, content] = Object.entries(described?.content ?? {})[0] ?? [];
    if (type === undefined) return;
    const given = answer.headers.get("content-type") ?? "";
    if (!given.startsWith(type)) throw new Error(`${pathname}: ${given}, not ${type}`);
    if (content?.schema !== undefined)
      this.#validate(
        { ...content.schema, components },
        await answer.json(),
        `${method} ${pathname} ${answer.status}`,
      );
  }

  #validate(schema: object, value: unknown, where: string): void {
    if (this.#ajv.validate(schema, value)) return;
    throw new Error(`${where}: ${this.#ajv.errorsText()}: ${JSON.stringify(value)}`);
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#server.child.kill(signal);
  }

  async stop(): Promise<void> {
    this.kill();
    await this.#server.child.exited;
  }
}

const patternOf = (path: string) =>
  new RegExp(
    `^${path.replaceAll(".", "\\.").replace(/\{(\w+)\}/g, (_, name) => (name === "path" ? ".+" : "[^/]+"))}$`,
  );

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads server-sent events as they come. */
export async function* eventsOf(answer: Response): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n");
      const of = (key: string) =>
        lines.filter((line) => line.startsWith(`${key}: `)).map((line) => line.slice(key.length + 2));
      if (lines.some((line) => !line.startsWith(":")))
        yield { event: of("event")[0] ?? "", data: of("data").join("\n") };
    }
  }
}
