/** Finds the program that runs machines. */
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { errorOf } from "../../errors.ts";

/**
 * In this order: what the caller names, SMOLVM_BIN, the package of this platform that came with this one, PATH.
 *
 * @throws SmolvmError `sdk.no_program`
 */
export function findProgram(bin: string | undefined): string {
  const named = bin ?? process.env.SMOLVM_BIN;
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return named;
    throw noProgram(`${named} is no program that can be run`);
  }
  return packaged() ?? onPath() ?? fail();
}

function packaged(): string | undefined {
  const name = `@smolvm/cli-${process.platform}-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const program = join(dirname(manifest), "smolvm");
    return isExecutable(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function onPath(): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, "smolvm"))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function fail(): never {
  throw noProgram("the program smolvm is not there");
}

const noProgram = (message: string) =>
  errorOf({
    code: "sdk.no_program",
    message,
    hint: "install it (docs/install.md), or name it: new Smolvm({ bin }), SMOLVM_BIN",
  });
