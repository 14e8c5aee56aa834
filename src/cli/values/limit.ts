import type { ResourceLimit } from "../../protocol/index.ts";
import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** The limits of setrlimit(2) on Linux, by docker's names for them. */
export const LIMIT_NAMES = [
  "as",
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
] as const;

/** `name=soft[:hard]`; `-1` and `unlimited` lift the limit; without `:hard` both are the same. */
export function parseLimit(text: string): ResourceLimit {
  const match = /^([a-z]+)=([^:]+)(?::(.+))?$/.exec(text);
  if (!match?.[1] || !match[2])
    throw badValue(`not a limit: ${quote(text)}`, "write for example nofile=1024:4096");
  const name = LIMIT_NAMES.find((known) => known === match[1]);
  if (name === undefined) {
    throw badValue(`there is no limit called ${quote(match[1])}`, `the limits are ${LIMIT_NAMES.join(", ")}`);
  }
  const soft = parseAmount(match[2]);
  const hard = match[3] === undefined ? soft : parseAmount(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw badValue(`the soft limit is above the hard one in ${quote(text)}`);
  }
  return { name, soft, hard };
}

function parseAmount(text: string): number {
  if (text === "-1" || text === "unlimited") return -1;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badValue(`not a limit: ${quote(text)}`, "give a whole number, or unlimited");
}
