/**
 * Templates on the host's disk, below `<cache>/templates/`: `<name>.json` is there last and in one step, so there is a
 * whole template or none. `<name>-<mark>.memory` and `.devices` are what VMs go on from; they are never written again.
 *
 * A template ends with the host's boot: until then what the kernel keeps of its files is what was written to them, and
 * the processor is the same. So nobody syncs them, and nobody reads 160 MB to find out whether they are whole.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
} from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import { bootId, keepAnswer, keptAnswer, namesIn } from "../../host/index.ts";

/** As many bytes of the disk as all templates may have: about six, of machines of the default size. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** What has to be left of the disk when one is made, which takes 350 MB for a moment. */
const MIN_FREE_BYTES = 4 * 1024 * 1024 * 1024;
/** What devices were is a few hundred kilobytes. */
const MAX_DEVICES_BYTES = 16 * 1024 * 1024;
/** Milliseconds for which nobody tries again what has failed. */
const FAILURE_LASTS_MS = 3600 * 1000;

const LOCK = "lock";

/** What VMs of one shape go on from. */
export interface Template {
  readonly memory: string;
  readonly devices: string;
  /** Which VMM has saved it. */
  readonly vmm: string;
}

interface Entry {
  readonly version: 1;
  readonly boot: string;
  readonly mark: string;
  readonly vmm: string;
  /** The file of the memory as it was when it was complete: one that was cut, copied or written to is another. */
  readonly memory: string;
  /** SHA-256 (hex) of the devices. */
  readonly devices: string;
}

/** What happened to a shape. */
interface Failure {
  readonly reason: string;
  readonly at: number;
}

export interface TemplatesReport {
  readonly count: number;
  /** On the disk. */
  readonly bytes: number;
  /** Why none is made for some VMs, at present. */
  readonly failures: readonly string[];
}

export class TemplateStore {
  readonly directory: string;

  constructor(cacheDir: string) {
    this.directory = `${cacheDir}/templates`;
  }

