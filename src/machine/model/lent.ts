import { basename } from "node:path";
import { quote } from "../../values/index.ts";
import type { MachineSpec } from "./spec.ts";

/** A variable of the guest, and where its value is found. */
export type SecretSpec = MachineSpec["secrets"][number];

/** Where the guest finds the lent agent's socket; scripts know the path. */
export const SSH_AGENT_SOCKET = "/tmp/ssh-agent.sock";

/** Where a socket of a machine's is on the host. @param data the machine's directory */
export function exposedPath(data: string, { guest, host }: MachineSpec["exposeSockets"][number]): string {
  return host ?? `${data}/${basename(guest)}`;
}

/** In both directions together. */
const MAX_SOCKETS = 64;

/** A socket address of Linux has 108 bytes, the last one NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/** As `ssh-add -l` prints it. */
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

type Lent = Pick<MachineSpec, "secrets" | "sshAgent" | "sshAgentKeys" | "mountSockets" | "exposeSockets">;

/** Joins lists of what has a name; a later one takes the place of an earlier one. */
export function joinBy<T>(nameOf: (entry: T) => string) {
  return (below: readonly T[], said: readonly T[]): T[] => [
    ...below.filter((entry) => !said.some((other) => nameOf(other) === nameOf(entry))),
    ...said,
  ];
}

/** What is wrong with what a machine is lent; undefined: nothing. */
export function lentProblem(spec: Lent): string | undefined {
  return (
    firstOf(spec.secrets, secretProblem) ??
    twiceProblem(spec.secrets) ??
    firstOf(spec.sshAgentKeys, keyProblem) ??
    firstOf(spec.mountSockets, ({ host, guest }) => pathProblem(host) ?? pathProblem(guest)) ??
    firstOf(
      spec.exposeSockets,
      ({ host, guest }) => pathProblem(guest) ?? (host === null ? undefined : pathProblem(host)),
    ) ??
    socketsProblem(spec)
  );
}

function firstOf<T>(list: readonly T[], problem: (entry: T) => string | undefined): string | undefined {
  for (const entry of list) {
    const found = problem(entry);
    if (found !== undefined) return found;
  }
  return undefined;
}

function secretProblem({ name, from, source }: SecretSpec): string | undefined {
  if (!isVariable(name)) return `a secret is named as a variable is, not ${quote(name)}`;
  if (from === "env" && !isVariable(source))
    return `the secret ${name} must name a variable of the host, not ${quote(source)}`;
  if (from === "file" && (!source.startsWith("/") || source.includes("\0")))
    return `the file of the secret ${name} must be an absolute path, not ${quote(source)}`;
  return undefined;
}

function twiceProblem(secrets: readonly SecretSpec[]): string | undefined {
  const names = secrets.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  return twice === undefined ? undefined : `the secret ${twice} has two sources`;
}

const isVariable = (name: string): boolean => /^[^=\s\0]+$/.test(name);

function keyProblem(key: string): string | undefined {
  if (FINGERPRINT.test(key)) return undefined;
  return `an SSH key is named by its fingerprint as \`ssh-add -l\` prints it (SHA256:...), not ${quote(key)}`;
}

function pathProblem(path: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (!path.startsWith("/") || /[;|\x00-\x1f\x7f]/.test(path) || path.endsWith("/"))
    return `a socket must be an absolute path without ; and |, not ${quote(path)}`;
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    return `the path of a socket has at most ${MAX_SOCKET_PATH_BYTES} bytes: ${quote(path)}`;
  return undefined;
}

function socketsProblem({ mountSockets, exposeSockets, sshAgent }: Lent): string | undefined {
  if (mountSockets.length + exposeSockets.length > MAX_SOCKETS)
    return `a machine has at most ${MAX_SOCKETS} sockets of and for the host`;
  const guests = [
    ...mountSockets.map(({ guest }) => guest),
    ...exposeSockets.map(({ guest }) => guest),
    ...(sshAgent ? [SSH_AGENT_SOCKET] : []),
  ];
  const twice = guests.find((guest, at) => guests.indexOf(guest) !== at);
  return twice === undefined ? undefined : `two sockets of the machine are at ${quote(twice)}`;
}
