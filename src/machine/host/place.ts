import { mkdirSync } from "node:fs";
import {
  type Confinement,
  confineAsUser,
  type OwnUser,
  planRemoval,
  type Removal,
  type Starter,
  sweepCgroups,
} from "../../confine/index.ts";
import { SmolError } from "../../errors.ts";
import { listenTransport, type SocketTransport } from "../../protocol/index.ts";
import type { StartOrder } from "../plan/index.ts";
import {
  createRunning,
  dataDirectory,
  directoryRemoval,
  type Lock,
  listenInRuntimeDirectory,
  lockRunning,
  markEphemeral,
  removeDirectory,
  removeSockets,
  socketPaths,
  socketRemovals,
  sweep,
  tryLockForChange,
  writeFirstRecord,
} from "../store/index.ts";
import { AgentListener } from "./agent-listener.ts";

/** What the starter learns: to remove what would be left of the machine that runs, or all of it. */
const [LEAVE, REMOVE] = ["leave", "remove"];
const unknown = (): never => {
  throw new Error("the starter has not learned how to leave");
};

/** The image's lease, and whatever else a running machine keeps others from removing. */
export interface Leases {
  release(): void;
}

/** A machine's place on the host while it runs: its directory with its lock, its control socket, what it leases, and who its VM is. */
export class Place {
  /** Disks and logs. */
  readonly data: string;
  readonly #order: StartOrder;
  readonly #lock: Lock;
  readonly #leases: Leases;
  readonly #user: OwnUser;
  #control: { stop(): void } | undefined;
  #agents: AgentListener | undefined;
  /** Who removes what this process may not remove any more. */
  #leaver: Pick<Starter, "start"> | undefined;
  #remove: boolean;

  /**
   * @param lease takes what the machine uses
   * @throws SmolError `machine.exists`, `machine.running`, `confine.missing`; what `lease` throws
   */
  constructor(order: StartOrder, lease: (order: StartOrder) => Leases) {
    const { paths, record } = order;
    this.#order = order;
    this.#remove = record.ephemeral;
    this.data = dataDirectory(paths, record.name);
    this.#lock = takePlace(order);
    try {
      this.#leases = lease(order);
      mkdirSync(this.data, { recursive: true, mode: 0o700 });
      this.#user = confineAsUser(order.confinement, this.data, obstacleOf(order));
    } catch (error) {
      this.#leaveItself();
      this.#release();
      throw error;
    }
  }

  /** How the processes of the VM are confined here. */
  get confinement(): Confinement {
    return this.#user.confinement;
  }

  /** Lets others connect. They may do so before the guest runs, and wait for it like its owner does. */
  listen(onConnection: (transport: SocketTransport) => void): void {
    const { paths, record } = this.#order;
    const { control, agent } = socketPaths(paths, record.name);
    // Left by a process that was killed: its lock is ours.
    removeSockets(paths, record.name);
    this.#control = listenInRuntimeDirectory(paths, () => listenTransport(control, onConnection));
    this.#agents = new AgentListener(agent);
  }

  /** Where its VMs' agents are connected; once it listens. */
  get agents(): AgentListener {
    if (this.#agents === undefined) throw new Error("nobody listens for the agent");
    return this.#agents;
  }

  /** Nobody can connect any more. */
  stopListening(): void {
    this.#control?.stop();
    this.#control = undefined;
    this.#agents?.close();
    this.#agents = undefined;
  }

  /** What nobody waits for: directories and cgroups that other machines left behind. */
  sweep(): void {
    const { mode, host } = this.confinement;
    if (mode !== "off" && host !== null && host.cgroup !== null) sweepCgroups(host.cgroup);
    sweep(this.#order.paths);
  }

  /** Nothing of the machine is to be kept, as of a throw-away one. */
  removeWhenLeft(): void {
    this.#remove = true;
  }

  /**
   * Whatever this process may do later, the starter removes what the machine has in places that others have, too.
   *
   * @param more what it has elsewhere
   */
  leaveBy(starter: Starter, more: readonly Removal[]): void {
    const { paths, record } = this.#order;
    const outside = [...more, ...this.#user.removals, ...socketRemovals(paths, record.name)];
    starter.learn(LEAVE, () => planRemoval(outside));
    starter.learn(REMOVE, () => planRemoval([...outside, directoryRemoval(paths, record.name)]));
    this.#leaver = starter;
  }

  /**
   * The machine has ended: resolves when nothing of it is left that is not to be kept.
   *
   * @param lastWords tells those who look that it has ended: when nothing is left to be done but to give up its lock
   */
  async leave(lastWords: () => void): Promise<void> {
    this.stopListening();
    if (this.#leaver === undefined) {
      lastWords();
      this.#leaveItself();
    } else {
      const change = this.#lockToRemove();
      // Of one that is to go there is no file later.
      if (change !== undefined) lastWords();
      await this.#leaver.start(change === undefined ? LEAVE : REMOVE, unknown).exited;
      if (change === undefined) lastWords();
      change?.release();
    }
    this.#release();
  }

  #leaveItself(): void {
    const { paths, record } = this.#order;
    const change = this.#lockToRemove();
    if (change === undefined) removeSockets(paths, record.name);
    else removeDirectory(paths, record.name);
    change?.release();
  }

  #release(): void {
    this.#user?.release();
    this.#leases?.release();
    this.#lock.release();
  }

  /** Undefined: it is to be kept, or a command is about to change it. */
  #lockToRemove(): Lock | undefined {
    if (!this.#remove) return undefined;
    const { paths, record } = this.#order;
    // Nobody changes a throw-away machine.
    if (record.ephemeral) return { release() {} };
    const change = tryLockForChange(paths, record.name);
    return typeof change === "string" ? undefined : change;
  }
}

function takePlace({ paths, record }: StartOrder): Lock {
  const { name } = record;
  if (record.ephemeral) {
    const lock = createRunning(paths, name, (path) => {
      markEphemeral(path);
      // Nobody starts it again: values of variables, which may be secrets, need not lie on the disk.
      writeFirstRecord(path, { ...record, env: [] });
    });
    if (lock !== undefined) return lock;
    throw new SmolError("machine.exists", `a machine named ${name} is there already`, {
      hint: "choose another --name, or none; `smolvm machine ls` shows what there is",
    });
  }
  const lock = lockRunning(paths, name);
  if (lock !== undefined) return lock;
  throw new SmolError("machine.running", `machine ${name} is running already`);
}

/** Another user could not open the host's GPU, which is not root's to give away. */
const obstacleOf = ({ gpu }: StartOrder): string | undefined =>
  gpu?.renderNode ? `a machine with a GPU opens ${gpu.renderNode} as who starts it` : undefined;
