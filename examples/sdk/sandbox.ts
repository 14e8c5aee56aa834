/**
 * A sandbox for a coding agent: the agent's files and commands stay in a machine of its own.
 *
 *     bun sandbox.ts PROJECT RESULT COMMAND
 *
 * Copies the folder PROJECT into a new machine, which has no other file of this host, runs the shell command COMMAND there
 * as an agent would, prints what it said, and brings the folder back as RESULT. Whatever the command did, nothing but
 * RESULT has changed.
 */
import { Machine, OperationTimeoutError } from "smolvm";

const WORK = "/work";
/** What a model is shown of a command's output: its beginning and its end say most. */
const SHOWN = 4000;

/** What an agent is told about a command that it ran. */
interface Observation {
  readonly exitCode: number | undefined;
  readonly text: string;
}

/** The tools of an agent. */
class Sandbox {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A command that takes too long is ended, with all that it has started. */
  async shell(command: string, timeoutMs = 60_000): Promise<Observation> {
    try {
      const { exitCode, stdout, stderr } = await this.#machine.run(command, { workdir: WORK, timeoutMs });
      return { exitCode, text: shortened(stdout + stderr) };
    } catch (error) {
      if (!(error instanceof OperationTimeoutError)) throw error;
      return { exitCode: undefined, text: error.message };
    }
  }

  read = (path: string): Promise<string> =>
    this.#machine.fs.readFile(`${WORK}/${path}`, { encoding: "utf8", maxBytes: 1_000_000 });

  write = (path: string, text: string): Promise<void> =>
    this.#machine.fs.writeFile(`${WORK}/${path}`, text, { mkdir: true });

  async edit(path: string, old: string, replacement: string): Promise<void> {
    const parts = (await this.read(path)).split(old);
    if (parts.length !== 2) throw new Error(`${JSON.stringify(old)} is not exactly once in ${path}`);
    await this.write(path, parts.join(replacement));
  }
}

function shortened(text: string): string {
  if (text.length <= SHOWN) return text;
  const half = SHOWN / 2;
  return `${text.slice(0, half)}\n[${text.length - SHOWN} characters are left out]\n${text.slice(-half)}`;
}

const [project, result, command] = process.argv.slice(2);
if (project === undefined || result === undefined || command === undefined)
  throw new Error("usage: bun sandbox.ts PROJECT RESULT COMMAND");

// `network: { allowHosts: ["registry.npmjs.org"] }` would let it install packages, and reach nothing else.
await using machine = await Machine.create({ memoryMiB: 1024 });
await machine.copyIn(project, WORK);
const { exitCode, text } = await new Sandbox(machine).shell(command);
console.log(text);
await machine.copyOut(WORK, result);
process.exitCode = exitCode ?? 124;
