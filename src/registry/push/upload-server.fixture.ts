import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { digestOf } from "../registry.fixture.ts";

/** For tests: a registry that takes uploads, and fails in the ways it is told. */

export interface UploadRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** Bytes of the body that arrived. */
  bytes: number;
}

export interface Fault {
  readonly when: (request: UploadRequest) => boolean;
  /** After so many times it is over; default 1. */
  times?: number;
  /** The connection breaks after so many bytes of the body, which are kept. */
  readonly breakAfter?: number;
  /** Answers this instead; bytes are not kept. */
  readonly answer?: (response: ServerResponse) => void;
}

/** "Pushing blobs" and "Pushing manifests" of the OCI distribution specification, for any repository. */
export class UploadServer {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly type: string }>();
  readonly requests: UploadRequest[] = [];
  readonly faults: Fault[] = [];
  /** Whether `GET` of an upload tells how much of it is there. */
  tellsStatus = true;
  readonly #uploads = new Map<string, Buffer>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #count = 0;

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    return `127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Forgets uploads that were begun. */
  forget(): void {
    this.#uploads.clear();
  }

  /** Methods, paths without ids, and bytes, without the question whether this is http. */
  get story(): string[] {
    return this.requests
      .filter(({ path }) => path !== "/v2/")
      .map(({ method, path, bytes }) => {
        const short = path.replace(/^\/v2\/a\/b\//, "").replace(/\?.*$/, "");
        return `${method} ${short.replace(/sha256:[0-9a-f]+/, "DIGEST")}${bytes > 0 ? ` ${bytes}` : ""}`;
      });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    // It is not the message's any more once that was read.
    const { socket } = message;
    const request: UploadRequest = {
      method: message.method ?? "",
      path: message.url ?? "",
      headers: message.headers,
      bytes: 0,
    };
    this.requests.push(request);
    const fault = this.faults.find((one) => (one.times ?? 1) > 0 && one.when(request));
    if (fault !== undefined) fault.times = (fault.times ?? 1) - 1;
    const body = await this.#read(message, request, fault?.breakAfter);
    if (fault?.answer !== undefined) {
      fault.answer(response);
      return;
    }
    const url = new URL(request.path, "http://registry");
    const upload = /\/blobs\/uploads\/(\d+)$/.exec(url.pathname)?.[1];
    if (fault?.breakAfter !== undefined) {
      if (upload !== undefined) this.#append(upload, body);
      socket.destroy();
      return;
    }
    const [status, headers = {}] = this.#answer(request, url, upload, body);
    response.writeHead(status, headers);
    response.end();
  }

  async #read(
    message: IncomingMessage,
    request: UploadRequest,
    most = Number.POSITIVE_INFINITY,
  ): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of message as AsyncIterable<Buffer>) {
      parts.push(part.subarray(0, most - request.bytes));
      request.bytes += parts.at(-1)?.length ?? 0;
      if (request.bytes >= most) break;
    }
    return Buffer.concat(parts);
  }

  #append(upload: string, body: Buffer): Buffer {
    const whole = Buffer.concat([this.#uploads.get(upload) ?? Buffer.alloc(0), body]);
    this.#uploads.set(upload, whole);
    return whole;
  }

  /** @returns status and headers */
  #answer(
    { method, headers }: UploadRequest,
    url: URL,
    upload: string | undefined,
    body: Buffer,
  ): readonly [number, Record<string, string>?] {
    const name = url.pathname.split("/").at(-1) ?? "";
    if (url.pathname === "/v2/") return [200];
    if (url.pathname.includes("/manifests/")) {
      this.manifests.set(name, { bytes: body, type: headers["content-type"] ?? "" });
      return [201, { "docker-content-digest": digestOf(body) }];
    }
    if (method === "HEAD") {
      const blob = this.blobs.get(name);
      return blob === undefined ? [404] : [200, { "content-length": String(blob.length) }];
    }
    const goesOn = (id: string) => {
      const there = this.#uploads.get(id)?.length ?? 0;
      return { location: `/v2/a/b/blobs/uploads/${id}`, range: `0-${Math.max(0, there - 1)}` };
    };
    if (method === "POST") {
      const id = String(++this.#count);
      this.#uploads.set(id, Buffer.alloc(0));
      return [202, goesOn(id)];
    }
    const there = upload === undefined ? undefined : this.#uploads.get(upload);
    if (upload === undefined || there === undefined) return [404];
    if (method === "GET") return this.tellsStatus ? [204, goesOn(upload)] : [405];
    const first = /^(\d+)-\d+$/.exec(String(headers["content-range"] ?? ""))?.[1];
    if (first !== undefined && Number(first) !== there.length) return [416];
    const whole = this.#append(upload, body);
    if (method === "PATCH") return [202, goesOn(upload)];
    const digest = url.searchParams.get("digest") ?? "";
    if (digestOf(whole) !== digest) return [400];
    this.blobs.set(digest, whole);
    this.#uploads.delete(upload);
    return [201, { location: `/v2/a/b/blobs/${digest}` }];
  }
}
