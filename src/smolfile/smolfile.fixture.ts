import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SmolError } from "../errors.ts";
import { parseSmolfile, type Smolfile } from "./parse.ts";

const DIRECTORY = "/project";

/** A Smolfile in /project. */
export function parsed(text: string): Smolfile {
  const read = parseSmolfile("Smolfile", DIRECTORY, text);
  if ("errors" in read) throw read.errors[0];
  return read.file;
}

/** Everything that is wrong with a text: `message`, or `message | hint`. */
export function refusals(text: string): string[] {
  const read = parseSmolfile("Smolfile", DIRECTORY, text);
  return "errors" in read ? read.errors.map(wordsOf) : [];
}

function wordsOf({ message, hint }: SmolError): string {
  return hint === undefined ? message : `${message} | ${hint}`;
}

/** Calls `use` with the path of a Smolfile in a directory of its own. */
export async function withSmolfile<T>(
  text: string | Uint8Array,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-smolfile-"));
  try {
    writeFileSync(join(directory, "Smolfile"), text);
    return await use(join(directory, "Smolfile"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
