import { describe, expect, test } from "bun:test";
import { type Address, formatAddress, parseAddress, parseRange, type Range } from "./address.ts";
import { type Destination, decide, decideName } from "./decide.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { OpenedAddresses } from "./opened.ts";
import { isOwn, ownAddresses } from "./own.ts";
import { openedWith, policyOf } from "./policy.fixture.ts";
import type { PolicySettings } from "./policy.ts";

const flow = (address: string, port = 443, protocol: Destination["protocol"] = "tcp"): Destination => ({
  ...{ protocol, address, port: protocol === "icmp" ? 0 : port },
});

/** Of the host in these tests. */
const OWN = ["192.168.7.7", "2001:db8:7::7"];
const OWN_RANGES = OWN.map((text) => parseRange(text) as Range);

/** What opened addresses there are, as seen at moment 0. */
function verdict(
  settings: Partial<PolicySettings>,
  to: Destination,
  opened: Readonly<Record<string, readonly string[]>> = {},
  now = 0,
): string {
  const decision = decide(policyOf(settings), openedWith(opened), to, now, OWN_RANGES);
  if (!decision.allow) return `${decision.how}: ${decision.rule}`;
  const { target } = decision;
  const where = target === "resolver" ? "resolver" : `${target.address} ${target.port}`;
  return `${where} by ${decision.rule}${decision.inspect ? ", inspected" : ""}`;
}

describe("the whole network (--net)", () => {
  const net = { egress: "all" } as const;

  test("opens what is outside, the host's surroundings included", () => {
    expect(verdict(net, flow("93.184.216.34"))).toBe("93.184.216.34 443 by --net");
    expect(verdict(net, flow("192.168.1.1", 22))).toBe("192.168.1.1 22 by --net");
    expect(verdict(net, flow("2001:4860::1", 443, "udp"))).toBe("2001:4860::1 443 by --net");
    expect(verdict(net, flow("1.1.1.1", 53, "udp"))).toBe("1.1.1.1 53 by --net");
    expect(verdict(net, flow("1.1.1.1", 0, "icmp"))).toBe("1.1.1.1 0 by --net");
  });

  test.each([
    ["127.0.0.1", "loopback"],
    ["127.8.9.1", "loopback"],
    ["::1", "loopback"],
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["169.254.169.254", "metadata"],
    ["fd00:ec2::254", "metadata"],
    ["100.100.100.200", "metadata"],
    ["169.254.1.1", "link-local"],
    ["fe80::1", "link-local"],
    ["::ffff:127.0.0.1", "IPv4-mapped"],
    ["::ffff:8.8.8.8", "IPv4-mapped"],
    ["::7f00:1", "IPv4-compatible"],
    ["64:ff9b::a9fe:a9fe", "metadata"],
    ["64:ff9b::7f00:1", "loopback"],
    ["2002:7f00:1::1", "loopback"],
    ["2002:a9fe:a9fe::", "metadata"],
    ["255.255.255.255", "reserved"],
    ["::ffff:0:8.8.8.8", "IPv4-translated"],
    ["64:ff9b:1:7f00:0:100::", "local NAT64"],
    ["2001:db8::5efe:7f00:1", "loopback"],
    ["2001:db8::200:5efe:a9fe:a9fe", "metadata"],
    ["100.96.0.2", "the machine's own network"],
    ["fd00:53:4d::3", "the machine's own network"],
  ])("keeps %s closed", (address, why) => {
    expect(verdict(net, flow(address, 80))).toBe(`refuse: closed: ${why}`);
    // A range that merely contains it does not open it either.
    const wide = { ranges: ["0.0.0.0/0", "::/0"] };
    expect(verdict(wide, flow(address, 80))).toBe(`refuse: closed: ${why}`);
  });

  test("does not answer announcements", () => {
    expect(verdict(net, flow("224.0.0.251", 5353, "udp"))).toBe("drop: closed: multicast");
  });

  test("has the gateway for questions about names, and for nothing else", () => {
    expect(verdict(net, flow("100.96.0.1", 53, "udp"))).toBe("resolver by dns");
    expect(verdict(net, flow("fd00:53:4d::1", 53))).toBe("resolver by dns");
    expect(verdict(net, flow("100.96.0.1", 8080))).toBe("refuse: closed: the host's loopback");
    expect(verdict(net, flow("100.96.0.1", 0, "icmp"))).toBe("refuse: closed: the host's loopback");
  });

  test("reaches the host's loopback too, if that was said", () => {
    const both = { ...net, localhost: true };
    expect(verdict(both, flow("100.96.0.1", 8080))).toBe("127.0.0.1 8080 by 127.0.0.0/8");
    expect(verdict(both, flow("fd00:53:4d::1", 8080))).toBe("::1 8080 by ::1");
    expect(verdict(both, flow("8.8.8.8", 53, "udp"))).toBe("8.8.8.8 53 by --net");
    expect(verdict(both, flow("169.254.169.254", 80))).toBe("refuse: closed: metadata");
  });
});

