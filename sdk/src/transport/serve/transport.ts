/** Machines of a server (`smolvm serve`), over its HTTP API. */
import { stat } from "node:fs/promises";
import { posix } from "node:path";
import { errorOf, SmolvmError } from "../../errors.ts";
import { statusOf } from "../../signals.ts";
import type {
  ApiCall,
  CopySettings,
  CreateRequest,
  LogLine,
  LogRequest,
  Owner,
  ProcessRequest,
  RemoteProcess,
  StartRequest,
  Transport,
  Work,
} from "../types.ts";
import type { Address } from "./address.ts";
import { eventsOf } from "./events.ts";
import { connectionFailure, unsupported } from "./failure.ts";
import { ask, askJson, type Wanted } from "./http.ts";
import { machinePath, requestOf, withQuery } from "./operations.ts";
import { Owners } from "./owner.ts";
import { ServedProcess } from "./process.ts";
import { packed, tooLarge, unpack } from "./trees.ts";

/** Between two reports of a copy, in milliseconds. */
const REPORT_MS = 100;

/** What a server says of a line of a log; `time` in seconds since the epoch. */
interface ServedLine {
  readonly time: number;
  readonly stream?: string;
  readonly message: string;
}

export class ServeTransport implements Transport {
  readonly #address: Address;
  readonly #owners: Owners;
  #isClosed = false;

  /** Asks nothing yet. */
  constructor(address: Address) {
    this.#address = address;
    this.#owners = new Owners(address);
  }

  async api(call: ApiCall, { signal }: Work = {}): Promise<unknown> {
    const answer = await this.#json({ ...requestOf(call), signal });
    // Its name may be another machine's from now on.
    if (call.operation === "deleteMachine" && call.name !== undefined) await this.#owners.release(call.name);
    return answer;
  }

  async create(
    request: CreateRequest,
    work: Work = {},
  ): Promise<{ readonly machine: unknown; readonly created: boolean }> {
    const { machine, smolfile, secrets = [], sshAgent = false, owner } = request;
    if (smolfile !== undefined) throw unsupported("Smolfiles");
    if (secrets.length > 0) throw unsupported("secrets");
    if (sshAgent) throw unsupported("the SSH agent");
    const { ifNotExists = false, ...rest } = machine;
    try {
      return { machine: await this.#make(rest, owner, work), created: true };
    } catch (error) {
      // Who asks for a machine that may be there has to know whether it was.
      if (!ifNotExists || !(error instanceof SmolvmError) || error.code !== "machine.exists") throw error;
      return { machine: await this.api({ operation: "createMachine", body: machine }, work), created: false };
    }
  }

  async #make(body: object, owner: Owner, work: Work): Promise<unknown> {
    if (owner === undefined) return await this.api({ operation: "createMachine", body }, work);
    this.#checkOpen();
    return await this.#owners.make(body, owner, work.signal);
  }

  /** The limit is for a boot, so it is not for a start that has to fetch the image first, of which servers do not tell. */
  async start(name: string, { owner, timeoutMs }: StartRequest, work: Work = {}): Promise<unknown> {
    await this.#own(name, owner);
    const known = (await this.api({ operation: "getMachine", name }, work)) as Record<string, unknown>;
    const isThere = known.image === undefined || known.imageId !== undefined;
    const limit = new AbortController();
    const tookTooLong = () =>
      limit.abort(
        errorOf({ code: "sdk.timeout", message: `machine '${name}' was not ready within ${timeoutMs} ms` }),
      );
    const timer = isThere && timeoutMs !== undefined ? setTimeout(tookTooLong, timeoutMs) : undefined;
    const signal = work.signal ? AbortSignal.any([work.signal, limit.signal]) : limit.signal;
    work.onProgress?.({ type: "boot" });
    try {
      return await this.api({ operation: "startMachine", name }, { signal });
    } finally {
      clearTimeout(timer);
    }
  }

  async release(name: string): Promise<void> {
    await this.#owners.release(name);
  }

