import { transportFor } from "./default-transport.ts";
import { errorOf, OperationTimeoutError, SmolvmError } from "./errors.ts";
import { execute } from "./exec.ts";
import { Images } from "./images.ts";
import { connect, create, getOrCreate, inspect, type ListFilter, list, remove } from "./lifecycle.ts";
import { within } from "./limit.ts";
import type { Machine } from "./machine.ts";
import { Packs } from "./packs.ts";
import type { ExecResult } from "./result.ts";
import type { Transport } from "./transport/types.ts";
import type {
  CallOptions,
  ConnectOptions,
  CreateOptions,
  ExecHooks,
  ExecOptions,
  HostCheck,
  MachineInfo,
} from "./types/index.ts";

/**
 * Who is asked for machines.
 *
 * @example
 * const options: SmolvmOptions = { url: "unix:/run/user/1000/smolvm.sock" };
 * await using smolvm = new Smolvm(options);
 */
export interface SmolvmOptions {
  /** The program. Default: SMOLVM_BIN, the one that came with this package, `smolvm` in PATH. */
  readonly bin?: string | undefined;
  /**
   * Machines of a server (`smolvm serve`): `http://127.0.0.1:8080`, `https://…`, `unix:/run/user/1000/smolvm.sock`.
   * Default: SMOLVM_URL; without it, machines are this host's.
   */
  readonly url?: string | undefined;
  /** The word that the server's `--token-file` has. Default: SMOLVM_TOKEN. */
  readonly token?: string | undefined;
  /** For a server with certificates: who its own has to be of, and the client's, as PEM. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  /** Called around commands of machines that have no hooks of their own. */
  readonly hooks?: ExecHooks | undefined;
  /** @internal */
  readonly transport?: Transport | undefined;
}

/**
 * What the machine is, and how the command runs in it.
 *
 * @example
 * const options: RunOnceOptions = { image: "alpine:3.20", stdin: "3\n1\n2\n", timeoutMs: 30_000 };
 * const { stdout } = await runOnce(["sort"], options);
 */
export interface RunOnceOptions
  extends Omit<CreateOptions, "start" | "detached" | "onDispose" | "env" | "workdir" | "user">,
    ExecOptions {}

/**
 * A client with a program of its own. Machines that it has made end when it is closed.
 *
 * @example
 * await using smolvm = new Smolvm({ bin: "/opt/smolvm/smolvm" });
 * const machine = await smolvm.create();
 */
export class Smolvm implements AsyncDisposable {
  /** As `images`, of this client. */
  readonly images: Images;
  /** As `packs`, of this client. */
  readonly packs: Packs;
  readonly #transport: Transport;
  readonly #hooks: ExecHooks;

  /** Starts nothing yet. */
  constructor({ bin, url, token, tls, hooks = {}, ...rest }: SmolvmOptions = {}) {
    if (bin !== undefined && url !== undefined)
      throw errorOf({ code: "sdk.bad_request", message: "bin and url exclude each other" });
    const { transport = transportFor({ bin, url, token, tls }) } = rest;
    this.#transport = transport;
    this.#hooks = hooks;
    this.images = new Images(() => transport);
    this.packs = new Packs(() => transport);
  }

  /**
   * See `Machine.create`.
   *
   * @example
   * const machine = await smolvm.create({ image: "alpine:3.20" });
   */
  create(options: CreateOptions = {}): Promise<Machine> {
    return create(this.#transport, options, this.#hooks);
  }

  /**
   * See `Machine.connect`.
   *
   * @example
   * const machine = await smolvm.connect("dev");
   */
  connect(name: string, options: ConnectOptions = {}): Promise<Machine> {
    return connect(this.#transport, name, options, this.#hooks);
  }

  /**
   * See `Machine.getOrCreate`.
   *
   * @example
   * const machine = await smolvm.getOrCreate("dev", { image: "alpine:3.20" });
   */
  getOrCreate(name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Machine> {
    return getOrCreate(this.#transport, name, options, this.#hooks);
  }

  /**
   * See `Machine.list`.
   *
   * @example
   * const machines = await smolvm.list();
   */
  list(filter: ListFilter = {}): Promise<MachineInfo[]> {
    return list(this.#transport, filter);
  }

  /**
   * See `Machine.inspect`.
   *
   * @example
   * const { status } = await smolvm.inspect("dev");
   */
  inspect(name: string, options: CallOptions = {}): Promise<MachineInfo> {
    return inspect(this.#transport, name, options);
  }

  /**
   * See `Machine.delete`.
   *
   * @example
   * await smolvm.delete("dev");
   */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    return remove(this.#transport, name, options);
  }

  /**
   * See `runOnce`.
   *
   * @example
   * const { output } = await smolvm.runOnce(["uname", "-r"]);
   */
  runOnce(argv: readonly string[], options: RunOnceOptions = {}): Promise<ExecResult> {
    return runOnceOn(this.#transport, argv, options, this.#hooks);
  }

  /**
   * See `checkHost`.
   *
   * @example
   * const host = await smolvm.checkHost({ timeoutMs: 10_000 });
   */
  async checkHost(options: CallOptions = {}): Promise<HostCheck> {
    return await checkHostOf(this.#transport, options);
  }

  /**
   * Ends the machines that it has made, unless they are detached, and itself.
   *
   * @example
   * await smolvm.close();
   */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  /**
   * `close()`.
   *
   * @example
   * await using smolvm = new Smolvm();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @internal */
export async function runOnceOn(
  transport: Transport,
  argv: readonly string[],
  options: RunOnceOptions,
  hooks: ExecHooks,
): Promise<ExecResult> {
  if (argv.length === 0) throw errorOf({ code: "sdk.bad_request", message: "the command is empty" });
  const { env, workdir, user, secrets, timeoutMs, ...others } = options;
  const { check, stdin, onStdout, onStderr, maxOutputBytes, ...machineOptions } = others;
  const machine = await create(transport, machineOptions, hooks);
  try {
    const { signal } = options;
    const asked = { env, workdir, user, secrets, check, stdin, onStdout, onStderr, maxOutputBytes };
    return await execute(
      transport,
      machine.name,
      argv,
      { ...asked, signal, timeoutMs },
      options.hooks ?? hooks,
    );
  } finally {
    await machine[Symbol.asyncDispose]();
  }
}

/** @internal */
export async function checkHostOf(transport: Transport, options: CallOptions): Promise<HostCheck> {
  try {
    return (await within("checkHost", options, (signal) => transport.checkHost({ signal }))) as HostCheck;
  } catch (error) {
    // What the caller has set is no fact about the host.
    if (options.signal?.aborted || error instanceof OperationTimeoutError || !(error instanceof SmolvmError))
      throw error;
    const { code, message, hint } = error;
    return { ok: false, code, reason: message, hint };
  }
}
