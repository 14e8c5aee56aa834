import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { collect, limitOf, type Result, type RunOptions, Talking, until } from "./process.ts";
import { engine, program, sharedCache } from "./program.ts";

/** How long things may take to disappear after a process was killed; `until` makes it longer where all is slow. */
const CLEANUP_SECONDS = 5;

/** Small machines: these tests are about everything but the size of machines. */
const SMALL = ["--cpus", "1", "--mem", "512"];

export interface MachineOptions extends RunOptions {
  /** Of `machine run`. */
  readonly options?: readonly string[] | undefined;
  /** Default: true, so that stderr is the workload's alone. */
  readonly quiet?: boolean | undefined;
}

/** A user's home of its own, with everything that smolvm keeps for that user, the cache excepted. */
export class Home {
  readonly path: string;
  readonly env: Record<string, string>;

  constructor() {
    // Short: smolvm takes XDG_RUNTIME_DIR only when the names of its sockets fit into a socket address.
    this.path = mkdtempSync("/tmp/sv-");
    this.clear();
    this.env = {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      HOME: `${this.path}/user`,
      XDG_DATA_HOME: `${this.path}/data`,
      XDG_RUNTIME_DIR: `${this.path}/run`,
      XDG_CACHE_HOME: sharedCache(),
      TMPDIR: `${this.path}/tmp`,
      SMOLVM_ENGINE: engine,
      // As whoever runs the tests wants it: they pass with `require` where a host has everything.
      SMOLVM_CONFINE: process.env.SMOLVM_CONFINE ?? "",
      // Makers would take the processor from what is tested; test/machines/template.test.ts has them.
      SMOLVM_TEMPLATES: process.env.SMOLVM_TEMPLATES ?? "off",
    };
  }

  /** What starts smolvm: its words come before smolvm's own. */
  protected starter(): readonly string[] {
    return [program];
  }

  /** Starts smolvm. */
  start(args: readonly string[], options: RunOptions = {}) {
    return Bun.spawn([...this.starter(), ...args], {
      cwd: options.cwd ?? this.path,
      env: { ...this.env, ...options.env },
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs smolvm to its end; an Error with everything it said when that takes too long. */
  async smolvm(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return collect(this.start(args, options), args.join(" "), limitOf(options));
  }

  /** `machine run` of a command in a small machine. */
  async run(command: readonly string[], options: MachineOptions = {}): Promise<Result> {
    return this.smolvm(runWords(command, options), options);
  }

  /** Starts `machine run`. */
  startRun(command: readonly string[], options: MachineOptions = {}) {
    return this.start(runWords(command, options), options);
  }

  /** Starts `machine run` of a shell script in a small machine, and waits until the script runs. */
  async startScript(script: string, options: MachineOptions = {}): Promise<Talking> {
    const talking = new Talking(this.startRun(["sh", "-c", `echo ready; ${script}`], options));
    const first = await talking.line();
    if (first !== "ready") throw new Error(`the script's first line is ${JSON.stringify(first)}`);
    return talking;
  }

  /** Starts a shell script in which $SMOLVM is the program and $RUN a `machine run` of a small machine. */
  startShell(script: string, options: RunOptions = {}) {
    const words = { SMOLVM: program, RUN: [program, "machine", "run", "--quiet", ...SMALL].join(" ") };
    return Bun.spawn(["bash", "-c", script], {
      cwd: options.cwd ?? this.path,
      env: { ...this.env, ...words, ...options.env },
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs a shell script to its end, see `startShell`. */
  async shell(script: string, options: RunOptions = {}): Promise<Result> {
    return collect(this.startShell(script, options), script, limitOf(options));
  }

  /** The processes that were started with this home, by /proc: `pid command line`. */
  processes(): { pid: number; command: string }[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const belongs = [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`].some((file) =>
            readFileSync(file).includes(this.path),
          );
          const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
          return belongs ? [{ pid: Number(pid), command }] : [];
        } catch {
          return []; // it ended, or is not ours
        }
      });
  }

  /** The process of this home in one of the program's hidden roles. */
  roles(role: "__machine" | "__template"): number[] {
    return this.processes()
      .filter(({ command }) => command.split(" ")[1] === role)
      .map(({ pid }) => pid);
  }

  /** The VMMs of this home: QEMU, or the program that calls libkrun. */
  vmms(): number[] {
    return this.processes()
      .filter(({ command }) => /^\S*\/(qemu-system-\S*|krun) /.test(command))
      .map(({ pid }) => pid);
  }

  /** Everything that a machine has or leaves while it is there: processes, files, sockets, mounts. */
  remains(): string[] {
    const below = (folder: string) => {
      const path = `${this.path}/${folder}`;
      return existsSync(path)
        ? readdirSync(path, { recursive: true }).map((name) => `file ${folder}/${name}`)
        : [];
    };
    const isContainer = (name: string) => /^file data\/smolvm(\/machines)?$/.test(name);
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    return [
      ...this.processes().map(({ pid, command }) => `process ${pid} ${command}`),
      ...["run", "data", "tmp", "user"].flatMap(below).filter((name) => !isContainer(name)),
      ...mounts.filter((line) => line.includes(this.path)).map((line) => `mount ${line}`),
    ];
  }

  /** Waits a moment for the last things to disappear, and fails when they do not. */
  async expectNothingLeft(): Promise<void> {
    await until("the last things to disappear", () => this.remains().length === 0, CLEANUP_SECONDS).catch(
      () => {
        const remains = this.remains();
        if (remains.length > 0) throw new Error(`left behind:\n${remains.join("\n")}`);
      },
    );
  }

  /** Ends everything and makes the home as it was in the beginning. */
  clear(): void {
    this.remove();
    mkdirSync(this.path, { mode: 0o700 });
    for (const name of ["user", "run", "tmp"]) mkdirSync(`${this.path}/${name}`, { mode: 0o700 });
  }

  remove(): void {
    for (const { pid } of this.processes()) process.kill(pid, "SIGKILL");
    rmSync(this.path, { recursive: true, force: true });
  }
}

function runWords(command: readonly string[], { options = [], quiet = true }: MachineOptions): string[] {
  const silence = quiet ? ["--quiet"] : [];
  return [
    "machine",
    "run",
    ...SMALL,
    ...silence,
    ...options,
    ...(command.length > 0 ? ["--", ...command] : []),
  ];
}
