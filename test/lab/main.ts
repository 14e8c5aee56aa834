import { parseArgs } from "node:util";
import { runLab } from "./machine.ts";

const usage = "usage: lab [-m MIB] [-c CPUS] [-t SECONDS] DIRECTORY -- COMMAND [ARGUMENT...]";

/** The command line of the lab: its output and exit code are the command's, 124 after the limit, 125 if the lab failed. */
async function main(): Promise<number> {
  const { values, positionals, tokens } = parseArgs({
    options: {
      memory: { type: "string", short: "m" },
      cpus: { type: "string", short: "c" },
      limit: { type: "string", short: "t" },
    },
    allowPositionals: true,
    tokens: true,
  });
  const [directory, ...command] = positionals;
  const separated = tokens.some(({ kind }) => kind === "option-terminator");
  if (!separated || directory === undefined || command.length === 0) throw new Error(usage);
  const { exitCode } = await runLab({
    directory,
    command,
    ...numbers({ memoryMib: values.memory, cpus: values.cpus, limitSeconds: values.limit }),
    onStdout: (bytes) => void process.stdout.write(bytes),
    onStderr: (bytes) => void process.stderr.write(bytes),
  });
  return exitCode;
}

function numbers(texts: Record<string, string | undefined>): Record<string, number> {
  const given = Object.entries(texts).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(
    given.map(([name, text]) => {
      if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new Error(`not a number: ${text}\n${usage}`);
      return [name, Number(text)];
    }),
  );
}

main().then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    console.error(`lab: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(125);
  },
);
