import { execFileSync } from "node:child_process";
import { chmodSync, constants, copyFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { Machines } from "./machines.ts";
import { program } from "./program.ts";

/** `nobody`, as every distribution has it. */
const NOBODY = 65534;

/** A home of somebody who is not root, whoever runs the tests: with a program and a cache of its own. */
export class OrdinaryMachines extends Machines {
  /** Who runs smolvm here. */
  readonly uid: number;
  readonly #program: string;
  readonly #within: () => readonly string[];

  /** @param within what has smolvm start somewhere else, such as in a namespace */
  constructor(within: () => readonly string[] = () => []) {
    super();
    this.#within = within;
    const isRoot = process.getuid?.() === 0;
    this.uid = isRoot ? NOBODY : (process.getuid?.() ?? NOBODY);
    this.env.XDG_CACHE_HOME = `${this.path}/cache`;
    this.#program = isRoot ? `${this.path}/smolvm` : program;
    if (!isRoot) return;
    // The checkout may be where nobody else can read.
    copyFileSync(program, this.#program, constants.COPYFILE_FICLONE);
    this.own(this.path);
  }

  /** Gives files of the tests' to who runs smolvm here. */
  own(path: string): void {
    execFileSync("chown", ["-R", `${this.uid}:${this.uid}`, path]);
  }

  /** A directory of the host's that belongs to who runs smolvm here. */
  folder(): string {
    mkdirSync(`${this.path}/host`, { recursive: true });
    const path = mkdtempSync(`${this.path}/host/`);
    chmodSync(path, 0o755);
    this.own(`${this.path}/host`);
    return path;
  }

  protected override starter(): readonly string[] {
    const become = ["setpriv", `--reuid=${this.uid}`, `--regid=${this.uid}`, "--clear-groups"];
    return [...this.#within(), ...(process.getuid?.() === 0 ? become : []), this.#program];
  }
}
