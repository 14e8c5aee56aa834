import { resolve } from "node:path";
import { defaultTransport } from "./default-transport.ts";
import { MachineEnv } from "./env.ts";
import { closedError, errorOf, SmolvmError } from "./errors.ts";
import { execute, scriptOf, spawn } from "./exec.ts";
import { MachineFs } from "./fs.ts";
import type { Handle } from "./handle.ts";
import { machineInfo } from "./info.ts";
import { connect, create, getOrCreate, inspect, type ListFilter, list, remove } from "./lifecycle.ts";
import { within } from "./limit.ts";
import { inCallersWords } from "./options.ts";
import { listensIn, mappingOf, type PortReach, urlOf, waitForPort } from "./ports.ts";
import type { MachineProcess } from "./process.ts";
import { updateBody } from "./request.ts";
import type { ExecResult } from "./result.ts";
import type { Owner, Transport } from "./transport/types.ts";
import type {
  CallOptions,
  ConnectOptions,
  CopyOptions,
  CreateOptions,
  DisposePolicy,
  ExecHooks,
  ExecOptions,
  LogEntry,
  MachineInfo,
  MachineStatus,
  MachineUpdate,
  MonitorEvent,
  OnProgress,
  PortMapping,
  SpawnOptions,
} from "./types.ts";
import { eventsOf, type LogOptions, logsOf, whenEnded } from "./watch.ts";

/** How long a program in a machine usually may take to listen, in milliseconds. */
const PORT_LIMIT_MS = 60_000;

/**
 * A microVM. The handle tells what it knew at its last own call (`info`, `status`); `refresh()` asks anew.
 *
 * @example
 * await using machine = await Machine.create({ image: "python:3.12-alpine" });
 * const { output } = await machine.exec(["python3", "-c", "print(6 * 7)"]);
 */
export class Machine implements AsyncDisposable {
  readonly name: string;
  /** Files of the machine. */
  readonly fs: MachineFs;
  /** Variables of its programs. */
  readonly env: MachineEnv;
  /** Whether this program has made it. */
  readonly owned: boolean;
  readonly #transport: Transport;
  readonly #hooks: ExecHooks;
  readonly #startTimeoutMs: number;
  #owner: Owner;
  #onDispose: DisposePolicy;
  #info: MachineInfo;
  #closed = false;

  /** @internal */
  constructor({ transport, info, owned, owner, onDispose, hooks, startTimeoutMs }: Handle) {
    this.name = info.name;
    this.owned = owned;
    this.#transport = transport;
    this.#info = info;
    this.#owner = owner;
    this.#onDispose = onDispose;
    this.#hooks = hooks;
    this.#startTimeoutMs = startTimeoutMs;
    this.fs = new MachineFs({
      read: (path, signal) => this.#open().readFile(this.name, path, { signal }),
      write: (path, content, options, signal) =>
        this.#open().writeFile(this.name, path, content, options, { signal }),
      exec: (argv, options) => execute(this.#open(), this.name, argv, options, {}),
      within,
    });
    this.env = new MachineEnv({
      recorded: async (options) => (await this.refresh(options)).info.env,
      change: async (env, removeEnv, options) => {
        await this.update({ env, removeEnv }, options);
      },
    });
  }

  /**
   * Makes a machine, and boots it unless `start` is false. It ends with this program, killed or not, unless `detached`.
   *
   * @throws SmolvmError what kept it from running; nothing is left of it then
   */
  static create(options: CreateOptions = {}): Promise<Machine> {
    return create(defaultTransport(), options);
  }

  /**
   * A machine that is there, whoever made it.
   *
   * @example
   * const machine = await Machine.connect("dev", { start: true });
   * @throws MachineNotFoundError
   */
  static connect(name: string, options: ConnectOptions = {}): Promise<Machine> {
    return connect(defaultTransport(), name, options);
  }

  /** The machine of that name, made when there is none. @throws MachineExistsError when it is described differently */
  static getOrCreate(name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Machine> {
    return getOrCreate(defaultTransport(), name, options);
  }

  /** All machines of this user, by name. */
  static list(filter: ListFilter = {}): Promise<MachineInfo[]> {
    return list(defaultTransport(), filter);
  }

  /** What is known of a machine. @throws MachineNotFoundError */
  static inspect(name: string, options: CallOptions = {}): Promise<MachineInfo> {
    return inspect(defaultTransport(), name, options);
  }

  /** Ends a machine and deletes it with all that it has. @throws MachineNotFoundError */
  static delete(name: string, options: CallOptions = {}): Promise<void> {
    return remove(defaultTransport(), name, options);
  }

  get info(): MachineInfo {
    return this.#info;
  }

  get status(): MachineStatus {
    return this.#info.status;
  }

  /** Every machine has smolvm's agent, which starts commands. */
  get canExec(): boolean {
    return true;
  }

  /** Boots it, and waits until it is ready; one that runs is left alone. @throws OperationTimeoutError; why it does not run */
  async start(options: CallOptions & { readonly onProgress?: OnProgress | undefined } = {}): Promise<this> {
    const { onProgress } = options;
    return await this.#changed("start", options, async (transport, signal) => {
      await this.env.flush({ signal });
      const request = { owner: this.#owner, timeoutMs: this.#startTimeoutMs };
      return await transport.start(this.name, request, { signal, onProgress });
    });
  }

  /**
   * Ends what runs in it in order, then the machine. One that does not run is left alone.
   *
   * @param options.graceMs how long its programs may take to end before they are killed. Default: 3,000; 0: at once
   */
  async stop(options: CallOptions & { readonly graceMs?: number | undefined } = {}): Promise<this> {
    const { graceMs = 3000 } = options;
    const body = graceMs === 0 ? { force: true } : { timeoutSecs: graceMs / 1000 };
    await this.#changed("stop", options, (transport, signal) =>
      transport.api({ operation: "stopMachine", name: this.name, body }, { signal }),
    );
    await this.env.flush(options);
    return this;
  }

