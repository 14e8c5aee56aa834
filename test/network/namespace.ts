import { existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Flow,
  type FlowDecision,
  type FlowEnd,
  type FlowPolicy,
  type Network,
  network,
  startNetwork,
} from "../../src/net/index.ts";
import { Talking } from "../support/process.ts";

/**
 * The host's own kernel as a guest of our stack: a network namespace with a TAP device, whose frames tap.c carries to the
 * stack's socket. Nothing of it is mounted, and nothing but the namespace's processes sees it.
 */

let compiled: Promise<number> | undefined;

/** tap.c, once for each process: its descriptor, for it has no name any more, and ends with us. */
function tapProgram(): Promise<number> {
  compiled ??= (async () => {
    if (!existsSync("/dev/net/tun")) throw new Error("/dev/net/tun is missing: load the kernel's module tun");
    const directory = mkdtempSync(join(tmpdir(), "smolvm-tap-"));
    const path = join(directory, "tap");
    try {
      const compiler = Bun.spawn(["cc", "-O2", "-Wall", "-o", path, join(import.meta.dir, "tap.c")]);
      if ((await compiler.exited) !== 0) throw new Error("cannot compile test/network/tap.c");
      return openSync(path, "r");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  })();
  return compiled;
}

export interface WireOptions {
  readonly mtu?: number | undefined;
  /** Of a thousand frames in each direction. */
  readonly loss?: number | undefined;
  readonly reorder?: number | undefined;
  readonly decide?: ((flow: Flow) => FlowDecision) | undefined;
  readonly inspect?: FlowPolicy["inspect"] | undefined;
}

/** A flow that is over. */
export interface Ended {
  readonly flow: Flow;
  readonly decision: FlowDecision;
  readonly end: FlowEnd;
}

/** A stack in this process, and a guest on it. */
export class Wire {
  private constructor(
    readonly stack: Network,
    /** Flows that are over, in the order of their ends. */
    readonly ended: readonly Ended[],
    readonly directory: string,
    readonly tap: Bun.Subprocess,
  ) {}

  static async open(options: WireOptions = {}): Promise<Wire> {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-net-"));
    const ended: Ended[] = [];
    const stack = startNetwork({
      socketPath: join(directory, "net"),
      ipv6: true,
      policy: {
        decide: options.decide ?? toLoopback,
        inspect: options.inspect ?? (() => "pass"),
        closed: (flow, decision, end) => void ended.push({ flow, decision, end }),
      },
      // Says back what it was asked.
      onTrouble: (error) => {
        throw error;
      },
      resolver: { resolve: async (query) => query },
    });
    const seed = Math.floor(Math.random() * 2 ** 32);
    const faults = [options.loss ?? 0, options.reorder ?? 0];
    if (faults.some((fault) => fault > 0)) console.log(`seed of the faults: ${seed}`);
    const words = [join(directory, "net"), options.mtu ?? 65_520, ...faults, seed].map(String);
    const isolate = process.getuid?.() === 0 ? ["unshare", "-n"] : ["unshare", "-rn"];
    const tap = Bun.spawn([...isolate, "/proc/self/fd/3", ...words], {
      stdio: ["ignore", "pipe", "pipe", await tapProgram()],
    });
    await new Talking(tap).line();
    return new Wire(stack, ended, directory, tap);
  }

  /** Starts a TypeScript program inside, with these words as its arguments. */
  inside(code: string, ...words: readonly (string | number)[]): Talking {
    const enter = ["nsenter", "-t", String(this.tap.pid), "-n"];
    if (process.getuid?.() !== 0) enter.push("-U", "--preserve-credentials");
    const child = Bun.spawn([...enter, process.execPath, "-e", code, ...words.map(String)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    return new Talking(child);
  }

  /** The same, to its end: what it printed. */
  async run(code: string, ...words: readonly (string | number)[]): Promise<string> {
    const talking = this.inside(code, ...words);
    const output = await talking.rest();
    if ((await talking.child.exited) === 0) return output.trim();
    throw new Error(`the program inside failed: ${output}${await new Response(talking.child.stderr).text()}`);
  }

  async close(): Promise<void> {
    this.stack.close();
    this.tap.kill();
    await this.tap.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The gateway's addresses are the host's loopback; nothing else is reached. */
function toLoopback({ destination, protocol }: Flow): FlowDecision {
  const { address, port } = destination;
  if (port === 53) return { allow: true, target: "resolver", rule: "dns" };
  const host = address === network.gateway ? "127.0.0.1" : address === network.gateway6 ? "::1" : undefined;
  // Addresses for documentation stand for this host too: no route leads there.
  const target = host ?? (address.startsWith("192.0.2.") ? "127.0.0.1" : undefined);
  if (target === undefined) return { allow: false, how: "refuse", rule: "tests stay on this host" };
  return { allow: true, target: { address: target, port: protocol === "icmp" ? 0 : port }, rule: "test" };
}
