import { reportLayers, reportProcesses } from "../../confine/index.ts";
import { type MachineState, newState } from "../model/index.ts";
import type { StartOrder } from "../plan/index.ts";
import { writeState } from "../store/index.ts";

/** What the machine's process tells those who only look; each change is on the disk when `update` returns. */
export class StateFile {
  readonly #order: StartOrder;
  #state: MachineState;

  /** Nothing is written before the first update. @param program its version */
  constructor(order: StartOrder, program: string, startedAt: number) {
    this.#order = order;
    const { mode } = order.confinement;
    const layers = reportLayers(order.confinement).map(forState);
    const processes = reportProcesses(order.confinement).map(forState);
    this.#state = newState({
      confinement: { mode, layers, processes },
      pid: process.pid,
      engine: order.engine,
      program,
      startedAt: Math.round(startedAt),
    });
  }

  get current(): MachineState {
    return this.#state;
  }

  /** A full disk costs a machine nothing but what is told about it. */
  update(changes: Partial<MachineState>): void {
    this.#state = { ...this.#state, ...changes };
    try {
      writeState(this.#order.paths, this.#order.record.name, this.#state);
    } catch (error) {
      console.error(`state of ${this.#order.record.name}: ${error}`);
    }
  }
}

/** What to do about a layer that is missing is told at the start, not here. */
const forState = <Name>({ name, inForce, detail }: { name: Name; inForce: boolean; detail: string }) => ({
  name,
  inForce,
  detail,
});
