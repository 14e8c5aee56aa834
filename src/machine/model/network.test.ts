import { describe, expect, test } from "bun:test";
import { buildSpec, changeSpec } from "./build.ts";
import { silent } from "./layers.fixture.ts";
import type { SpecLayer } from "./layers.ts";
import { parsePorts } from "./parse-ports.ts";

const spec = (flags: Partial<SpecLayer>, ...layers: Partial<SpecLayer>[]) =>
  buildSpec({
    ...{ name: "x", ephemeral: false, words: [], wordsAre: "command" },
    layers: layers.map((layer) => ({ ...silent, ...layer })),
    flags: { ...silent, ...flags },
  });

describe("networks", () => {
  const egress = (flags: Partial<SpecLayer>, ...layers: Partial<SpecLayer>[]) =>
    spec(flags, ...layers).network?.egress;

  test("none, unless something asks for one", () => {
    expect(spec({}).network).toBeNull();
    expect(spec({ ports: parsePorts("80") }).network).toBeNull();
    expect(egress({ network: { addHosts: ["a:192.0.2.1"] } })).toBe("none");
    expect(egress({ network: { egress: "all" } })).toBe("all");
    expect(egress({ network: null }, { network: { egress: "all" } })).toBeUndefined();
  });

  test("what a pack says is known as a pack's, until somebody here says it too", () => {
    const rules = { allowHosts: ["a.test"], allowRanges: ["192.168.0.0/16"] };
    const pack = {
      network: { egress: "list", ...rules, packedRules: ["a.test", "192.168.0.0/16"] },
    } as const;
    expect(spec({}, pack).network?.packedRules).toEqual(["a.test", "192.168.0.0/16"]);
    const same = { network: { egress: "list", allowRanges: ["192.168.0.0/16"] } } as const;
    expect(spec(same, pack).network).toMatchObject({ ...rules, packedRules: ["a.test"] });
    expect(spec(pack, same).network).toMatchObject({ packedRules: ["a.test"] });
    const later = changeSpec(spec({}, pack), { ...silent, ...same });
    expect(later.network).toMatchObject({ ...rules, packedRules: ["a.test"] });
  });

  test("a list stays one, whoever asks for all; and is one without entries", () => {
    const listed = { network: { egress: "list", allowHosts: ["a.test"] } } as const;
    const all = { network: { egress: "all" } } as const;
    expect([egress(all, listed), egress(listed, all), egress(listed)]).toEqual(["list", "list", "list"]);
    expect(
      spec(listed, { network: { egress: "list", allowHosts: ["b.test", "a.test"] } }).network,
    ).toMatchObject({
      allowHosts: ["b.test", "a.test"],
    });
    const emptied = changeSpec(spec(listed), silent, { allowHosts: ["a.test"] });
    expect(emptied.network).toMatchObject({ egress: "list", allowHosts: [] });
    expect(changeSpec(emptied, { ...silent, ...all }).network?.egress).toBe("list");
    expect(changeSpec(emptied, { ...silent, network: null }).network).toBeNull();
  });

  test("what is no rule is refused, wherever it comes from", () => {
    const failure = (network: SpecLayer["network"]) => {
      try {
        spec({ network });
      } catch (error) {
        return (error as { code: string }).code;
      }
      return undefined;
    };
    expect(failure({ egress: "list", allowHosts: ["a b"] })).toBe("machine.bad_network");
    expect(failure({ egress: "list", allowRanges: ["10.0.0.0/40"] })).toBe("machine.bad_network");
    expect(failure({ egress: "list", allowPresets: ["nmp"] })).toBe("machine.bad_network");
    expect(failure({ dns: ["resolver.test"] })).toBe("machine.bad_network");
    expect(failure({ dns: ["1.1.1.1", "[::1]:5353", "127.0.0.1:54"] })).toBeUndefined();
    expect(failure({ addHosts: ["db"] })).toBe("machine.bad_network");
    expect(failure({ addHosts: ["db:10.0.0.1", "six:2001:db8::1", "host:host-gateway"] })).toBeUndefined();
  });
});

describe("ports", () => {
  test("as docker writes them, on the loopback unless an address is given", () => {
    const one = (text: string) => parsePorts(text)?.[0];
    const port = { address: "127.0.0.1", host: 8080, guest: 80, protocol: "tcp" } as const;
    expect(one("8080:80")).toEqual(port);
    expect(one("8080:80/udp")).toEqual({ ...port, protocol: "udp" });
    expect(one("0.0.0.0:8080:80/TCP")).toEqual({ ...port, address: "0.0.0.0" });
    expect(one("[::1]:8080:80")).toEqual({ ...port, address: "::1" });
    expect(one("80")).toEqual({ ...port, host: 80 });
    expect(one("0:80")).toEqual({ ...port, host: 0 });
    expect(one("127.0.0.2:80")).toBeUndefined();
    expect(parsePorts("8000-8002:9000-9002")?.map(({ host, guest }) => [host, guest])).toEqual([
      [8000, 9000],
      [8001, 9001],
      [8002, 9002],
    ]);
  });

  test.each([
    ...["", ":", "80:", ":80", "80:0", "0", "65536:1", "1:65536", "80:80:80", "x:80", "80/icmp", "1-2:3"],
    ...[
      "1-2000:1-2000",
      "2-1:2-1",
      "0-1:0-1",
      "localhost:80:80",
      "256.0.0.1:80:80",
      "::1:80:80",
      "80:80/",
      "-:80",
    ],
  ])("no port: %p", (text) => {
    expect(parsePorts(text)).toBeUndefined();
  });

  test("the same port of the host twice is refused, but for another protocol, and any that is free", () => {
    const ports = (...texts: string[]) => texts.flatMap((text) => parsePorts(text) ?? []);
    expect(() => spec({ ports: ports("80:80", "80:81") })).toThrow("published twice");
    expect(
      spec({ ports: ports("80:80", "80:80/udp", "127.0.0.2:80:80", "0:80", "0:81") }).ports,
    ).toHaveLength(5);
    expect(spec({ ports: ports("80:80") }, { ports: ports("80:80") }).ports).toHaveLength(1);
  });

  test("who takes one away need not name its address", () => {
    const one = spec({ ports: parsePorts("0.0.0.0:80:8080") });
    expect(changeSpec(one, silent, { ports: parsePorts("80:8080") }).ports).toEqual([]);
    expect(changeSpec(one, silent, { ports: parsePorts("81:8080") }).ports).toHaveLength(1);
  });
});
