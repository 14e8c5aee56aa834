import { mkdirSync } from "node:fs";
import { type Confinement, confineAsUser, type OwnUser, sweepCgroups } from "../../confine/index.ts";
import { SmolError } from "../../errors.ts";
import { listenTransport, type SocketTransport } from "../../protocol/index.ts";
import type { StartOrder } from "../plan/index.ts";
import {
  createRunning,
  dataDirectory,
  type Lock,
  listenInRuntimeDirectory,
  lockRunning,
  markEphemeral,
  removeDirectory,
  removeSockets,
  socketPaths,
  sweep,
  tryLockForChange,
  writeFirstRecord,
} from "../store/index.ts";

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
      this.#user = confineAsUser(order.confinement, this.data);
    } catch (error) {
      this.leave();
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
    const { control } = socketPaths(paths, record.name);
    // Left by a process that was killed: its lock is ours.
    removeSockets(paths, record.name);
    this.#control = listenInRuntimeDirectory(paths, () => listenTransport(control, onConnection));
  }

  /** Nobody can connect any more. */
  stopListening(): void {
    this.#control?.stop();
    this.#control = undefined;
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

  /** The machine has ended. */
  leave(): void {
    this.stopListening();
    const { paths, record } = this.#order;
    const change = this.#remove ? this.#lockToRemove() : undefined;
    if (change === undefined) {
      removeSockets(paths, record.name);
    } else {
      removeDirectory(paths, record.name);
      change.release();
    }
    this.#user?.release();
    this.#leases?.release();
    this.#lock.release();
  }

  /** Undefined: a command is about to change the machine, which is kept then. */
  #lockToRemove(): Lock | undefined {
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
