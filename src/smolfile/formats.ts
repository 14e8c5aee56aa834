import { check, picklist, pipe, regex, string, union } from "valibot";
import { messageOf } from "../errors.ts";
import { isLocalImage } from "../image/source-kind.ts";
import { parsePorts } from "../machine/model/parse-ports.ts";
import { type RestartPolicy, restartPolicies } from "../machine/model/spec.ts";
import { parseSignal } from "../machine/root/stop-signal.ts";
import { BadRule, parseHostRule, parseRangeRule } from "../net/policy/rules.ts";
import { parseReference } from "../registry/reference.ts";
import { quote } from "../values/index.ts";
import { parseVolume } from "../values/mount.ts";
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

/** Of an SSH key, as `ssh-add -l` prints it. */
export const fingerprint = formed(/^SHA256:[A-Za-z0-9+/]{43}$/, (value) =>
  /^SHA256:[A-Za-z0-9+/]{43}$/.test(value)
    ? undefined
    : `must be the fingerprint of an SSH key as \`ssh-add -l\` prints it, not ${quote(value)}`,
);

/** `NAME=value`, or `NAME` for the host's value. The value is not shown: it may be a secret. */
export const variable = pipe(
  text,
  regex(
    /^\s*[^=\s]+(?:=[\s\S]*|\s*)$/,
    "must be NAME=value, or NAME to pass the host's value on; a name has no blanks",
  ),
);

export const port = formed(
  /^(?:(?:\[[0-9A-Fa-f:.]+\]|[\d.]+):)?(?:[\d-]+:)?[\d-]+(?:\/(?:tcp|udp))?$/,
  (value) =>
    parsePorts(value) === undefined
      ? `must be [ADDRESS:]HOST:GUEST[/udp], with ports from 1 to 65535, not ${quote(value)}`
      : undefined,
);

/** `SOURCE:GUEST[:ro|rw]`. */
export const volume = formed(/^.+:\/[^:]*(:r[ow])?$/, (value) => {
  if (value.startsWith("~")) return TILDE;
  const parsed = parseVolume(value);
  return "wrong" in parsed
    ? `must be SOURCE:GUEST or SOURCE:GUEST:ro, with an absolute path in the guest, not ${quote(value)}`
    : undefined;
});

/** A host's name or address; `--allow-host` takes the same. */
export const host = formed(/^\S+$/, (value) => ruleProblem(value, parseHostRule));

/** An address, or a range of them; `--allow-cidr` takes the same. */
export const addressRange = formed(/^\S+$/, (value) => ruleProblem(value, parseRangeRule));

function ruleProblem(value: string, parse: (text: string) => unknown): string | undefined {
  try {
    parse(value);
    return undefined;
  } catch (error) {
    if (error instanceof BadRule) return `has ${quote(value)}, which is invalid: ${error.message}`;
    throw error;
  }
}

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
