import { expect, test } from "bun:test";
import { PRESETS } from "./presets.ts";
import { BadRule, parseHostRule, parseRangeRule } from "./rules.ts";

test("rules are written one way", () => {
  const host = (text: string) => parseHostRule(text).text;
  expect(host("Example.COM.")).toBe("example.com");
  expect(host(" *.example.com:8443/TCP ")).toBe("*.example.com:8443/tcp");
  expect(host("example.com/udp")).toBe("example.com/udp");
  expect(host("_dmarc.example.com")).toBe("_dmarc.example.com");
  expect(host("192.0.2.1:80")).toBe("192.0.2.1:80");
  expect(host("[2001:DB8::1]:443/tcp")).toBe("[2001:db8::1]:443/tcp");
  expect(host("2001:db8::1")).toBe("2001:db8::1");
  expect(parseHostRule("192.0.2.1")).toMatchObject({ kind: "range", range: { length: 32 } });
  expect(parseRangeRule("10.1.2.3/8:5432").text).toBe("10.0.0.0/8:5432");
  expect(parseRangeRule("::1").text).toBe("::1");
  expect(parseRangeRule("2001:db8::/32/udp").text).toBe("2001:db8::/32/udp");
});

test.each([
  ...["", "*", "*.", "a.*.b", "*a.b", "a b", "-a.test", "a..b", "http://a.test", "a.test:0", "a.test:65536"],
  ...["a.test:http", "a.test/icmp", "10.0.0.0/8", "1.2.3", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"],
  ...["a".repeat(64), `${"a.".repeat(127)}ab`, "ä.test", "a\0.test", "[::1", "host:1:2", "a.test:000443"],
])("no rule for hosts: %p", (text) => {
  expect(() => parseHostRule(text)).toThrow(BadRule);
});

test.each(["", "a.test", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/8:99999", "01.2.3.4"])(
  "no rule for addresses: %p",
  (text) => {
    expect(() => parseRangeRule(text)).toThrow(BadRule);
  },
);

test("presets are narrow: each rule has a name of at least two labels, a port, and a protocol", () => {
  for (const [name, { rules }] of Object.entries(PRESETS))
    for (const text of rules) {
      const rule = parseHostRule(text);
      expect({ name, text: rule.text }).toEqual({ name, text });
      expect(rule).toMatchObject({ kind: "host", protocol: "tcp", port: expect.any(Number) });
      expect(text).toMatch(/^[a-z0-9-]+\.[a-z0-9.-]+:/);
    }
});
