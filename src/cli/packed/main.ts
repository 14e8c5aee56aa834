import { commandLineWords } from "../../command-line.ts";
import { findHome } from "../index.ts";
import { interpret } from "../interpret.ts";
import { inWordsOfCommands, packedProgram } from "./program.ts";

/**
 * The role of a packed program: its launcher (stub/) becomes `smolvm __packed PACK NAME WORDS...`, whichever smolvm it
 * has found. That command line is an interface between versions: later ones take it too.
 *
 * @returns the exit code
 */
export async function runPackedProgram(): Promise<number> {
  const [, pack = "", name = "", ...words] = commandLineWords();
  findHome();
  const program = packedProgram(name, pack);
  return interpret(inWordsOfCommands(program, words), program, async () => program);
}
