import { SmolError } from "../../../errors.ts";
import { quote } from "../../../values/index.ts";
import {
  bindOf,
  type ContainerImage,
  type ContainerRecord,
  type ContainerVolume,
  endedWithMachine,
  makeContainerId,
} from "../../model/index.ts";
import { argumentsOf } from "../../plan/index.ts";
import { MAX_BINDS, depot as paths } from "../../root/index.ts";
import { readContainers, removeContainer, writeContainer } from "../../store/index.ts";
import type { Session } from "../session.ts";
import { Container, noContainer } from "./container.ts";
import { Depot } from "./depot.ts";
import { type CopyOptions, copyImage } from "./images.ts";
import { Queue } from "./queue.ts";
import type { ContainerHost } from "./types.ts";

/** Far beyond what a machine's memory can run; each list of them reads all. */
const MAX_CONTAINERS = 1000;

/** What a container without a command of its own does: it waits for `container exec`. */
const IDLE = ["sleep", "infinity"];

/** What a container is made from. */
export interface ContainerRequest {
  /** The image as the user named it. */
  readonly reference: string;
  /** In the host's cache. */
  readonly image: ContainerImage;
  /** Replaces the image's CMD; empty: the container waits. */
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workdir: string | null;
  readonly volumes: readonly ContainerVolume[];
}

/** The containers of a machine that runs. What they are outlives the machine's process, what runs in them does not. */
export class Containers {
  readonly #host: ContainerHost;
  readonly #all = new Map<string, Container>();
  /** What copies images and removes them: else one would remove what another is about to use. */
  readonly #images = new Queue();
  readonly #depots = new WeakMap<Session, Promise<Depot>>();

  /** Containers that ran when the machine's last process ended have ended with it. */
  constructor(host: ContainerHost) {
    this.#host = host;
    const now = Date.now();
    for (const found of readContainers(this.#paths, this.#machine)) {
      const record = endedWithMachine(found, now);
      if (record !== found) this.#write(record);
      this.#all.set(record.id, new Container(host, record));
    }
  }

  /**
   * Makes a container, which does not run yet; copies its image into the machine, if that is not there.
   *
   * @throws SmolError `container.*`, `image.*`, `exec.not_found`, `run.bad_workdir`; the signal's reason
   */
  async create(request: ContainerRequest, options: CopyOptions): Promise<ContainerRecord> {
    const { cmd, image, reference, env, workdir } = request;
    const argv = cmd.length === 0 ? IDLE : argumentsOf({ entrypoint: null, cmd: [...cmd] }, image);
    const binds = request.volumes.map(bindOf);
    if (binds.length > MAX_BINDS) throw tooManyVolumes(binds.length);
    if (workdir !== null && !workdir.startsWith("/"))
      throw new SmolError("run.bad_workdir", `the working directory must be absolute: ${quote(workdir)}`);
    return await this.#images.run(async () => {
      options.signal.throwIfAborted();
      if (this.#all.size >= MAX_CONTAINERS) throw tooMany();
      const depot = await this.#depot(await this.#host.session());
      const cache = `${this.#paths.cache}/images`;
      const { storageGib } = this.#host.order.record;
      const imageBytes = await copyImage(depot, cache, image.id, storageGib, options);
      options.signal.throwIfAborted();
      const record: ContainerRecord = {
        version: 1,
        id: this.#newId(),
        createdAt: Date.now(),
        ...{ reference, image, imageBytes, workdir, binds },
        argv: [...argv],
        env: [...env],
        state: "created",
        startedAt: null,
        end: null,
      };
      writeContainer(this.#paths, this.#machine, record);
      this.#all.set(record.id, new Container(this.#host, record));
      return record;
    });
  }

  /**
   * A container by its id, or the start of it.
   *
   * @throws SmolError `container.not_found`, `container.ambiguous`
   */
  find(text: string): Container {
    const exact = this.#all.get(text);
    if (exact !== undefined) return exact;
    const [first, second] = [...this.#all]
      .filter(([id]) => text !== "" && id.startsWith(text))
      .map(([, container]) => container);
    if (first === undefined) throw noContainer(this.#machine, text);
    if (second !== undefined)
      throw new SmolError("container.ambiguous", `several containers have an id that starts with ${text}`);
    return first;
  }

  /** @throws SmolError `container.*`; StreamFailure `exec.*` */
  async start(id: string): Promise<ContainerRecord> {
    const container = this.find(id);
    await container.start((session) => this.#depot(session));
    return container.record;
  }

  /** @throws SmolError `container.not_found`, `container.ambiguous`, `container.stuck` */
  async stop(id: string, timeoutMs: number): Promise<ContainerRecord> {
    const container = this.find(id);
    await container.stop(timeoutMs);
    return container.record;
  }

  /** Removes a container with its files, and its image if no other one has it. @throws SmolError `container.*` */
  async remove(id: string, force: boolean): Promise<ContainerRecord> {
    const container = this.find(id);
    const { record } = container;
    await container.remove(
      (session) => this.#depot(session),
      force,
      () => this.#images.run(() => this.#forget(record)),
    );
    return record;
  }

  /** Before the machine ends: asks all to end, and ends them after a time. */
  async stopAll(timeoutMs: number): Promise<void> {
    const running = [...this.#all.values()].filter(({ process }) => process !== undefined);
    // Whatever does not end in order ends with the guest.
    await Promise.allSettled(running.map((container) => container.stop(timeoutMs)));
  }

  async #forget({ id, image }: ContainerRecord): Promise<void> {
    removeContainer(this.#paths, this.#machine, id);
    this.#all.delete(id);
    const isUsed = [...this.#all.values()].some(({ record }) => record.image.id === image.id);
    if (isUsed) return;
    const depot = await this.#depot(await this.#host.session());
    await depot.remove(paths.image(image.id));
  }

  /** One for each run of the VM; a failed attempt is made again. */
  #depot(session: Session): Promise<Depot> {
    const found = this.#depots.get(session);
    if (found !== undefined) return found;
    const opening = Depot.open(session, this.#host.plans);
    this.#depots.set(session, opening);
    opening.catch(() => this.#depots.delete(session));
    return opening;
  }

  #newId(): string {
    for (;;) {
      const id = makeContainerId();
      if (!this.#all.has(id)) return id;
    }
  }

  #write(record: ContainerRecord): void {
    try {
      writeContainer(this.#paths, this.#machine, record);
    } catch (error) {
      console.error(`container ${record.id}: ${error}`);
    }
  }

  get #paths() {
    return this.#host.order.paths;
  }

  get #machine(): string {
    return this.#host.order.record.name;
  }
}

const tooMany = (): SmolError =>
  new SmolError("container.too_many", `a machine has at most ${MAX_CONTAINERS} containers`, {
    hint: "`smolvm container ls -a` lists them, `smolvm container rm` removes them",
  });

const tooManyVolumes = (count: number): SmolError =>
  new SmolError("container.bad_volume", `a container has at most ${MAX_BINDS} volumes, not ${count}`, {
    hint: "a volume can hold several directories",
    exitCode: 2,
  });
