import { expect, setDefaultTimeout, test } from "bun:test";
import type { FlowProtocol } from "../types.ts";
import { decide, decideName } from "./decide.ts";
import { generator, openedWith, policyOf, seedOfTest } from "./policy.fixture.ts";

/**
 * The decision against a model that is written as the documentation puts it, over texts of bits, without any of the
 * code that it judges.
 */

const ROUNDS = 10_000;
setDefaultTimeout(60_000);

/** An address as 32 or 128 characters. */
function bits(address: string): string {
  if (!address.includes(":"))
    return address
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("");
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...Array(missing).fill("0"), ...groups(tail)]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0"))
    .join("");
}

function prefix(range: string): { bits: string; width: number } {
  const [address = "", length] = range.split("/");
  const all = bits(address);
  return { bits: all.slice(0, length === undefined ? all.length : Number(length)), width: all.length };
}

const within = (address: string, range: string) =>
  address.length === prefix(range).width && address.startsWith(prefix(range).bits);
const narrower = (inner: string, outer: string) =>
  prefix(inner).width === prefix(outer).width && prefix(inner).bits.startsWith(prefix(outer).bits);

const METADATA = [
  "169.254.169.254",
  "169.254.170.2",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
].concat(["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"]);
const CLOSED = [
  ...METADATA,
  ...["127.0.0.0/8", "::1", "0.0.0.0/8", "::", "169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8"],
  ...[
    "240.0.0.0/4",
    "::ffff:0:0/96",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100.96.0.0/30",
    "fd00:53:4d::/64",
  ],
];
const INNER = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10", "100.64.0.0/10"],
  ...["192.0.0.0/24", "198.18.0.0/15", "2001:2::/48", "64:ff9b::/96", "2002::/16", "2001::/32"],
];

/** A rule: range or name, port, protocol. */
type Written = readonly [string, number | undefined, "tcp" | "udp" | undefined];

interface Case {
  readonly egress: "none" | "all" | "list";
  readonly ranges: readonly Written[];
  readonly hosts: readonly Written[];
  readonly localhost: boolean;
  readonly checked: boolean;
  readonly opened: Readonly<Record<string, readonly string[]>>;
  readonly protocol: FlowProtocol;
  readonly address: string;
  readonly port: number;
}

function model(c: Case): "deny" | "resolver" | string {
  const written = c.egress === "none" ? [] : c.ranges;
  const ranges = [...written, ...(c.localhost ? [["127.0.0.0/8"], ["::1"]] : [])];
  const isHostRule = c.egress === "list";
  const fits = ([, port, protocol]: readonly unknown[]) =>
    c.protocol === "icmp"
      ? port === undefined && protocol === undefined
      : (port === undefined || port === c.port) && (protocol === undefined || protocol === c.protocol);
  const asking = c.protocol !== "icmp" && c.port === 53;
  const loopback = { "100.96.0.1": "127.0.0.1", "fd00:53:4d::1": "::1" }[c.address];
  if (asking && loopback !== undefined) return "resolver";
  const address = bits(c.address);
  if (asking && c.egress !== "all") {
    const direct = ranges.some((rule) => rule[1] === 53 && fits(rule) && within(address, rule[0] as string));
    if (!direct) return "resolver";
  }
  const meant = (target: string, closed: string) =>
    ranges.some(
      (rule) => fits(rule) && within(target, rule[0] as string) && narrower(rule[0] as string, closed),
    );
  if (loopback !== undefined) {
    const range = loopback === "::1" ? "::1" : "127.0.0.0/8";
    const named = isHostRule && c.hosts.some((rule) => rule[0] === "host.smolvm.internal" && fits(rule));
    return meant(bits(loopback), range) || named ? loopback : "deny";
  }
  const shapes = [address];
  for (const range of ["::ffff:0:0/96", "64:ff9b::/96", "::ffff:0:0:0/96"])
    if (within(address, range)) shapes.push(address.slice(96));
  if (within(address, "2002::/16")) shapes.push(address.slice(16, 48));
  if (within(address, "2001::/32"))
    shapes.push([...address.slice(96)].map((bit) => (bit === "0" ? "1" : "0")).join(""));
  if (/^0{6}.0(0{8})(01011110)(11111110)/.test(address.slice(64))) shapes.push(address.slice(96));
  for (const shape of shapes) {
    const closed = CLOSED.find((range) => within(shape, range));
    if (closed !== undefined && !meant(shape, closed)) return "deny";
  }
  if (c.egress === "all") return c.address;
  if (ranges.some((rule) => within(address, rule[0] as string) && fits(rule))) return c.address;
  if (!isHostRule || [...CLOSED, ...INNER].some((range) => within(address, range))) return "deny";
  for (const [name, addresses] of Object.entries(c.opened)) {
    if (!addresses.includes(c.address)) continue;
    for (const rule of c.hosts) {
      const [pattern] = rule;
      const matches = pattern.startsWith("*.")
        ? name.endsWith(pattern.slice(1))
        : name === pattern || name.endsWith(`.${pattern}`);
      if (!matches || !fits(rule)) continue;
      if (c.protocol === "udp" && c.port === 443 && c.checked && rule[2] !== "udp") continue;
      return c.address;
    }
  }
  return "deny";
}

