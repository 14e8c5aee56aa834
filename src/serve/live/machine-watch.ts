/** What happens to all machines of the host, in one stream for each who follows. */

import { Backlog } from "../../backlog.ts";
import type { Context } from "../../context.ts";
import { connectMachine, listMachines, type MachineInfo, observeMachine } from "../../machine/index.ts";
import { unlessAborted } from "../../within.ts";
import type { ServerEvent } from "./sse.ts";

/**
 * Between two looks at which machines there are. Nobody tells us of one that is made or started by somebody else; what
 * happens to one that runs is heard from its process, at once.
 */
const LOOK_MS = 500;

/** Events that wait for a slow reader. */
const MAX_WAITING = 1000;

/** Tells one run of one machine from all others. */
const runOf = ({ record, state }: MachineInfo) => `${record?.createdAt} ${state?.startedAt}`;

const stateOf = ({ status, reason }: MachineInfo) => ({ state: status, reason: reason || undefined });

/** One for a server. It looks, and has connections to machines, only while somebody follows. */
export class MachineWatch {
  readonly #context: Context;
  readonly #followers = new Set<Backlog<ServerEvent>>();
  #known = new Map<string, MachineInfo>();
  /** By name, the run whose process has been asked to tell. */
  readonly #heard = new Map<string, string>();
  #watching: { readonly timer: Timer; readonly over: AbortController } | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** First what there is, then what happens, until the signal is aborted. @throws SmolError when machines cannot be listed */
  async *follow(signal: AbortSignal): AsyncGenerator<ServerEvent, void, void> {
    const backlog = new Backlog<ServerEvent>(MAX_WAITING);
    const end = () => backlog.end();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    this.#begin();
    this.#followers.add(backlog);
    try {
      const machines = [...this.#known.values()].map((one) => ({ machine: one.name, ...stateOf(one) }));
      yield { event: "watching", data: JSON.stringify({ machines }) };
      for await (const event of backlog.read()) {
        const missed = backlog.takeDropped();
        if (missed > 0) yield { event: "missed", data: JSON.stringify({ events: missed }) };
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", end);
      this.#followers.delete(backlog);
      if (this.#followers.size === 0) this.#end();
    }
  }

  #begin(): void {
    if (this.#watching !== undefined) return;
    this.#known = new Map(listMachines(this.#context).map((one) => [one.name, one]));
    this.#watching = { timer: setInterval(() => this.#look(), LOOK_MS), over: new AbortController() };
    for (const machine of this.#known.values()) this.#hear(machine);
  }

  #end(): void {
    clearInterval(this.#watching?.timer);
    this.#watching?.over.abort();
    this.#watching = undefined;
    this.#heard.clear();
  }

  #tell(event: string, data: object): void {
    for (const backlog of this.#followers) backlog.push({ event, data: JSON.stringify(data) });
  }

  #look(): void {
    if (this.#watching === undefined) return;
    let machines: readonly MachineInfo[];
    try {
      machines = listMachines(this.#context);
    } catch {
      // The next look may be luckier; what has happened meanwhile is seen then.
      return;
    }
    const before = this.#known;
    this.#known = new Map(machines.map((one) => [one.name, one]));
    for (const [machine, { record }] of before) {
      const now = this.#known.get(machine);
      if (now !== undefined && now.record?.createdAt === record?.createdAt) continue;
      this.#heard.delete(machine);
      this.#tell("deleted", { machine });
    }
    for (const one of machines) {
      const last = before.get(one.name);
      if (last?.status !== one.status || runOf(last) !== runOf(one))
        this.#tell("state", { machine: one.name, ...stateOf(one) });
      this.#hear(one);
    }
  }

  /** Once a run: one whose process tells nothing, because it has ended or is of another version, is only looked at. */
  #hear(machine: MachineInfo): void {
    const { name, status } = machine;
    if (status !== "running" || this.#heard.get(name) === runOf(machine)) return;
    this.#heard.set(name, runOf(machine));
    this.#pass(name).catch(() => {});
  }

  async #pass(name: string): Promise<void> {
    const signal = this.#watching?.over.signal;
    const machine = await connectMachine(this.#context, name);
    try {
      const observed = await observeMachine(machine, {}, signal);
      await unlessAborted(observed.started, signal);
      for await (const { type, ...rest } of observed.events) {
        if (signal?.aborted) return;
        this.#tell(type, { machine: name, ...rest });
        if (type !== "health") this.#look();
      }
    } finally {
      machine.close();
    }
    this.#look();
  }
}
