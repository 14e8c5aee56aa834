/**
 * The machine process: one per running machine, in a session of its own. It holds the machine's lock, starts the VM,
 * keeps the only link to the guest's agent and hands work to it, for its owner (the command that started it, over
 * the inherited descriptor 3) and for other commands (over the control socket).
 *
 * An ephemeral machine lives as long as its owner wants it: when the owner's connection ends, for whatever reason,
 * everything the machine had is gone a moment later. If this process itself is killed, the kernel ends the VM with it
 * and the owner removes the rest.
 */
import { closeSync, lstatSync, mkdirSync } from "node:fs";
import { engineByName, prepareVmm } from "../engine/index.ts";
import { messageOf, SmolError } from "../errors.ts";
import { Connection, connectTransport, failureOf, listenTransport, type Stream } from "../protocol/index.ts";
import { version } from "../version.ts";
import { type BootedMachine, bootMachine } from "./boot.ts";
import { OWNER_FD } from "./client.ts";
import {
  createMachineDirectory,
  type MachineDirectory,
  removeMachineDirectory,
  socketPaths,
  sweepMachineDirectories,
  writeRecord,
} from "./directory.ts";
import type { MachinePlan } from "./plan.ts";
import type { MachineRecord } from "./record.ts";
import { relayExec } from "./relay.ts";
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
    hello: { version },
    onStream: (stream) => machine.serveOwner(stream),
  });
  await owner.closed;
  await machine.end();
  process.exit(0);
}

class MachineProcess {
  // Started before it is known what to boot: its start-up overlaps with the owner's work on the image.
  readonly #vmm = prepareVmm();
  readonly #booted = Promise.withResolvers<BootedMachine>();
  #plan: MachinePlan | undefined;
  #directory: MachineDirectory | undefined;
  #control: { stop(): void } | undefined;
  #ending: Promise<void> | undefined;

  constructor() {
    this.#booted.promise.catch(() => {});
  }

  serveOwner(stream: Stream): void {
    if (stream.method === "start") void this.#start(stream);
    else if (stream.method === "exec") void this.#exec(stream, true);
    else stream.fail({ code: "machine.bad_request", message: `unknown method ${stream.method}` });
  }

  /** Ends the VM and removes everything; safe to call at any time and more than once. */
  end(): Promise<void> {
    this.#ending ??= this.#tearDown();
    return this.#ending;
  }

  async #start(stream: Stream): Promise<void> {
    try {
      // The owner is the same program of the same user: the plan is what it says it is.
      const plan = stream.params as MachinePlan;
      this.#plan = plan;
      prepareRuntimeDirectory(plan.paths.runtime);
      const directory = createMachineDirectory(plan.paths, plan.machine.name);
      this.#directory = directory;
      // Before the record: whoever finds the machine can connect, and waits for the agent like the owner does.
      this.#control = listenTransport(socketPaths(plan.paths, plan.machine.name).control, (transport) => {
        new Connection(transport, { hello: { version }, onStream: (stream) => this.#serveClient(stream) });
      });
      await writeRecord(directory, recordOf(plan, "starting"));
      const booted = await bootMachine(plan, directory, engineByName(plan.machine.engine), this.#vmm);
      this.#booted.resolve(booted);
      stream.finish(booted.report);
      void booted.vm.exited.then(() => booted.agent.close());
      booted.agent.open("clock", { unixNanoseconds: BigInt(Math.round(now() * 1e6)).toString() });
      void this.#tidyUp(plan, directory);
    } catch (error) {
      this.#booted.reject(error);
      stream.fail(failureOf(error));
      await this.end();
    }
  }

  /** What nobody waits for, and what must not cost a running machine when it fails. */
  async #tidyUp(plan: MachinePlan, directory: MachineDirectory): Promise<void> {
    try {
      await writeRecord(directory, recordOf(plan, "running"));
      sweepMachineDirectories(plan.paths);
    } catch (error) {
      console.error(`machine ${plan.machine.name}: tidying up: ${messageOf(error)}`);
    }
  }

  #serveClient(stream: Stream): void {
    if (stream.method === "exec") void this.#exec(stream, false);
    else stream.fail({ code: "machine.bad_request", message: `unknown method ${stream.method}` });
  }

  async #exec(stream: Stream, main: boolean): Promise<void> {
    try {
      const { agent } = await this.#booted.promise;
      await relayExec(stream, agent);
    } catch (error) {
      stream.fail(failureOf(error));
    }
    if (main && this.#plan?.machine.ephemeral) await this.end();
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

function recordOf({ machine }: MachinePlan, state: MachineRecord["state"]): MachineRecord {
  return { version: 1, ...machine, pid: process.pid, createdAt: STARTED_AT, state };
}

/** Sockets are as private as their directory: in /tmp anybody could have made it first. */
function prepareRuntimeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const status = lstatSync(path);
  if (status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0) return;
  throw new SmolError("config.unsafe_runtime_dir", `${path} is not a private directory of this user`, {
    hint: "remove it, or set XDG_RUNTIME_DIR to a directory with mode 0700",
  });
}
