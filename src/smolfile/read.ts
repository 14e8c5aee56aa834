import { constants } from "node:os";
import { dirname, resolve } from "node:path";
import { getSystemErrorMessage } from "node:util";
import { errnoOf, messageOf, SmolError } from "../errors.ts";
import { oneLine } from "../values/index.ts";
import { type Parsed, parseSmolfile, type Smolfile } from "./parse.ts";

/** A Smolfile is a page of text. */
const MAX_BYTES = 1 << 20;

/**
 * Reads a Smolfile, which is one only when the user names it.
 *
 * @param path from the working directory
 * @throws SmolError `smolfile.*`, of what is wrong the first in the file, with `file:line:column`
 */
export async function readSmolfile(path: string): Promise<Smolfile> {
  const read = await readAndParse(path);
  if ("errors" in read) throw read.errors[0];
  return read.file;
}

/** As `readSmolfile`, with everything that is wrong in it. */
export async function readAndParse(path: string): Promise<Parsed> {
  return parseSmolfile(oneLine(path), dirname(resolve(path)), await readText(path));
}

async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  if (bytes.length > MAX_BYTES)
    throw new SmolError("smolfile.too_large", `${oneLine(path)} is larger than 1 MiB, which no Smolfile is`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SmolError("smolfile.bad_toml", `${oneLine(path)} is not UTF-8 text`);
  }
}

/** One byte more than allowed at most: that tells a file that is too large, also one of unknown size (a pipe). */
async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await Bun.file(path)
      .slice(0, MAX_BYTES + 1)
      .bytes();
  } catch (error) {
    const errno = errnoOf(error);
    const code = errno === "ENOENT" ? "smolfile.not_found" : "smolfile.unreadable";
    const hint = errno === "EISDIR" ? "give the file itself: -s PATH/Smolfile" : undefined;
    const message = `cannot read the Smolfile ${oneLine(path)}: ${reasonOf(error)}`;
    throw new SmolError(code, message, { hint, cause: error });
  }
}

/** The system's words for what happened. */
function reasonOf(error: unknown): string {
  const errno = errnoOf(error) ?? "";
  if (errno === "EISDIR") return "it is a directory";
  const number = (constants.errno as Record<string, number>)[errno];
  return number === undefined ? messageOf(error) : getSystemErrorMessage(-number);
}
