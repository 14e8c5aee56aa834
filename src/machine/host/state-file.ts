import { reportLayers } from "../../confine/index.ts";
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
    const layers = reportLayers(order.confinement).map(({ name, inForce, detail }) => ({
      name,
      inForce,
      detail,
    }));
    this.#state = newState({
      confinement: { mode: order.confinement.mode, layers },
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
