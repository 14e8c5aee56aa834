/**
 * For tests of the machine's process: machines without a VM. The real agent runs natively as the guest, and a directory
 * is the image; what is stopped and started again finds its files there. Needs Linux, root, cc and a static busybox.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { bindMount, makeRoot, startAgent, staticAgent, stepsFor } from "../../../agent/testing/index.ts";
import type { Paths } from "../../config/paths.ts";
import {
  Guest,
  type GuestExec,
  type GuestProcess,
  MountFlag,
  type RootRequest,
  type Step,
} from "../../guest/index.ts";
import { Connection, jsonCodec, type SocketTransport } from "../../protocol/index.ts";
import { Machine } from "../client/connect.ts";
import { now } from "../clock.ts";
import { defaultSpec, type MachineRecord, type MachineSpec, newRecord } from "../model/index.ts";
import { planNetwork, type StartEvent, type StartOrder, type StartReport } from "../plan/index.ts";
import { hostnameOf, MAIN_ROOT, planContainer, planDepot } from "../root/index.ts";
import { createStopped, readRecord, readState, socketPaths, writeFirstRecord } from "../store/index.ts";
import type { Boot } from "./boot.ts";
import { MachineHost } from "./machine-host.ts";
import type { Launcher } from "./session.ts";
import type { Clock } from "./supervise/index.ts";

const GIB = 1024 ** 3;

/** A directory of its own for the machines of a test. */
export class TestPlace {
  readonly paths: Paths;
  readonly #directory = mkdtempSync(`${tmpdir()}/smolvm-host-`);
  readonly #hosts = new Set<MachineHost>();

  constructor() {
    const directory = this.#directory;
    this.paths = {
      data: `${directory}/data`,
      cache: `${directory}/cache`,
      config: `${directory}/config`,
      runtime: `${directory}/run`,
    };
    for (const name of ["kernel", "system", "image"]) writeFileSync(`${directory}/${name}`, "");
    for (const [name, gib] of [
      ["overlay", 2],
      ["storage", 20],
    ] as const) {
      writeFileSync(`${directory}/${name}.template`, "");
      truncateSync(`${directory}/${name}.template`, gib * GIB);
    }
  }

  /** The root filesystem of all its machines. */
  root(name: string): string {
    return `${this.#directory}/roots/${name}`;
  }

  /** The storage disk of its machines, as their containers have it. */
  storage(name: string): string {
    return `${this.#directory}/storage/${name}`;
  }

  /** Makes a machine that has not run yet. */
  create(name: string, changes: Partial<MachineSpec> = {}): MachineRecord {
    const record = newRecord({ ...defaultSpec(name), memoryMib: 512, ...changes }, Date.now());
    makeRoot(this.root(name));
    mkdirSync(this.storage(name), { recursive: true });
    createStopped(this.paths, name, (path) => writeFirstRecord(path, record))?.release();
    return record;
  }

  order(record: MachineRecord, image: Partial<StartOrder["image"]> = {}): StartOrder {
    const directory = this.#directory;
    return {
      record,
      paths: this.paths,
      engine: "qemu",
      confinement: { mode: "off", host: null },
      files: {
        kernel: `${directory}/kernel`,
        system: `${directory}/system`,
        image: { path: `${directory}/image`, format: "raw" },
        overlayTemplate: `${directory}/overlay.template`,
        storageTemplate: `${directory}/storage.template`,
      },
      image: {
        id: null,
        entrypoint: [],
        cmd: [],
        env: ["PATH=/bin"],
        workdir: "/",
        user: "",
        volumes: [],
        ...image,
      },
      network: planNetwork(record),
      lent: { secrets: [], sshAgent: null },
      gpu: null,
      terminal: false,
      volumes: [],
    };
  }

