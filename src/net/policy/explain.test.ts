import { expect, test } from "bun:test";
import { explain } from "./explain.ts";
import { learn } from "./learned.ts";
import { policyOf } from "./policy.fixture.ts";
import { parseHostRule, parseRangeRule } from "./rules.ts";

const github = policyOf({ presets: ["github"] });

test("what would be decided, and by which rule", () => {
  expect(explain(github, "API.github.com", 443)).toEqual({
    lookup: { allow: true, rule: "github.com:443/tcp" },
    flows: [
      { protocol: "tcp", port: 443, allow: true, rule: "github.com:443/tcp", checked: true },
      { protocol: "udp", port: 443, allow: false, rule: "not in the allow-list", checked: false },
    ],
  });
  const open = explain(github, "github.com", undefined).flows.filter(({ allow }) => allow);
  expect(open.map(({ protocol, port }) => `${protocol} ${port}`)).toEqual(["tcp 443", "tcp 22"]);
  expect(explain(github, "evil.test", 443)).toMatchObject({
    lookup: { allow: false },
    flows: [{ allow: false }, { allow: false }],
  });
  expect(explain(policyOf({ egress: "all" }), "169.254.169.254", 80)).toMatchObject({
    lookup: undefined,
    flows: [{ allow: false, rule: "closed: metadata" }, { allow: false }],
  });
  expect(explain(policyOf({ localhost: true }), "host.smolvm.internal", 8080).flows[0]).toMatchObject({
    allow: true,
    rule: "127.0.0.0/8",
  });
  expect(explain(policyOf({ egress: "all" }), "host.smolvm.internal", 8080).flows[0]?.allow).toBe(false);
});

test("what was used becomes rules that are read again", () => {
  const learned = learn([
    { name: "B.test", address: "192.0.2.1", port: 443, protocol: "tcp", answered: true },
    { name: "b.test", address: "192.0.2.2", port: 443, protocol: "tcp", answered: false },
    { name: "a.test", address: "192.0.2.3", port: 123, protocol: "udp", answered: true },
    { name: undefined, address: "2001:db8::1", port: 22, protocol: "tcp", answered: true },
    { name: undefined, address: "2001:db8::1", port: 22, protocol: "tcp", answered: false },
    { name: "odd\\032name", address: "192.0.2.9", port: 22, protocol: "tcp", answered: true },
    { name: "c.test", address: "192.0.2.4", port: 80, protocol: "tcp", answered: false },
    { name: undefined, address: "192.0.2.5", port: 80, protocol: "tcp", answered: false },
  ]);
  expect(learned).toEqual({
    hosts: ["a.test:123/udp", "b.test:443/tcp"],
    ranges: ["192.0.2.9:22/tcp", "[2001:db8::1]:22/tcp"],
    unanswered: ["192.0.2.5:80/tcp", "c.test:80/tcp"],
  });
  expect(learned.hosts.map((text) => parseHostRule(text).text)).toEqual([...learned.hosts]);
  expect(learned.ranges.map((text) => parseRangeRule(text).text)).toEqual([...learned.ranges]);
});
