import { rmSync } from "node:fs";
import type {
  DiskFormat,
  Engine,
  LaunchOptions,
  RunningVm,
  VmDisk,
  VmmHandle,
  VmSpec,
} from "../engine/index.ts";
import { SmolError } from "../errors.ts";
import { Connection, listenTransport, type SocketTransport } from "../protocol/index.ts";
import { version } from "../version.ts";
import { type MachineDirectory, socketPaths } from "./directory.ts";
import { createDisk, TEMPLATE_GIB } from "./disk.ts";
import type { MachinePlan, StartReport } from "./plan.ts";
import { now } from "./timings.ts";

/**
 * How long a guest may take to its agent's hello. Real hardware needs a fraction of a second, software emulation on
 * a machine with ten other guests half a minute; this is only there to end what will never come.
 */
const BOOT_LIMIT_MS = 180_000;

/** vsock port of the agent's connection (krun). */
const AGENT_PORT = 6000;
/** Name of the agent's virtio-serial port (qemu). */
const AGENT_SERIAL = "smolvm.agent";

/** Size of the window through which a krun guest maps the runtime: several times the file, cost is address space. */
const RUNTIME_WINDOW_MIB = 512;

/** How long a VM may take to end after its agent has. */
const LAST_WORDS_MS = 3000;

export interface BootedMachine {
  readonly vm: RunningVm;
  readonly agent: Connection;
  readonly report: StartReport;
}

/**
 * Makes the disks, starts the VM and waits for the agent's hello. On failure the VM is gone when the promise
 * rejects; disks and sockets are the caller's to remove, with the directory.
 */
export async function bootMachine(
  plan: MachinePlan,
  directory: MachineDirectory,
  engine: Engine,
  vmm: VmmHandle,
): Promise<BootedMachine> {
  const agentSocket = socketPaths(plan.paths, plan.machine.name).agent;
  const { promise: connected, resolve: onAgent } = Promise.withResolvers<SocketTransport>();
  const listener = listenTransport(agentSocket, onAgent);
  const spec = describeVm(plan, directory, engine, agentSocket);
  const vm = engine.launch(spec, { vmm, libkrun: plan.files.libkrun, ...consoleForDebugging() });
  const launchedAt = now();
  const failed = vm.exited.then((exit) => {
    throw (
      exit.error ??
      bootFailure(`the VM ended before its agent was ready (${describeExit(exit)})`, exit.console)
    );
  });
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(bootFailure("the guest's agent did not answer in time")), BOOT_LIMIT_MS);
  });
  try {
    const transport = await Promise.race([connected, failed, late]);
    const agent = new Connection(transport, { hello: { version } });
    const hello = await Promise.race([agent.hello.catch(() => lost(failed)), failed, late]);
    const readyAt = now();
    const agentMs = hello.bootMs === undefined ? 0 : hello.bootMs.agent - hello.bootMs.init;
    failed.catch(() => {});
    return { vm, agent, report: { launchedAt, initAt: readyAt - agentMs, readyAt, vmmPid: vm.pid } };
  } catch (error) {
    vm.kill();
    await vm.exited;
    throw error;
  } finally {
    clearTimeout(timer);
    listener.stop();
    rmSync(agentSocket, { force: true });
  }
}

/** The agent is gone. As a rule its VM ends a moment later, and says more about it. */
async function lost(failed: Promise<never>): Promise<never> {
  await Promise.race([failed, Bun.sleep(LAST_WORDS_MS)]);
  throw bootFailure("the guest's agent ended before it was ready");
}

function bootFailure(message: string, console?: string): SmolError {
  return new SmolError(
    "machine.boot_failed",
    console ? `${message}; its console ends with: ${console}` : message,
    {
      hint: "`smolvm doctor` checks this host; SMOLVM_DEBUG=1 shows the guest's console",
    },
  );
}

/** The guest's console on this process's stderr, which is nowhere unless the user asked for it. */
function consoleForDebugging(): LaunchOptions {
  if (!process.env.SMOLVM_DEBUG) return {};
  return { consoleLog: (chunk) => console.error(new TextDecoder().decode(chunk).trimEnd()) };
}

function describeExit(exit: { code: number | null; signal: string | null }): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}

/** Lays out disks and the kernel parameters that tell the guest which is which (agent/init.c reads them). */
function describeVm(
  plan: MachinePlan,
  directory: MachineDirectory,
  engine: Engine,
  agentSocket: string,
): VmSpec {
  const { files, machine } = plan;
  const disks: VmDisk[] = [];
  const add = (path: string, readOnly: boolean, format: DiskFormat = "raw") => {
    disks.push({ path, readOnly, format });
    return `/dev/vd${"abcdefgh"[disks.length - 1]}`;
  };
  const blank: string[] = [];
  const writable = (name: "overlay" | "storage", gib: number, template: string) => {
    const path = `${directory.path}/${name}.ext4`;
    if (createDisk(path, gib, { path: template, gib: TEMPLATE_GIB[name] }) === "blank") blank.push(name);
    return add(path, false);
  };
  const root = add(files.system, true);
  const image = add(files.image.path, true, files.image.format);
  const overlay = writable("overlay", machine.overlayGib, files.overlayTemplate);
  const storage = writable("storage", machine.storageGib, files.storageTemplate);
  const runtime = "disk" in files.runtime ? add(files.runtime.disk, true) : "virtiofs:runtime";
  return {
    cpus: machine.cpus,
    memoryMib: machine.memoryMib,
    kernel: files.kernel,
    commandLine: [
      `root=${root}`,
      "rootfstype=erofs",
      "ro",
      "init=/init",
      `smolvm.image=${image}`,
      `smolvm.overlay=${overlay}`,
      `smolvm.storage=${storage}`,
      `smolvm.runtime=${runtime}`,
      `smolvm.agent=${engine.agentTransport === "vsock" ? `vsock:${AGENT_PORT}` : `virtio:${AGENT_SERIAL}`}`,
      `smolvm.hostname=${machine.name}`,
      ...(blank.length > 0 ? [`smolvm.format=${blank.join(",")}`] : []),
    ],
    disks,
    shares:
      "share" in files.runtime
        ? [{ tag: "runtime", path: files.runtime.share, readOnly: true, daxWindowMib: RUNTIME_WINDOW_MIB }]
        : [],
    agentSocket,
    agentPort: AGENT_PORT,
    ephemeral: machine.ephemeral,
  };
}
