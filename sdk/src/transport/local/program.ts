/** Finds the program that runs machines: this package has none in itself, and downloads none. */
import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { basename, delimiter, isAbsolute, join, resolve } from "node:path";
import { version } from "../../../../src/version.ts";
import { errorOf } from "../../errors.ts";

/** `smolvm --version` answers at once; a program that does not is none of ours. */
const VERSION_LIMIT_MS = 10_000;

/**
 * The first of these that says anything decides: what the caller names, SMOLVM_BIN, the running program itself when it is
 * smolvm, the package of this platform that came with this one, `smolvm` in PATH of a version that fits.
 *
 * @returns an absolute path
 * @throws SmolvmError `sdk.no_program`
 */
export function findProgram(bin: string | undefined): string {
  const named = bin ?? process.env.SMOLVM_BIN;
  if (named !== undefined && named !== "") {
    const path = resolve(named);
    if (isExecutable(path)) return path;
    throw noProgram(
      `${path}, which ${bin === undefined ? "SMOLVM_BIN" : "bin"} names, is no program that can be run`,
    );
  }
  if (basename(process.execPath) === "smolvm") return process.execPath;
  return packaged() ?? onPath();
}

const platformPackage = `@smolvm/cli-${process.platform}-${process.arch}`;

function packaged(): string | undefined {
  try {
    const program = createRequire(import.meta.url).resolve(`${platformPackage}/bin/smolvm`);
    return isExecutable(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function onPath(): string {
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    // Relative ones would find another program in each directory.
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, "smolvm"))
    .find(isExecutable);
  if (path === undefined)
    throw noProgram(
      `the program smolvm is not there: ${platformPackage} is not installed, nor smolvm in PATH`,
    );
  const found = fitting.get(path) ?? versionOf(path);
  if (found === undefined || seriesOf(found) !== seriesOf(version))
    throw noProgram(
      `${path} is ${found === undefined ? "no smolvm" : `of version ${found}`}, and this package of ${version}`,
    );
  fitting.set(path, found);
  return path;
}

/** Versions of programs that fit: to ask one takes as long as to start it. */
const fitting = new Map<string, string>();

/** It says `smolvm 0.1.0`. */
function versionOf(path: string): string | undefined {
  try {
    const said = execFileSync(path, ["--version"], {
      timeout: VERSION_LIMIT_MS,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return /^smolvm (\d+\.\d+\.\d+\S*)$/m.exec(said)?.[1];
  } catch {
    return undefined;
  }
}

/** What the last number changes is no interface. */
const seriesOf = (text: string): string => text.split(".", 2).join(".");

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const noProgram = (message: string) =>
  errorOf({
    code: "sdk.no_program",
    message,
    hint: `install ${platformPackage}@${version}, which npm leaves out with --omit=optional, or set SMOLVM_BIN`,
  });
