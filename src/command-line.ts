/** This process's arguments and environment as the user gave them, byte for byte. */
/** What the runtime puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/**
 * The words after the program's name; bytes that are not UTF-8 are lone surrogates (surrogate-escape.ts), where the
 * system tells them (Linux).
 */
export function commandLineWords(): string[] {
  const words = process.argv.slice(2);
  if (!words.some((word) => word.includes(REPLACEMENT))) return words;
  // Whatever comes before them (this program; Bun and a script of a checkout), the words are the last ones.
  const all = readByteStrings("cmdline");
  return all === undefined ? words : all.slice(-words.length);
}

/** The environment, like `commandLineWords`. */
export function environment(): Record<string, string | undefined> {
  const { env } = process;
  if (!Object.values(env).some((value) => value?.includes(REPLACEMENT))) return env;
  const found = { ...env };
  for (const entry of readByteStrings("environ") ?? []) {
    const end = entry.indexOf("=");
    const name = entry.slice(0, end);
    const value = entry.slice(end + 1);
    // What this program has changed since it started is as it wants it.
    if (!value.isWellFormed() && found[name]?.includes(REPLACEMENT)) found[name] = value;
  }
  return found;
}

/** Texts with a NUL behind each, as /proc has them; undefined where there is no /proc. */
function readByteStrings(name: "cmdline" | "environ"): string[] | undefined {
  if (process.platform !== "linux") return undefined;
  // Loaded only now: each program starts with this file, and node:fs takes as long as half of the runtime's own start.
  const { readFileSync } = require("node:fs") as typeof import("node:fs");
  const { decodeByteString } = require("./surrogate-escape.ts") as typeof import("./surrogate-escape.ts");
  const bytes = readFileSync(`/proc/self/${name}`);
  const texts: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(0, start);
    const end = found < 0 ? bytes.length : found;
    texts.push(decodeByteString(bytes.subarray(start, end)));
    start = end + 1;
  }
  return texts;
}
