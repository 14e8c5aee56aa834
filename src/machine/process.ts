/**
 * The machine process: one per running machine, in a session of its own. It holds the machine's lock, starts the VM,
 * keeps the only link to the guest's agent and hands work to it, for its owner (the command that started it, over
 * the inherited descriptor 3) and for other commands (over the control socket).
 *
 * An ephemeral machine lives as long as its owner wants it: when the owner's connection ends, for whatever reason,
 * everything the machine had is gone a moment later. If this process itself is killed, the kernel ends the VM with it
 * and the owner removes the rest.
 */
import { closeSync } from "node:fs";
import { leaseAssets } from "../assets/index.ts";
import { engineByName, prepareVmm } from "../engine/index.ts";
import { messageOf, SmolError } from "../errors.ts";
import type { Guest, GuestExec } from "../guest/index.ts";
import {
  Connection,
  checkExecRequest,
  connectTransport,
  type ExecRequest,
  failureOf,
  jsonCodec,
  listenTransport,
  ProtocolError,
  type Stream,
  StreamFailure,
} from "../protocol/index.ts";
import { version } from "../version.ts";
import { bootMachine } from "./boot.ts";
import { OWNER_FD } from "./client.ts";
import {
  createMachineDirectory,
  type MachineDirectory,
  removeMachineDirectory,
  sweepMachineDirectories,
  writeRecord,
} from "./directory.ts";
import { makeDisks } from "./disks/index.ts";
import { type MainRoot, makeMainRoot } from "./main-root.ts";
import type { MachinePlan, StartReport } from "./plan.ts";
import type { MachineRecord } from "./record.ts";
import { relayExec } from "./relay.ts";
import { MAIN_ROOT, withDefaultLimits } from "./root/index.ts";
import { listenInRuntimeDirectory, socketPaths } from "./sockets.ts";
import { now } from "./timings.ts";

/** When this process, and with it its machine, started: seconds since the epoch. */
const STARTED_AT = Math.floor(Date.now() / 1000);

/** Entry of the `__machine` role; ends the process when the machine has ended. */
export async function runMachineProcess(): Promise<never> {
  process.umask(0o077);
  const machine = new MachineProcess();
  process.on("SIGTERM", () => void machine.end());
  // The owner decides what an interrupt means; this process is in another session, but may be signalled by hand.
  process.on("SIGINT", () => void machine.end());
  const transport = await connectTransport({ fd: OWNER_FD });
  const owner = new Connection(transport, {
    codec: jsonCodec(version),
    onStream: (stream) => machine.serveOwner(stream),
  });
  await owner.closed;
  await machine.end();
  process.exit(0);
}

/** A guest that can be asked for processes. */
interface Running {
  readonly guest: Guest;
  readonly root: MainRoot;
}

class MachineProcess {
  // Started before it is known what to boot: its start-up overlaps with the owner's work on the image.
  readonly #vmm = prepareVmm();
  readonly #running = Promise.withResolvers<Running>();
  /** The owner's command runs: others find its namespaces. */
  readonly #mainStarted = Promise.withResolvers<void>();
  /** Clients with a command in the machine. */
  readonly #clients = new Set<Stream>();
  #plan: MachinePlan | undefined;
  #directory: MachineDirectory | undefined;
  #control: { stop(): void } | undefined;
  #ending: Promise<void> | undefined;

  constructor() {
    this.#running.promise.catch(() => {});
    this.#mainStarted.promise.catch(() => {});
  }

  serveOwner(stream: Stream): void {
    if (stream.request.method === "start") void this.#start(stream);
    else if (stream.request.method === "exec") void this.#exec(stream, true);
    else stream.fail({ code: "machine.bad_request", message: `unknown method ${stream.request.method}` });
  }

  /** Ends the VM and removes everything; safe to call at any time and more than once. */
  end(): Promise<void> {
    this.#ending ??= this.#tearDown();
    return this.#ending;
  }

