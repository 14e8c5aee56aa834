import { isIP, isIPv4 } from "node:net";
import { check, picklist, pipe, regex, string, union } from "valibot";
import { messageOf } from "../errors.ts";
import { isLocalImage } from "../image/source-kind.ts";
import { type RestartPolicy, restartPolicies } from "../machine/model/spec.ts";
import { parseSignal } from "../machine/root/stop-signal.ts";
import { parseReference } from "../registry/reference.ts";
import { quote } from "../values/index.ts";
import { formed, notAmong, text } from "./values.ts";

/** Paths are taken as they stand: who writes `~` would get a directory of that name. */
const TILDE =
  "begins with ~, which is not expanded: write the whole path, or one from the directory of this file";

/** An image of a registry, or one on this machine by its path. */
export const image = formed(/\S/, (value) => {
  if (value === "-") return "cannot be -: a file cannot say what comes on stdin";
  if (value.startsWith("~")) return TILDE;
  if (isLocalImage(value)) return undefined;
  try {
    parseReference(value);
  } catch (error) {
    return `must be the name of an image, or a path that begins with ./, ../ or /: ${messageOf(error)}`;
  }
  return undefined;
});

export const guestDirectory = formed(/^\//, (value) =>
  value.startsWith("/") ? undefined : `must be an absolute path in the guest, not ${quote(value)}`,
);

/** `NAME=value`, or `NAME` for the host's value. The value is not shown: it may be a secret. */
export const variable = pipe(
  text,
  regex(
    /^\s*[^=\s]+(?:=[\s\S]*|\s*)$/,
    "must be NAME=value, or NAME to pass the host's value on; a name has no blanks",
  ),
);

export interface Port {
  readonly host: number;
  readonly guest: number;
}

/** `HOST:GUEST`. */
export function parsePort(text: string): Port | undefined {
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  const [host, guest] = [Number(match?.[1]), Number(match?.[2])];
  return [host, guest].every((port) => port >= 1 && port <= 65_535) ? { host, guest } : undefined;
}

export const port = formed(/^\d{1,5}:\d{1,5}$/, (value) =>
  parsePort(value) === undefined
    ? `must be HOST:GUEST, two ports from 1 to 65535, not ${quote(value)}`
    : undefined,
);

export interface Volume {
  /** As it stands in the file. */
  readonly source: string;
  readonly guest: string;
  readonly readOnly: boolean;
}

/** `SOURCE:GUEST[:ro]`. */
export function parseVolume(text: string): Volume | undefined {
  const match = /^([^:]+):(\/[^:]*)(:ro)?$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { source: match[1], guest: match[2], readOnly: match[3] !== undefined };
}

export const volume = formed(/^[^:]+:\/[^:]*(:ro)?$/, (value) => {
  if (value.startsWith("~")) return TILDE;
  return parseVolume(value) === undefined
    ? `must be SOURCE:GUEST or SOURCE:GUEST:ro, with an absolute path in the guest, not ${quote(value)}`
    : undefined;
});

const HOST_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
const HOST_NAME = new RegExp(`^${HOST_LABEL}(?:\\.${HOST_LABEL})*\\.?$`);

/** A host's name or address, without a port. */
export const host = formed(/^\S+$/, (value) => {
  if (isIP(value) !== 0 || (value.length <= 253 && HOST_NAME.test(value))) return undefined;
  if (/^(?:\[[^\]]*\]|[^:]+):\d+$/.test(value)) return `is ${quote(value)}: port suffixes are not supported`;
  return `must be the name or the address of a host, not ${quote(value)}`;
});

/** An address, or a range of them. */
export const addressRange = formed(/^[0-9A-Fa-f:.]+(?:\/\d{1,3})?$/, (value) => {
  const [address = "", bits, ...rest] = value.split("/");
  const most = isIPv4(address) ? 32 : 128;
  const right = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  if (isIP(address) !== 0 && right && rest.length === 0) return undefined;
  return `has an invalid range of addresses, ${quote(value)}: write for example 10.0.0.0/8, or one address`;
});

/** Names of signals as images have them: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`. */
export const signal = formed(/^[A-Za-z0-9+-]+$/, (value) =>
  parseSignal(value) === undefined ? `must be a signal such as SIGQUIT, not ${quote(value)}` : undefined,
);

export const platform = formed(/^linux\/[a-z0-9._-]{1,32}(?:\/[a-z0-9._-]{1,32})?$/, (value) =>
  /^linux\/[a-z0-9._-]{1,32}(?:\/[a-z0-9._-]{1,32})?$/.test(value)
    ? undefined
    : `must be a platform such as linux/amd64 or linux/arm/v7, not ${quote(value)}`,
);

/** What policies are called; upstream takes them in any case, and these without a dash too. */
const POLICIES: ReadonlyMap<string, RestartPolicy> = new Map([
  ...restartPolicies.map((policy) => [policy, policy] as const),
  ["onfailure", "on-failure"],
  ["unlessstopped", "unless-stopped"],
]);

export function parsePolicy(text: string): RestartPolicy | undefined {
  return POLICIES.get(text.toLowerCase());
}

const noPolicy = notAmong(restartPolicies);

/** Editors offer the names, and take any case. */
export const policy = pipe(
  union([picklist([...POLICIES.keys()]), pipe(string(), regex(/^[A-Za-z-]+$/, noPolicy))], noPolicy),
  check((value) => parsePolicy(value) !== undefined, noPolicy),
);
