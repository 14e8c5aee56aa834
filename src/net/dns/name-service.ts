import {
  type Gatekeeper,
  HOST_NAME,
  type NameDecision,
  normalName,
  parseAddress,
  reachesHost,
} from "../policy/index.ts";
import { network, type Resolver } from "../types.ts";
import { AnswerCache, type Kept } from "./cache.ts";
import { type Hosts, hostsIn, serversIn, WatchedFile } from "./host-files.ts";
import { CLASS_IN, type Query, Rcode, readQuery, Type } from "./message.ts";
import { addressesIn, relayed } from "./relay.ts";
import type { Server } from "./server.ts";
import { Upstream } from "./upstream.ts";
import { fitted, writeAddresses, writeEmpty, writeFailure } from "./write.ts";

/** Seconds that answers of our own may be kept: files change. */
const OWN_TTL_S = 60;

/** A question and what became of it, for the log. */
export interface Lookup {
  readonly name: string;
  readonly type: number;
  readonly decision: NameDecision;
  readonly rcode: number;
  readonly addresses: readonly string[];
}

export interface NameServiceOptions {
  readonly gatekeeper: Gatekeeper;
  /** Instead of the host's own. */
  readonly servers?: readonly Server[] | undefined;
  /** Names that the user has given: addresses by name, in lower case. */
  readonly names?: Hosts | undefined;
  /**
   * Names of other machines, which come and go.
   *
   * @returns the address of one now, and the rule that lets the guest know it
   */
  readonly member?: ((name: string) => { address: string; rule: string } | undefined) | undefined;
  /** Whether the guest has IPv6; without it there are no such addresses for it. */
  readonly ipv6: boolean;
  readonly onLookup?: ((lookup: Lookup) => void) | undefined;
  readonly hostFiles?: { readonly resolvConf: string; readonly hosts: string } | undefined;
}

const HOST_FILES = { resolvConf: "/etc/resolv.conf", hosts: "/etc/hosts" };

interface Found {
  readonly bytes: Uint8Array;
  readonly addresses?: readonly string[] | undefined;
}

const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";

/**
 * Answers a guest's questions about names: from what the user and the host say, and else by asking the host's servers.
 * A name that is not allowed does not exist, and nobody is asked about it.
 */
export class NameService implements Resolver {
  readonly #options: NameServiceOptions;
  readonly #upstream: Upstream;
  readonly #hosts: WatchedFile<Hosts>;
  readonly #cache = new AnswerCache();
  /** Questions that are being asked: the same one is asked once. */
  readonly #asked = new Map<string, Promise<Kept | undefined>>();

  constructor(options: NameServiceOptions) {
    const { servers, hostFiles = HOST_FILES } = options;
    this.#options = options;
    const resolvConf = new WatchedFile(hostFiles.resolvConf, serversIn);
    this.#upstream = new Upstream(() => servers ?? resolvConf.content(performance.now()));
    this.#hosts = new WatchedFile(hostFiles.hosts, hostsIn);
  }

  /** See `Resolver`. */
  async resolve(bytes: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    // The stack's buffer may change while servers are asked.
    const own = Uint8Array.from(bytes);
    const query = readQuery(own);
    if (query === undefined) return undefined;
    if ("rcode" in query) return writeFailure(own, query.rcode);
    const answer = await this.#answer(own, query);
    return transport === "udp" ? fitted(own, query, answer) : answer;
  }

  close(): void {
    this.#upstream.close();
  }

