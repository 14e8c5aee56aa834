import { oneLine } from "../output.ts";
import type { Program } from "../program/types.ts";
import { type Names, offerFor } from "./candidates.ts";

/**
 * What `smolvm __complete WORD...` prints for the scripts of shells: `:files` or `:`, then a line for each candidate,
 * `word<TAB>description`. The words are those behind the program's name, the last one being the one at the cursor.
 */
export async function completionAnswer(
  program: Program,
  words: readonly string[],
  names: Names,
): Promise<string> {
  const { candidates, files } = await offerFor(program, words, names);
  const lines = candidates
    // A name that is not what it looks like cannot be typed either.
    .filter(({ word }) => word.startsWith(words.at(-1) ?? "") && oneLine(word) === word)
    .map(({ word, description }) => (description === undefined ? word : `${word}\t${description}`));
  return [files ? ":files" : ":", ...lines, ""].join("\n");
}
