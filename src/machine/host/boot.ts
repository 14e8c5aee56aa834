import { hasSandbox, lendFiles, summarizeLayers } from "../../confine/index.ts";
import { isDebugging } from "../../debug.ts";
import {
  type Engine,
  type LaunchConfined,
  type LaunchOptions,
  type NetCard,
  type RunningVm,
  type VmmHandle,
  type VmSpec,
  vmPaths,
} from "../../engine/index.ts";
import { SmolError } from "../../errors.ts";
import { Guest } from "../../guest/index.ts";
import { ProtocolError } from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import type { MachineDisks } from "../disks/index.ts";
import type { StartOrder, StartReport } from "../plan/index.ts";
import type { AgentListener } from "./agent-listener.ts";
import { chooseWay, RESTORE_LIMIT_MS, restoreOrBoot } from "./templates/restore.ts";

/**
 * How long a guest may take to its agent's hello. Real hardware needs a fraction of a second, software emulation on
 * a machine with ten other guests half a minute; this is only there to end what will never come.
 */
const BOOT_LIMIT_MS = 180_000;

/** vsock port of the agent's connection (krun). */
const AGENT_PORT = 6000;
/** Name of the agent's virtio-serial port (qemu). */
const AGENT_SERIAL = "smolvm.agent";

/** How long a VM may take to end after its agent has. */
const LAST_WORDS_MS = 3000;

/** A VM that was started, and its guest. */
export interface Boot {
  readonly vm: RunningVm;
  /**
   * Resolves as soon as there is a channel to the guest, which may be long before its kernel runs: whatever
   * is asked for now is done as soon as it can be.
   */
  readonly guest: Promise<Guest>;
  /** Resolves with the agent's hello; rejects with a SmolError that says why there is none. */
  readonly ready: Promise<Readiness>;
}

export interface BootOptions {
  /** Where the VM's agent is connected. */
  readonly agents: AgentListener;
  /** Undefined: the machine has none. */
  readonly card?: NetCard | undefined;
  /** How the VM's process is confined, and what starts it; undefined where there is no launcher. */
  readonly confine?: LaunchConfined | undefined;
  /** Elsewhere: a VMM process that was started ahead. */
  readonly vmm?: VmmHandle | undefined;
  /** Gets the guest's console: hostile bytes. */
  readonly onConsole?: ((chunk: Uint8Array) => void) | undefined;
  /** It is the first VM of this process, which may go on from a template; default: it boots. */
  readonly first?: boolean | undefined;
}

export type Readiness = Pick<StartReport, "launchedAt" | "initAt" | "readyAt" | "template">;

/**
 * Starts the VM. When one of the promises rejects the VM is gone; disks and sockets are the caller's to remove, with
 * the directory.
 *
 * @throws SmolError when the VM cannot be built like that; `engine.no_template`
 */
export function bootMachine(
  order: StartOrder,
  disks: MachineDisks,
  engine: Engine,
  options: BootOptions,
): Boot {
  const spec = describeVm(order, disks, engine, options.agents.path, options.card);
  const { user } = order.confinement;
  if (user !== undefined) lendFiles(vmPaths(spec), user);
  const way = chooseWay(order, spec, engine, options.first ?? false);
  const boot = (template: StartReport["template"]) =>
    startVm(order, options, {
      ...{ limitMs: BOOT_LIMIT_MS, template },
      launch: (launching) => engine.launch(spec, launching),
    });
  if (way.found === undefined)
    return boot(way.make === undefined ? undefined : { used: false, wanted: { name: way.make, spec } });
  const { from, templates } = way.found;
  const restore = () =>
    startVm(order, options, {
      ...{ limitMs: RESTORE_LIMIT_MS, template: { used: true } },
      launch(launching) {
        if (user !== undefined) lendFiles([{ path: from.memory, rights: "read" }], user);
        templates.prepareBoot(spec, launching);
        return templates.restore(spec, from, launching);
      },
    });
  return restoreOrBoot(way.found, restore, () => boot({ used: false }));
}

/** One of the ways to start a VM. */
interface Launch {
  readonly launch: (options: LaunchOptions) => RunningVm;
  /** Milliseconds that the guest has until its agent's hello. */
  readonly limitMs: number;
  readonly template: StartReport["template"];
}

function startVm(order: StartOrder, options: BootOptions, { launch, limitMs, template }: Launch): Boot {
  const connected = options.agents.next();
  if (isDebugging()) console.error(`smolvm: the VM is confined by ${summarizeLayers(order.confinement)}`);
  const vm = launch({
    vmm: options.vmm,
    libkrun: order.files.libkrun,
    sandbox: hasSandbox(order.confinement),
    confine: options.confine,
    consoleLog: (chunk) => {
      options.onConsole?.(chunk);
      if (isDebugging()) console.error(new TextDecoder().decode(chunk).trimEnd());
    },
  });
  const launchedAt = now();
  const failed = vm.exited.then((exit) => {
    throw (
      exit.error ??
      bootFailure(`the VM ended before its agent was ready (${describeExit(exit)})`, exit.console)
    );
  });
  failed.catch(() => {});
  const { promise: late, reject: giveUp } = Promise.withResolvers<never>();
  const timer = setTimeout(() => giveUp(bootFailure("the guest's agent did not answer in time")), limitMs);
  const guest = Promise.race([connected, failed, late]).then((transport) => new Guest(transport));
  const ready = guest.then(async ({ hello }) => {
    const { initMs, helloMs } = await Promise.race([
      hello.catch((error) => lost(error, failed)),
      failed,
      late,
    ]);
    const readyAt = now();
    return { launchedAt, initAt: readyAt - Math.max(0, helloMs - initMs), readyAt, template };
  });
  ready
    .catch(async () => {
      vm.kill();
      await vm.exited;
    })
    .finally(() => clearTimeout(timer));
  return { vm, guest, ready };
}

/** The agent is gone. As a rule its VM ends a moment later, and says more about it. */
async function lost(error: unknown, failed: Promise<never>): Promise<never> {
  if (await endsWithin(failed, LAST_WORDS_MS)) await failed;
  const why = error instanceof ProtocolError ? `: it broke the protocol (${error.message})` : "";
  throw bootFailure(`the guest's agent ended before it was ready${why}`);
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

function describeExit(exit: { code: number | null; signal: string | null }): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}

/** The VM. Its only word to the guest is where the agent finds its channel; everything else comes over that. */
function describeVm(
  order: StartOrder,
  disks: MachineDisks,
  engine: Engine,
  agentSocket: string,
  card: NetCard | undefined,
): VmSpec {
  const { files, record } = order;
  const channel = engine.agentTransport === "vsock" ? `vsock:${AGENT_PORT}` : `virtio:${AGENT_SERIAL}`;
  return {
    cpus: record.cpus,
    memoryMib: record.memoryMib,
    kernel: files.kernel,
    commandLine: [
      ...[`root=${disks.system}`, "rootfstype=erofs", "ro", "init=/init", `smolvm.agent=${channel}`],
      ...(record.mitigations ? ["mitigations=auto"] : []),
    ],
    disks: disks.list,
    shares: [],
    card,
    gpu: order.gpu ?? undefined,
    agentSocket,
    agentPort: AGENT_PORT,
    ephemeral: record.ephemeral,
  };
}
