/** The machines of one server: made when they are first needed, within its ceilings, and gone with it. */
import { randomBytes } from "node:crypto";
import type { Context } from "../context.ts";
import type { EngineName } from "../engine/index.ts";
import { SmolError } from "../errors.ts";
import {
  connectMachine,
  createKept,
  deleteMachine,
  inspectMachine,
  type Machine,
  type MachineInfo,
  type Started,
  startMachine,
} from "../machine/index.ts";
import { buildSpec } from "../machine/model/build.ts";
import { resolveImage } from "../machine/plan/index.ts";
import { layerOf } from "../serve/machine/layer.ts";
import type { CreateBody } from "../serve/schema/machine-request.ts";
import { unlessAborted } from "../within.ts";
import { allowedHosts, type Ceilings, disksOf, notAllowed, usualCpus, usualMemoryMib } from "./ceilings.ts";
import { allowedImage } from "./images.ts";
import { Inputs } from "./inputs.ts";

/** What a call may say of a machine. */
export interface Wanted {
  readonly image?: string | undefined;
  readonly cpus?: number | undefined;
  readonly memory_mb?: number | undefined;
  /** Rules of hosts; undefined: all that the server allows. */
  readonly network?: readonly string[] | undefined;
  /** Ports of the machine, each of which gets one of the host's loopback. */
  readonly ports?: readonly number[] | undefined;
}

/** The machine that tools mean when none is named. */
export const DEFAULT_MACHINE = "default";

interface Own {
  readonly name: string;
  readonly memoryMib: number;
  /** Resolves when it runs; rejects with what kept it from running. */
  readonly started: Promise<void>;
  readonly ending: AbortController;
  process?: NonNullable<Started["owned"]>;
}

export class Machines {
  readonly context: Context;
  readonly ceilings: Ceilings;
  readonly engine: EngineName | undefined;
  readonly inputs = new Inputs();
  /** No machine of another server, or of the user's, has a name that begins like this. */
  readonly #prefix = `mcp-${randomBytes(4).toString("hex")}`;
  readonly #own = new Map<string, Own>();
  /** MiB that throw-away machines hold, each for as long as it is there. */
  readonly #held = new Set<{ readonly memoryMib: number }>();
  readonly #images = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();

  constructor(context: Context, ceilings: Ceilings, engine: EngineName | undefined) {
    this.context = context;
    this.ceilings = ceilings;
    this.engine = engine;
  }

  /** What the host calls it. */
  realName = (name: string): string => `${this.#prefix}-${name}`;

