import { readdirSync, readFileSync } from "node:fs";

/** What a command costs, its children included. */
export interface Cost {
  readonly milliseconds: number;
  /** User and system time. */
  readonly cpuMilliseconds: number;
}

export interface CostOptions {
  readonly env?: Record<string, string> | undefined;
  readonly seconds?: number | undefined;
}

function start(command: readonly string[], { env, seconds = 300 }: CostOptions) {
  return Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: seconds * 1000,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...env },
  });
}

/** Runs a command to its end. @throws Error with its stderr when it fails */
export async function costOf(command: readonly string[], options: CostOptions = {}): Promise<Cost> {
  const begin = performance.now();
  const child = start(command, options);
  const complaint = await new Response(child.stderr).text();
  const code = await child.exited;
  const milliseconds = performance.now() - begin;
  if (code !== 0) throw new Error(`${command[0]}: exit ${code}: ${complaint.trim().slice(-300)}`);
  return { milliseconds, cpuMilliseconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
}

/**
 * The most memory that a command and its children held at the same time, in MiB: the sum of their resident
 * sets, looked at every 5 ms. (The resource usage that the kernel keeps begins with the size of the process
 * that forks.) Looking costs time: such a run is not one to be timed.
 */
export async function peakMemoryOf(command: readonly string[], options: CostOptions = {}): Promise<number> {
  const child = start(command, options);
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentKibibytes(child.pid));
  }, 5);
  const complaint = await new Response(child.stderr).text();
  const code = await child.exited;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command[0]}: exit ${code}: ${complaint.trim().slice(-300)}`);
  return peak / 1024;
}

function residentKibibytes(root: number): number {
  const children = new Map<number, number[]>();
  const resident = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/status`, "utf8");
      const parent = Number(/^PPid:\s+(\d+)/m.exec(text)?.[1]);
      resident.set(Number(name), Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0));
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // it ended
    }
  }
  const sum = (pid: number): number =>
    (resident.get(pid) ?? 0) + (children.get(pid) ?? []).reduce((total, child) => total + sum(child), 0);
  return sum(root);
}
