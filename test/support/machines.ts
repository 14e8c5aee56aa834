import { afterAll } from "bun:test";
import { safeParse } from "valibot";
import { resolvePaths } from "../../src/config/paths.ts";
import { type MachineJson, machineJsonSchema } from "../../src/machine/client/summary-schema.ts";
import { isRunning, machineDirectory, readState } from "../../src/machine/store/index.ts";
import { Home } from "./home.ts";
import { type Result, type RunOptions, until } from "./process.ts";
import { slowness } from "./program.ts";

/** Options of a machine that starts quickly: these tests are about everything but the size of machines. */
export const SMALL = ["--cpus", "1", "--mem", "256"] as const;

/** What a refused command has said. */
export interface Refusal {
  readonly exitCode: number | null;
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A user's home with machines that last. */
export class Machines extends Home {
  /** `smolvm machine …`, to its end. */
  async machine(words: readonly string[], options: RunOptions = {}): Promise<Result> {
    return await this.smolvm(["machine", ...words], options);
  }

  /** The same for what has to succeed: its output. */
  async ok(...words: readonly string[]): Promise<string> {
    const { exitCode, output, stderr } = await this.machine(words);
    if (exitCode !== 0) throw new Error(`machine ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
    return output;
  }

  /** The same for what has to be refused. */
  async refusal(...words: readonly string[]): Promise<Refusal> {
    const { exitCode, stderr } = await this.smolvm(["--error-format", "json", "machine", ...words]);
    const last = stderr.trim().split("\n").at(-1) ?? "";
    if (exitCode === 0 || !last.startsWith("{"))
      throw new Error(`machine ${words.join(" ")} was not refused: ${exitCode}: ${stderr}`);
    return { exitCode, ...JSON.parse(last).error };
  }

  /** Makes a small machine; `words` are options, and behind -- its command. */
  async create(name: string, ...words: readonly string[]): Promise<string> {
    return await this.ok("create", name, ...SMALL, ...words);
  }

  /** A shell script in a machine: its output, when it succeeds and nothing was said on stderr. */
  async sh(name: string, script: string): Promise<string> {
    const { exitCode, output, stderr } = await this.machine([
      "exec",
      "--name",
      name,
      "--",
      "sh",
      "-c",
      script,
    ]);
    if (exitCode !== 0 || stderr !== "")
      throw new Error(`in ${name}: ${script}: ${exitCode}: ${output}${stderr}`);
    return output;
  }

  /** `status --json` of a machine, once it is known to be what the schema says, no more and no less. */
  async state(name: string): Promise<MachineJson> {
    return checkedMachine(JSON.parse(await this.ok("status", "--json", name)));
  }

  /** Where the disks and logs of a machine are, and its directory around that. */
  directoryOf(name: string): string {
    return machineDirectory(resolvePaths(this.env), name);
  }

  /**
   * Takes the power from a machine's VM: what its guest has not flushed is lost. Resolves when the machine has noticed:
   * it does not run any more, or has another VM.
   */
  async powerCut(name: string): Promise<void> {
    const paths = resolvePaths(this.env);
    const vmm = readState(paths, name)?.vmmPid;
    if (vmm === null || vmm === undefined) throw new Error(`${name} has no VM`);
    process.kill(vmm, "SIGKILL");
    const hasAnother = () => {
      const now = readState(paths, name)?.vmmPid ?? null;
      return now !== null && now !== vmm;
    };
    await until("the machine's end", () => !isRunning(paths, name) || hasAnother());
  }

  /** The machine's process. @throws Error when the machine has never run */
  processOf(name: string): number {
    const pid = readState(resolvePaths(this.env), name)?.pid;
    if (pid === undefined) throw new Error(`${name} has no process`);
    return pid;
  }

  async names(): Promise<string[]> {
    return (await this.ok("ls", "-q")).split("\n").filter((name) => name !== "");
  }

  async deleteAll(): Promise<void> {
    const names = await this.names();
    if (names.length > 0) await this.ok("delete", "-f", ...names);
  }
}

export function checkedMachine(json: unknown): MachineJson {
  const { success, output, issues } = safeParse(machineJsonSchema, json);
  if (!success) throw new Error(`not as the schema says: ${JSON.stringify(issues)}`);
  const known = Object.keys(machineJsonSchema.entries).sort();
  const keys = Object.keys(json as object).sort();
  if (keys.join() !== known.join()) throw new Error(`keys: ${keys}; those of the schema: ${known}`);
  return output;
}

/** A home whose machines the tests of a file share. At the end they are deleted, and nothing of them is left. */
export function useMachines(): Machines {
  const machines = new Machines();
  afterAll(
    async () => {
      try {
        await machines.deleteAll();
        await machines.expectNothingLeft();
      } finally {
        machines.remove();
      }
    },
    { timeout: 60_000 * slowness },
  );
  return machines;
}
