/** The machines that end with this process's client. */
import type { Context } from "../context.ts";
import { deleteMachine, inspectMachine, type Started, stopMachine } from "../machine/index.ts";
import type { OwnerPolicy } from "../machine/plan/index.ts";
import { giveUpOwnership, type Lock, machineDirectory } from "../machine/store/index.ts";

interface Owning {
  readonly policy: OwnerPolicy;
  /** Tells a machine that was made anew under the name. */
  readonly createdAt: number | undefined;
  /** Of one that is to be deleted: while it is held, others see the machine. */
  readonly ownership: Lock | undefined;
  /** Its process, once it has been started here. */
  process?: Started["owned"];
}

export class Owned {
  readonly #context: Context;
  readonly #machines = new Map<string, Owning>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** From now on the machine is the client's. */
  add(name: string, policy: OwnerPolicy, ownership: Lock | undefined): void {
    this.#machines.set(name, { policy, createdAt: this.#createdAt(name), ownership });
  }

  /** How the client owns it; undefined: not at all. */
  policyOf(name: string): OwnerPolicy | undefined {
    return this.#machines.get(name)?.policy;
  }

  /** It runs, as a process of this one. */
  started(name: string, policy: OwnerPolicy, process: NonNullable<Started["owned"]>): void {
    const ownership = this.#machines.get(name)?.ownership;
    const owning: Owning = { policy, createdAt: this.#createdAt(name), ownership, process };
    this.#machines.set(name, owning);
    void process.ended.then(() => {
      if (owning.process === process) owning.process = undefined;
    });
  }

  /** It is nobody's. */
  async release(name: string): Promise<void> {
    const owning = this.#machines.get(name);
    this.#machines.delete(name);
    // Unless another one has that name by now.
    if (owning?.ownership !== undefined && owning.createdAt === this.#createdAt(name))
      giveUpOwnership(machineDirectory(this.#context.paths, name));
    owning?.ownership?.release();
    await owning?.process?.disown();
  }

  /** It has been deleted. */
  forget(name: string): void {
    this.#machines.get(name)?.ownership?.release();
    this.#machines.delete(name);
  }

  /** The client has gone: resolves when nothing that it owned so far runs any more. */
  async end(): Promise<void> {
    await Promise.all([...this.#machines.keys()].map((name) => this.#endOne(name)));
  }

  async #endOne(name: string): Promise<void> {
    const owning = this.#machines.get(name);
    this.#machines.delete(name);
    if (owning === undefined || owning.createdAt !== this.#createdAt(name)) return;
    try {
      if (owning.policy === "delete") await deleteMachine(this.#context, name);
      else if (owning.process !== undefined) await stopMachine(this.#context, name);
    } catch {
      // Its own process sees that this one ends, and nobody is left who could be told.
    } finally {
      owning.ownership?.release();
    }
  }

  #createdAt(name: string): number | undefined {
    try {
      return inspectMachine(this.#context, name).record?.createdAt;
    } catch {
      return undefined;
    }
  }
}