  async #answer(bytes: Uint8Array, query: Query): Promise<Uint8Array> {
    const { question } = query;
    // Others ask servers about themselves, and for whole zones.
    if (question.class !== CLASS_IN) return writeEmpty(bytes, query, Rcode.refused);
    if (question.type === Type.AXFR || question.type === Type.IXFR)
      return writeEmpty(bytes, query, Rcode.notImp);
    const name = normalName(question.name);
    const said = this.#saidByUser(name);
    const decision = said?.decision ?? this.#options.gatekeeper.decideName(name);
    const found = said
      ? this.#own(bytes, query, name, said.addresses, true)
      : decision.allow
        ? await this.#find(bytes, query, name)
        : { bytes: writeEmpty(bytes, query, Rcode.nxDomain) };
    this.#options.onLookup?.({
      name,
      type: question.type,
      decision,
      rcode: (found.bytes[3] as number) & 0xf,
      addresses: found.addresses ?? [],
    });
    return found.bytes;
  }

  /** Names that the user has given, and the host's own: nobody else is asked, whatever the list has. */
  #saidByUser(
    name: string,
  ): { decision: NameDecision; addresses: readonly string[] | undefined } | undefined {
    const { names, gatekeeper, member } = this.#options;
    const given = names?.get(name);
    if (given !== undefined) return { decision: { allow: true, rule: "--add-host" }, addresses: given };
    const found = member?.(name);
    if (found !== undefined)
      return { decision: { allow: true, rule: found.rule }, addresses: [found.address] };
    if (name === "localhost" || name.endsWith(".localhost"))
      return { decision: { allow: true, rule: "localhost" }, addresses: ["127.0.0.1", "::1"] };
    if (name !== HOST_NAME) return undefined;
    if (reachesHost(gatekeeper.policy))
      return { decision: { allow: true, rule: HOST_NAME }, addresses: [network.gateway, network.gateway6] };
    return { decision: { allow: false, rule: "closed: the host's loopback" }, addresses: undefined };
  }

  /** @param addresses undefined: there is no such name */
  #own(
    bytes: Uint8Array,
    query: Query,
    name: string,
    addresses: readonly string[] | undefined,
    byUser: boolean,
  ): Found {
    if (addresses === undefined) return { bytes: writeEmpty(bytes, query, Rcode.nxDomain) };
    const usable = addresses.filter((address) => this.#options.ipv6 || parseAddress(address)?.width === 32);
    const { type } = query.question;
    const given = usable.filter((address) => {
      const width = parseAddress(address)?.width;
      return type === Type.ANY || (type === Type.A && width === 32) || (type === Type.AAAA && width === 128);
    });
    this.#options.gatekeeper.open(
      name,
      given.map((address) => ({ address, ttl: OWN_TTL_S })),
      byUser,
    );
    return { bytes: writeAddresses(bytes, query, given, OWN_TTL_S), addresses: given };
  }

  async #find(bytes: Uint8Array, query: Query, name: string): Promise<Found> {
    const hosts = this.#hosts.content(performance.now()).get(name);
    if (hosts !== undefined) return this.#own(bytes, query, name, this.#seenFromGuest(hosts), false);
    const { type } = query.question;
    if (type === Type.AAAA && !this.#options.ipv6) return { bytes: writeEmpty(bytes, query, Rcode.noError) };
    const kept = await this.#ask(bytes, query);
    if (kept === undefined) return { bytes: writeEmpty(bytes, query, Rcode.servFail) };
    const addresses = addressesIn(query.question.name, kept.answer, kept.age);
    this.#options.gatekeeper.open(name, addresses);
    return {
      bytes: relayed(bytes, query, kept.bytes, kept.answer, kept.age),
      addresses: addresses.map(({ address }) => address),
    };
  }

  /** What the host calls itself is, for its guest, the gateway; where that is closed there is no such host. */
  #seenFromGuest(addresses: readonly string[]): readonly string[] | undefined {
    const others = addresses.filter((address) => !isLoopback(address));
    if (others.length === addresses.length) return addresses;
    if (reachesHost(this.#options.gatekeeper.policy)) return [...others, network.gateway, network.gateway6];
    return others.length > 0 ? others : undefined;
  }

  async #ask(bytes: Uint8Array, query: Query): Promise<Kept | undefined> {
    const key = keyOf(query);
    const kept = this.#cache.get(key, performance.now());
    if (kept !== undefined) return kept;
    const asked = this.#asked.get(key) ?? this.#askServers(key, bytes, query);
    this.#asked.set(key, asked);
    return await asked;
  }

  async #askServers(key: string, bytes: Uint8Array, query: Query): Promise<Kept | undefined> {
    try {
      const answered = await this.#upstream.ask(bytes, query);
      if (answered === undefined) return undefined;
      this.#cache.set(key, answered.bytes, answered.answer, performance.now());
      return { ...answered, age: 0 };
    } finally {
      this.#asked.delete(key);
    }
  }
}

/** Everything of a question that makes a server's answer another one. */
function keyOf({ question, flags, edns }: Query): string {
  const options = [edns !== undefined, edns?.dnssec === true, (flags & 0x10) !== 0].map(Number).join("");
  return `${options} ${question.type} ${question.name.toLowerCase()}`;
}
