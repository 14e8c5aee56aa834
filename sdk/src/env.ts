import { SmolvmError } from "./errors.ts";
import { environmentOf } from "./request.ts";
import type { CallOptions, Env } from "./types/index.ts";

/** What the variables of a machine need of it. */
export interface EnvDoor {
  /** Of the machine's description, as it is now. */
  recorded(options: CallOptions): Promise<Readonly<Record<string, string>>>;
  /** Changes the description. @throws `machine.running` */
  change(set: Env, remove: readonly string[], options: CallOptions): Promise<void>;
}

/**
 * Variables of a machine's programs. They are part of its description, which cannot change while it runs: until it is
 * stopped by this handle, they hold for the commands of this handle.
 *
 * @example
 * await machine.env.set({ API_URL: "http://10.0.2.2:8080" });
 */
export class MachineEnv {
  readonly #door: EnvDoor;
  /** Not in the description yet; undefined: to be removed. */
  #pending = new Map<string, string | undefined>();

  /** @internal */
  constructor(door: EnvDoor) {
    this.#door = door;
  }

  /**
   * All of them: of the description, and those that this handle has set.
   *
   * @example
   * const { PATH } = await machine.env.list();
   */
  async list(options: CallOptions = {}): Promise<Record<string, string>> {
    const all = new Map<string, string | undefined>(Object.entries(await this.#door.recorded(options)));
    for (const [name, value] of this.#pending) all.set(name, value);
    return Object.fromEntries([...all].filter((entry): entry is [string, string] => entry[1] !== undefined));
  }

  /**
   * Sets variables.
   *
   * @param options.merge false: variables that are not named are removed.
   * @example
   * await machine.env.set({ MODE: "test" });
   * @returns the names that it has now
   */
  async set(
    values: Readonly<Record<string, string>>,
    options: CallOptions & { readonly merge?: boolean | undefined } = {},
  ): Promise<string[]> {
    environmentOf(values);
    const before = options.merge === false ? Object.keys(await this.list(options)) : [];
    for (const name of before) this.#pending.set(name, undefined);
    for (const [name, value] of Object.entries(values)) this.#pending.set(name, value);
    await this.flush(options);
    return Object.keys(await this.list(options)).sort();
  }

  /**
   * Removes variables.
   *
   * @example
   * const before = await machine.env.unset(["MODE"]);
   * @returns those that were there, with their values
   */
  async unset(names: readonly string[], options: CallOptions = {}): Promise<Record<string, string>> {
    const all = new Map(Object.entries(await this.list(options)));
    const removed = new Map<string, string>();
    for (const name of names) {
      const value = all.get(name);
      if (value === undefined) continue;
      removed.set(name, value);
      this.#pending.set(name, undefined);
    }
    await this.flush(options);
    return Object.fromEntries(removed);
  }

  /** @internal What a command gets beside the machine's. A removed one is empty: it cannot be taken from a process. */
  forCommand(env: Env | undefined): Env | undefined {
    if (this.#pending.size === 0) return env;
    return { ...Object.fromEntries([...this.#pending].map(([name, value]) => [name, value ?? ""])), ...env };
  }

  /** @internal Writes what is pending, if the machine can be changed now. */
  async flush(options: CallOptions = {}): Promise<void> {
    const pending = this.#pending;
    if (pending.size === 0) return;
    const recorded = await this.#door.recorded(options);
    const remove = [...pending]
      .filter(([name, value]) => value === undefined && Object.hasOwn(recorded, name))
      .map(([name]) => name);
    try {
      await this.#door.change(Object.fromEntries(pending), remove, options);
    } catch (error) {
      if (error instanceof SmolvmError && error.code === "machine.running") return;
      throw error;
    }
    this.#pending = new Map();
  }
}
