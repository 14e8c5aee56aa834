import { SmolError } from "../../../errors.ts";
import type { GuestExec } from "../../../guest/index.ts";
import { quote } from "../../../values/index.ts";
import type { Workplace } from "../relay.ts";
import { type HostedOptions, HostedProcess } from "./hosted-process.ts";
import { type ProcessInfo, processInfo } from "./info.ts";
import { startProcess } from "./start.ts";

/** Processes at once: each may keep 1 MiB of output, and has one of the 1024 streams of the agent. */
const MOST_RUNNING = 256;

/** Of those that have ended: how many, how much of their output, and how long, in milliseconds. */
const MOST_ENDED = 64;
const MOST_ENDED_BYTES = 16 * 1024 * 1024;
const KEEP_ENDED_MS = 3_600_000;

export type TableOptions = Omit<HostedOptions, "tee">;

export interface StartOptions {
  /** A further way to find it; the latest process of a name is meant by it. */
  readonly name?: string | undefined;
  readonly tee?: HostedOptions["tee"];
  /** Ends it before it runs. */
  readonly signal?: AbortSignal | undefined;
}

/** The processes of a machine that outlive their clients, and for a while those that have ended. */
export class ProcessTable {
  readonly #options: TableOptions;
  readonly #processes = new Map<string, HostedProcess>();
  #starting = 0;

  constructor(options: TableOptions = {}) {
    this.#options = options;
  }

  /**
   * Starts a process; resolves when it runs.
   *
   * @throws SmolError `process.too_many`; StreamFailure why it cannot be started; the connection's error
   */
  async start(workplace: Workplace, exec: GuestExec, options: StartOptions = {}): Promise<HostedProcess> {
    if (this.running().length + this.#starting >= MOST_RUNNING) {
      const message = `${MOST_RUNNING} processes run detached in this machine, more are not possible`;
      throw new SmolError("process.too_many", message, { hint: "`smolvm machine ps` lists them" });
    }
    this.#starting += 1;
    try {
      const { process, pid } = await startProcess(workplace, exec, options.signal);
      const about = {
        id: this.#newId(),
        name: options.name,
        argv: exec.argv,
        user: exec.user ?? "",
        tty: exec.tty !== undefined,
        stdin: exec.stdin,
        startedAt: this.#now(),
        pid,
      };
      const hosted = new HostedProcess(process, about, { ...this.#options, tee: options.tee });
      this.#processes.set(about.id, hosted);
      void hosted.ended.then(() => this.#forget());
      return hosted;
    } finally {
      this.#starting -= 1;
    }
  }

  /** Those that run, in the order of their starts. */
  running(): HostedProcess[] {
    return [...this.#processes.values()].filter(({ end }) => end === undefined);
  }

  /** What is known of all, the latest first. */
  list(): ProcessInfo[] {
    this.#forget();
    return [...this.#processes.values()].map(processInfo).reverse();
  }

  /**
   * The process of a name, an id, or the start of one.
   *
   * @throws SmolError `process.not_found`, `process.ambiguous`
   */
  find(text: string): HostedProcess {
    this.#forget();
    const all = [...this.#processes.values()].reverse();
    const exact = this.#processes.get(text) ?? all.find(({ about }) => about.name === text);
    if (exact !== undefined) return exact;
    const [first, second] = all.filter(({ about }) => text !== "" && about.id.startsWith(text));
    if (first === undefined)
      throw new SmolError("process.not_found", `there is no process ${quote(text)} in this machine`, {
        hint: "`smolvm machine ps` lists them",
      });
    if (second !== undefined)
      throw new SmolError("process.ambiguous", `several processes have an id that starts with ${text}`);
    return first;
  }

  /**
   * Sends a signal to a process's group.
   *
   * @throws SmolError `process.not_found`, `process.ambiguous`, `process.ended`
   */
  kill(text: string, signal: number): HostedProcess {
    const process = this.find(text);
    if (process.end !== undefined)
      throw new SmolError("process.ended", `process ${process.about.id} has ended`);
    process.signal(signal);
    return process;
  }

  /** The kernel has killed something of the machine for lack of memory. */
  outOfMemory(): void {
    for (const process of this.running()) process.outOfMemory();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #newId(): string {
    for (;;) {
      const id = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
      if (!this.#processes.has(id)) return id;
    }
  }

  /** Whoever ended first goes first; not while somebody is attached to it, or may come back. */
  #forget(): void {
    const ended = [...this.#processes.values()]
      .filter(({ end, isInUse }) => end !== undefined && !isInUse)
      .sort((one, other) => (one.end?.at ?? 0) - (other.end?.at ?? 0));
    let count = ended.length;
    let bytes = ended.reduce((sum, { output }) => sum + output.size, 0);
    const expired = this.#now() - KEEP_ENDED_MS;
    for (const { about, end, output } of ended) {
      if (count <= MOST_ENDED && bytes <= MOST_ENDED_BYTES && (end?.at ?? 0) > expired) return;
      this.#processes.delete(about.id);
      count -= 1;
      bytes -= output.size;
    }
  }
}
