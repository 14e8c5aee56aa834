import { type DeniedFlow, type FlowDecision, INSPECTED_BYTES, type Inspection } from "../types.ts";
import { formatAddress, parseAddress } from "./address.ts";
import {
  CHECKED_PORTS,
  type Destination,
  decide,
  decideName,
  decideServerName,
  type NameDecision,
} from "./decide.ts";
import { hostOf } from "./http.ts";
import { OpenedAddresses } from "./opened.ts";
import { OwnAddresses } from "./own.ts";
import type { Policy } from "./policy.ts";
import { serverNameOf } from "./tls.ts";

/**
 * How long what an answer has opened stays open at least: a program that was told to keep an answer for no time at all
 * still has to connect to it, perhaps after other addresses have failed.
 */
const MIN_OPEN_MS = 60_000;
/** And at most. Answers that the guest gets never live longer: who keeps to them asks again in time. */
export const MAX_TTL_S = 3600;
/** A program that got the answer at the last moment connects a little later. */
const GRACE_MS = 30_000;

/** An address that an answer about an allowed name has. */
export interface Answered {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

/** A policy at work: what has been opened, beside what was written. */
export class Gatekeeper {
  #policy: Policy;
  readonly #opened = new OpenedAddresses();
  readonly #own: OwnAddresses;
  readonly #now: () => number;

  /**
   * @param now milliseconds, of a clock that never goes back
   * @param own addresses of this host
   */
  constructor(policy: Policy, now = () => performance.now(), own = new OwnAddresses()) {
    this.#policy = policy;
    this.#own = own;
    this.#now = now;
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** From now on another policy decides; connections that are there stay. */
  replace(policy: Policy): void {
    this.#policy = policy;
  }

  decide(flow: Destination): FlowDecision {
    const now = this.#now();
    return decide(this.#policy, this.#opened, flow, now, this.#own.at(now));
  }

  decideName(name: string): NameDecision {
    return decideName(this.#policy, name);
  }

  /** The name that the guest has been told this address for, if it is known and still open. */
  nameOf(address: string): string | undefined {
    const parsed = parseAddress(address);
    return parsed && this.#opened.namesOf(formatAddress(parsed), this.#now()).at(-1)?.name;
  }

  /**
   * Opens what the guest is about to be told.
   *
   * @param name that was asked for, and is allowed
   * @param byUser the user has said it, not the DNS
   */
  open(name: string, answers: readonly Answered[], byUser = false): void {
    for (const { address, ttl } of answers) {
      const parsed = parseAddress(address);
      if (parsed === undefined) continue;
      const open = Math.max(MIN_OPEN_MS, Math.min(ttl, MAX_TTL_S) * 1000) + GRACE_MS;
      this.#opened.open(formatAddress(parsed), name, this.#now() + open, byUser);
    }
  }

  /** Looks at the first bytes of a connection that a rule by name has opened: see `FlowPolicy.inspect`. */
  inspect(flow: Destination, bytes: Uint8Array, ended: boolean): Inspection {
    const kind = CHECKED_PORTS.get(flow.port);
    if (kind === undefined) return "pass";
    const name = kind === "tls" ? serverNameOf(bytes) : hostOf(bytes);
    if (name === "more" && !ended && bytes.length < INSPECTED_BYTES) return "more";
    if (name === undefined || name === "more")
      return refuse(kind === "tls" ? "no server name: not TLS, or without SNI" : "no server name: no Host");
    const { allow, rule } = decideServerName(this.#policy, name, flow);
    return allow ? "pass" : refuse(rule);
  }
}

/** What comes from the guest ends up in the log: printable, and short. */
function refuse(rule: string): DeniedFlow {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return { allow: false, how: "refuse", rule: rule.replace(/[\x00-\x1f\x7f-\xff]/g, "?").slice(0, 300) };
}
