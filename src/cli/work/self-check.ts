import { readdirSync, readlinkSync } from "node:fs";
import { isatty } from "node:tty";
import { environment } from "../../command-line.ts";
import { readStdin } from "../terminal/input.ts";

/** What has arrived in this process of what its caller gave it. */
interface PassedThrough {
  readonly argv: readonly string[];
  /** Null: it is a terminal. */
  readonly stdin_bytes: number | null;
  readonly env_keys: readonly string[];
  readonly tty: readonly [stdin: boolean, stdout: boolean, stderr: boolean];
  readonly cwd: string;
  readonly execPath: string;
  readonly fds: readonly number[] | null;
}

/** Reads stdin to its end. @throws SmolError `cli.stdin` */
export async function passedThrough(argv: readonly string[]): Promise<PassedThrough> {
  const tty = [isatty(0), isatty(1), isatty(2)] as const;
  const fds = inheritedDescriptors();
  let bytes = 0;
  if (!tty[0]) for await (const chunk of readStdin()) bytes += chunk.length;
  return {
    argv,
    stdin_bytes: tty[0] ? null : bytes,
    env_keys: Object.keys(environment()).sort(),
    tty,
    cwd: process.cwd(),
    execPath: process.execPath,
    fds,
  };
}

/** Open files, pipes and sockets. The runtime's own are none of these at this point, but queues of the kernel's. */
function inheritedDescriptors(): number[] | null {
  if (process.platform !== "linux") return null;
  const isInherited = (fd: string) => {
    try {
      return !readlinkSync(`/proc/self/fd/${fd}`).startsWith("anon_inode:");
    } catch {
      return false; // the one of the directory itself, closed meanwhile
    }
  };
  return readdirSync("/proc/self/fd")
    .filter(isInherited)
    .map(Number)
    .sort((a, b) => a - b);
}
