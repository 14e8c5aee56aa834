import { SmolError } from "../../../errors.ts";
import { quote } from "../../../values/index.ts";
import { endsWithin } from "../../../within.ts";
import type { ContainerRecord, WorkloadEnd } from "../../model/index.ts";
import { depot as paths } from "../../root/index.ts";
import { writeContainer } from "../../store/index.ts";
import type { HostedProcess } from "../processes/index.ts";
import type { Session } from "../session.ts";
import type { Depot } from "./depot.ts";
import { imageFailure } from "./failure.ts";
import { Queue } from "./queue.ts";
import { type Run, runContainer, stopSignal } from "./run.ts";
import type { ContainerHost } from "./types.ts";

/** How long the guest may take to be rid of a container that was killed. */
const DEATH_LIMIT_MS = 15_000;

/** One container of a running machine: what is known of it, and its process while it runs. */
export class Container {
  readonly #host: ContainerHost;
  /** Starts, stops and removals, one after the other. */
  readonly #queue = new Queue();
  #record: ContainerRecord;
  #run: Run | undefined;
  /** Resolves when the end of the run has been written down. */
  #over: Promise<void> = Promise.resolve();
  #removed = false;

  constructor(host: ContainerHost, record: ContainerRecord) {
    this.#host = host;
    this.#record = record;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  /** Undefined: it does not run. */
  get process(): HostedProcess | undefined {
    return this.#run?.process;
  }

  /** Starts it, unless it runs. @throws SmolError `container.*`; StreamFailure `exec.*` */
  start(depot: (session: Session) => Promise<Depot>): Promise<void> {
    return this.#queue.run(async () => {
      this.#checkThere();
      if (this.#run !== undefined) return;
      const session = await this.#host.session();
      const { image, imageBytes } = this.#record;
      if ((await (await depot(session)).sizeOf(paths.image(image.id))) !== imageBytes)
        throw imageFailure("the container's image is not on the machine's storage disk, or not as it was");
      const run = await runContainer(session, this.#record, this.#host);
      this.#run = run;
      this.#save({ state: "running", startedAt: run.startedAt, end: null });
      this.#over = run.ended.then((end) => this.#ended(end));
    });
  }

  /**
   * Asks it to end, and ends it when it has not after a time.
   *
   * @param timeoutMs 0: at once
   * @throws SmolError `container.stuck`
   */
  async stop(timeoutMs: number): Promise<void> {
    // It may be about to start. What comes later does not wait for this end, which may be long: it can be hastened.
    if (this.#run === undefined) await this.#queue.run(async () => this.#checkThere());
    const run = this.#run;
    if (run === undefined) return;
    if (timeoutMs > 0) {
      run.process.signal(stopSignal(this.#record));
      await endsWithin(run.process.ended, timeoutMs);
    }
    if (run.process.end === undefined) run.process.cancel();
    await this.#untilOver();
  }

  /**
   * Removes its files.
   *
   * @param force also when it runs; it is ended at once then
   * @param forget removes what is known of it, after its files
   * @throws SmolError `container.running`, `container.stuck`, `container.storage`
   */
  remove(
    depot: (session: Session) => Promise<Depot>,
    force: boolean,
    forget: () => Promise<void>,
  ): Promise<void> {
    // Not behind a stop that waits.
    if (force) this.#run?.process.cancel();
    return this.#queue.run(async () => {
      this.#checkThere();
      if (this.#run !== undefined && !force) throw isRunning(this.#record.id);
      this.#run?.process.cancel();
      await this.#untilOver();
      const session = await this.#host.session();
      await (await depot(session)).remove(paths.changes(this.#record.id));
      this.#removed = true;
      await forget();
    });
  }

  async #untilOver(): Promise<void> {
    if (await endsWithin(this.#over, DEATH_LIMIT_MS)) return;
    throw new SmolError("container.stuck", `container ${this.#record.id} does not end`, {
      hint: "`smolvm machine stop` ends it with its machine",
    });
  }

  #ended(end: WorkloadEnd): void {
    this.#run = undefined;
    this.#save({ state: "exited", end });
  }

  /** A full disk costs a container nothing but what is told about it. */
  #save(changes: Partial<ContainerRecord>): void {
    this.#record = { ...this.#record, ...changes };
    const { paths, record } = this.#host.order;
    try {
      writeContainer(paths, record.name, this.#record);
    } catch (error) {
      console.error(`container ${this.#record.id}: ${error}`);
    }
  }

  /** Somebody else may have removed it, while this waited for its turn. */
  #checkThere(): void {
    if (this.#removed) throw noContainer(this.#host.order.record.name, this.#record.id);
  }
}

export function noContainer(machine: string, id: string): SmolError {
  return new SmolError("container.not_found", `there is no container ${quote(id)} in machine '${machine}'`, {
    hint: `\`smolvm container ls -a ${machine}\` lists them`,
  });
}

function isRunning(id: string): SmolError {
  return new SmolError("container.running", `container ${id} is running`, {
    hint: "stop it first, or remove it with -f",
  });
}
