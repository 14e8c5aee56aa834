import { existsSync, readdirSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { isRunning } from "../../src/machine/store/index.ts";
import { Machines } from "../../test/support/machines.ts";
import { Talking, until } from "../../test/support/process.ts";
import { seededRandom } from "../../test/support/random.ts";
import { fsckComplaints } from "./host.ts";

type Action = "create" | "start" | "write" | "stop" | "delete";
type Victim = "client" | "machine" | "vmm" | "all";

/** What a command of ours says when it has a bug. */
const BUG = /internal error|\bat .*:\d+:\d+/;

/** Where the guest writes: one file on each of its disks. */
const FILES = ["/var/lines", "/storage/lines"] as const;
const DISKS = ["overlay", "storage"] as const;

/** A line goes to the host only when both disks have it; unflushed data of others keeps the journal busy. */
const WRITER = `n=$1
while :; do
  n=$((n+1))
  for file in ${FILES.join(" ")}; do echo $n >> $file; sync $file; done
  echo $n
  head -c 150000 /dev/urandom > /tmp/noise-$((n%4)); head -c 50000 /dev/zero > /storage/noise-$((n%3))
done`;

/** First guesses, in milliseconds; corrected by what the actions take. */
const USUAL_MS = { create: 100, start: 3000, write: 4000, stop: 500, delete: 300 };

const ATTEMPT_SECONDS = 180;
const SETTLE_SECONDS = 40;

/** One machine, and what happens to it. */
export class Lane {
  /** What was done to this machine, newest last. */
  readonly history: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #home = new Machines();
  readonly #paths = resolvePaths(this.#home.env);
  readonly #random: () => number;
  readonly #usualMs: Record<Action, number> = { ...USUAL_MS };
  /** The lines that the guest has flushed, as far as we have heard, since the machine was made. */
  #flushed: number[] = [];
  /** The last one of which there is a trace. */
  #last = 0;
  #lines = 0;

  constructor(readonly number: number) {
    this.#random = seededRandom(`lane ${number}`);
    // The same seed for all is no reason that all do the same.
    for (let skip = 0; skip < number * 7; skip++) this.#random();
  }

  get lines(): number {
    return this.#lines;
  }

  /** Gets the machine going, and kills something in the middle of the next action. */
  async cycle(): Promise<void> {
    await this.#ensureRunning();
    const action = this.#pick<Action>(["create", "start", "write", "write", "stop", "delete"]);
    if (action === "start") await this.#ok("stop", "box");
    if (action === "create") await this.#delete();
    const victim = this.#pick<Victim>(["client", "machine", "vmm", "all"]);
    await this.#under(action, victim);
    await this.#settle(action);
    await this.#look();
  }

  /** The last machine is stopped in order, and then nothing is wrong with its disks. */
  async finish(): Promise<void> {
    await this.#ensureRunning();
    await this.#ok("stop", "box");
    this.#checkDisks();
    await this.#delete();
    await this.#home.expectNothingLeft();
  }

  remove(): void {
    this.#home.remove();
  }

  /** The action, and a kill somewhere in it. */
  async #under(action: Action, victim: Victim): Promise<void> {
    const start = performance.now();
    const child = this.#home.start(this.#words(action));
    const talking = new Talking(child);
    const output = action === "write" ? this.#hear(talking) : talking.rest();
    const stderr = new Response(child.stderr).text();
    const delay = this.#random() * this.#usualMs[action] * 0.9;
    await Promise.race([Bun.sleep(delay), child.exited]);
    const ended = child.exitCode !== null;
    // The number of one that has ended may be another's by now.
    const killed = this.#kill(victim, ended ? [] : [child.pid]);
    const note = `${action}, ${killed ? victim : `no ${victim} to kill`} after ${Math.round(delay)} ms`;
    this.history.push(note);
    // What nobody has ended goes on for ever.
    if (action === "write") setTimeout(() => child.kill("SIGKILL"), 1000).unref();
    const late = setTimeout(() => child.kill("SIGKILL"), ATTEMPT_SECONDS * 1000);
    await child.exited;
    clearTimeout(late);
    const took = performance.now() - start;
    if ((ended || !killed) && action !== "write")
      this.#usualMs[action] = (this.#usualMs[action] * 3 + took) / 4;
    await output;
    const complaint = await stderr;
    if (BUG.test(complaint)) throw new Error(`${note}: ${complaint}`);
    if (took > ATTEMPT_SECONDS * 1000) throw new Error(`${note}: it did not end; stderr: ${complaint}`);
    const key = killed ? `${action} ${victim}` : `${action} -`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  #words(action: Action): string[] {
    switch (action) {
      case "create":
        return [
          "machine",
          "create",
          "box",
          "--cpus",
          "1",
          "--mem",
          "256",
          "--overlay",
          "1",
          "--storage",
          "1",
        ];
      case "write":
        return ["machine", "exec", "box", "--", "sh", "-c", WRITER, "sh", `${this.#last}`];
      case "delete":
        return ["machine", "delete", "-f", "box"];
      default:
        return ["machine", action, "box"];
    }
  }

  async #hear(writer: Talking): Promise<void> {
    try {
      for (;;) {
        this.#flushed.push(Number(await writer.line()));
        this.#lines++;
      }
    } catch {
      // It was killed, or its machine was.
    }
  }

  #kill(victim: Victim, client: readonly number[]): boolean {
    const vmms = () =>
      this.#home.processes().filter(({ command }) => /^\S*\/(qemu-system-\S*|krun) /.test(command));
    const pids = {
      client: () => client,
      machine: () => this.#home.roles("__machine"),
      vmm: () => vmms().map(({ pid }) => pid),
      all: () => this.#home.processes().map(({ pid }) => pid),
    }[victim]();
    // So that none can tidy up after another.
    if (victim === "all") for (const pid of pids) signal(pid, "SIGSTOP");
    return pids.map((pid) => signal(pid, "SIGKILL")).includes(true);
  }

  /** Waits until all that is left is a machine that runs, with its two processes, or nothing at all. */
  async #settle(action: string): Promise<void> {
    const unsettled = () => {
      const processes = this.#home.processes();
      const running = isRunning(this.#paths, "box");
      if (!running) return processes.map(({ command }) => command);
      const machines = this.#home.roles("__machine").length;
      return machines === 1 && processes.length === 2 ? [] : processes.map(({ command }) => command);
    };
    await until("processes to end", () => unsettled().length === 0, SETTLE_SECONDS).catch(() => {
      throw new Error(`left after ${action}: ${unsettled().join("\n")}`);
    });
    await until(
      "a state that lasts",
      async () => !/ing$/.test(await this.#state()) || (await this.#state()) === "running",
      SETTLE_SECONDS,
    );
    if (isRunning(this.#paths, "box")) return;
    // A killed machine's process leaves its socket to the next one; nobody leaves the agent's.
    const sockets = existsSync(this.#paths.runtime) ? readdirSync(this.#paths.runtime) : [];
    if (sockets.length > 2) throw new Error(`sockets: ${sockets.join(" ")}`);
  }

  async #state(): Promise<string> {
    const machines = JSON.parse(await this.#ok("ls", "--json")) as { name: string; state: string }[];
    if (machines.length > 1) throw new Error(`there are ${machines.length} machines`);
    return machines[0]?.state ?? "none";
  }

  async #look(): Promise<void> {
    const state = await this.#state();
    if (!["none", "created", "running", "stopped", "failed"].includes(state))
      throw new Error(`it is ${state}`);
    if (state !== "none") await this.#ok("status", "box", "--json");
  }

  async #ensureRunning(): Promise<void> {
    if ((await this.#state()) === "none") {
      this.#forget();
      await this.#ok(...this.#words("create").slice(1));
    }
    const start = performance.now();
    await this.#ok("start", "box");
    this.#usualMs.start = (this.#usualMs.start * 3 + performance.now() - start) / 4;
    await this.#settle("start");
    const left = readdirSync(`${this.#paths.data}/machines`);
    if (left.join() !== "box") throw new Error(`directories: ${left.join(" ")}`);
    await this.#checkLines();
  }

  /** Every line that was flushed since the machine was made is there, in order, and nothing but lines. */
  async #checkLines(): Promise<void> {
    for (const file of FILES) {
      const text = await this.#ok("exec", "box", "--", "sh", "-c", `cat ${file} 2>/dev/null; true`);
      const lines = text.split("\n").slice(0, -1).map(Number);
      const there = new Set(lines);
      const wrong = lines.findIndex((line, at) => !(line > (lines[at - 1] ?? 0)));
      const lost = this.#flushed.filter((line) => !there.has(line));
      if (wrong >= 0 || lost.length > 0)
        throw new Error(
          `${file}: lost ${lost.join(" ")}; wrong at ${wrong}: ${lines.slice(wrong - 2, wrong + 3)}`,
        );
      this.#last = Math.max(this.#last, lines.at(-1) ?? 0);
    }
  }

  #forget(): void {
    this.#flushed = [];
    this.#last = 0;
  }

  #checkDisks(): void {
    for (const disk of DISKS) {
      const complaint = fsckComplaints(`${this.#home.directoryOf("box")}/data/${disk}.ext4`);
      if (complaint !== undefined) throw new Error(complaint);
    }
  }

  async #delete(): Promise<void> {
    await this.#ok("delete", "-f", "box");
    this.#forget();
    if ((await this.#state()) !== "none") throw new Error("it is still there");
  }

  /** A command of which nobody is killed. */
  async #ok(...words: readonly string[]): Promise<string> {
    const { exitCode, output, stderr } = await this.#home.machine(words, { seconds: ATTEMPT_SECONDS });
    if (exitCode !== 0 || BUG.test(stderr))
      throw new Error(`machine ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
    return output;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }
}

function signal(pid: number, name: "SIGSTOP" | "SIGKILL"): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false; // it has just ended
  }
}

/** How often what was killed in which action. */
export function tally(lanes: readonly Lane[]): string[] {
  const sums = new Map<string, number>();
  for (const { counts } of lanes)
    for (const [key, count] of counts) sums.set(key, (sums.get(key) ?? 0) + count);
  const lines = [...sums].sort().map(([key, count]) => `${key.padEnd(16)}${count}`);
  return [
    ...lines,
    `flushed lines that had to be there: ${lanes.reduce((sum, { lines }) => sum + lines, 0)}`,
  ];
}
