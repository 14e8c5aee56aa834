// Not the folders' faces, which load more.
import { readHostEntry, readServer } from "../../machine/model/check-network.ts";
import { parsePorts } from "../../machine/model/parse-ports.ts";
import type { PortSpec } from "../../machine/model/spec.ts";
import { BadRule, parseHostRule, parseRangeRule } from "../../net/policy/rules.ts";
import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** `NAME`, `*.NAME` or an address, each with `:PORT` and `/tcp` or `/udp`; as rules are written. */
export const parseAllowedHost = (text: string): string => ruleOf(text, parseHostRule);

/** A range of addresses or one, with `:PORT` and `/tcp` or `/udp`. */
export const parseAllowedRange = (text: string): string => ruleOf(text, parseRangeRule);

function ruleOf(text: string, parse: (text: string) => { text: string }): string {
  try {
    return parse(text).text;
  } catch (error) {
    if (error instanceof BadRule) throw badValue(`${quote(text)} is invalid: ${error.message}`);
    throw error;
  }
}

/** `ADDRESS` or `ADDRESS:PORT`. */
export function parseDnsServer(text: string): string {
  if (readServer(text) === undefined)
    throw badValue(`${quote(text)} is invalid: no address of a DNS server`, "write for example 1.1.1.1");
  return text;
}

/** `NAME:ADDRESS`, as docker has it. */
export function parseHostEntry(text: string): string {
  const entry = readHostEntry(text);
  if (entry === undefined) throw badValue(`${quote(text)} is invalid`, "write NAME:ADDRESS");
  return `${entry.name}:${entry.address}`;
}

/** See `parsePorts`. */
export function parsePublished(text: string): readonly PortSpec[] {
  const ports = parsePorts(text);
  if (ports === undefined)
    throw badValue(
      `the port ${quote(text)} is invalid`,
      "write [ADDRESS:]HOST:GUEST[/udp], with ports from 1 to 65535, or 0 for any of the host's that is free; or ranges of the same length, at most 1024 ports, 8000-8010:9000-9010",
    );
  return ports;
}
