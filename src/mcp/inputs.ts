/** Inputs of background processes: each is kept open for a while, because leaving at once would lose what is on its way. */
import { attachProcess, connectMachine, type RunningProcess } from "../machine/index.ts";
import { unlessAborted } from "../within.ts";
import type { Machines } from "./machines.ts";

/** After the last write: what was written has long been taken by then, and an idle machine may end. */
const KEPT_MS = 30_000;

interface Input {
  readonly process: RunningProcess;
  timer: Timer | undefined;
}

export class Inputs {
  readonly #open = new Map<string, Promise<Input>>();

  /**
   * Writes to a process; resolves when there is room for more.
   *
   * @param eof its input ends here
   * @param signal gives up, and leaves the process: what it has not taken by then is lost
   * @throws SmolError `process.*`, `machine.*`; the signal's reason
   */
  async write(
    machines: Machines,
    { name, id, bytes, eof }: { name: string; id: string; bytes: Uint8Array; eof: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const key = `${name}:${id}`;
    let opening = this.#open.get(key);
    if (opening === undefined) {
      opening = this.#attach(machines, name, id, key);
      this.#open.set(key, opening);
      opening.catch(() => this.#open.delete(key));
    }
    const input = await opening;
    clearTimeout(input.timer);
    try {
      await unlessAborted(input.process.write(bytes), signal);
    } catch (error) {
      input.process.kill();
      throw error;
    }
    if (eof) input.process.end();
    input.timer = setTimeout(() => input.process.kill(), KEPT_MS);
    input.timer.unref();
  }

  async #attach(machines: Machines, name: string, id: string, key: string): Promise<Input> {
    const machine = await connectMachine(machines.context, machines.realName(name));
    try {
      const process = await attachProcess(machine, { process: id, stdin: true });
      await process.started;
      const input: Input = { process, timer: undefined };
      const over = () => {
        clearTimeout(input.timer);
        this.#open.delete(key);
        machine.close();
      };
      process.result.then(over, over);
      return input;
    } catch (error) {
      machine.close();
      throw error;
    }
  }
}
