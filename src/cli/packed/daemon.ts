import { basename } from "node:path";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { BootableImage } from "../../image/index.ts";
import type { MachineInfo } from "../../machine/index.ts";
import type { Pack } from "../../pack/index.ts";
import { isThere, type Machines, openMachines } from "../machines.ts";
import { machineOptions } from "../options/machine-options.ts";
import { warn } from "../output.ts";
import { defaultsOf, type Values } from "../program/types.ts";
import { execShown, type Surroundings } from "../work/exec.ts";
import { openPackFile } from "../work/open-pack.ts";
import { startOptions } from "./program.ts";

type StartValues = Values<typeof startOptions>;

const SUFFIX = ".smolmachine";

/**
 * The machine that a packed program keeps in the background. It is one of smolvm's own, named after the pack's file and
 * its contents: a moved pack finds its machine again, and another version of it has another one. What only its start
 * needs is loaded then: `exec` is called more often.
 */
export class PackedDaemon {
  readonly #pack: string;
  readonly #machines: Machines;
  readonly #context: Context;
  readonly #name: string;
  readonly #program: string;

  private constructor(program: string, pack: string, name: string, machines: Machines, context: Context) {
    this.#program = program;
    this.#pack = pack;
    this.#name = name;
    this.#machines = machines;
    this.#context = context;
  }

  /** @param program as it was called @param path the pack's file @throws SmolError `pack.*` */
  static async open(program: string, path: string): Promise<PackedDaemon> {
    const [{ machines, context }, name] = await Promise.all([openMachines(), withPack(path, machineNameOf)]);
    return new PackedDaemon(program, path, name, machines, context);
  }

  /**
   * @param values options for the machine; those of one that was made before change it, as `machine update` does
   * @param given the keys of those that were typed
   * @returns what to print
   * @throws SmolError `machine.running` for what a running machine cannot change, `machine.bad_setting`
   */
  async start(values: StartValues, given: ReadonlySet<string>): Promise<string> {
    if (this.#info() === undefined) await this.#make(values);
    else if (Object.keys(startOptions).some((key) => given.has(key))) await this.#change(values);
    const [{ startShown }, { engineFromEnvironment }] = await Promise.all([
      import("../work/start.ts"),
      import("../options/engine.ts"),
    ]);
    const image = await this.#imageInCache();
    const starting = startShown(this.#context, this.#name, {
      engine: engineFromEnvironment(),
      quiet: false,
      progress: "none", // nothing is downloaded
    });
    const { started, pid, report } = await starting.finally(() => image?.release());
    for (const note of report?.notes ?? []) warn(note);
    return started ? `Daemon started (PID: ${pid})\n` : `Daemon already running (PID: ${pid})\n`;
  }

