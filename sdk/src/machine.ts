import { defaultTransport } from "./default-transport.ts";
import { MachineEnv } from "./env.ts";
import { closedError, SmolvmError } from "./errors.ts";
import { execute } from "./exec.ts";
import { MachineFs } from "./fs.ts";
import type { Handle } from "./handle.ts";
import { machineInfo } from "./info.ts";
import { connect, create, getOrCreate, inspect, type ListFilter, list, remove } from "./lifecycle.ts";
import { within } from "./limit.ts";
import { inCallersWords } from "./options.ts";
import { Published } from "./published.ts";
import { updateBody } from "./request.ts";
import type { Owner, Transport } from "./transport/types.ts";
import type {
  CallOptions,
  ConnectOptions,
  CreateOptions,
  DisposePolicy,
  ExecHooks,
  MachineInfo,
  MachineStats,
  MachineStatus,
  MachineUpdate,
  OnProgress,
} from "./types/index.ts";

/** Whoever waits for a machine sets no other limit: a day is the longest that is asked for. */
const LONGEST_WAIT_SECONDS = 86_400;

/**
 * A microVM. The handle tells what it knew at its last own call (`info`, `status`); `refresh()` asks anew.
 *
 * @example
 * await using machine = await Machine.create({ image: "python:3.12-alpine" });
 * const { output } = await machine.exec(["python3", "-c", "print(6 * 7)"]);
 */
export class Machine extends Published implements AsyncDisposable {
  /** What it is called, on the command line too. */
  readonly name: string;
  /** Files of the machine. */
  readonly fs: MachineFs;
  /** Variables of its programs. */
  readonly env: MachineEnv;
  /** Whether this program has made it. */
  readonly owned: boolean;
  /** @internal */
  protected readonly hooks: ExecHooks;
  readonly #transport: Transport;
  readonly #startTimeoutMs: number;
  #owner: Owner;
  #onDispose: DisposePolicy;
  #info: MachineInfo;
  #closed = false;

