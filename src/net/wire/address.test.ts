import { expect, test } from "bun:test";
import { assert, ipV6, property, uint8Array } from "fast-check";
import { addressKey, formatAddress, parseAddress } from "./address.ts";

test("IPv6 addresses are written as RFC 5952 says, which URLs do too", () => {
  assert(
    property(
      uint8Array({ minLength: 16, maxLength: 16 }),
      uint8Array({ minLength: 2, maxLength: 2 }),
      (bytes, mask) => {
        // Runs of zeroes are what the rules are about.
        const address = bytes.map((byte, i) => (((mask[i >> 3] as number) >> (i & 7)) & 1 ? byte : 0));
        const text = formatAddress(address);
        const mapped = /^::(ffff:)?[\da-f]+:[\da-f]+$/.test(text);
        if (!mapped) expect(`[${text}]`).toBe(new URL(`http://[${text}]`).hostname);
        expect(parseAddress(text)).toEqual(address);
      },
    ),
  );
});

test("IPv4 addresses, and what is none", () => {
  expect(formatAddress(parseAddress("192.0.2.255"))).toBe("192.0.2.255");
  for (const text of ["", "1.2.3", "1.2.3.256", "fe80::1%eth0", "::g", "host"])
    expect(() => parseAddress(text)).toThrow(RangeError);
});

test("keys of different addresses differ", () => {
  const bytes = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 1);
  expect([addressKey(bytes, 0, 4), addressKey(bytes, 4, 4)]).toEqual([0xffff_ffff, 1]);
  const two = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(addressKey(two, 0, 16)).not.toBe(addressKey(two, 16, 16));
});

test("whatever URLs read as an IPv6 address is read as they do", () => {
  const readable = ipV6().filter((text) => URL.canParse(`http://[${text}]`));
  assert(
    property(readable, (text) => {
      const own = formatAddress(parseAddress(text));
      expect(new URL(`http://[${own}]`).hostname).toBe(new URL(`http://[${text}]`).hostname);
    }),
  );
});
