import type { RestartPolicy } from "../../machine/model/index.ts";
import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** Under every name that docker and upstream know them by, without hyphens. */
const POLICIES: ReadonlyMap<string, RestartPolicy> = new Map([
  ["never", "never"],
  ["no", "never"],
  ["always", "always"],
  ["onfailure", "on-failure"],
  ["unlessstopped", "unless-stopped"],
]);

export const POLICY_NAMES = ["never", "always", "on-failure", "unless-stopped"] as const;

export interface Restart {
  readonly policy: RestartPolicy;
  readonly maxRetries: number | undefined;
}

/** `always`, `on-failure:5`, …: when to start again, and how often in a row at most. */
export function parseRestart(text: string): Restart {
  const match = /^([a-z-]+)(?::(\d{1,9}))?$/.exec(text.toLowerCase());
  const policy = POLICIES.get(match?.[1]?.replaceAll("-", "") ?? "");
  if (policy === undefined) {
    throw badValue(
      `must be ${POLICY_NAMES.join(" or ")}, not ${quote(text)}`,
      "on-failure:5 gives up after five times in a row",
    );
  }
  return { policy, maxRetries: match?.[2] === undefined ? undefined : Number(match[2]) };
}
