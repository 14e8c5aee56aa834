import { readdirSync, readFileSync, statSync } from "node:fs";

/** Open descriptors of a process. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** KiB of memory that a process has for itself: what it shares with others, such as its program, counts for none. */
export function privateKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (key: string) => Number(new RegExp(`^${key}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return kib("Private_Clean") + kib("Private_Dirty");
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
