/** The launcher as a child of this process. */
import { closeSync } from "node:fs";
import { makePipe } from "../../ffi/libc.ts";
import { readAndClose } from "../pipe.ts";
import type { LaunchOrder } from "./order.ts";

/** Before it are the standard streams, and where the launcher reports. */
const FIRST_FD = 4;

/** A program that is confined, or about to be. */
export interface Launched {
  /** Of the program, once it is known that it was started; of the child until then. */
  readonly pid: number;
  /** Of the child: the launcher, or the warden that it has become. */
  readonly childPid: number;
  /** Of the program, as this process sees it; undefined when it was never started. */
  readonly program: Promise<number | undefined>;
  /** Resolves when the program and its warden are gone; never rejects. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** What the program writes to its standard output, once. */
  readonly output: AsyncIterable<Uint8Array>;
  readonly messages: ReadableStream<Uint8Array>;
  /** This process's ends of the sockets that were asked for, in their order. */
  readonly sockets: readonly number[];
  kill(): void;
}

/** What the child gets as descriptors from 4 on: a descriptor of this process, or a socket between the two. */
export type ChildDescriptor = number | "socket-fd";

/**
 * Carries out an order. The child ends with the thread that calls this, however that ends (kill -9 included); its standard
 * input stays open as long as this process lives.
 *
 * @throws Error of posix_spawn(3)
 */
export function startLauncher(
  launcher: string,
  order: LaunchOrder,
  descriptors: readonly ChildDescriptor[] = [],
): Launched {
  const output = makePipe();
  const report = makePipe();
  try {
    // A session of its own: an interrupt typed at the terminal is the parent's to handle.
    const child = Bun.spawn([launcher], {
      env: {},
      stdio: ["pipe", output.writeEnd, "pipe", report.writeEnd, ...descriptors],
      detached: true,
    });
    child.stdin.write(order.bytes);
    child.stdin.flush();
    const reported = new ReportedProgram(report.readEnd, child.pid);
    return {
      get pid() {
        return reported.pid;
      },
      childPid: child.pid,
      program: reported.pidOnce,
      exited: child.exited.then(() => ({ code: child.exitCode, signal: child.signalCode as string | null })),
      output: readAndClose(output.readEnd),
      messages: child.stderr as ReadableStream<Uint8Array>,
      sockets: descriptors.flatMap((one, index) => {
        const fd = child.stdio[FIRST_FD + index];
        return one === "socket-fd" && typeof fd === "number" ? [fd] : [];
      }),
      // The warden ends the program before itself, and removes what it has made for it.
      kill: () => child.kill("SIGTERM"),
    };
  } catch (error) {
    closeSync(output.readEnd);
    closeSync(report.readEnd);
    throw error;
  } finally {
    closeSync(output.writeEnd);
    closeSync(report.writeEnd);
  }
}

/** The process id that the launcher reports of the program that it has started. */
export class ReportedProgram {
  /** Undefined: it was never started. */
  readonly pidOnce: Promise<number | undefined>;
  #pid: number;

  /**
   * @param fd where the report is read, which is closed then
   * @param before the process that counts until there is one
   */
  constructor(fd: number, before: number) {
    this.#pid = before;
    this.pidOnce = readNumber(fd).then((found) => {
      this.#pid = found ?? before;
      return found;
    });
  }

  get pid(): number {
    return this.#pid;
  }
}

/** What somebody writes as a line to a pipe, which is closed then. */
async function readNumber(fd: number): Promise<number | undefined> {
  let line = "";
  try {
    for await (const chunk of readAndClose(fd)) line += Buffer.from(chunk).toString();
  } catch {
    // As if nothing had been written.
  }
  return /^\d+\n$/.test(line) ? Number(line) : undefined;
}