describe("the host's own addresses", () => {
  const closed = "refuse: closed: this host's own address";

  test("are closed with the whole network, in any shape, unless the host's loopback is open", () => {
    for (const own of [...OWN, "64:ff9b::c0a8:707", "2002:c0a8:707::1"]) {
      expect(verdict({ egress: "all" }, flow(own, 22))).toBe(closed);
      expect(verdict({ egress: "all" }, flow(own, 0, "icmp"))).toBe(closed);
      expect(verdict({ ranges: ["0.0.0.0/0", "::/0"] }, flow(own, 22))).toBe(closed);
      expect(verdict({ egress: "all", localhost: true }, flow(own, 22))).toStartWith(`${own} 22 by `);
    }
    expect(verdict({ egress: "all" }, flow("192.168.7.8", 22))).toBe("192.168.7.8 22 by --net");
  });

  test("are open by a range, and not by a name", () => {
    const ranges = ["192.168.0.0/16:22"];
    expect(verdict({ ranges }, flow("192.168.7.7", 22))).toBe("192.168.7.7 22 by 192.168.0.0/16:22");
    expect(verdict({ ranges }, flow("192.168.7.7", 23))).toBe(closed);
    const hosts = ["example.com"];
    expect(verdict({ hosts }, flow("2001:db8:7::7", 22), { "example.com": [...OWN] })).toBe(closed);
    const addresses = new OpenedAddresses();
    addresses.open("192.168.7.7", "example.com", 1000, true);
    const said = decide(policyOf({ hosts }), addresses, flow("192.168.7.7", 22), 0, OWN_RANGES);
    expect(said).toMatchObject({ allow: true, rule: "example.com" });
  });

  test("are open by no rule of a pack's, however it is written, and by the user's beside it", () => {
    const pack = { ranges: ["192.168.0.0/16", "10.0.0.0/8"], strange: ["192.168.0.0/16 ", "192.168.7.7"] };
    expect(verdict(pack, flow("192.168.7.7", 22))).toBe(closed);
    expect(verdict(pack, flow("192.168.7.8", 22))).toBe("192.168.7.8 22 by 192.168.0.0/16");
    expect(verdict({ hosts: ["192.168.7.7"], strange: ["192.168.7.7"] }, flow("192.168.7.7", 22))).toBe(
      closed,
    );
    const both = { ...pack, ranges: [...pack.ranges, "192.168.7.0/24:22"] };
    expect(verdict(both, flow("192.168.7.7", 22))).toBe("192.168.7.7 22 by 192.168.7.0/24:22");
    const addresses = new OpenedAddresses();
    addresses.open("192.168.7.7", "example.com", 1000, true);
    const policy = policyOf({ hosts: ["example.com"], strange: ["EXAMPLE.com"] });
    expect(decide(policy, addresses, flow("192.168.7.7", 22), 0, OWN_RANGES)).toMatchObject({ allow: false });
    expect(verdict({ ...pack, localhost: true }, flow("192.168.7.7", 22))).toStartWith("192.168.7.7 22 by ");
  });

  test("are those of this host's links", () => {
    const gatekeeper = new Gatekeeper(policyOf({ egress: "all" }));
    for (const own of ownAddresses())
      expect(gatekeeper.decide(flow(formatAddress(own), 22))).toMatchObject({ allow: false });
    expect(isOwn(ownAddresses(), parseAddress("127.0.0.1") as Address)).toBe(false);
  });
});