  async restart(options: CallOptions & { readonly graceMs?: number | undefined } = {}): Promise<this> {
    await this.stop(options);
    return await this.start(options);
  }

  /** Ends it at once, and deletes all that it has. One that is gone already is fine. */
  async delete(options: CallOptions = {}): Promise<void> {
    try {
      await remove(this.#open(), this.name, options);
    } catch (error) {
      if (!(error instanceof SmolvmError && error.code === "machine.not_found")) throw error;
    }
  }

  /** Changes its description. @throws InvalidStateError for what cannot change while it runs */
  async update(changes: MachineUpdate, options: CallOptions = {}): Promise<this> {
    const body = updateBody(changes);
    return await this.#changed("update", options, (transport, signal) =>
      inCallersWords(transport.api({ operation: "updateMachine", name: this.name, body }, { signal })),
    );
  }

  /** Asks how it is now. @throws MachineNotFoundError */
  async refresh(options: CallOptions = {}): Promise<this> {
    return await this.#changed("refresh", options, (transport, signal) =>
      transport.api({ operation: "getMachine", name: this.name }, { signal }),
    );
  }

  /** Gives up this handle; the machine stays as it is. Later calls fail with `sdk.closed`. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  /**
   * From now on it stays when this program ends, and `await using` leaves it alone.
   *
   * @example
   * await machine.detach();
   */
  async detach(): Promise<void> {
    await this.#open().release(this.name);
    this.#owner = undefined;
    this.#onDispose = "detach";
  }

  /** What `onDispose` says, then `close()`. A failure of that never hides the error of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#onDispose === "delete") await this.delete();
      else if (this.#onDispose === "stop") await this.stop();
    } catch {
      // Its owner's end is what it still has.
    }
    await this.close();
  }

  /**
   * Runs a program to its end. It fails only with `check`.
   *
   * @example
   * const { exitCode, stderr } = await machine.exec(["ls", "/nowhere"]);
   * @throws ExecError when it cannot be started; OperationTimeoutError; the signal's reason: it has been killed then
   */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const all = { ...options, env: this.env.forCommand(options.env) };
    return await execute(this.#open(), this.name, argv, all, this.#hooks);
  }

  /**
   * Runs a script in a login shell of the machine.
   *
   * @example
   * const { output } = await machine.run("cd /app && ls | wc -l", { timeoutMs: 10_000 });
   */
  run(script: string, options: ExecOptions = {}): Promise<ExecResult> {
    return this.exec(["/bin/sh", "-lc", script], options);
  }

  /**
   * As `run`; values are single words, whatever is in them.
   *
   * @example
   * await machine.sh`wc -l ${path}`;
   */
  sh(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<ExecResult> {
    return this.run(scriptOf(strings, values));
  }

  /**
   * Starts a program, and gives its streams. It ends with this program.
   *
   * @example
   * const build = await machine.spawn(["make"], { workdir: "/src" });
   * for await (const line of build.lines()) console.log(line);
   * const { exitCode } = await build.exited;
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<MachineProcess> {
    const all = { ...options, env: this.env.forCommand(options.env) };
    return await spawn(this.#open(), this.name, argv, all);
  }

  /**
   * Copies a file or a directory of this host into the machine, as `smolvm machine cp`.
   *
   * @example
   * await machine.copyIn("./project", "/work/project", { mkdir: true });
   * @returns the path in the machine
   */
  async copyIn(hostPath: string, guestPath: string, options: CopyOptions = {}): Promise<string> {
    const { mkdir: parents, maxBytes, mode, onProgress } = options;
    await within("copyIn", options, (signal) =>
      this.#open().copyIn(
        this.name,
        resolve(hostPath),
        guestPath,
        { parents, maxBytes, mode },
        { signal, onProgress },
      ),
    );
    return guestPath;
  }

  /** The same to this host. @returns the path on this host */
  async copyOut(guestPath: string, hostPath: string, options: CopyOptions = {}): Promise<string> {
    const { maxBytes, onProgress } = options;
    const target = resolve(hostPath);
    await within("copyOut", options, (signal) =>
      this.#open().copyOut(this.name, guestPath, target, { maxBytes }, { signal, onProgress }),
    );
    return target;
  }

  /** Ports of the host that lead into it, as last known. */
  ports(): readonly PortMapping[] {
    return this.#info.ports;
  }

  /** An address under which its published ports answer: this host's loopback. @throws InvalidStateError */
  async ip(options: CallOptions = {}): Promise<string> {
    await this.refresh(options);
    if (this.status !== "running")
      throw errorOf({ code: "machine.not_running", message: `machine '${this.name}' is not running` });
    return "127.0.0.1";
  }

  /**
   * Lets a port of the host lead into the machine. While it runs, that needs a machine that was made with a network or with
   * ports; `network: { allowCidrs: [] }` is one that reaches nothing.
   *
   * @example
   * const { url } = await machine.expose(8000);
   * @throws InvalidStateError `machine.running`: stop it, or make it with a network
   */
  async expose(
    guestPort: number,
    options: CallOptions & Omit<PortReach, "guest"> = {},
  ): Promise<PortMapping & { readonly url: string }> {
    const { host, bind, protocol } = options;
    const before = this.#info.ports;
    await this.update({ addPorts: [{ guest: guestPort, host, bind, protocol }] }, options);
    const mapping = mappingOf(this.#info, guestPort, before);
    return { ...mapping, url: urlOf(mapping, "/").slice(0, -1) };
  }

  /** Takes a port of the host away again. */
  async unexpose(
    guestPort: number,
    options: CallOptions & { readonly host?: number | undefined } = {},
  ): Promise<void> {
    const { host: wanted } = options;
    const ports = (await this.refresh(options)).info.ports.filter(
      ({ guest, host }) => guest === guestPort && (wanted === undefined || host === wanted),
    );
    // One that was free is 0 in the description.
    const removePorts = ports.flatMap((port) => [port, { ...port, host: 0 }]);
    await this.update({ removePorts }, options);
  }

  /** Of a web server in the machine. @throws SmolvmError `sdk.no_port` when the port does not lead out */
  url(guestPort: number, path = "/"): string {
    return urlOf(mappingOf(this.#info, guestPort), path);
  }

  /**
   * Waits until something answers at a port; with `http`, until that path answers with a status below 500.
   *
   * @param options.timeoutMs Default: 60,000
   * @throws OperationTimeoutError; InvalidStateError `machine.not_running` when the machine ends, or has ended
   */
  async waitForPort(
    guestPort: number,
    options: CallOptions & { readonly http?: string | undefined } = {},
  ): Promise<void> {
    const mapping = mappingOf(this.#info, guestPort);
    const { http } = options;
    const limits = { signal: options.signal, timeoutMs: options.timeoutMs ?? PORT_LIMIT_MS };
    await within("waitForPort", limits, async (limit) => {
      const over = new AbortController();
      const signal = limit === undefined ? over.signal : AbortSignal.any([limit, over.signal]);
      try {
        await Promise.race([
          waitForPort(mapping, http, (port) => this.#listens(port, signal), signal),
          whenEnded(() => this.#open(), this.name, signal),
        ]);
      } finally {
        over.abort();
      }
    });
  }

  /** Undefined: the machine has no cat(1), or does not run commands now. */
  async #listens(port: number, signal: AbortSignal | undefined): Promise<boolean | undefined> {
    const argv = ["cat", "/proc/net/tcp", "/proc/net/tcp6"];
    const transport = this.#open();
    try {
      const { stdout } = await execute(transport, this.name, argv, { user: "0", signal }, {});
      return listensIn(stdout, port);
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }

  /**
   * What its workload has printed, also when it does not run any more; with `follow`, then what it prints until it ends.
   *
   * @example
   * for await (const { stream, text } of machine.logs({ follow: true })) console.log(`${stream}: ${text}`);
   * @throws the signal's reason
   */
  logs(options: LogOptions = {}): AsyncGenerator<LogEntry, void, void> {
    return logsOf(() => this.#open(), this.name, options);
  }

  /**
   * What happens to it, until it ends or the signal is aborted. `watching` comes first: from then on nothing is missed.
   *
   * @example
   * for await (const { type } of machine.monitor()) if (type === "restarting") console.error("again");
   */
  monitor(options: Pick<CallOptions, "signal"> = {}): AsyncGenerator<MonitorEvent, void, void> {
    return eventsOf(() => this.#open(), this.name, options);
  }

  /** Where its files are on this host. @throws SmolvmError `sdk.unsupported` over a server */
  async dataDir(options: CallOptions = {}): Promise<string> {
    return (await this.#open().locate(this.name, options)).dataDir;
  }

  #open(): Transport {
    if (this.#closed) throw closedError(this.name);
    return this.#transport;
  }

  async #changed(
    operation: string,
    options: CallOptions,
    work: (transport: Transport, signal: AbortSignal | undefined) => Promise<unknown>,
  ): Promise<this> {
    this.#info = machineInfo(await within(operation, options, (signal) => work(this.#open(), signal)));
    return this;
  }
}
