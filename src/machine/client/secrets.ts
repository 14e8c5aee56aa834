/**
 * Values of secrets: looked up by whoever asks for a process, in its own environment and with its own rights, each time
 * anew. They go to the machine's process and on to the guest, and are written nowhere.
 */
import type { FileHandle } from "node:fs/promises";
import type { Context } from "../../context.ts";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { joinBy, type SecretSpec } from "../model/index.ts";
import { readRecord } from "../store/index.ts";

/** More than this of a file is not read: what is larger is no secret. */
const MAX_FILE_BYTES = 1024 * 1024;

/** What Linux takes as one variable, its name and the NUL behind it included (MAX_ARG_STRLEN, execve(2)). */
const MAX_VARIABLE_BYTES = 128 * 1024;

type Environment = Context["environment"];

/**
 * `NAME=value` for each secret, in the order given.
 *
 * @throws SmolError `secret.not_set`, `secret.unreadable`, `secret.bad_file`, `secret.too_large`; never with a value
 */
export function resolveSecrets(
  secrets: readonly SecretSpec[],
  environment: Environment,
): Promise<readonly string[]> {
  return Promise.all(
    secrets.map(async (secret) => {
      const { name, from, source } = secret;
      const value = from === "env" ? fromEnvironment(secret, environment) : await fromFile(name, source);
      const variable = `${name}=${value}`;
      if (Buffer.byteLength(variable) >= MAX_VARIABLE_BYTES)
        throw new SmolError(
          "secret.too_large",
          `the secret ${name} is longer than a variable can be: 128 KiB`,
        );
      return variable;
    }),
  );
}

function fromEnvironment({ name, source }: SecretSpec, environment: Environment): string {
  const value = environment[source];
  if (value !== undefined) return value;
  throw new SmolError(
    "secret.not_set",
    `the secret ${name} is not set: there is no variable ${source} here`,
    {
      hint: `set ${source}, or give ${name} a value for this command with -e ${name}=...`,
    },
  );
}

async function fromFile(name: string, path: string): Promise<string> {
  const file = await openFile(name, path);
  try {
    if (!(await file.stat()).isFile()) throw badFile(name, path, "it is no regular file");
    const bytes = await readUpTo(file, MAX_FILE_BYTES + 1);
    if (bytes.length > MAX_FILE_BYTES)
      throw new SmolError("secret.too_large", `the file of the secret ${name} is larger than 1 MiB: ${path}`);
    return asText(name, path, bytes);
  } finally {
    await file.close();
  }
}

/** A link in the path's last place is somebody else's choice of a file; a FIFO would wait for its writer. */
async function openFile(name: string, path: string): Promise<FileHandle> {
  // Loaded by those who have such a secret: each exec loads this file.
  const { constants, open } = await import("node:fs/promises");
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ELOOP") throw badFile(name, path, "it is a symbolic link");
    const why = errnoOf(error) === "ENOENT" ? "there is no such file" : messageOf(error);
    throw new SmolError("secret.unreadable", `cannot read the file of the secret ${name}, ${path}: ${why}`);
  }
}

async function readUpTo(file: FileHandle, limit: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(limit);
  for (let length = 0; length < limit; ) {
    const { bytesRead } = await file.read(bytes, length, limit - length, length);
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
  }
  return bytes;
}

/** Without the line ends that editors and `echo` put last, as a shell's `$(cat FILE)`. */
function asText(name: string, path: string, bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badFile(name, path, "it is not UTF-8 text");
  }
  if (text.includes("\0")) throw badFile(name, path, "it has a NUL character");
  return text.replace(/[\r\n]+$/, "");
}

function badFile(name: string, path: string, why: string): SmolError {
  return new SmolError("secret.bad_file", `the secret ${name} cannot come from ${path}: ${why}`);
}

/** Of those who ask for a process in a machine that runs. */
export interface Variables {
  /** `NAME=value`; they win over secrets of the same name, which are then not looked up. */
  readonly env?: readonly string[] | undefined;
  /** For this process alone; they win over the machine's of the same name. */
  readonly secrets?: readonly SecretSpec[] | undefined;
}

/**
 * The variables for a process in a machine: the machine's secrets as they are now, and over them what is asked for.
 *
 * @throws SmolError as `resolveSecrets`
 */
export async function execEnvironment(
  { paths, environment }: Context,
  machine: string,
  { env = [], secrets: own = [] }: Variables,
): Promise<readonly string[]> {
  // Without the whole check: whoever has no secrets should not wait for it. One that is gone is the exec's to tell.
  const read = readRecord(paths, machine, "outline");
  const machines = read?.kind === "record" ? read.record.secrets : [];
  return [
    ...(await resolveUnlessSet(joinBy(({ name }: SecretSpec) => name)(machines, own), env, environment)),
    ...env,
  ];
}

/** The same for a process that has nothing to do with the machine's own secrets. */
export async function variablesOf({ environment }: Context, { env = [], secrets = [] }: Variables) {
  return [...(await resolveUnlessSet(secrets, env, environment)), ...env];
}

function resolveUnlessSet(secrets: readonly SecretSpec[], env: readonly string[], environment: Environment) {
  const names = new Set(env.map((entry) => entry.split("=", 1)[0]));
  return resolveSecrets(
    secrets.filter(({ name }) => !names.has(name)),
    environment,
  );
}