describe("lists", () => {
  test("an empty list is nothing", () => {
    expect(verdict({}, flow("8.8.8.8"))).toBe("refuse: not in the allow-list");
    expect(verdict({}, flow("8.8.8.8", 0, "icmp"))).toBe("refuse: not in the allow-list");
    expect(verdict({ egress: "none" }, flow("8.8.8.8"))).toBe("refuse: no network to the outside");
    for (const egress of ["none", "list"] as const)
      expect(decideName(policyOf({ egress }), "example.com").allow).toBe(false);
  });

  test("ranges, with ports and protocols", () => {
    const ranges = ["10.0.0.0/8:5432", "192.0.2.7", "[2001:db8::/32]:443/udp"];
    expect(verdict({ ranges }, flow("10.9.9.9", 5432))).toBe("10.9.9.9 5432 by 10.0.0.0/8:5432");
    expect(verdict({ ranges }, flow("10.9.9.9", 22))).toBe("refuse: not in the allow-list");
    expect(verdict({ ranges }, flow("10.9.9.9", 0, "icmp"))).toBe("refuse: not in the allow-list");
    expect(verdict({ ranges }, flow("192.0.2.7", 0, "icmp"))).toBe("192.0.2.7 0 by 192.0.2.7");
    expect(verdict({ ranges }, flow("2001:db8::9", 443, "udp"))).toBe(
      "2001:db8::9 443 by [2001:db8::/32]:443/udp",
    );
    expect(verdict({ ranges }, flow("2001:db8::9", 443))).toBe("refuse: not in the allow-list");
  });

  test("closed addresses open by a range that is meant for them", () => {
    const metadata = { ranges: ["169.254.169.254/32:80"] };
    expect(verdict(metadata, flow("169.254.169.254", 80))).toBe("169.254.169.254 80 by 169.254.169.254:80");
    expect(verdict(metadata, flow("169.254.169.254", 81))).toBe("refuse: closed: metadata");
    // All of link-local is not a word about metadata.
    const linkLocal = { ranges: ["169.254.0.0/16"] };
    expect(verdict(linkLocal, flow("169.254.7.7", 80))).toBe("169.254.7.7 80 by 169.254.0.0/16");
    expect(verdict(linkLocal, flow("169.254.169.254", 80))).toBe("refuse: closed: metadata");
    expect(verdict({ ranges: ["127.0.0.1:8080"] }, flow("100.96.0.1", 8080))).toBe(
      "127.0.0.1 8080 by 127.0.0.1:8080",
    );
    expect(verdict({ hosts: ["host.smolvm.internal:9000"] }, flow("100.96.0.1", 9000))).toBe(
      "127.0.0.1 9000 by host.smolvm.internal:9000",
    );
    expect(verdict({ hosts: ["smolvm.internal"] }, flow("100.96.0.1", 9000))).toBe(
      "refuse: closed: the host's loopback",
    );
  });

  test("only this host (--outbound-localhost-only)", () => {
    const only = { localhost: true };
    expect(verdict(only, flow("fd00:53:4d::1", 1))).toBe("::1 1 by ::1");
    expect(verdict(only, flow("8.8.8.8", 443))).toBe("refuse: not in the allow-list");
    expect(decideName(policyOf(only), "example.com").allow).toBe(false);
    // --allow-host-loopback alone.
    const beside = { egress: "none", localhost: true } as const;
    expect(verdict(beside, flow("100.96.0.1", 8080))).toBe("127.0.0.1 8080 by 127.0.0.0/8");
    expect(verdict(beside, flow("8.8.8.8", 443))).toBe("refuse: not in the allow-list");
  });

  test("questions about names never pass the machine's own resolver, but to a port 53 that is named", () => {
    for (const settings of [{}, { hosts: ["one.one.one.one"] }, { ranges: ["1.1.1.1"] }])
      for (const protocol of ["tcp", "udp"] as const)
        expect(verdict(settings, flow("1.1.1.1", 53, protocol))).toBe("resolver by dns");
    expect(verdict({ ranges: ["1.1.1.1:53"] }, flow("1.1.1.1", 53, "udp"))).toBe("1.1.1.1 53 by 1.1.1.1:53");
  });
});