  async #start(stream: Stream): Promise<void> {
    try {
      // The owner is the same program of the same user: the plan is what it says it is.
      const plan = stream.request.params as MachinePlan;
      this.#plan = plan;
      const directory = createMachineDirectory(plan.paths, plan.machine.name);
      this.#directory = directory;
      // Before the record: whoever finds the machine can connect, and waits for the guest like the owner does.
      this.#control = listenInRuntimeDirectory(plan.paths, () =>
        listenTransport(socketPaths(plan.paths, plan.machine.name).control, (transport) => {
          new Connection(transport, {
            codec: jsonCodec(version),
            onStream: (stream) => this.#serveClient(stream),
          });
        }),
      );
      await writeRecord(directory, recordOf(plan, "starting"));
      stream.finish(await this.#boot(plan, directory));
      void this.#tidyUp(plan, directory);
    } catch (error) {
      this.#running.reject(error);
      stream.fail(failureOf(error));
      await this.end();
    }
  }

  /** Everything that the guest has to do at its start is on its way before its kernel runs, the command included. */
  async #boot(plan: MachinePlan, directory: MachineDirectory): Promise<StartReport> {
    const { machine } = plan;
    const disks = await makeDisks(plan, directory);
    const { vm, guest: channel, ready } = bootMachine(plan, disks, engineByName(machine.engine), this.#vmm);
    // What it says is heard below.
    ready.catch(() => {});
    const guest = await channel;
    void vm.exited.then(() => guest.close());
    setClock(guest);
    const { name, memoryMib, ephemeral } = machine;
    const input = { ...plan.root, ...disks, name, memoryMib, ephemeral, disks: disks.root };
    const root = makeMainRoot(guest, input, () => this.#tellOutOfMemory());
    root.made.catch(() => {});
    this.#running.resolve({ guest, root });
    const readiness = await ready;
    // The request may have waited in the channel for the whole time that the kernel took.
    setClock(guest);
    return { ...readiness, vmmPid: vm.pid, notes: [...disks.notes, ...(await root.made)] };
  }

  #tellOutOfMemory(): void {
    for (const client of this.#clients) client.event({ type: "out_of_memory" });
  }

  /** What nobody waits for, and what must not cost a running machine when it fails. */
  async #tidyUp(plan: MachinePlan, directory: MachineDirectory): Promise<void> {
    try {
      // Never released: as long as this process lives, another version of the program removes nothing of it.
      await leaseAssets(filesOf(plan));
      await writeRecord(directory, recordOf(plan, "running"));
      sweepMachineDirectories(plan.paths);
    } catch (error) {
      console.error(`machine ${plan.machine.name}: tidying up: ${messageOf(error)}`);
    }
  }

  #serveClient(stream: Stream): void {
    if (stream.request.method === "exec") void this.#exec(stream, false);
    else stream.fail({ code: "machine.bad_request", message: `unknown method ${stream.request.method}` });
  }

  async #exec(stream: Stream, main: boolean): Promise<void> {
    this.#clients.add(stream);
    try {
      const request = guestExec(stream.request.params, main);
      const { guest, root } = await this.#running.promise;
      await root.requested;
      // Only the first process makes the namespace in which all others live.
      if (!main) await this.#mainStarted.promise;
      await relayExec(stream, request, {
        exec: (exec) => guest.exec(exec),
        rootMade: root.made,
        onStart: main ? this.#mainStarted.resolve : undefined,
      });
    } catch (error) {
      stream.fail(failureOf(error));
    }
    this.#clients.delete(stream);
    if (!main) return;
    // Unless it has started before.
    this.#mainStarted.reject(new SmolError("machine.lost", "the machine's command could not be started"));
    if (this.#plan?.machine.ephemeral) await this.end();
  }

  async #tearDown(): Promise<void> {
    this.#control?.stop();
    this.#vmm.kill();
    await this.#vmm.exited;
    if (this.#plan && this.#directory) {
      removeMachineDirectory(this.#plan.paths, this.#plan.machine.name);
      closeSync(this.#directory.lock);
    }
    process.exit(0);
  }
}

/**
 * What the guest is asked for. The owner's command is the first process of the root's PID namespace, as in a container.
 *
 * @throws StreamFailure `exec.bad_request`
 */
function guestExec(params: unknown, main: boolean): GuestExec {
  let request: ExecRequest;
  try {
    request = checkExecRequest(params);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new StreamFailure({ code: "exec.bad_request", message: error.message });
  }
  const { init, rlimits = [], ...rest } = request;
  const first = init === "reaper" ? "reaper" : "itself";
  return {
    ...rest,
    root: MAIN_ROOT,
    rlimits: withDefaultLimits(rlimits),
    first: main ? first : undefined,
  };
}

/** To the host's time, nanoseconds since the epoch. Nothing depends on it: a refusal is the console's to tell. */
function setClock(guest: Guest): void {
  void guest.clock(BigInt(Math.round(now() * 1e6)));
}

function filesOf({ files }: MachinePlan): string[] {
  const { kernel, system, image, overlayTemplate, storageTemplate, libkrun } = files;
  return [kernel, system, image.path, overlayTemplate, storageTemplate, ...(libkrun ? [libkrun] : [])];
}

function recordOf({ machine }: MachinePlan, state: MachineRecord["state"]): MachineRecord {
  return { version: 1, ...machine, pid: process.pid, createdAt: STARTED_AT, state };
}