  /** @internal */
  constructor({ transport, info, owned, owner, onDispose, hooks, startTimeoutMs }: Handle) {
    super();
    this.name = info.name;
    this.owned = owned;
    this.#transport = transport;
    this.#info = info;
    this.#owner = owner;
    this.#onDispose = onDispose;
    this.hooks = hooks;
    this.#startTimeoutMs = startTimeoutMs;
    this.fs = new MachineFs({
      read: (path, signal) => this.reach().readFile(this.name, path, { signal }),
      write: (path, content, options, signal) =>
        this.reach().writeFile(this.name, path, content, options, { signal }),
      exec: (argv, options) => execute(this.reach(), this.name, argv, options, {}),
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
   * @example
   * const machine = await Machine.create({ image: "python:3.12-alpine", memoryMiB: 1024, network: true });
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

  /**
   * The machine of that name, made when there is none.
   *
   * @example
   * const cache = await Machine.getOrCreate("cache", { image: "redis:7-alpine", detached: true });
   * @throws MachineExistsError when it is described differently
   */
  static getOrCreate(name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Machine> {
    return getOrCreate(defaultTransport(), name, options);
  }

  /**
   * All machines of this user, by name.
   *
   * @example
   * for (const { name, status } of await Machine.list({ labels: { job: "ci" } })) console.log(name, status);
   */
  static list(filter: ListFilter = {}): Promise<MachineInfo[]> {
    return list(defaultTransport(), filter);
  }

  /**
   * What is known of a machine.
   *
   * @example
   * const { status, ports } = await Machine.inspect("dev");
   * @throws MachineNotFoundError
   */
  static inspect(name: string, options: CallOptions = {}): Promise<MachineInfo> {
    return inspect(defaultTransport(), name, options);
  }

  /**
   * Ends a machine and deletes it with all that it has.
   *
   * @example
   * await Machine.delete("dev");
   * @throws MachineNotFoundError
   */
  static delete(name: string, options: CallOptions = {}): Promise<void> {
    return remove(defaultTransport(), name, options);
  }

  /** What was known of it at the last own call. */
  get info(): MachineInfo {
    return this.#info;
  }

  /** As `info` has it. */
  get status(): MachineStatus {
    return this.#info.status;
  }

  /** Every machine has smolvm's agent, which starts commands. */
  get canExec(): boolean {
    return true;
  }

  /**
   * Boots it, and waits until it is ready; one that runs is left alone.
   *
   * @example
   * const machine = await Machine.create({ start: false });
   * await machine.start({ timeoutMs: 60_000 });
   * @throws OperationTimeoutError; why it does not run
   */
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
   * @example
   * await machine.stop({ graceMs: 10_000 });
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

  /**
   * `stop`, then `start`.
   *
   * @example
   * await machine.restart();
   */
  async restart(options: CallOptions & { readonly graceMs?: number | undefined } = {}): Promise<this> {
    await this.stop(options);
    return await this.start(options);
  }

  /**
   * Ends it at once, and deletes all that it has. One that is gone already is fine.
   *
   * @example
   * await machine.delete();
   */
  async delete(options: CallOptions = {}): Promise<void> {
    try {
      await remove(this.reach(), this.name, options);
    } catch (error) {
      if (!(error instanceof SmolvmError && error.code === "machine.not_found")) throw error;
    }
  }

  /**
   * Changes its description.
   *
   * @example
   * await machine.update({ memoryMiB: 2048, env: { MODE: "test" } });
   * @throws InvalidStateError for what cannot change while it runs
   */
  async update(changes: MachineUpdate, options: CallOptions = {}): Promise<this> {
    const body = updateBody(changes);
    return await this.#changed("update", options, (transport, signal) =>
      inCallersWords(transport.api({ operation: "updateMachine", name: this.name, body }, { signal })),
    );
  }

  /**
   * Asks how it is now.
   *
   * @example
   * if ((await machine.refresh()).status !== "running") await machine.start();
   * @throws MachineNotFoundError
   */
  async refresh(options: CallOptions = {}): Promise<this> {
    return await this.#changed("refresh", options, (transport, signal) =>
      transport.api({ operation: "getMachine", name: this.name }, { signal }),
    );
  }

  /**
   * Waits until it is so, whoever makes it so: `healthy` is what its health check says.
   *
   * @example
   * const machine = await Machine.connect("db");
   * await machine.waitUntil("healthy", { timeoutMs: 60_000 });
   * @throws OperationTimeoutError; InvalidStateError when it cannot come to that any more
   */
  async waitUntil(state: "running" | "healthy" | "stopped", options: CallOptions = {}): Promise<this> {
    const query = { until: state, timeoutSecs: LONGEST_WAIT_SECONDS };
    return await this.#changed("waitUntil", options, (transport, signal) =>
      transport.api({ operation: "waitForMachine", name: this.name, query }, { signal }),
    );
  }

  /**
   * What it uses now, measured over half a second.
   *
   * @example
   * const { memoryBytes, processes } = await machine.stats();
   * @throws InvalidStateError when it does not run
   */
  async stats(options: CallOptions = {}): Promise<MachineStats> {
    return (await within("stats", options, (signal) =>
      this.reach().api({ operation: "stats", name: this.name }, { signal }),
    )) as MachineStats;
  }

  /**
   * Gives up this handle; the machine stays as it is. Later calls fail with `sdk.closed`.
   *
   * @example
   * await machine.close();
   */
  async close(): Promise<void> {
    this.#closed = true;
  }

  /**
   * From now on it stays when this program ends, and `await using` leaves it alone.
   *
   * @example
   * await machine.detach();
   */
  async detach(options: CallOptions = {}): Promise<void> {
    await within("detach", options, (signal) => this.reach().release(this.name, { signal }));
    this.#owner = undefined;
    this.#onDispose = "detach";
  }

  /**
   * What `onDispose` says, then `close()`. A failure of that never hides the error of the block.
   *
   * @example
   * {
   *   await using machine = await Machine.create();
   *   await machine.exec(["true"]);
   * } // It is deleted here.
   */
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
   * Where its files are on this host; empty over a server, whose business that is.
   *
   * @example
   * const directory = await machine.dataDir();
   */
  async dataDir(options: CallOptions = {}): Promise<string> {
    const place = await within("dataDir", options, (signal) => this.reach().locate(this.name, { signal }));
    return place.dataDir;
  }

  /** @internal */
  protected reach(): Transport {
    if (this.#closed) throw closedError(this.name);
    return this.#transport;
  }

  async #changed(
    operation: string,
    options: CallOptions,
    work: (transport: Transport, signal: AbortSignal | undefined) => Promise<unknown>,
  ): Promise<this> {
    this.#info = machineInfo(await within(operation, options, (signal) => work(this.reach(), signal)));
    return this;
  }
}
