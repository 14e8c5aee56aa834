import { version } from "../version.ts";
import { print } from "./output.ts";

/**
 * The command line: does what the arguments after the program's name ask for.
 *
 * @returns the exit code
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  // The most frequent call of scripts and tools needs none of the modules below.
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    await print(`smolvm ${version}\n`);
    return 0;
  }
  findHome();
  if (argv[0] === "__complete") return complete(argv.slice(1));
  const [{ interpret }, { programOf }] = await Promise.all([
    import("./interpret.ts"),
    import("./commands/alone.ts"),
  ]);
  const whole = async () => (await import("./commands/index.ts")).program;
  return interpret(argv, await programOf(argv), whole);
}

/** Services and other programs may start this one without HOME: it is the one of the user's passwd entry then. */
export function findHome(): void {
  if (process.env.HOME !== undefined) return;
  try {
    const { homedir } = require("node:os") as typeof import("node:os");
    process.env.HOME = homedir();
  } catch {
    // Without such an entry either: what needs a place for files says so.
  }
}

/** What completion scripts call; see completion/scripts.ts. */
async function complete(words: readonly string[]): Promise<number> {
  const [{ completionAnswer }, { namesHere }, { program }] = await Promise.all([
    import("./completion/answer.ts"),
    import("./completion/names.ts"),
    import("./commands/index.ts"),
  ]);
  await print(await completionAnswer(program, words, namesHere));
  return 0;
}
