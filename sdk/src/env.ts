import { SmolvmError } from "./errors.ts";
import { environmentOf } from "./request.ts";
import type { CallOptions, Env } from "./types.ts";

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
  #pending: Record<string, string | undefined> = {};

  /** @internal */
  constructor(door: EnvDoor) {
    this.#door = door;
  }

  async list(options: CallOptions = {}): Promise<Record<string, string>> {
    const all: Record<string, string | undefined> = {
      ...(await this.#door.recorded(options)),
      ...this.#pending,
    };
    return Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
  }

  /** @param options.merge false: variables that are not named are removed. @returns the names that it has now */
  async set(
    values: Readonly<Record<string, string>>,
    options: CallOptions & { readonly merge?: boolean | undefined } = {},
  ): Promise<string[]> {
    environmentOf(values);
    const before = options.merge === false ? Object.keys(await this.list(options)) : [];
    for (const name of before) this.#pending[name] = undefined;
    Object.assign(this.#pending, values);
    await this.flush(options);
    return Object.keys(await this.list(options)).sort();
  }

  /** @returns those that were there, with their values */
  async unset(names: readonly string[], options: CallOptions = {}): Promise<Record<string, string>> {
    const all = await this.list(options);
    const removed: Record<string, string> = {};
    for (const name of names) {
      const value = all[name];
      if (value !== undefined) removed[name] = value;
      this.#pending[name] = undefined;
    }
    await this.flush(options);
    return removed;
  }

  /** @internal What a command gets beside the machine's. A removed one is empty: it cannot be taken from a process. */
  forCommand(env: Env | undefined): Env | undefined {
    const names = Object.keys(this.#pending);
    if (names.length === 0) return env;
    return { ...Object.fromEntries(names.map((name) => [name, this.#pending[name] ?? ""])), ...env };
  }

  /** @internal Writes what is pending, if the machine can be changed now. */
  async flush(options: CallOptions = {}): Promise<void> {
    const pending = this.#pending;
    const entries = Object.entries(pending);
    if (entries.length === 0) return;
    const recorded = await this.#door.recorded(options);
    const remove = entries
      .filter(([name, value]) => value === undefined && name in recorded)
      .map(([name]) => name);
    try {
      await this.#door.change(pending, remove, options);
    } catch (error) {
      if (error instanceof SmolvmError && error.code === "machine.running") return;
      throw error;
    }
    this.#pending = {};
  }
}
