import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cacheRoot } from "../../build/host.ts";
import { Talking } from "../../test/support/process.ts";

/**
 * What carries a guest's frames: our stack, passt, gvproxy. Each gives its guest 100.96.0.2, is 100.96.0.1 to it, and leads
 * there to this host's loopback. All speak frames behind their length on a Unix socket.
 */

/** Its socket, and the port of this host's that leads to one of the guest's. */
type Command = (socket: string, hostPort: number, guestPort: number) => readonly string[];

/** gvisor-tap-vsock's program (`./dev bench net`, with Go 1.25 or newer). */
const gvproxy = `${cacheRoot()}/go-tools/gvproxy`;

const commands: Record<string, Command> = {
  smolvm: (socket, hostPort, guestPort) => [
    ...[process.execPath, `${import.meta.dir}/net-stack.ts`, socket],
    ...[String(hostPort), String(guestPort)],
  ],
  passt: (socket, hostPort, guestPort) => [
    ...["passt", "-f", "-q", "-s", socket, "-a", "100.96.0.2", "-n", "255.255.255.252", "-g", "100.96.0.1"],
    ...["-m", "65520", "-4", "-t", `127.0.0.1/${hostPort}:${guestPort}`],
  ],
  ...(existsSync(gvproxy) && {
    gvproxy: (socket, hostPort, guestPort) => {
      const stack = {
        mtu: 65_520,
        subnet: "100.96.0.0/24",
        gatewayIP: "100.96.0.1",
        nat: { "100.96.0.1": "127.0.0.1" },
        dns: [{ name: "containers.internal.", records: [{ name: "gateway", ip: "100.96.0.1" }] }],
        forwards: { [`127.0.0.1:${hostPort}`]: `100.96.0.2:${guestPort}` },
      };
      const config = `${socket}.yaml`;
      // JSON is YAML.
      writeFileSync(config, JSON.stringify({ interfaces: { qemu: `unix://${socket}` }, stack }));
      return [gvproxy, "-config", config];
    },
  }),
};

export const backendNames: readonly string[] = Object.keys(commands);

/** What each answers a question for by itself; passt has no names, and asks a server of this host's (`net-peer answers`). */
export const ownNames: Record<string, string> = {
  smolvm: "host.smolvm.internal",
  passt: "host.test",
  gvproxy: "gateway.containers.internal",
};

/** One that runs. */
export class Backend {
  private constructor(
    readonly name: string,
    /** Of this host's; leads to the guest's port 7. */
    readonly hostPort: number,
    readonly socket: string,
    readonly child: Bun.Subprocess,
  ) {}

  /** @param directory where its socket is made; anybody may write there: passt gives up its privileges */
  static async start(name: string, directory: string, hostPort: number): Promise<Backend> {
    const socket = join(directory, `${name}.sock`);
    const words = commands[name]?.(socket, hostPort, 7) ?? [];
    const child = Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    const deadline = Date.now() + 10_000;
    while (!readdirSync(dirname(socket)).includes(basename(socket))) {
      if (Date.now() > deadline) throw new Error(`${name} makes no socket`);
      await Bun.sleep(20);
    }
    return new Backend(name, hostPort, socket, child);
  }

  /** Seconds of processor that it has used. */
  processor(): number {
    if (this.child.exitCode !== null) throw new Error(`${this.name} has ended`);
    return (
      this.#processes().reduce((sum, pid) => {
        const threads = readdirSync(`/proc/${pid}/task`);
        return (
          sum + threads.reduce((of, thread) => of + nanoseconds(`/proc/${pid}/task/${thread}/schedstat`), 0)
        );
      }, 0) / 1e9
    );
  }

  /** Resident memory in MiB, of the largest of its processes; NaN: it has ended. */
  memory(): number {
    if (this.child.exitCode !== null) return Number.NaN;
    const of = (pid: number) =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
    return Math.max(...this.#processes().map(of)) / 1024;
  }

  /** With its children: passt works in one. */
  #processes(): number[] {
    const { pid } = this.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
    return [pid, ...children.filter((child) => child !== "").map(Number)];
  }

  stop(): void {
    this.child.kill();
  }
}

/** The time that a thread has run; one that has ended meanwhile had little. */
function nanoseconds(schedstat: string): number {
  try {
    return Number(readFileSync(schedstat, "latin1").split(" ")[0]);
  } catch {
    return 0;
  }
}

/** A program of the benchmark's that runs until it is killed, once it has said "ready". */
export async function startPeer(words: readonly string[]): Promise<Bun.Subprocess> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  await new Talking(child).line();
  return child;
}

/** A program that takes longer than this waits for an answer that was lost. */
export const LIMIT_MS = 60_000;

/** What a program prints. @throws an error with the end of what it said, or that it has not ended */
export async function outputOf(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: LIMIT_MS });
  const [text, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  if (child.signalCode === "SIGTERM") throw new Error(`no end after ${LIMIT_MS / 1000} s`);
  if (child.exitCode !== 0) throw new Error((text + complaint).slice(-300));
  return text;
}