describe("rules by name", () => {
  const hosts = ["example.com", "*.wild.test:8443", "ssh.test:22/tcp", "quic.test/udp"];
  const opened = {
    "example.com": ["192.0.2.1"],
    "a.wild.test": ["192.0.2.2"],
    "ssh.test": ["192.0.2.3"],
    "quic.test": ["192.0.2.4"],
  };

  test("open the addresses of answers, for their time, and their ports", () => {
    expect(verdict({ hosts }, flow("192.0.2.1", 9999))).toBe("refuse: not in the allow-list");
    expect(verdict({ hosts }, flow("192.0.2.1", 9999), opened)).toBe("192.0.2.1 9999 by example.com");
    expect(verdict({ hosts }, flow("192.0.2.1", 9999), opened, 1000)).toBe("refuse: not in the allow-list");
    expect(verdict({ hosts }, flow("192.0.2.1", 0, "icmp"), opened)).toBe("192.0.2.1 0 by example.com");
    expect(verdict({ hosts }, flow("192.0.2.2", 8443), opened)).toBe("192.0.2.2 8443 by *.wild.test:8443");
    expect(verdict({ hosts }, flow("192.0.2.2", 443), opened)).toBe("refuse: not in the allow-list");
    expect(verdict({ hosts }, flow("192.0.2.3", 22), opened)).toBe("192.0.2.3 22 by ssh.test:22/tcp");
    expect(verdict({ hosts }, flow("192.0.2.3", 22, "udp"), opened)).toBe("refuse: not in the allow-list");
    expect(verdict({ hosts }, flow("192.0.2.3", 0, "icmp"), opened)).toBe("refuse: not in the allow-list");
  });

  test("look at the server's name, and keep QUIC closed, unless that is waived", () => {
    expect(verdict({ hosts }, flow("192.0.2.1", 443), opened)).toBe(
      "192.0.2.1 443 by example.com, inspected",
    );
    expect(verdict({ hosts }, flow("192.0.2.1", 80), opened)).toBe("192.0.2.1 80 by example.com, inspected");
    expect(verdict({ hosts }, flow("192.0.2.1", 443, "udp"), opened)).toBe("refuse: not in the allow-list");
    expect(verdict({ hosts }, flow("192.0.2.4", 443, "udp"), opened)).toBe("192.0.2.4 443 by quic.test/udp");
    const waived = { hosts, checkServerName: false };
    expect(verdict(waived, flow("192.0.2.1", 443), opened)).toBe("192.0.2.1 443 by example.com");
    expect(verdict(waived, flow("192.0.2.1", 443, "udp"), opened)).toBe("192.0.2.1 443 by example.com");
  });

  test.each([
    ...["127.0.0.1", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "0.0.0.0"],
    ...["::1", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:a00:1::"],
    ...["100.96.0.1", "100.96.0.2", "198.18.0.1", "2001:0:1::"],
  ])("open nothing inside: an answer of %s", (address) => {
    const decision = verdict({ hosts }, flow(address, 8080), { "example.com": [address] });
    expect(decision).toStartWith("refuse: ");
  });

  test("an inner address opens when the user has said it, and a range allows what the DNS may not", () => {
    const policy = policyOf({ hosts });
    const addresses = new OpenedAddresses();
    addresses.open("10.0.0.5", "example.com", 1000, true);
    addresses.open("127.0.0.1", "example.com", 1000, true);
    expect(decide(policy, addresses, flow("10.0.0.5", 22), 0)).toMatchObject({ allow: true });
    expect(decide(policy, addresses, flow("127.0.0.1", 22), 0)).toMatchObject({ allow: false });
    const ranges = ["10.0.0.0/8"];
    expect(verdict({ hosts, ranges }, flow("10.0.0.1", 22))).toBe("10.0.0.1 22 by 10.0.0.0/8");
  });

  test("names: a name has all below it, *. only those", () => {
    const names = (name: string, settings: Partial<PolicySettings> = { hosts }) =>
      decideName(policyOf(settings), name);
    expect(names("EXAMPLE.com.")).toEqual({ allow: true, rule: "example.com" });
    expect(names("a.b.example.com").allow).toBe(true);
    expect(names("badexample.com").allow).toBe(false);
    expect(names("example.com.evil.test").allow).toBe(false);
    expect(names("com").allow).toBe(false);
    expect(names("wild.test").allow).toBe(false);
    expect(names("x.wild.test").rule).toBe("*.wild.test:8443");
    expect(names("anything", { ranges: ["10.0.0.0/8"] }).allow).toBe(true);
    expect(names("anything", { hosts: ["192.0.2.1"] }).allow).toBe(false);
    expect(names("anything", { ranges: ["192.0.2.1:443", "2001:db8::1"] }).allow).toBe(false);
    expect(names("anything", { ranges: ["10.0.0.0/8"], hosts }).allow).toBe(false);
    expect(names("anything", { ranges: ["10.0.0.0/8"], hosts: ["host.smolvm.internal"] }).allow).toBe(true);
  });
});

test("so many addresses are open, and so many names have one", () => {
  const addresses = new OpenedAddresses();
  for (let index = 0; index < 20_000; index++)
    addresses.open(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, "a.test", 1000, false);
  expect(addresses.size).toBe(8192);
  for (let index = 0; index < 1000; index++) addresses.open("192.0.2.1", `n${index}.test`, 1000, false);
  const names = addresses.namesOf("192.0.2.1", 0).map(({ name }) => name);
  expect(names).toHaveLength(64);
  expect(names).toContain("n999.test");
});