test("agrees with the model", () => {
  const seed = seedOfTest();
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const some = <T>(most: number, make: () => T): T[] => Array.from({ length: random(most + 1) }, make);
  const inside = [...CLOSED, ...INNER].map((range) => range.split("/")[0] as string);
  const addresses = [
    ...inside,
    ...[
      "8.8.8.8",
      "192.0.2.1",
      "10.1.2.3",
      "172.31.0.1",
      "172.32.0.1",
      "100.96.0.1",
      "fd00:53:4d::1",
      "127.0.0.1",
    ],
    ...[
      "2001:db8::1",
      "2606:4700::1",
      "64:ff9b::808:808",
      "64:ff9b::7f00:1",
      "2002:808:808::1",
      "2002:a9fe:a9fe::1",
    ],
    ...[
      "::ffff:8.8.8.8",
      "2001:db8::5efe:7f00:1",
      "2001:db8::200:5efe:808:808",
      "::ffff:0:a9fe:a9fe",
      "2001:0:1:2:3:4:f7f7:f7f7",
      "2001:0:1:2:3:4:80ff:fffe",
      "126.255.255.255",
      "128.0.0.0",
    ],
  ];
  const narrow = ["0.0.0.0/0", "::/0", "10.0.0.0/9", "127.0.0.1", "169.254.0.0/17", "fe80::1", "8.8.8.0/24"];
  const names = ["a.test", "b.a.test", "c.test", "x.c.test", "host.smolvm.internal"];
  const ports = [undefined, undefined, 53, 80, 443, 22] as const;
  const protocols = [undefined, undefined, "tcp", "udp"] as const;
  let allowed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const ranges = [...CLOSED, ...INNER, ...narrow, "192.0.2.1", "2001:db8::/32"];
    const c: Case = {
      egress: pick(["none", "all", "list", "list", "list"]),
      ranges: some(3, () => [pick(ranges), pick(ports), pick(protocols)] as const),
      hosts: some(3, () => [pick([...names, "*.a.test", "*.c.test"]), pick(ports), pick(protocols)] as const),
      localhost: random(4) === 0,
      checked: random(3) > 0,
      opened: Object.fromEntries(names.map((name) => [name, some(4, () => pick(addresses))])),
      protocol: pick(["tcp", "tcp", "udp", "icmp"]),
      address: pick(addresses),
      port: pick([53, 80, 443, 22, 8080]),
    };
    const write = ([what, port, protocol]: Written) =>
      `${what.includes(":") && port !== undefined ? `[${what}]` : what}${port === undefined ? "" : `:${port}`}${protocol === undefined ? "" : `/${protocol}`}`;
    const policy = policyOf({
      egress: c.egress,
      ranges: c.ranges.map(write),
      hosts: c.hosts.map(write),
      localhost: c.localhost,
      checkServerName: c.checked,
    });
    const port = c.protocol === "icmp" ? 0 : c.port;
    const flow = { protocol: c.protocol, address: c.address, port };
    // As the DNS writes them.
    const opened = Object.fromEntries(
      Object.entries(c.opened).map(([name, list]) => [name, list.map(canonical)]),
    );
    const decision = decide(policy, openedWith(opened), flow, 0);
    const said = !decision.allow
      ? "deny"
      : typeof decision.target === "string"
        ? decision.target
        : decision.target.address;
    expect({ seed, round, c, said }).toEqual({ seed, round, c, said: model(c) });
    if (decision.allow) allowed++;
    // What may not be looked up opens nothing.
    if (c.egress === "none") expect(decideName(policy, pick(names)).allow).toBe(false);
  }
  // Neither of the two answers is all there is.
  expect(allowed).toBeGreaterThan(ROUNDS / 20);
  expect(allowed).toBeLessThan(ROUNDS / 1.2);
});

const canonical = (address: string) =>
  address.includes(":") ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;