  /**
   * @param words empty: the packed command
   * @returns the exit code
   * @throws SmolError `machine.not_running`
   */
  async exec(
    values: Surroundings & { interactive: boolean; tty: boolean; timeout?: number | undefined },
    words: readonly string[],
  ): Promise<number> {
    if (this.#info()?.status !== "running") {
      throw new SmolError("machine.not_running", "the daemon is not running", {
        exitCode: 1,
        hint: `start it: \`${this.#program} start\``,
      });
    }
    const argv = words.length > 0 ? words : await withPack(this.#pack, packedCommand);
    const { interactive, tty, timeout: timeoutMs } = values;
    const target = { machine: this.#name, argv, start: false };
    return await execShown(values, target, { interactive, tty, timeoutMs });
  }

  async stop(): Promise<string> {
    if (this.#info() === undefined) return "Daemon not running\n";
    const { stopped } = await this.#machines.stopMachine(this.#context, this.#name);
    return stopped ? "Daemon stopped\n" : "Daemon not running\n";
  }

  status(): string {
    const info = this.#info();
    if (info?.status === "running" && info.state !== undefined)
      return `Status: running (PID: ${info.state.pid})\nMachine: ${this.#name}\n`;
    return "Status: not running\n";
  }

  /** The machine's image, unpacked anew where somebody has removed the cache; undefined when it is there. */
  async #imageInCache(): Promise<BootableImage | undefined> {
    const [{ isUnpacked, openPackedImage }, { interruptible }] = await Promise.all([
      import("../../pack/index.ts"),
      import("../work/interruptible.ts"),
    ]);
    const { paths } = this.#context;
    const pack = await openPackFile(this.#pack, []);
    try {
      if (isUnpacked(pack, paths.cache)) return undefined;
      const { loadSettings } = await import("../../config/index.ts");
      const options = { cacheDir: paths.cache, loadSettings: () => loadSettings(paths) };
      return await interruptible((signal) => openPackedImage(pack, { ...options, signal }));
    } finally {
      await pack.close();
    }
  }

  #info(): MachineInfo | undefined {
    const isMade = isThere(this.#machines, this.#context, this.#name);
    return isMade ? this.#machines.inspectMachine(this.#context, this.#name) : undefined;
  }

  async #change(values: StartValues): Promise<void> {
    const { machineLayer } = await import("../options/machine-layer.ts");
    const { init, initOnce, ...layer } = await machineLayer({ ...defaultsOf(machineOptions), ...values });
    const { record } = this.#machines.inspectMachine(this.#context, this.#name);
    this.#refuseOther("--init", record?.init, init);
    this.#refuseOther("--init-once", record?.initOnce, initOnce);
    try {
      await this.#machines.updateMachine(this.#context, this.#name, {
        ...layer,
        init: undefined,
        initOnce: undefined,
      });
    } catch (error) {
      if (!(error instanceof SmolError) || error.code !== "machine.running") throw error;
      throw new SmolError(error.code, "the daemon is running, and these options would change it", {
        hint: `stop it first: \`${this.#program} stop\``,
        cause: error,
      });
    }
  }

  /** Init commands are the one thing that a machine keeps as it was made with. */
  #refuseOther(
    option: string,
    made: readonly string[] | undefined,
    wanted: readonly string[] | undefined,
  ): void {
    if (wanted === undefined || Bun.deepEquals(made, wanted)) return;
    throw new SmolError("machine.bad_setting", `the machine was made already, with another ${option}`, {
      hint: `\`smolvm machine delete ${this.#name}\` deletes it with its files; the next start makes it anew`,
    });
  }

  async #make(values: StartValues): Promise<void> {
    const [{ describeMachine }, { createInterruptible }] = await Promise.all([
      import("../options/describe.ts"),
      import("../work/create.ts"),
    ]);
    const pack = await openPackFile(this.#pack, []);
    try {
      const all = { ...defaultsOf(machineOptions), ...values };
      const described = { ephemeral: false, smolfile: undefined, words: [], wordsAre: "arguments" } as const;
      const spec = await describeMachine(all, { ...described, name: this.#name, pack });
      // Of two starts at once, one makes it.
      await createInterruptible(this.#machines, this.#context, spec, { pack }, { ifNotExists: true });
    } finally {
      await pack.close();
    }
  }
}

async function withPack<Result>(path: string, read: (pack: Pack) => Result): Promise<Result> {
  const pack = await openPackFile(path, []);
  try {
    return read(pack);
  } finally {
    await pack.close();
  }
}

/** `packed-NAME-12345678`: of the file's name what machines may be called, of the contents eight digits. */
function machineNameOf({ path, digest }: Pack): string {
  const name = basename(path.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : path)
    .replace(/[^A-Za-z0-9_]+/g, "-")
    .slice(0, 60);
  const digits = digest.slice("sha256:".length, "sha256:".length + 8);
  return `packed-${name}-${digits}`.replace(/-+/g, "-");
}

/** As docker joins the two. */
function packedCommand({ manifest }: Pack): readonly string[] {
  const words = [...manifest.entrypoint, ...manifest.cmd];
  return words.length > 0 ? words : ["/bin/sh"];
}
