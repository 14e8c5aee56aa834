import { execFile } from "node:child_process";
import { Backlog } from "../../../../src/backlog.ts";
import { Channel } from "../../../../src/protocol/messages.ts";
import type { Stream } from "../../../../src/protocol/stream.ts";
import { errorOf, SmolvmError } from "../../errors.ts";
import type { Progress } from "../../types/index.ts";
import type {
  ApiCall,
  AttachedRemote,
  CopySettings,
  CreateRequest,
  LogLine,
  LogRequest,
  Offsets,
  ProcessRequest,
  RemoteProcess,
  StartRequest,
  Transport,
  Work,
} from "../types.ts";
import { Child } from "./child.ts";
import { readContent, writeContent } from "./files.ts";
import type { Link } from "./link.ts";
import { MachineLinks } from "./machines.ts";
import { AttachedStream, StreamProcess } from "./process.ts";
import { findProgram } from "./program.ts";

/** Events of a machine's process that wait for a slow reader. */
const MAX_WAITING = 1000;

/** What a program that is asked for JSON may print, in bytes. */
const MAX_PRINTED = 64 * 1024 * 1024;

interface Place {
  readonly socket: string;
  readonly dataDir: string;
  readonly createdAt: number;
  readonly direct: boolean;
}

/**
 * Machines of this host. Commands, contents of files and events are asked of the machines' own processes; their life, logs
 * and folders, which need what only the program can do with the host's files, are the child's.
 */
export class LocalTransport implements Transport {
  readonly #bin: string | undefined;
  readonly #machines = new MachineLinks((name) => this.#locate(name));
  #child: Child | undefined;
  #closed = false;

  /** Starts nothing yet. @param bin the program; default: `findProgram` */
  constructor(bin?: string) {
    this.#bin = bin;
  }

  async api(call: ApiCall, work: Work = {}): Promise<unknown> {
    return await this.#answer("api", call, work);
  }

  async create(
    request: CreateRequest,
    work: Work = {},
  ): Promise<{ readonly machine: unknown; readonly created: boolean }> {
    return (await this.#answer("create", request, work)) as { machine: unknown; created: boolean };
  }

  async start(name: string, request: StartRequest, work: Work = {}): Promise<unknown> {
    return await this.#answer("start", { name, ...request }, work);
  }

  async release(name: string, work: Work = {}): Promise<void> {
    await this.#ask("release", { name }, work);
  }

  async exec(name: string, request: ProcessRequest, { signal }: Work = {}): Promise<RemoteProcess> {
    const { link, stream } = await this.#openExec(name, request, signal);
    return await StreamProcess.open(link, stream, signal);
  }

  async launch(name: string, request: ProcessRequest, { signal }: Work = {}): Promise<string> {
    const { link, stream } = await this.#openExec(name, { ...request, detach: true }, signal);
    return ((await link.resultOf(stream, signal)) as { readonly id: string }).id;
  }

  async attach(name: string, id: string, since: Offsets, { signal }: Work = {}): Promise<AttachedRemote> {
    signal?.throwIfAborted();
    const { link } = await this.#machines.to(name);
    return await AttachedStream.attach(link, { process: id, stdin: true, since }, signal);
  }

  /** Straight to the machine's process, unless the child has to look up secrets for it. */
  async #openExec(
    name: string,
    request: ProcessRequest & { readonly detach?: boolean },
    signal: AbortSignal | undefined,
  ): Promise<{ link: Link; stream: Stream }> {
    signal?.throwIfAborted();
    const reached = request.secrets === undefined ? await this.#machines.to(name) : undefined;
    if (reached?.runsCommands)
      return { link: reached.link, stream: reached.link.open({ method: "exec", params: request }) };
    const { link } = this.#live();
    return { link, stream: link.open({ method: "exec", params: { name, ...request } }) };
  }

  async *watch(
    name: string,
    method: "supervise" | "stats",
    params: unknown,
    { signal }: Work = {},
  ): AsyncGenerator<Readonly<Record<string, unknown>>, void, void> {
    signal?.throwIfAborted();
    const { link } = await this.#machines.to(name);
    const stream = link.open({ method, params });
    // A reader that is too slow is told how it is, not how it was.
    const backlog = new Backlog<Readonly<Record<string, unknown>>>(MAX_WAITING);
    stream.onEvent = (event) => backlog.push(event as Readonly<Record<string, unknown>>);
    const over = link.resultOf(stream, signal).finally(() => backlog.end());
    over.catch(() => {});
    try {
      await link.acceptedOf(stream, signal);
      yield { type: "watching" };
      yield* backlog.read();
      await over;
    } catch (error) {
      // The end of the machine is the end of what there is to see.
      const isOver = error instanceof SmolvmError && error.code === "machine.lost";
      if (!isOver && !signal?.aborted) throw error;
    } finally {
      stream.cancel();
    }
  }

