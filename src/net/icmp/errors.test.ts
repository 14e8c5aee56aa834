import { afterEach, beforeEach, expect, test } from "bun:test";
import { BareGuest, extensions, FAR6, ipv6, udp } from "../guest.fixture.ts";
import { MTU } from "../limits.ts";

let guest: BareGuest;
beforeEach(async () => {
  guest = await BareGuest.start();
});
afterEach(() => {
  expect(guest.troubles).toEqual([]);
  guest.close();
});

test("a refused datagram behind 64 KiB of extension headers is quoted in a small packet", async () => {
  const count = 40;
  for (let i = 0; i < count; i++) {
    const data = Buffer.concat([extensions(17, 65_472), udp(1000 + i, 666, new Uint8Array(8))]);
    await guest.send(ipv6(FAR6, 60, data));
  }
  const errors = () => guest.frames.filter((frame) => frame[20] === 58 && frame[54] === 1);
  await guest.until(() => errors().length === count);
  for (const frame of errors()) expect(frame.length).toBeLessThanOrEqual(14 + 40 + 8 + 128);
});

test("an echo of more bytes than the MTU is not answered, and nothing breaks", async () => {
  const echo = new Uint8Array(65_535 - 40);
  echo.set([128, 0, 0, 0, 0, 1, 0, 1]);
  const gateway = Uint8Array.from([0xfd, 0, 0, 0x53, 0, 0x4d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  await guest.send(ipv6(gateway, 58, echo), ipv6(gateway, 58, echo.subarray(0, MTU - 40)));
  const replies = () => guest.frames.filter((frame) => frame[20] === 58 && frame[54] === 129);
  await guest.until(() => replies().length === 1);
  await guest.settled();
  expect(replies().map((frame) => frame.length)).toEqual([14 + MTU]);
});
