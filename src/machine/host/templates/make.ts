/** Makes a template: boots a guest that sees nothing of any machine, saves it, and has another VM go on from there. */
import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from "node:fs";
import { buildId } from "../../../assets/index.ts";
import { type AllowedPath, confineAsUser, lendFiles } from "../../../confine/index.ts";
import {
  engineByName,
  type LaunchConfined,
  type RunningVm,
  type VmSpec,
  vmPaths,
} from "../../../engine/index.ts";
import { SmolError } from "../../../errors.ts";
import { Guest } from "../../../guest/index.ts";
import { listenTransport, type SocketTransport } from "../../../protocol/index.ts";
import { listenInRuntimeDirectory, removeSockets, socketPaths } from "../../store/index.ts";
import { blankSpec, type MakeOrder, type TemplateStore, templateName } from "../../template/index.ts";
import { startStarter } from "../starter.ts";
import { copyContent } from "./copy.ts";
import { ENTROPY_BYTES } from "./restore.ts";

/** A disk on which nothing is. */
const BLANK_BYTES = 1024 * 1024;

/** What is kept of a guest's memory: of 16 GiB, 256 MiB are page structures, and some 40 the system's. */
const MAX_MEMORY_BYTES = 512 * 1024 * 1024;

/**
 * Makes the template and has it known. The caller holds the store's lock.
 *
 * @param onSession told of processes in sessions of their own
 * @throws Error, SmolError why there is none; nothing is left of it then
 */
export async function makeTemplate(
  order: MakeOrder,
  store: TemplateStore,
  onSession: (pid: number) => void,
): Promise<void> {
  const { paths, files, confinement, spec } = order;
  const work = `${store.directory}/making`;
  // No machine has such a name.
  const sockets = `template in ${store.directory}`;
  // What a maker that was killed has left.
  rmSync(work, { recursive: true, force: true });
  removeSockets(paths, sockets);
  mkdirSync(work, { mode: 0o700 });
  const user = confineAsUser(confinement, work);
  const { launcher } = files;
  const starter = launcher === undefined ? undefined : startStarter(launcher);
  const { agent, network } = socketPaths(paths, sockets);
  const blank = blankSpec(spec, files.system, {
    disk: (index) => `${work}/disk${index}`,
    ...{ agentSocket: agent, cardSocket: network },
  });
  const card = spec.card && listenInRuntimeDirectory(paths, () => listenForCard(network));
  try {
    if (starter === undefined) throw failure("there is no launcher");
    onSession(starter.pid);
    for (const { path } of blank.disks) if (path !== files.system) makeFile(path, BLANK_BYTES);
    await saveAndTry(blank, order, { starter, confinement: user.confinement }, { store, work });
  } finally {
    card?.stop(true);
    starter?.close();
    user.release();
    removeSockets(paths, sockets);
    rmSync(work, { recursive: true, force: true });
  }
}

interface Place {
  readonly store: TemplateStore;
  /** A directory for what is there meanwhile. */
  readonly work: string;
}

async function saveAndTry(
  blank: VmSpec,
  { paths, files: { memory: library, system }, name }: MakeOrder,
  confine: LaunchConfined,
  { store, work }: Place,
): Promise<void> {
  const { templates } = engineByName("qemu");
  if (templates === undefined || library === undefined) throw failure("there is no library for its memory");
  const shape = templates.shapeOf(blank);
  if (shape === undefined || templateName(shape, buildId()) !== name)
    throw failure("the machine that it was wanted for is of another shape");
  const lend = (files: readonly AllowedPath[]) => {
    const { user } = confine.confinement;
    if (user !== undefined) lendFiles(files, user);
  };
  const listen = () => listenForGuest(paths, blank.agentSocket);
  const raw = { memory: `${work}/memory`, devices: `${work}/devices` };
  makeFile(raw.memory, blank.memoryMib * 1024 * 1024);
  lend([...vmPaths(blank), { path: raw.memory, rights: "write" }]);
  const save = () => templates.launchSaveable(blank, raw, { confine });
  const vmm = await withGuest(listen, save, async (guest, vm) => {
    await guest.hello;
    await guest.rest(devicesOf(blank, system));
    return await vm.save();
  });
  const mark = randomBytes(8).toString("hex");
  const made = store.files(name, mark);
  try {
    // No VM has ever been able to write to what VMs begin with.
    copyContent(raw.memory, made.memory, MAX_MEMORY_BYTES);
    copyContent(raw.devices, made.devices, MAX_MEMORY_BYTES);
    lend([{ path: made.memory, rights: "read" }]);
    const restore = () => templates.restore(blank, { ...made, vmm, library }, { confine });
    // Whoever starts a machine later gets what has worked once.
    await withGuest(listen, restore, async (guest) => {
      await guest.entropy(randomBytes(ENTROPY_BYTES));
      await guest.hello;
    });
    store.publish(name, mark, vmm);
    if (store.find(name) === undefined) throw failure("it could not be written");
  } catch (error) {
    for (const path of Object.values(made)) rmSync(path, { force: true });
    throw error;
  }
}

/** All that is another machine's: every disk but the system's, and the card. */
function devicesOf({ disks, card }: VmSpec, system: string): string[] {
  const names = disks.map((_, index) => `block/vd${String.fromCharCode("a".charCodeAt(0) + index)}`);
  const others = names.filter((_, index) => disks[index]?.path !== system);
  return card === undefined ? others : [...others, "net/eth0"];
}

/** Who has connected as the guest of the VM that is started next. */
interface Listening {
  readonly connected: Promise<SocketTransport>;
  stop(): void;
}

function listenForGuest(paths: MakeOrder["paths"], path: string): Listening {
  const { promise: connected, resolve } = Promise.withResolvers<SocketTransport>();
  const listener = listenInRuntimeDirectory(paths, () => listenTransport(path, resolve));
  return {
    connected,
    stop() {
      listener.stop();
      rmSync(path, { force: true });
    },
  };
}

/** Runs a VM for some work with its guest; it is gone afterwards. */
async function withGuest<Vm extends RunningVm, T>(
  listen: () => Listening,
  launch: () => Vm,
  work: (guest: Guest, vm: Vm) => Promise<T>,
): Promise<T> {
  const listening = listen();
  try {
    const vm = launch();
    const early = vm.exited.then(({ error, console }) => {
      throw error ?? failure(`the VM has ended: ${console}`);
    });
    early.catch(() => {});
    try {
      const guest = new Guest(await Promise.race([listening.connected, early]));
      return await Promise.race([work(guest, vm), early]);
    } finally {
      vm.kill();
      await vm.exited;
    }
  } finally {
    listening.stop();
  }
}

/** The wire of a card to which nothing is ever sent. */
const listenForCard = (path: string) => Bun.listen({ unix: path, socket: { data() {} } });

function makeFile(path: string, size: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
}

const failure = (reason: string) => new SmolError("engine.template_failed", reason);
