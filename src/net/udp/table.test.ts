import { expect, test } from "bun:test";
import { BareGuest, FAR, ipv4, udp } from "../guest.fixture.ts";
import { Packet, readIpv4 } from "../ip/packet.ts";
import { Judge } from "../judge.ts";
import { Output } from "../link/output.ts";
import type { FlowDecision, FlowEnd } from "../types.ts";
import { UdpTable } from "./table.ts";

function packetOf(frame: Uint8Array): Packet {
  const packet = new Packet();
  expect(readIpv4(packet, frame, 14, frame.length)).toBe(true);
  return packet;
}

const noResolver = { resolve: async () => undefined };

test("a flow for which there is no socket is over at once, and keeps nothing", async () => {
  const { promise: over, resolve } = Promise.withResolvers<FlowEnd>();
  const judge = new Judge(
    {
      // No address at all: the error is none that says that there is no way.
      decide: () => ({ allow: true, target: { address: "127.0.0.1", port: 70_000 }, rule: "test" }),
      inspect: () => "pass",
      closed: (_flow, _decision, end) => resolve(end),
    },
    () => {},
  );
  const table = new UdpTable(new Output(), 16, judge, noResolver);
  table.onPacket(packetOf(ipv4(FAR, 17, udp(1000, 9, new Uint8Array(60_000)))));
  expect(table.size).toBe(1);
  expect((await over).how).toBe("unreachable");
  expect(table.size).toBe(0);
});

test("the policy hears of a flow that ended while it was being decided", async () => {
  const decision = Promise.withResolvers<FlowDecision>();
  const ended: (readonly [FlowDecision, FlowEnd["how"]])[] = [];
  const guest = await BareGuest.start({ decide: () => decision.promise });
  try {
    await guest.send(ipv4(FAR, 17, udp(1000, 9, Uint8Array.of(1))));
    await guest.settled();
  } finally {
    guest.close();
  }
  const allowed = { allow: true, target: { address: "127.0.0.1", port: 9 }, rule: "late" } as const;
  decision.resolve(allowed);
  await Bun.sleep(0);
  ended.push(...guest.ended.map(({ decision, end }) => [decision, end.how] as const));
  expect(ended).toEqual([[allowed, "stopped"]]);
});

test("flows whose guest floods while they are decided keep 8 MiB together", async () => {
  const decision = Promise.withResolvers<FlowDecision>();
  const judge = new Judge({ decide: () => decision.promise, inspect: () => "pass", closed() {} }, () => {});
  const table = new UdpTable(new Output(), 4096, judge, noResolver);
  const frame = ipv4(FAR, 17, udp(1000, 9, new Uint8Array(60_000)));
  for (let port = 1; port <= 600; port++) {
    new DataView(frame.buffer).setUint16(34, port);
    for (let i = 0; i < 16; i++) table.onPacket(packetOf(frame));
  }
  expect(table.waitingBytes).toBeGreaterThan(4 * 1024 * 1024);
  expect(table.waitingBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  table.close();
  expect(table.waitingBytes).toBe(0);
});