  get names(): readonly string[] {
    return [...this.#own.keys()];
  }

  /** All of them that are there: one may be ending by itself this very moment. */
  list(): readonly { readonly name: string; readonly info: MachineInfo }[] {
    return this.names.flatMap((name) => {
      const info = this.#look(name);
      return info === undefined ? [] : [{ name, info }];
    });
  }

  /** @throws SmolError `mcp.no_machine` */
  info(name: string): MachineInfo {
    const info = this.#look(name);
    if (info === undefined) throw noMachine(name, this.names);
    return info;
  }

  #look(name: string): MachineInfo | undefined {
    if (!this.#own.has(name)) return undefined;
    try {
      return inspectMachine(this.context, this.realName(name));
    } catch (error) {
      if (error instanceof SmolError && error.code === "machine.not_found") return undefined;
      throw error;
    }
  }

  /**
   * Connects to a machine of this server. The default one is made if it is not there.
   *
   * @returns `isNew`: nothing that was in an earlier one of its name is there
   * @throws SmolError `mcp.no_machine`, `mcp.starting`, `mcp.limit`; what kept it from running
   */
  async reach(
    name: string,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<{ machine: Machine; isNew: boolean }> {
    const isNew = !this.#own.has(name) && name === DEFAULT_MACHINE;
    if (isNew) this.#make(name, {});
    const own = this.#own.get(name);
    if (own === undefined) throw noMachine(name, this.names);
    await started(own.started, limitMs, signal);
    try {
      return { machine: await connectMachine(this.context, this.realName(name)), isNew };
    } catch (error) {
      if (!isEnding(error) || own.process === undefined) throw error;
      // It ends by itself this very moment: it was idle, or its time is over.
      await started(
        own.process.ended.then(() => this.#forget(own)),
        limitMs,
        signal,
      );
    }
    return await this.reach(name, limitMs, signal);
  }

  /** Makes a machine, and waits until it runs. @throws SmolError as `reach`; `mcp.machine_exists` */
  async create(name: string, wanted: Wanted, limitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#own.has(name))
      throw new SmolError("mcp.machine_exists", `there is a machine '${name}' already`, {
        hint: "delete it first, or choose another name",
      });
    await started(this.#make(name, wanted).started, limitMs, signal);
  }

  /** Ends and deletes a machine. @throws SmolError `mcp.no_machine` */
  async delete(name: string): Promise<void> {
    const own = this.#own.get(name);
    if (own === undefined) throw noMachine(name, this.names);
    await this.#end(own);
  }

  /**
   * The description of a machine, within the ceilings.
   *
   * @throws SmolError `mcp.not_allowed`, `mcp.bad_arguments`, `machine.bad_setting`
   */
  describe(name: string, wanted: Wanted, ephemeral: boolean, words: readonly string[] = []) {
    const { ceilings } = this;
    const { cpus = usualCpus(ceilings), ports } = wanted;
    const memoryMb = wanted.memory_mb ?? usualMemoryMib(ceilings);
    if (cpus > ceilings.maxCpus) throw notAllowed(`${cpus} CPUs`, `at most ${ceilings.maxCpus}`);
    if (memoryMb > ceilings.maxMemoryMib)
      throw notAllowed(`${memoryMb} MiB of memory`, `at most ${ceilings.maxMemoryMib}`);
    const hosts = allowedHosts(wanted.network, ceilings);
    const body: CreateBody = {
      ...{ cpus, memoryMb, ...disksOf(ceilings), allowedHosts: hosts && [...hosts] },
      image: allowedImage(wanted.image, ceilings) ?? undefined,
      ports: ports?.map((guest) => ({ host: 0, guest })),
      ...(ephemeral ? {} : this.#lifetime()),
    };
    const flags = layerOf(body, []);
    const words_ = { words, wordsAre: "command" as const };
    return buildSpec({ name: this.realName(name), ephemeral, layers: [], flags, ...words_ });
  }

  /** Holds a place, and memory, for a throw-away machine. @returns what gives them back @throws SmolError `mcp.limit` */
  hold(memoryMib: number): () => void {
    this.#checkRoom(memoryMib);
    const held = { memoryMib };
    this.#held.add(held);
    return () => this.#held.delete(held);
  }

  /**
   * Gets an image, so that what follows takes no longer than a boot. What takes longer than the limit goes on.
   *
   * @throws SmolError `mcp.starting`, `image.*`, `registry.*`
   */
  async fetch(image: string | null, limitMs: number, signal: AbortSignal): Promise<void> {
    await started(this.#fetched(image), limitMs, signal);
  }

  /** Ends all machines, and waits until nothing of them is left. */
  async end(): Promise<void> {
    this.#ending.abort(new Error("the server ends"));
    await Promise.all([...this.#own.values()].map((own) => this.#end(own)));
  }

  #lifetime() {
    const { ttlMs, idleTimeoutMs } = this.ceilings;
    return {
      ttlSecs: ttlMs === undefined ? undefined : ttlMs / 1000,
      idleTimeoutSecs: idleTimeoutMs / 1000,
      onTimeout: "delete" as const,
    };
  }

  #checkRoom(memoryMib: number): void {
    const { maxMachines, maxMemoryMib } = this.ceilings;
    const present = [...this.#own.values(), ...this.#held];
    if (present.length >= maxMachines)
      throw new SmolError(
        "mcp.limit",
        `there are ${present.length} machines, and this server allows no more`,
        {
          hint: "delete one with the tool machines",
        },
      );
    const used = present.reduce((sum, one) => sum + one.memoryMib, 0);
    if (used + memoryMib > maxMemoryMib)
      throw new SmolError(
        "mcp.limit",
        `${memoryMib} MiB more than the ${used} in use would be over this server's ${maxMemoryMib} MiB`,
        { hint: "delete a machine with the tool machines, or ask for less memory" },
      );
  }

  #make(name: string, wanted: Wanted): Own {
    const spec = this.describe(name, wanted, false);
    this.#checkRoom(spec.memoryMib);
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#ending.signal]);
    const start = async () => {
      await unlessAborted(this.#fetched(spec.image), signal);
      // Until it has ended: a server that is killed before the start leaves nothing either.
      const { ownership } = await createKept(this.context, spec, { signal }, { owned: true });
      try {
        const { engine } = this;
        const { owned } = await startMachine(this.context, spec.name, { engine, owner: "delete", signal });
        if (owned === undefined) throw new Error("a machine of this name was started by somebody else");
        own.process = owned;
        void owned.ended.then(() => {
          ownership?.release();
          this.#forget(own);
        });
      } catch (error) {
        await deleteMachine(this.context, spec.name).catch(() => {});
        ownership?.release();
        throw error;
      }
    };
    const own: Own = { name, memoryMib: spec.memoryMib, ending, started: Promise.resolve().then(start) };
    this.#own.set(name, own);
    own.started.catch(() => this.#forget(own));
    return own;
  }

  #forget(own: Own): void {
    if (this.#own.get(own.name) === own) this.#own.delete(own.name);
  }

  async #end(own: Own): Promise<void> {
    own.ending.abort(new SmolError("mcp.no_machine", `machine '${own.name}' was deleted while it started`));
    await own.started.catch(() => {});
    // Its directory goes with its process, which sees that it is owned by nobody any more.
    await own.process?.end();
    this.#forget(own);
  }

  #fetched(image: string | null): Promise<void> {
    const name = image ?? "";
    const present = this.#images.get(name);
    if (present !== undefined) return present;
    const signal = this.#ending.signal;
    const fetched = resolveImage(this.context, image, { signal }).then((found) => found.release());
    this.#images.set(name, fetched);
    // The cache may lose it again, and a registry may answer next time: nothing is remembered.
    const forget = () => this.#images.delete(name);
    fetched.then(forget, forget);
    return fetched;
  }
}

/** Waits for a start no longer than the client does. @throws SmolError `mcp.starting`; what the start failed with */
async function started(start: Promise<void>, limitMs: number, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  try {
    await unlessAborted(start, AbortSignal.any([signal, limit]));
  } catch (error) {
    if (!limit.aborted || signal.aborted || error !== limit.reason) throw error;
    throw new SmolError("mcp.starting", "the machine is not ready yet: its image may still be downloading", {
      hint: "this goes on; call the tool again",
    });
  }
}

const noMachine = (name: string, names: readonly string[]) =>
  new SmolError("mcp.no_machine", `there is no machine '${name}'`, {
    hint: names.length === 0 ? "make one with the tool machines" : `there are ${names.join(", ")}`,
  });

/** What a machine that has run says when it is asked too late. */
const isEnding = (error: unknown): boolean =>
  error instanceof SmolError && (error.code === "machine.not_found" || error.code === "machine.not_running");