  async exec(name: string, request: ProcessRequest, { signal }: Work = {}): Promise<RemoteProcess> {
    this.#checkOpen();
    if (request.secrets !== undefined && request.secrets.length > 0) throw unsupported("secrets");
    return await ServedProcess.open(this.#address, name, request, signal);
  }

  launch(): Promise<never> {
    return Promise.reject(unsupported("processes that outlive their clients"));
  }

  attach(): Promise<never> {
    return this.launch();
  }

  async *watch(
    name: string,
    method: "supervise" | "stats",
    _params: unknown,
    { signal }: Work = {},
  ): AsyncGenerator<Readonly<Record<string, unknown>>, void, void> {
    this.#checkOpen();
    if (method === "stats") throw unsupported("figures as they change");
    const path = machinePath(name, "/events");
    for await (const { event, data } of eventsOf(this.#address, { method: "GET", path, signal }))
      yield { type: event, ...JSON.parse(data) };
  }

  async writeFile(
    name: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    { mode }: { readonly mode?: number | undefined },
    work: Work = {},
  ): Promise<number> {
    const to = withQuery(guestPath(name, "/files", path), { mode });
    const sent = { method: "PUT", path: to, content: reported(content, work), signal: work.signal };
    return ((await this.#json(sent)) as { size: number }).size;
  }

  async *readFile(name: string, path: string, work: Work = {}): AsyncGenerator<Uint8Array, void, void> {
    yield* this.#bytes(guestPath(name, "/files", path), work);
  }

  async copyIn(
    name: string,
    hostPath: string,
    path: string,
    settings: CopySettings,
    work: Work = {},
  ): Promise<number> {
    const found = await stat(hostPath).catch((cause) => {
      throw errorOf({ code: "copy.host_file", message: cause.message, cause });
    });
    const { mode, parents, maxBytes = Number.POSITIVE_INFINITY } = settings;
    if (found.isFile()) {
      if (found.size > maxBytes) throw tooLarge(maxBytes);
      const { createReadStream } = await import("node:fs");
      const to = (await this.#isDirectory(name, path, work))
        ? posix.join(path, posix.basename(hostPath))
        : path;
      const options = { mode: mode ?? found.mode & 0o7777, parents };
      return await this.writeFile(name, to, createReadStream(hostPath), options, work);
    }
    // A directory that is there gets it under its own name; else it gets this name.
    const isInside = await this.#isDirectory(name, path, work);
    if (!isInside) await this.#run(name, ["mkdir", ...(parents ? ["-p"] : []), "--", path], work);
    const content = limited(packed(hostPath, isInside, work.signal), maxBytes);
    const to = guestPath(name, "/archive", path);
    const sent = { method: "PUT", path: to, content: reported(content, work), signal: work.signal };
    return ((await this.#json(sent)) as { size: number }).size;
  }

  async copyOut(
    name: string,
    path: string,
    hostPath: string,
    { maxBytes = Number.POSITIVE_INFINITY }: CopySettings,
    work: Work = {},
  ): Promise<number> {
    const archive = this.#bytes(guestPath(name, "/archive", path), work);
    return await unpack(reported(limited(archive, maxBytes), work), hostPath, maxBytes, work.signal);
  }

  async *logs(name: string, options: LogRequest, { signal }: Work = {}): AsyncGenerator<LogLine, void, void> {
    this.#checkOpen();
    const path = withQuery(machinePath(name, "/logs"), { ...options, format: "json" });
    for await (const { data } of eventsOf(this.#address, { method: "GET", path, signal })) {
      // Lines of the console name no stream.
      const { time, stream = "console", message } = JSON.parse(data) as ServedLine;
      yield { time: time * 1000, stream, text: message };
    }
  }

  async pull(
    image: string,
    platform: string | undefined,
    { signal, onProgress }: Work = {},
  ): Promise<unknown> {
    this.#checkOpen();
    const path = "/api/v1/images/pull/stream";
    const json = { image, ociPlatform: platform };
    let receivedBytes = 0;
    for await (const { event, data } of eventsOf(this.#address, { method: "POST", path, json, signal })) {
      const told = JSON.parse(data) as Record<string, unknown>;
      if (event === "image") return told;
      if (typeof told.received_bytes === "number") receivedBytes = told.received_bytes;
      const totalBytes = typeof told.total_bytes === "number" ? told.total_bytes : undefined;
      onProgress?.({ type: "pull", image, receivedBytes, totalBytes });
    }
    signal?.throwIfAborted();
    throw connectionFailure(new Error("it ended the download"), this.#address.text);
  }

  /** Whether the server answers: what its host can do, it tells with the first machine. */
  async checkHost(work: Work = {}): Promise<unknown> {
    await this.api({ operation: "health" }, work);
    return { ok: true, engine: "server" };
  }

  program(): Promise<unknown> {
    return Promise.reject(unsupported("what the command line does beside the API"));
  }

  /** The directory is on the server's host, and nobody else's business. */
  async locate(name: string, work: Work = {}): Promise<{ dataDir: string; createdAt: number }> {
    const { createdAt = 0 } = (await this.api({ operation: "getMachine", name }, work)) as {
      createdAt?: number;
    };
    return { dataDir: "", createdAt: createdAt * 1000 };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    await Promise.all(
      this.#owners.list.map(async ([name, owner]) => {
        const operation = owner === "delete" ? "deleteMachine" : "stopMachine";
        // Somebody else may have ended it, and a server that is gone ends nothing.
        await this.api({ operation, name }).catch(() => {});
      }),
    );
    this.#isClosed = true;
    this.#owners.close();
  }

  async #own(name: string, owner: Owner): Promise<void> {
    if (owner === undefined) return;
    try {
      await this.#owners.own(name, owner);
    } catch (error) {
      // Nobody would end it.
      await this.api({ operation: "deleteMachine", name }).catch(() => {});
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw errorOf({ code: "sdk.closed", message: "this client has been closed" });
  }

  async #json(wanted: Wanted): Promise<unknown> {
    this.#checkOpen();
    return await askJson(this.#address, wanted);
  }

  async *#bytes(path: string, { signal }: Work): AsyncGenerator<Uint8Array, void, void> {
    this.#checkOpen();
    const answer = await ask(this.#address, { method: "GET", path, signal });
    try {
      for await (const chunk of answer as AsyncIterable<Uint8Array>) yield chunk;
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionFailure(error, this.#address.text);
    } finally {
      answer.destroy();
    }
  }

  async #isDirectory(name: string, path: string, work: Work): Promise<boolean> {
    return (await this.#exitCode(name, ["test", "-d", path], work)) === 0;
  }

  async #run(name: string, argv: readonly string[], work: Work): Promise<void> {
    if ((await this.#exitCode(name, argv, work)) !== 0)
      throw errorOf({ code: "copy.not_found", message: `${argv.at(-1)} cannot be made in the machine` });
  }

  async #exitCode(name: string, argv: readonly string[], { signal }: Work): Promise<number> {
    const process = await this.exec(name, { argv, user: "0", stdin: false }, { signal });
    const drain = async (output: AsyncIterable<Uint8Array>) => {
      for await (const _ of output);
    };
    const [end] = await Promise.all([process.ended, drain(process.stdout), drain(process.stderr)]);
    return statusOf(end).exitCode;
  }
}

/** @throws SmolvmError `sdk.bad_request` */
function guestPath(name: string, kind: "/files" | "/archive", path: string): string {
  if (!path.startsWith("/")) throw errorOf({ code: "sdk.bad_request", message: `${path} is not absolute` });
  const parts = posix.normalize(path).split("/").map(encodeURIComponent);
  return `${machinePath(name, kind)}${parts.join("/")}`;
}

/** A tree may be so much and no more: archives have a little beside the files. */
async function* limited(
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  const most = 2 * maxBytes + 1024 * 1024;
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > most) throw tooLarge(maxBytes);
    yield chunk;
  }
}

async function* reported(
  content: AsyncIterable<Uint8Array>,
  { onProgress }: Work,
): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  let told = Date.now();
  for await (const chunk of content) {
    yield chunk;
    bytes += chunk.length;
    if (onProgress === undefined || Date.now() - told < REPORT_MS) continue;
    told = Date.now();
    onProgress({ type: "transfer", bytes });
  }
}
