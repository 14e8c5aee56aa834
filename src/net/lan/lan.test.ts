import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heldMemory } from "../../held-memory.fixture.ts";
import { BareGuest, Bits, ipv4, tcp, udp } from "../guest.fixture.ts";
import type { LanOptions } from "../index.ts";
import { network } from "../types.ts";
import { parseAddress, short } from "../wire/address.ts";
import { addBytes, finishSum } from "../wire/checksum.ts";
import { gatewayMac, guestMac } from "../wire/ethernet.ts";
import { lanAddress } from "./address.ts";
import { writeGreeting } from "./greeting.ts";

/** Several stacks of this process on one named network, with guests that write their frames by hand. */

const directory = mkdtempSync(join(tmpdir(), "smolvm-lan-"));
const socketOf = (address: string) => join(directory, address);
const guests = new Map<string, BareGuest>();
const flows: Parameters<LanOptions["onFlow"]>[0][] = [];
afterEach(() => {
  for (const guest of guests.values()) guest.close();
  guests.clear();
  flows.length = 0;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const [ONE, TWO, THREE] = [lanAddress(1), lanAddress(2), lanAddress(3)].map(parseAddress) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

/** A guest with the address 100.96.1.`number`. */
async function member(number: number, name = "team"): Promise<BareGuest> {
  const address = lanAddress(number);
  const guest = await BareGuest.start({
    lan: {
      name,
      address,
      socketPath: socketOf(address),
      find: (address) => (guests.has(address) ? socketOf(address) : undefined),
      onFlow: (flow) => void flows.push(flow),
    },
  });
  guests.set(address, guest);
  return guest;
}

const text = (words: string) => new Uint8Array(Buffer.from(words));
const hello = (words: string, from = ONE, to = TWO) => ipv4(to, 17, udp(7, 9, text(words)), from);

/** What datagrams to port 9 said. */
const heard = (guest: BareGuest): string[] =>
  guest.frames
    .filter((frame) => short(frame, 12) === 0x0800 && frame[23] === 17 && short(frame, 36) === 9)
    .map((frame) => Buffer.from(frame.subarray(42)).toString());

/** The datagram that comes after all that should not have come. */
async function settled(from: BareGuest, to: BareGuest): Promise<void> {
  await from.send(hello("the last"));
  await to.until(() => heard(to).includes("the last"));
}

/** Sends until something has arrived: that somebody was not there is believed for a moment. */
async function reached(from: BareGuest, to: BareGuest): Promise<void> {
  while (heard(to).length === 0) {
    await from.send(hello("somebody"));
    await Bun.sleep(20);
  }
}

test("a packet goes to the member that has its address, with headers and checksums made anew", async () => {
  const one = await member(1);
  const two = await member(2);
  await one.send(ipv4(TWO, 6, tcp({ from: 7, to: 80, sequence: 5, flags: Bits.syn }), ONE));
  const frame = await two.until(() => two.frames[0]);
  expect(frame.subarray(0, 12)).toEqual(Uint8Array.from([...guestMac, ...gatewayMac]));
  expect([frame.subarray(26, 30), frame.subarray(30, 34)]).toEqual([ONE, TWO]);
  // The guest's card has left it to us: with its own and the pseudo header the sum is zero.
  const pseudo = addBytes(6 * 256 + 20 * 256, frame, 26, 34);
  expect(finishSum(addBytes(pseudo, frame, 34, frame.length))).toBe(0);
  await two.send(ipv4(ONE, 6, tcp({ from: 80, to: 7, sequence: 9, flags: Bits.reset }), TWO));
  expect((await one.segment(7, () => true)).flags).toBe(Bits.reset);
  // An answer begins nothing.
  expect(flows).toEqual([{ protocol: "tcp", address: lanAddress(2), port: 80 }]);
});

test("who has an address is answered for every one but the guest's own", async () => {
  const one = await member(1);
  const ask = (address: Uint8Array) =>
    new Uint8Array([
      ...Array(6).fill(0xff),
      ...guestMac,
      ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
      ...guestMac,
      ...ONE,
      ...Array(6).fill(0),
      ...address,
    ]);
  await one.send(ask(ONE), ask(TWO));
  const answer = await one.until(() => one.frames.find((frame) => short(frame, 12) === 0x0806));
  expect(answer.subarray(22, 32)).toEqual(Uint8Array.from([...gatewayMac, ...TWO]));
  expect(one.frames.length).toBe(1);
});

test("a guest speaks for nobody else, and changes nobody's routes", async () => {
  const one = await member(1);
  const two = await member(2);
  const own = parseAddress(network.guest);
  const redirect = [5, 1, 0, 0, ...THREE, 0x45, ...Array(31).fill(0)];
  /** News that a packet did not arrive, which the other one has sent to an address. */
  const lost = (to: Uint8Array) => [3, 4, 0, 0, 0, 0, 2, 0, 0x45, ...Array(11).fill(0), ...TWO, ...to];
  const other = ethernetFrom("02:53:4d:00:00:07", hello("another card"));
  await one.send(
    hello("another's address", THREE),
    hello("the other's own", TWO),
    hello("its address elsewhere", own),
    other,
    ipv4(TWO, 1, Uint8Array.from(redirect), ONE),
    ipv4(TWO, 1, Uint8Array.from(lost(THREE)), ONE),
    ipv4(TWO, 50, text("another protocol"), ONE),
    ipv4(TWO, 6, text("no header"), ONE),
  );
  await settled(one, two);
  expect(two.frames.length).toBe(1);
  await one.send(ipv4(TWO, 1, Uint8Array.from([...lost(ONE), ...Array(8).fill(0)]), ONE));
  await two.until(() => two.frames[1]?.[23] === 1);
});

test("an address that nobody has is unreachable, and reached when somebody comes", async () => {
  const one = await member(1);
  await one.send(hello("nobody"));
  const error = await one.until(() => one.frames[0]);
  expect([error[23], error[34], error[35]]).toEqual([1, 3, 1]);
  const two = await member(2);
  await reached(one, two);
});

test("a member that is gone is forgotten, and found again when it is back", async () => {
  const one = await member(1);
  let two = await member(2);
  await settled(one, two);
  two.close();
  two = await member(2);
  await reached(one, two);
});

test("parts of a packet arrive as a whole", async () => {
  const one = await member(1);
  const two = await member(2);
  const whole = udp(7, 9, text("a".repeat(3000)));
  const part = (offset: number, end: number, more: boolean) => {
    const frame = ipv4(TWO, 17, whole.subarray(offset, end), ONE);
    const header = Buffer.from(frame.buffer, 14, 20);
    header.writeUInt16BE((more ? 0x2000 : 0) | (offset / 8), 6);
    header.writeUInt16BE(0, 10);
    header.writeUInt16BE(finishSum(addBytes(0, header, 0, 20)), 10);
    return frame;
  };
  await one.send(part(1600, whole.length, false), part(0, 1600, true));
  await two.until(() => heard(two)[0] === "a".repeat(3000));
});

test("one member that takes nothing costs the others nothing, and no memory without end", async () => {
  const one = await member(1);
  const two = await member(2);
  const three = await member(3);
  await settled(one, two);
  two.stopReading();
  const big = ipv4(TWO, 17, udp(7, 9, new Uint8Array(60_000)), ONE);
  const before = heldMemory();
  for (let i = 0; i < 2000; i++) await one.send(big);
  await one.send(hello("still here", ONE, THREE));
  await three.until(() => heard(three).includes("still here"));
  expect(heldMemory() - before).toBeLessThan(60 * 2 ** 20);
}, 60_000);

test("what connects and is no member of this network is not heard", async () => {
  const two = await member(2);
  const one = await member(1);
  const frames = (...all: Uint8Array[]) =>
    Buffer.concat(
      all.flatMap((frame) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(frame.length);
        return [length, frame];
      }),
    );
  const ended = async (bytes: Uint8Array) => {
    const end = Promise.withResolvers<void>();
    await Bun.connect({
      unix: socketOf(lanAddress(2)),
      socket: { open: (socket) => void socket.write(bytes), data() {}, close: () => end.resolve() },
    });
    await end.promise;
  };
  await ended(frames(writeGreeting("other", ONE), hello("from another network")));
  await ended(frames(text("smolvm network 2\nteam\n100.96.1.1"), hello("from a later version")));
  await ended(frames(writeGreeting("team", parseAddress("10.0.0.1")), hello("from elsewhere")));
  await ended(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await settled(one, two);
  expect(heard(two)).toEqual(["the last"]);
});

/** The same frame from a card with another MAC. */
function ethernetFrom(mac: string, frame: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(frame);
  changed.set(
    mac.split(":").map((part) => Number.parseInt(part, 16)),
    6,
  );
  return changed;
}
