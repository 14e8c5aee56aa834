import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { parseVariable, type Variable } from "./environment.ts";

/** Far more than an environment can hold: execve(2) takes 2 MiB at most. */
const MAX_BYTES = 1 << 20;

/**
 * Reads a file in docker's `--env-file` form: one `NAME=value` or `NAME` a line; blank lines and lines that
 * start with `#` are left out; nothing is quoted or expanded.
 *
 * @throws SmolError `cli.env_file` when it cannot be read or a line is wrong
 */
export async function readEnvFile(path: string): Promise<readonly Variable[]> {
  return parseEnvFile(path, await readText(path));
}

async function readText(path: string): Promise<string> {
  try {
    // One byte more than allowed tells a file that is too large, also one whose size is unknown (a FIFO).
    const bytes = await Bun.file(path)
      .slice(0, MAX_BYTES + 1)
      .bytes();
    if (bytes.length > MAX_BYTES) throw failure(path, "it is larger than 1 MiB");
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof SmolError) throw error;
    if (error instanceof TypeError) throw failure(path, "it is not UTF-8 text");
    throw failure(path, errnoOf(error) === "ENOENT" ? "there is no such file" : messageOf(error));
  }
}

/** The variables in the text of such a file. */
export function parseEnvFile(path: string, text: string): Variable[] {
  const variables: Variable[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const content = line.trimStart();
    if (content === "" || content.startsWith("#")) continue;
    const variable = parseVariable(content);
    if (/[\s\0]/.test(variable.name) || variable.value?.includes("\0")) {
      throw failure(path, `line ${index + 1} has no valid variable name`);
    }
    variables.push(variable);
  }
  return variables;
}

function failure(path: string, reason: string): SmolError {
  return new SmolError("cli.env_file", `cannot read variables from ${path}: ${reason}`, { exitCode: 2 });
}
