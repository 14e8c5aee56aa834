import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** A variable of the guest, and where its value is found on the host; the value itself is never on a command line. */
export interface Secret {
  readonly name: string;
  readonly from: "env" | "file";
  readonly source: string;
}

/** `GUEST=HOSTVAR`. */
export function parseSecretEnv(text: string): Secret {
  return { ...parseNamed(text, "write GUEST=VARIABLE, for example TOKEN=GITHUB_TOKEN"), from: "env" };
}

/** `GUEST=/absolute/path`. */
export function parseSecretFile(text: string): Secret {
  const secret = { ...parseNamed(text, "write GUEST=/absolute/path"), from: "file" } as const;
  if (!secret.source.startsWith("/"))
    throw badValue(`the file of a secret must be an absolute path, not ${quote(secret.source)}`);
  return secret;
}

/** What has no `=` may be a secret itself, and is not shown. */
function parseNamed(text: string, hint: string): { name: string; source: string } {
  const end = text.indexOf("=");
  const [name, source] = [text.slice(0, Math.max(0, end)), text.slice(end + 1)];
  if (end < 0) throw badValue("a secret needs a name and a source", hint);
  if (name === "") throw badValue("the secret has no name", hint);
  if (source === "") throw badValue(`the secret ${quote(name)} has no source`, hint);
  return { name, source };
}

/** `SHA256:...` of `ssh-add -l`; null: no key is named. */
export function parseKeyFingerprint(text: string): string | null {
  if (text === "none") return null;
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(text)) return text;
  throw badValue(
    `not the fingerprint of an SSH key: ${quote(text)}`,
    "write it as `ssh-add -l` prints it: SHA256:...",
  );
}

export interface MountedSocket {
  /** From the working directory. */
  readonly host: string;
  readonly guest: string;
}

/** `HOST:GUEST`. */
export function parseMountSocket(text: string): MountedSocket {
  const hint = "write HOST:GUEST, for example /run/app.sock:/run/app.sock";
  const end = text.lastIndexOf(":");
  if (end < 0) throw badValue(`not two sockets: ${quote(text)}`, hint);
  const [host, guest] = [text.slice(0, end), text.slice(end + 1)];
  checkSocketPaths(text, [host, guest], hint);
  checkGuest(guest);
  return { host, guest };
}

export interface ExposedSocket {
  readonly guest: string;
  /** From the working directory; null: one in the machine's directory. */
  readonly host: string | null;
}

/** `GUEST[:HOST]`. */
export function parseExposeSocket(text: string): ExposedSocket {
  const hint = "write GUEST or GUEST:HOST, for example /run/app.sock:./app.sock";
  const end = text.indexOf(":");
  const [guest, host] = end < 0 ? [text, null] : [text.slice(0, end), text.slice(end + 1)];
  checkSocketPaths(text, host === null ? [guest] : [guest, host], hint);
  checkGuest(guest);
  return { guest, host };
}

function checkSocketPaths(text: string, paths: readonly string[], hint: string): void {
  if (paths.some((path) => path === "" || path.endsWith("/")))
    throw badValue(`not a socket: ${quote(text)}`, hint);
  if (/[;|]/.test(text)) throw badValue(`the path of a socket cannot have ; or |: ${quote(text)}`);
}

function checkGuest(guest: string): void {
  if (!guest.startsWith("/"))
    throw badValue(`the guest's socket must be an absolute path, not ${quote(guest)}`);
}
