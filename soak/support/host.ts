import { readdirSync, readFileSync, statSync } from "node:fs";

/** Open descriptors of a process. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** KiB of memory that a process has asked for: without its program and other files, which it shares with others. */
export function anonymousKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Anonymous: +(\d+) kB/m.exec(text)?.[1] ?? Number.NaN);
}

/** KiB that the files below a directory have on the disk. */
export function diskKib(path: string): number {
  const names = readdirSync(path, { recursive: true }) as string[];
  return names.reduce((sum, name) => sum + statSync(`${path}/${name}`).blocks / 2, 0);
}

/** Whether e2fsck finds nothing wrong with a disk that nobody uses; else what it found. It writes nothing. */
export function fsckComplaints(path: string): string | undefined {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const { exitCode, stdout, stderr } = Bun.spawnSync(["e2fsck", "-f", "-n", path], { env });
  return exitCode === 0 ? undefined : `${path}: ${stdout}${stderr}`;
}
