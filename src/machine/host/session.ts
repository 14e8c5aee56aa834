import { engineByName, type NetCard, type RunningVm } from "../../engine/index.ts";
import type { Guest, RootRequest } from "../../guest/index.ts";
import { now } from "../clock.ts";
import type { MachineDisks } from "../disks/index.ts";
import { argumentsOf, type StartOrder } from "../plan/index.ts";
import { isInitSystem, planContainer, planDepot, planRoot, type RootInput } from "../root/index.ts";
import { type Boot, type BootOptions, bootMachine, type Readiness } from "./boot.ts";
import type { ContainerPlans } from "./containers/index.ts";
import { limitDisks } from "./disk-limit.ts";
import { type MainRoot, makeMainRoot } from "./main-root.ts";
import { nameserverOf } from "./nameserver.ts";
import { shareVolumes } from "./volumes/index.ts";

/** How a machine's VM is started, and its root planned; tests have an engine and a root of their own. */
export interface Launcher extends ContainerPlans {
  boot(order: StartOrder, disks: MachineDisks, options: BootOptions): Boot;
  planRoot(input: RootInput): RootRequest;
  /** A program of the guest's system that packs and unpacks files: the agent's. */
  readonly copier: string;
}

/** What a session needs of the machine's network. */
export interface SessionNetwork {
  readonly card: NetCard;
  configure(guest: Guest): Promise<void>;
}

/** One run of a machine's VM. A machine that is started again has another one. */
export interface Session {
  readonly vm: RunningVm;
  /** Work may be asked for at once: it is done as soon as the guest can. */
  readonly guest: Guest;
  readonly root: MainRoot;
  /** The device of the storage disk. */
  readonly storage: string;
  /** The disk with what was changed in the image was made for this session. */
  readonly freshRoot: boolean;
  /** What the user should know about the disks, one sentence each. */
  readonly notes: readonly string[];
  /** Resolves with the agent's hello; rejects with a SmolError that says why there is none. */
  readonly ready: Promise<Readiness>;
  /** Before the last writes: the disks may be as fast as they can. */
  freeDisks(): Promise<void>;
}

export interface SessionOptions extends Omit<BootOptions, "card"> {
  /** Undefined: the machine has none. */
  readonly network?: SessionNetwork | undefined;
  /** The kernel has killed processes of the root for lack of memory. */
  readonly onOutOfMemory: () => void;
  /** A folder of the host is gone from the guest; the machine goes on without. */
  readonly onVolumeLost: (reason: string) => void;
}

/**
 * Starts the VM and asks for its root. Everything that the guest has to do at its start is on its way before its
 * kernel runs.
 *
 * @returns as soon as there is a channel to the guest
 * @throws SmolError when there is none; the VM is gone then
 */
export async function openSession(
  order: StartOrder,
  disks: MachineDisks,
  launcher: Launcher,
  options: SessionOptions,
): Promise<Session> {
  const { network, confine } = options;
  const { vm, guest: channel, ready } = launcher.boot(order, disks, { ...options, card: network?.card });
  ready.catch(() => {});
  const guest = await channel;
  void vm.exited.then(() => guest.close());
  setClock(guest);
  // The request may have waited in the channel for the whole time that the kernel took.
  void ready.then(
    () => setClock(guest),
    () => {},
  );
  // Beside the root, in which nobody starts anything before both are done.
  const configured = network?.configure(guest);
  configured?.catch(() => {});
  // Before the root is asked for, which has them.
  const volumes = shareVolumes(guest, order.volumes, confine, options.onVolumeLost);
  void vm.exited.then(() => volumes.close());
  const plan = launcher.planRoot(rootInput(order, disks));
  const root = makeMainRoot(guest, plan, disks, options.onOutOfMemory);
  const { diskBps } = order.record;
  const limit = async (bytesPerSecond: number | null) => {
    if (diskBps !== null) await limitDisks(guest, plan.name, disks.root, bytesPerSecond);
  };
  // A root that is made a second time, after a repair, has a new cgroup: not before it is made.
  const made = Promise.all([root.made, volumes.ready]).then(async ([notes]) => {
    await limit(diskBps);
    await configured;
    return notes;
  });
  made.catch(() => {});
  const requested = Promise.all([root.requested, configured]).then(() => {});
  requested.catch(() => {});
  return {
    ...{ vm, guest, ready },
    root: { requested, made },
    storage: disks.root.storage.device,
    freshRoot: disks.made.includes("overlay"),
    notes: disks.notes,
    freeDisks: () => limit(null),
  };
}

function rootInput(order: StartOrder, disks: MachineDisks): RootInput {
  const { record, image, terminal, volumes } = order;
  const { name, memoryMib, pids, ephemeral } = record;
  return {
    name,
    memoryMib,
    pids,
    ephemeral,
    terminal,
    gpu: order.gpu !== null,
    nameserver: nameserverOf(order),
    bare: record.image === null,
    volumes: image.volumes,
    initSystem: isInitSystem(argumentsOf(record, image)),
    disks: disks.root,
    shares: volumes,
    tmpfs: record.tmpfs,
  };
}

/** To the host's time, nanoseconds since the epoch. Nothing depends on it: a refusal is the console's to tell. */
function setClock(guest: Guest): void {
  guest.clock(BigInt(Math.round(now() * 1e6))).catch(() => {});
}

/** Real machines. */
export const launcher: Launcher = {
  boot: (order, disks, options) => bootMachine(order, disks, engineByName(order.engine), options),
  planRoot,
  planContainer,
  planDepot,
  reaper: ["/init", "reap"],
  copier: "/init",
};