  /** Starts the machine of an order in this process. @param options storage: another directory as its storage disk */
  async start(order: StartOrder, options: { clock?: Clock; storage?: string } = {}): Promise<TestMachine> {
    const guests: NativeVm[] = [];
    const { clock, storage = this.storage(order.record.name) } = options;
    const launcher = await nativeLauncher(this.root(order.record.name), storage, guests);
    const host = new MachineHost({ launcher, clock, lease: () => ({ release() {} }), program: "test" });
    this.#hosts.add(host);
    void host.ended.then(() => this.#hosts.delete(host));
    const [here, there] = await pipe(this.#directory);
    void host.serveOwner(there);
    const owner = new Connection(here, { codec: jsonCodec("test") });
    const stream = owner.open({ method: "start", params: order });
    const events: StartEvent[] = [];
    const output: string[] = [];
    stream.onEvent = (event) => events.push(event as StartEvent);
    const outputs = [1, 2].map(async (channel) => {
      for await (const chunk of stream.read(channel)) output.push(Buffer.from(chunk).toString());
    });
    const report = (async () => {
      const result = (await stream.result) as StartReport;
      await Promise.all(outputs);
      return result;
    })();
    report.catch(() => {});
    return { host, owner, report, events, output, pullThePlug: () => guests.at(-1)?.kill() };
  }

  /** Connects to a running machine as any other command does. */
  async connect(name: string): Promise<Machine> {
    const { connectTransport } = await import("../../protocol/index.ts");
    const transport = await connectTransport({ unix: socketPaths(this.paths, name).control });
    return new Machine(name, new Connection(transport, { codec: jsonCodec("test") }));
  }

  /** What is known of a machine that was made before. */
  record(name: string): MachineRecord | undefined {
    const read = readRecord(this.paths, name);
    return read?.kind === "record" ? read.record : undefined;
  }

  state(name: string) {
    return readState(this.paths, name);
  }

  /** Ends what runs and removes everything. */
  async remove(): Promise<void> {
    await Promise.all([...this.#hosts].map((host) => host.end("now")));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface TestMachine {
  readonly host: MachineHost;
  readonly owner: Connection;
  readonly report: Promise<StartReport>;
  /** What the starter was told, and what init commands printed. */
  readonly events: readonly StartEvent[];
  readonly output: readonly string[];
  /** Ends the guest that runs now, as a power cut. */
  pullThePlug(): void;
}

type NativeVm = Boot["vm"];

/** Boots the real agent beside this process, with directories as image and storage disk. */
async function nativeLauncher(root: string, storage: string, guests: NativeVm[]): Promise<Launcher> {
  const program = await staticAgent();
  return {
    boot: () => {
      const booted = bootNative();
      guests.push(booted.vm);
      return booted;
    },
    // The controllers of this machine's cgroups need not be given to tests.
    planRoot: (input) => ({
      name: MAIN_ROOT,
      hostname: hostnameOf(input.name),
      steps: stepsFor(root, input),
    }),
    planContainer: (input) => natively(planContainer(input), root, storage),
    planDepot: (device) => natively(planDepot(device), root, storage),
    reaper: [program, "reap"],
    copier: program,
  };
}

/**
 * The product's own steps, with a directory in the place of the joined image and another in that of the storage disk. The
 * kernel may have neither EROFS nor a cgroup to give away.
 */
function natively({ name, hostname, steps }: RootRequest, root: string, storage: string): RootRequest {
  const native = steps.flatMap((step): Step[] => {
    if (step.kind !== "mount") return [step];
    if (step.type === "erofs") return [];
    if (step.type === "overlay") return [bindMount(root, step.path)];
    if (step.type !== "ext4") return [step];
    const again = MountFlag.remount | MountFlag.bind | (step.mountFlags ?? 0);
    const { path } = step;
    return [bindMount(storage, path), { kind: "mount", path, mountFlags: again }];
  });
  return { name, hostname, steps: native };
}

/** Whoever runs the tests may not be allowed to raise limits. */
class NativeGuest extends Guest {
  override exec(exec: GuestExec): GuestProcess {
    return super.exec({ ...exec, rlimits: [] });
  }
}

function bootNative(): Boot {
  const launchedAt = now();
  const started = startAgent();
  const guest = started.then((agent) => new NativeGuest(agent.transport));
  let over = false;
  const exited = started.then(async (agent) => {
    const code = await agent.exited;
    over = true;
    await agent.stop();
    return { code, signal: null, console: agent.console(), error: null };
  });
  return {
    // As of a VM: once more does no harm.
    vm: {
      pid: process.pid,
      exited,
      kill: () => void started.then((agent) => over || agent.kill()),
    },
    guest,
    ready: guest.then(async ({ hello }) => {
      await hello;
      return { launchedAt, initAt: now(), readyAt: now() };
    }),
  };
}

/** Two ends of one connection. */
async function pipe(directory: string): Promise<[SocketTransport, SocketTransport]> {
  const { connectTransport, listenTransport } = await import("../../protocol/index.ts");
  mkdirSync(directory, { recursive: true });
  const path = `${directory}/owner-${crypto.randomUUID().slice(0, 8)}`;
  const { promise, resolve } = Promise.withResolvers<SocketTransport>();
  const listener = listenTransport(path, resolve);
  const here = await connectTransport({ unix: path });
  const there = await promise;
  listener.stop();
  return [here, there];
}