  async writeFile(
    name: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: { readonly mode?: number | undefined; readonly parents?: boolean | undefined },
    work: Work = {},
  ): Promise<number> {
    const { signal } = work;
    signal?.throwIfAborted();
    const { link } = await this.#machines.to(name);
    return await writeContent({ link, path, signal }, content, options);
  }

  async *readFile(name: string, path: string, { signal }: Work = {}): AsyncGenerator<Uint8Array, void, void> {
    signal?.throwIfAborted();
    const { link } = await this.#machines.to(name);
    yield* readContent({ link, path, signal });
  }

  async copyIn(
    name: string,
    hostPath: string,
    path: string,
    settings: CopySettings,
    work: Work = {},
  ): Promise<number> {
    return (await this.#ask<{ bytes: number }>("copyIn", { name, hostPath, path, ...settings }, work)).bytes;
  }

  async copyOut(
    name: string,
    path: string,
    hostPath: string,
    settings: CopySettings,
    work: Work = {},
  ): Promise<number> {
    return (await this.#ask<{ bytes: number }>("copyOut", { name, path, hostPath, ...settings }, work)).bytes;
  }

  async *logs(name: string, options: LogRequest, work: Work = {}): AsyncGenerator<LogLine, void, void> {
    const { source: log, follow, tail } = options;
    const { link, stream } = this.#open("logs", { name, log, follow, tail }, work);
    const result = link.resultOf(stream, work.signal);
    result.catch(() => {});
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const chunk of stream.read(Channel.stdout)) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) yield withoutEnd(JSON.parse(line) as LogLine);
      }
      await result;
    } finally {
      stream.cancel();
    }
  }

  async pull(image: string, platform: string | undefined, work: Work = {}): Promise<unknown> {
    return await this.#ask("pull", { image, platform }, work);
  }

  async checkHost(work: Work = {}): Promise<unknown> {
    return await this.#ask("checkHost", {}, work);
  }

  async program(words: readonly string[], { signal }: Work = {}): Promise<unknown> {
    const program = findProgram(this.#bin);
    const printed = await new Promise<string>((resolve, reject) => {
      const options = { maxBuffer: MAX_PRINTED, signal };
      execFile(program, [...words, "--json"], options, (error, stdout, stderr) => {
        if (signal?.aborted) reject(signal.reason);
        else if (error !== null) reject(failureIn(stderr, error));
        else resolve(stdout);
      });
    });
    return JSON.parse(printed);
  }

  async locate(name: string, work: Work = {}): Promise<{ dataDir: string; createdAt: number }> {
    return await this.#locate(name, work);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#machines.close();
    await this.#child?.close();
  }

  async #locate(name: string, work: Work = {}): Promise<Place> {
    return await this.#ask<Place>("locate", { name }, work);
  }

  /** The child: started when it is first needed, and anew when it has been lost, with the machines that it owned. */
  #live(): Child {
    if (this.#closed) throw errorOf({ code: "sdk.closed", message: "this client has been closed" });
    if (this.#child === undefined || this.#child.link.isClosed)
      this.#child = new Child(findProgram(this.#bin));
    return this.#child;
  }

  #open(method: string, params: unknown, { signal, onProgress }: Work) {
    signal?.throwIfAborted();
    const { link } = this.#live();
    const stream = link.open({ method, params });
    if (onProgress !== undefined) stream.onEvent = (event) => onProgress(event as Progress);
    return { link, stream };
  }

  async #ask<T>(method: string, params: unknown, work: Work = {}): Promise<T> {
    const { link, stream } = this.#open(method, params, work);
    return (await link.resultOf(stream, work.signal)) as T;
  }

  /** For answers of any length, which are on channel 1. */
  async #answer(method: string, params: unknown, work: Work): Promise<unknown> {
    const { link, stream } = this.#open(method, params, work);
    const [text] = await Promise.all([textOf(stream), link.resultOf(stream, work.signal)]);
    return JSON.parse(text);
  }
}

/** What was printed without its line's end is told apart in the log, and by nobody who reads lines. */
const withoutEnd = ({ text, ...line }: LogLine): LogLine => ({ ...line, text: text.replace(/\r?\n$/, "") });

async function textOf(stream: Stream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream.read(Channel.stdout)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** What the command line says with `--json` when it fails. */
function failureIn(stderr: string, cause: Error) {
  for (const line of stderr.trim().split("\n").reverse()) {
    try {
      const { error } = JSON.parse(line) as { error?: { code: string; message: string; hint?: string } };
      if (error !== undefined) return errorOf({ ...error, cause });
    } catch {
      // A line for people.
    }
  }
  return errorOf({ code: "internal", message: stderr.trim() || cause.message, cause });
}
