import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Flow, type Network, startNetwork } from "../../src/net/index.ts";
import { addBytes, finishSum } from "../../src/net/wire/checksum.ts";
import { until } from "../support/process.ts";

/** A guest whose root writes frames by hand. */

setDefaultTimeout(120_000);

const GUEST_MAC = "02534d000002";
const GATEWAY_MAC = "02534d000001";
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const ARP = bytes(
  `ffffffffffff ${GUEST_MAC} 0806 0001 0800 06 04 0001 ${GUEST_MAC} 64600002 000000000000 64600001`,
);

interface Fields {
  readonly protocol: number;
  readonly data: Uint8Array;
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly mac?: string | undefined;
  readonly options?: string | undefined;
  readonly flags?: number | undefined;
  readonly id?: number | undefined;
}

/** An Ethernet frame with an IPv4 packet. Addresses are hex. */
function ipv4(fields: Fields): Uint8Array<ArrayBuffer> {
  const { protocol, data, source = "64600002", destination = "c0000201", mac = GUEST_MAC } = fields;
  const { options = "", flags = 0, id = 1 } = fields;
  const header = new Uint8Array(20 + options.length / 2);
  const view = new DataView(header.buffer);
  header.set([0x40 | (header.length / 4)]);
  view.setUint16(2, header.length + data.length);
  view.setUint16(4, id);
  view.setUint16(6, flags);
  header.set([64, protocol], 8);
  header.set(bytes(source + destination + options), 12);
  view.setUint16(10, finishSum(addBytes(0, header, 0, header.length)));
  return Uint8Array.from([...bytes(`${GATEWAY_MAC} ${mac} 0800`), ...header, ...data]);
}

const udp = (port: number, text = "hello") => {
  const data = Buffer.from(text);
  return Uint8Array.from([0x30, 0x39, port >> 8, port & 255, 0, 8 + data.length, 0, 0, ...data]);
};
const syn = (port: number) =>
  bytes(`3039 ${port.toString(16).padStart(4, "0")} 00000001 00000000 50 02 ffff 0000 0000`);

let directory: string;
let stack: Network;
let card: Bun.Socket<undefined>;
let closed = false;
let decided: Flow[];
let received: Uint8Array[];
let troubles: unknown[];

function send(...frames: readonly Uint8Array[]): void {
  for (const frame of frames) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, frame.length);
    card.write(Buffer.concat([prefix, frame]));
  }
}

async function connectCard(): Promise<void> {
  let pending = Buffer.alloc(0);
  closed = false;
  card = await Bun.connect({
    unix: join(directory, "net"),
    socket: {
      data(_, chunk) {
        pending = Buffer.concat([pending, chunk]);
        while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
          received.push(Uint8Array.from(pending.subarray(4, 4 + pending.readUInt32BE(0))));
          pending = pending.subarray(4 + pending.readUInt32BE(0));
        }
      },
      close() {
        closed = true;
      },
    },
  });
}

