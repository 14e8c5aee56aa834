/**
 * A line of a machine's log of what it wanted from the network, for people, programs, and `machine policy learned`:
 *
 *     {"timestamp":"…","operation":"connect","destination":"192.0.2.1:443","decision":"allow","rule":"example.com", …}
 *
 * Names are a guest's: in the file every character that a terminal might obey is an escape of JSON.
 */
import { jsonEscape } from "./console-entry.ts";
import { formatTime, type LogFormat, type LostOutput, parseLine, parseTime } from "./format.ts";

/**
 * `lookup`: a question about a name. `connect`, `udp`, `ping`: the first packet of a flow. `close`: a flow that was let
 * through is over.
 */
export const egressOperations = ["lookup", "connect", "udp", "ping", "close"] as const;
export type EgressOperation = (typeof egressOperations)[number];

/** How the rule begins that lets members of a named network reach each other; its name follows. */
export const MEMBER_RULE = "--network ";

export interface EgressEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly operation: EgressOperation;
  /** `ADDRESS:PORT`, an address, or the name that was asked for. */
  readonly destination: string;
  readonly decision: "allow" | "deny";
  /** The rule that has decided, as the user wrote it, or why there is none. */
  readonly rule: string;
  /** Flows: the name through which the guest knows the address, when it has asked. */
  readonly name?: string | undefined;
  /** Lookups: the type that was asked for, the code of the answer (RFC 1035), and the addresses in it. */
  readonly type?: number | undefined;
  readonly rcode?: number | undefined;
  readonly addresses?: readonly string[] | undefined;
  /** `close`: of what flow, bytes each way, milliseconds, how it ended, and why it could not begin. */
  readonly protocol?: string | undefined;
  readonly sent?: number | undefined;
  readonly received?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly end?: string | undefined;
  readonly error?: string | undefined;
}

const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The line, with its newline. */
export function encodeEgress({ time, ...rest }: EgressEntry): string {
  return `${JSON.stringify({ timestamp: formatTime(time), ...rest }).replace(invisible, jsonEscape)}\n`;
}

/** The line that stands for so many that could not be written. */
export function encodeEgressGap(lostBytes: number): string {
  return `${JSON.stringify({ timestamp: formatTime(Date.now()), lost: lostBytes })}\n`;
}

export const egressFormat: LogFormat<EgressEntry> = {
  decode(line): EgressEntry | LostOutput | undefined {
    const value = parseLine(line);
    const time = parseTime(value?.timestamp);
    if (value === undefined || time === undefined) return undefined;
    if (typeof value.lost === "number") return { time, lostBytes: value.lost };
    const operation = egressOperations.find((operation) => operation === value.operation);
    const { destination, rule, decision } = value;
    if (operation === undefined || typeof destination !== "string" || typeof rule !== "string")
      return undefined;
    if (decision !== "allow" && decision !== "deny") return undefined;
    return {
      ...{ time, operation, destination, decision, rule },
      ...{ name: textOf(value.name), protocol: textOf(value.protocol) },
      ...{ end: textOf(value.end), error: textOf(value.error) },
      ...{ type: numberOf(value.type), rcode: numberOf(value.rcode) },
      ...{ sent: numberOf(value.sent), received: numberOf(value.received) },
      durationMs: numberOf(value.durationMs),
      addresses: Array.isArray(value.addresses)
        ? value.addresses.filter((address) => typeof address === "string")
        : undefined,
    };
  },
  counter: () => () => true,
};

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
const numberOf = (value: unknown) => (typeof value === "number" ? value : undefined);
