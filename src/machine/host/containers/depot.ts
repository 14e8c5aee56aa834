import { SmolError } from "../../../errors.ts";
import type { Guest } from "../../../guest/index.ts";
import { Channel, StreamFailure } from "../../../protocol/index.ts";
import { DEPOT_ROOT, depot } from "../../root/index.ts";
import { holdNamespace } from "../first-process.ts";
import type { Session } from "../session.ts";
import { exitCode, type Finished, lastOutput, runInSystem, SYSTEM_PATH } from "../system.ts";
import type { ContainerPlans } from "./types.ts";

const BUSYBOX = "busybox";

/** As busybox and the kernel say it. */
const FULL = /no space left on device/i;

/**
 * Where a machine keeps the images and files of its containers, for one run of its VM: a root in which the system's
 * programs work on the storage disk. Whatever is there may have been changed by root of the machine.
 */
export class Depot {
  readonly #guest: Guest;

  private constructor(guest: Guest) {
    this.#guest = guest;
  }

  /**
   * Makes the depot's root; once the machine's own is made, which checks the disk.
   *
   * @throws SmolError `container.storage`
   */
  static async open({ guest, root, storage }: Session, plans: ContainerPlans): Promise<Depot> {
    await root.made;
    try {
      await guest.root(plans.planDepot(storage));
      await holdNamespace(guest, plans.reaper, DEPOT_ROOT).accepted;
    } catch (error) {
      await guest.drop(DEPOT_ROOT).catch(() => {});
      if (error instanceof StreamFailure) throw storageFailure(error.message, error);
      throw error;
    }
    const opened = new Depot(guest);
    // Of a copy that was interrupted, perhaps by the end of the machine.
    await opened.remove(depot.incoming);
    return opened;
  }

  /** Bytes of a file; undefined when there is none, or something else. */
  async sizeOf(path: string): Promise<number | undefined> {
    const found = await this.#run("stat", "-c", "%F|%s", path);
    const [kind, size] = found.output.trim().split("|");
    return exitCode(found) === 0 && kind === "regular file" ? Number(size) : undefined;
  }

  /** @throws SmolError `container.storage` */
  async rename(from: string, to: string): Promise<void> {
    await this.#check("rename", from, this.#run("mv", "-f", from, to));
  }

  /** Removes a file, or a directory with all that is in it; nothing when there is none. @throws SmolError `container.storage` */
  async remove(path: string): Promise<void> {
    await this.#check("remove", path, this.#run("rm", "-rf", path));
  }

  /**
   * Writes a file; it is on the disk when this resolves.
   *
   * @throws SmolError `container.storage`, `container.storage_full`; the signal's reason; what the source throws. What
   * is there then is a part of it
   */
  async write(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const process = this.#guest.exec({
      root: DEPOT_ROOT,
      argv: [BUSYBOX, "dd", `of=${path}`, "bs=1M", "conv=fsync"],
      env: [SYSTEM_PATH],
      stdin: true,
    });
    const cancel = () => process.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    let over = false;
    const finished = Promise.all([process.result, lastOutput(process)]).finally(() => {
      over = true;
    });
    finished.catch(() => {});
    try {
      for await (const chunk of chunks) {
        if (over) break;
        await process.write(Channel.stdin, chunk);
      }
      process.end(Channel.stdin);
      const [result, output] = await finished;
      signal.throwIfAborted();
      await this.#check("write", path, Promise.resolve({ result, output }));
    } finally {
      if (!over) process.cancel();
      signal.removeEventListener("abort", cancel);
    }
  }

  #run(...words: string[]): Promise<Finished> {
    return runInSystem(this.#guest, [BUSYBOX, ...words], DEPOT_ROOT);
  }

  async #check(action: string, path: string, running: Promise<Finished>): Promise<void> {
    const finished = await running;
    if (exitCode(finished) === 0) return;
    const { output } = finished;
    if (FULL.test(output)) throw storageFull();
    const why = output.trim().split("\n").at(-1) || `exit code ${exitCode(finished)}`;
    throw storageFailure(`cannot ${action} ${path.slice(path.indexOf(".smolvm"))}: ${why}`);
  }
}

export function storageFull(): SmolError {
  return new SmolError("container.storage_full", "the machine's storage disk has no room for that", {
    hint: "remove containers or files below /storage, or stop the machine and `smolvm machine resize --storage GIB`",
  });
}

export function storageFailure(what: string, cause?: unknown): SmolError {
  return new SmolError("container.storage", `the machine's storage disk cannot hold containers: ${what}`, {
    hint: "containers are kept in /storage/.smolvm; what else is there under that name has to go",
    cause,
  });
}