/** What was sent before has been looked at when this is answered. */
async function answered(): Promise<void> {
  const before = received.length;
  send(ARP);
  await until("ARP is answered", () =>
    received.slice(before).some((frame) => frame[12] === 8 && frame[13] === 6),
  );
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "smolvm-net-"));
  decided = [];
  received = [];
  troubles = [];
  stack = startNetwork({
    socketPath: join(directory, "net"),
    ipv6: false,
    policy: {
      decide(flow) {
        decided.push(flow);
        return { allow: false, how: "drop", rule: "test" };
      },
      inspect: () => "more",
      closed() {},
    },
    onTrouble: (error) => void troubles.push(error),
    resolver: { resolve: async () => undefined },
  });
  await connectCard();
});
afterEach(() => {
  expect(troubles).toEqual([]);
  card.terminate();
  stack.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("what is not the guest's own, or hides something, reaches nobody", () => {
  const frames: Record<string, Uint8Array[]> = {
    "another source address": [ipv4({ protocol: 17, data: udp(99), source: "0a000001" })],
    "the gateway's address as its own": [ipv4({ protocol: 6, data: syn(80), source: "64600001" })],
    "another MAC": [ipv4({ protocol: 17, data: udp(99), mac: "020000000009" })],
    "a loose source route": [
      ipv4({ protocol: 17, data: udp(99), options: "830704c0000209 00".replace(" ", "") }),
    ],
    "a strict source route": [ipv4({ protocol: 6, data: syn(80), options: "01890704c0000209" })],
    "options that lead nowhere": [ipv4({ protocol: 6, data: syn(80), options: "44000000" })],
    "a multicast address": [ipv4({ protocol: 17, data: udp(5353), destination: "e00000fb" })],
    "a broadcast": [ipv4({ protocol: 17, data: udp(67), destination: "ffffffff" })],
    "another protocol": [ipv4({ protocol: 47, data: udp(99) })],
    "a length beyond its datagram": [ipv4({ protocol: 17, data: bytes("3039006300ff0000 41") })],
    "IPv6, where the guest has none": [
      bytes(
        `${GATEWAY_MAC}${GUEST_MAC}86dd 60000000 0008 11 40 fd000053004d00000000000000000002 20010db8000000000000000000000001 3039006300080000`,
      ),
    ],
    "fragments that overlap": [
      ipv4({ protocol: 17, data: udp(99, "0123456789abcdef").subarray(0, 16), flags: 0x2000 }),
      ipv4({ protocol: 17, data: bytes("ffffffffffffffff ffffffffffffffff"), flags: 1 }),
    ],
    "a fragment that ends beyond the largest packet": [
      ipv4({ protocol: 17, data: new Uint8Array(64), flags: 0x1ffe }),
    ],
  };
  for (const [name, list] of Object.entries(frames))
    test(name, async () => {
      send(...list);
      await answered();
      expect(decided).toEqual([]);
    });

  test("and the same without it is asked about", async () => {
    send(ipv4({ protocol: 17, data: udp(99) }), ipv4({ protocol: 6, data: syn(80) }));
    const whole = udp(98, "0123456789abcdef");
    send(
      ipv4({ protocol: 17, data: whole.subarray(16), flags: 2, id: 7 }),
      ipv4({ protocol: 17, data: whole.subarray(0, 16), flags: 0x2000, id: 7 }),
    );
    await answered();
    expect(
      decided.map(({ protocol, destination }) => `${protocol} ${destination.address}:${destination.port}`),
    ).toEqual([...["udp 192.0.2.1:99", "tcp 192.0.2.1:80", "udp 192.0.2.1:98"]]);
  });
});

test("a length that no frame has ends the link, and the next card finds a stack that works", async () => {
  card.write(bytes("00010100"));
  await until("the link is closed", () => closed);
  await connectCard();
  await answered();
});

test("frames of any content, cut anywhere, do no harm", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`seed ${seed}`);
  let state = seed | 1;
  const random = (below: number) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state >>> 0) % below;
  };
  const good = [
    ARP,
    ipv4({ protocol: 17, data: udp(99) }),
    ipv4({ protocol: 6, data: syn(80) }),
    ipv4({ protocol: 6, data: bytes("3039 0050 00000002 00000000 50 10 ffff 0000 0000 41414141") }),
    ipv4({ protocol: 1, data: bytes("0800 0000 0001 0001 41414141"), destination: "64600001" }),
    ipv4({ protocol: 17, data: new Uint8Array(64), flags: 0x2000 }),
    ipv4({ protocol: 6, data: syn(443), options: "01010100" }),
  ];
  for (let round = 0; round < 20_000; round++) {
    const frame = Uint8Array.from(good[random(good.length)] as Uint8Array);
    const fixed = random(2) === 0;
    for (let change = random(6); change > 0; change--) frame[random(frame.length)] = random(256);
    const cut = random(4) === 0 ? frame.subarray(0, random(frame.length + 1)) : frame;
    // With a checksum that is right, what was changed is looked at.
    if (fixed && cut.length >= 34 && cut[12] === 8 && cut[13] === 0) {
      const end = 14 + Math.max(20, ((cut[14] as number) & 15) * 4);
      cut.set([0, 0], 24);
      const sum = finishSum(addBytes(0, cut, 14, Math.min(end, cut.length)));
      cut.set([sum >>> 8, sum & 255], 24);
    }
    send(cut);
    if (round % 500 === 0) await Bun.sleep(0);
    if (closed) break;
  }
  expect(closed).toBe(false);
  await answered();
});
