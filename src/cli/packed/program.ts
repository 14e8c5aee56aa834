import { ExitCode } from "../../errors.ts";
import { version } from "../../version.ts";
import { exec } from "../commands/machine/exec.ts";
import { packRun } from "../commands/pack/run.ts";
import { globals } from "../options/globals.ts";
import { machineOptions } from "../options/machine-options.ts";
import { print } from "../output.ts";
import { command } from "../program/command.ts";
import { type CommandSpec, defaultsOf, type Program, without } from "../program/types.ts";

/** The command line of a packed program: what smolvm does with machines, for the one machine that was packed. */

const runOptions = without(packRun.options, "sidecar", "info", "verifyKeys");

/** What a machine that stays is made with, beside what was packed. */
export const startOptions = without(machineOptions, "image", "platform");

const execOptions = without(exec.options, "name", "start", "stream", "detach");

/** @param name as it was called @param pack path of the file */
export function packedProgram(name: string, pack: string): Program {
  const of = (values: Partial<typeof packRun.options> | object) => ({
    ...defaultsOf(packRun.options),
    ...values,
  });
  const daemon = async () => {
    const { PackedDaemon } = await import("./daemon.ts");
    return await PackedDaemon.open(name, pack);
  };
  const run = command({
    path: ["run"],
    summary: "Run the packed command in a new machine, and remove the machine",
    options: runOptions,
    arguments: { kind: "command", required: false },
    failureCode: ExitCode.beforeCommand,
    text: `Without COMMAND what was packed runs; COMMAND replaces the CMD that was packed. Options win over what
was packed. Nothing that the command changes outlives it. The word run may be left out.

Exit codes: the command's own; 128+N when signal N ended it; 124 after --timeout; 125 when the machine
could not be started; 126 when the command cannot be executed; 127 when it does not exist.`,
    examples: [{ command: name }, { command: `${name} run -v ./data:/data -- ls /data` }],
    run: (invocation) =>
      packRun.run(
        { ...invocation, values: of({ ...invocation.values, sidecar: pack }) } as Parameters<
          typeof packRun.run
        >[0],
        smolvm,
      ),
  });
  const start = command({
    path: ["start"],
    summary: "Start the packed machine in the background; it keeps its files",
    options: startOptions,
    text: `Starts a machine that stays: what it writes survives stop and start, until it is deleted as a machine
of smolvm's. Options count from then on: at a later start they change the machine as machine update
does, which needs one that is stopped. Only --init and --init-once stay as at the first start.`,
    examples: [{ command: `${name} start -p 8080:80` }],
    run: async ({ values, given }) => {
      await print(await (await daemon()).start(values, given));
      return 0;
    },
  });
  const execute = command({
    path: ["exec"],
    summary: "Run a command in the machine that start has started",
    options: execOptions,
    arguments: { kind: "command", required: false },
    failureCode: ExitCode.beforeCommand,
    text: `Without COMMAND the packed command runs once more, beside what runs. Passes stdin (with -i), stdout,
stderr and the exit code through.`,
    examples: [{ command: `${name} exec -- ls /` }, { command: `${name} exec -it -- sh` }],
    run: async ({ values, workload }) => (await daemon()).exec(values, workload),
  });
  const shell = command({
    path: ["shell"],
    aliases: ["sh"],
    summary: "Open a shell in the machine that start has started",
    options: execOptions,
    failureCode: ExitCode.beforeCommand,
    text: "Runs /bin/sh there, with a terminal when there is one here.",
    examples: [{ command: `${name} shell` }],
    run: async ({ values }) => {
      const tty = process.stdin.isTTY === true && process.stdout.isTTY === true;
      return (await daemon()).exec({ ...values, interactive: true, tty }, ["/bin/sh"]);
    },
  });
  const simple = (path: string, summary: string, text: string, act: () => Promise<string>) =>
    command({
      path: [path],
      summary,
      options: {},
      text,
      examples: [{ command: `${name} ${path}` }],
      run: async () => {
        await print(await act());
        return 0;
      },
    });
  const commands = [
    run,
    start,
    execute,
    shell,
    simple("stop", "Stop the machine; its files stay", "One that does not run is left alone.", async () =>
      (await daemon()).stop(),
    ),
    simple("status", "Say whether the machine runs", "Exit code: 0 whatever the state.", async () =>
      (await daemon()).status(),
    ),
    simple("info", "Show what was packed", "Signatures and digests are checked.", async () => describe(pack)),
  ] as CommandSpec[];
  const smolvm: Program = {
    name,
    version,
    summary: "a program packed with its machine by smolvm",
    commands,
    groups: [],
    globals,
    former: { names: [], load: async () => (_, argv) => ({ argv, note: undefined }) },
    manual: async () => ({
      introduction: [{ body: `Without a command, ${name} runs what was packed.` }],
      rules: [],
    }),
  };
  return smolvm;
}

async function describe(path: string): Promise<string> {
  const [{ openPackFile }, { describePack }] = await Promise.all([
    import("../work/open-pack.ts"),
    import("../show/pack.ts"),
  ]);
  const pack = await openPackFile(path, []);
  try {
    return describePack(pack);
  } finally {
    await pack.close();
  }
}

/** Options of `run` that scripts put before the command. */
const ahead = new Set(["--debug", "--force-extract"]);

/** Words that begin with no command are those of `run`. */
export function inWordsOfCommands({ commands }: Program, words: readonly string[]): readonly string[] {
  const index = words.findIndex((word) => !ahead.has(word));
  const options = words.slice(0, index < 0 ? words.length : index);
  const [first = "", ...rest] = words.slice(options.length);
  const isCommand = commands.some(({ path, aliases }) => [path[0], ...aliases].includes(first));
  if (isCommand) return [first, ...options, ...rest];
  return ["--help", "-h", "--version", "-V"].includes(first) ? words : ["run", ...words];
}