  /** The template of this name; undefined when there is none, or not one that is as it was made. Notes that it is used. */
  find(name: string): Template | undefined {
    const entry = this.#entry(name);
    if (entry === undefined) return undefined;
    const { memory, devices } = this.files(name, entry.mark);
    try {
      if (identityOf(memory) !== entry.memory) return undefined;
      if (statSync(devices).size > MAX_DEVICES_BYTES || hashOf(devices) !== entry.devices) return undefined;
      const now = Date.now() / 1000;
      utimesSync(this.#path(name), now, now);
    } catch {
      return undefined; // a part is gone, or cannot be read
    }
    return { memory, devices, vmm: entry.vmm };
  }

  /** Whether the files of a template that was found are still there. */
  isThere({ memory }: Template): boolean {
    return statSync(memory, { throwIfNoEntry: false }) !== undefined;
  }

  /** Where the files are of a template that is about to be made. @param mark 16 hex digits that no other one has */
  files(name: string, mark: string): Pick<Template, "memory" | "devices"> {
    const path = `${this.directory}/${name}-${mark}`;
    return { memory: `${path}.memory`, devices: `${path}.devices` };
  }

  /** Makes one known whose files are complete, in the place of an older one. The caller holds the lock. */
  publish(name: string, mark: string, vmm: string): void {
    const { memory, devices } = this.files(name, mark);
    const parts = { memory: identityOf(memory), devices: hashOf(devices) };
    keepAnswer(this.#path(name), { version: 1, boot: bootId(), mark, vmm, ...parts } satisfies Entry);
    this.#removeFiles(name, mark);
    rmSync(this.#failurePath(name), { force: true });
  }

  /** VMs that run keep what they have of it. */
  remove(name: string): void {
    rmSync(this.#path(name), { force: true });
    this.#removeFiles(name);
  }

  /** Why none is made or used under this name, for a while yet. */
  failure(name: string): string | undefined {
    const { reason, at } = (keptAnswer(this.#failurePath(name)) ?? {}) as Partial<Failure>;
    if (typeof reason !== "string" || typeof at !== "number") return undefined;
    const age = Date.now() - at;
    return age >= 0 && age < FAILURE_LASTS_MS ? reason : undefined;
  }

  noteFailure(name: string, reason: string): void {
    keepAnswer(this.#failurePath(name), { reason: reason.slice(0, 500), at: Date.now() } satisfies Failure);
  }

  /** The lock of whoever makes or removes templates; undefined while another process has it. Ends with the process. */
  tryLock(): { release(): void } | undefined {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const fd = openSync(`${this.directory}/${LOCK}`, "a", 0o600);
    if (flock(fd, "exclusive", false)) return { release: () => closeSync(fd) };
    closeSync(fd);
    return undefined;
  }

  hasRoom(): boolean {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize >= MIN_FREE_BYTES;
  }

  /**
   * Removes what belongs to no template of this boot, and then those that were not used for the longest time, until the
   * limit holds. The caller holds the lock.
   *
   * @param keep stays in any case
   */
  tidy(keep?: string, maxBytes = MAX_BYTES): void {
    const live = this.#live();
    const marks = new Set(live.map(({ name, mark }) => `${name}-${mark}`));
    for (const file of namesIn(this.directory)) {
      const [stem = "", ending = ""] = file.split(".");
      const isStray =
        ending === "json"
          ? !live.some(({ name }) => name === stem)
          : ["memory", "devices"].includes(ending) && !marks.has(stem);
      const isOldFailure = ending === "failed" && this.failure(stem) === undefined;
      if (isStray || isOldFailure) rmSync(`${this.directory}/${file}`, { force: true });
    }
    const oldestFirst = live
      .map(({ name }) => name)
      .filter((name) => name !== keep)
      .sort((a, b) => this.#usedAt(a) - this.#usedAt(b));
    for (const name of oldestFirst) {
      if (this.#bytes() <= maxBytes) break;
      this.remove(name);
    }
  }

  /** Removes all that is here, failures included. @returns bytes on the disk; 0 while one is made */
  clear(dryRun: boolean): number {
    if (namesIn(this.directory).length === 0) return 0;
    const lock = this.tryLock();
    if (lock === undefined) return 0;
    try {
      const bytes = this.#bytes();
      // The lock stays: who waits for another file than the next one would not be alone.
      const files = namesIn(this.directory).filter((file) => file !== LOCK);
      for (const file of dryRun ? [] : files)
        rmSync(`${this.directory}/${file}`, { recursive: true, force: true });
      return bytes;
    } finally {
      lock.release();
    }
  }

  report(): TemplatesReport {
    const failed = namesIn(this.directory).filter((file) => file.endsWith(".failed"));
    const failures = failed.map((file) => this.failure(file.slice(0, -".failed".length)));
    const told = new Set(failures.filter((reason) => reason !== undefined));
    return { count: this.#live().length, bytes: this.#bytes(), failures: [...told] };
  }

  /** What is known of this boot. */
  #live(): { readonly name: string; readonly mark: string }[] {
    const names = namesIn(this.directory).flatMap((file) => /^([0-9a-f]{32})\.json$/.exec(file)?.[1] ?? []);
    return names.flatMap((name) => {
      const entry = this.#entry(name);
      return entry === undefined ? [] : [{ name, mark: entry.mark }];
    });
  }

  /** Undefined also for one of another boot. */
  #entry(name: string): Entry | undefined {
    const entry = (keptAnswer(this.#path(name)) ?? {}) as Partial<Entry>;
    const { version, boot, mark, vmm, memory, devices } = entry;
    if (version !== 1 || boot !== bootId() || typeof mark !== "string" || !/^[0-9a-f]{16}$/.test(mark))
      return undefined;
    const texts = [vmm, memory, devices].every((text) => typeof text === "string");
    return texts ? (entry as Entry) : undefined;
  }

  #usedAt(name: string): number {
    return statSync(this.#path(name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  #bytes(): number {
    const paths = namesIn(this.directory).map((file) => `${this.directory}/${file}`);
    return paths.reduce(
      (sum, path) => sum + 512 * (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0),
      0,
    );
  }

  #removeFiles(name: string, exceptMark?: string): void {
    for (const file of namesIn(this.directory))
      if (file.startsWith(`${name}-`) && !file.startsWith(`${name}-${exceptMark}.`))
        rmSync(`${this.directory}/${file}`, { force: true });
  }

  #path(name: string): string {
    return `${this.directory}/${name}.json`;
  }

  #failurePath(name: string): string {
    return `${this.directory}/${name}.failed`;
  }
}

/** Names the template of a shape, as this build of the program makes it. @param build see `buildId` of the assets */
export function templateName(shape: string, build: string): string {
  return new Bun.CryptoHasher("sha256").update(`${build}\n${shape}`).digest("hex").slice(0, 32);
}

/** Without the time of its last change, as src/assets/stamp.ts has it: root lends the file to the users of its VMs. */
function identityOf(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return `${dev} ${ino} ${size} ${mtimeNs}`;
}

const hashOf = (path: string): string =>
  new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
