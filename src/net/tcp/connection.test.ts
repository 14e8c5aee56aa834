import { afterEach, beforeEach, expect, test } from "bun:test";
import { BareGuest, Bits, descriptors, FAR, GATEWAY, ipv4, tcp } from "../guest.fixture.ts";

let guest: BareGuest;
beforeEach(async () => {
  guest = await BareGuest.start();
});
afterEach(() => {
  expect(guest.troubles).toEqual([]);
  guest.close();
});

test("a FIN that came early, with data over it, leaks no socket of the host's", async () => {
  let open = 0;
  const allClosed = Promise.withResolvers<void>();
  const server = Bun.listen({
    ...{ hostname: "127.0.0.1", port: 0, allowHalfOpen: true },
    socket: {
      open: () => void open++,
      data: (socket) => void socket.shutdown(),
      close() {
        if (--open === 0) allClosed.resolve();
      },
    },
  });
  const count = 50;
  for (let from = 1000; from < 1000 + count; from++) {
    const { ours, theirs } = await guest.open(from, server.port);
    const place = { from, to: server.port, acknowledged: theirs, flags: Bits.ack };
    await guest.send(
      ipv4(FAR, 6, tcp({ ...place, sequence: ours + 10, flags: Bits.ack | Bits.fin })),
      ipv4(FAR, 6, tcp({ ...place, sequence: ours, data: new Uint8Array(20) })),
    );
    const fin = await guest.segment(from, ({ flags }) => (flags & Bits.fin) !== 0);
    await guest.send(ipv4(FAR, 6, tcp({ ...place, sequence: ours + 20, acknowledged: fin.sequence + 1 })));
  }
  await guest.settled();
  // The guest has not ended its side: nothing is over, and the sockets are there.
  expect([guest.ended.length, open]).toEqual([0, count]);
  // A new card: every flow of the old one is over, on both sides.
  await guest.connect();
  await allClosed.promise;
  expect(guest.ended.length).toBe(count);
  server.stop(true);
});

test("both sides end at once, and the guest does not get our acknowledgement: its FIN again is no reset", async () => {
  const remote = Promise.withResolvers<Bun.Socket>();
  const server = Bun.listen({
    ...{ hostname: "127.0.0.1", port: 0, allowHalfOpen: true },
    socket: { open: remote.resolve, data() {} },
  });
  const { ours, theirs } = await guest.open(1000, server.port);
  const place = { from: 1000, to: server.port, sequence: ours, acknowledged: theirs };
  await guest.send(ipv4(FAR, 6, tcp({ ...place, flags: Bits.ack })));
  (await remote.promise).shutdown();
  const isFin = ({ flags }: { flags: number }) => (flags & Bits.fin) !== 0;
  const fin = await guest.segment(1000, isFin);
  await guest.send(ipv4(FAR, 6, tcp({ ...place, flags: Bits.fin | Bits.ack })));
  await guest.send(
    ipv4(FAR, 6, tcp({ ...place, sequence: ours + 1, acknowledged: fin.sequence + 1, flags: Bits.ack })),
  );
  await guest.settled();
  const before = guest.frames.length;
  await guest.send(
    ipv4(FAR, 6, tcp({ ...place, acknowledged: fin.sequence + 1, flags: Bits.fin | Bits.ack })),
  );
  const answer = await guest.segment(1000, () => true, before);
  expect([answer.flags, answer.acknowledged]).toEqual([Bits.ack, ours + 1]);
  server.stop(true);
});

test("a published port reaches a guest that still remembers a connection of the same ports, at once", async () => {
  const published = await guest.stack.publish({
    ...({ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 7777 } as const),
  });
  const begun = performance.now();
  const client = await Bun.connect({
    ...{ hostname: "127.0.0.1", port: published.hostPort },
    socket: { data: (socket) => void socket.end() },
  });
  const isSyn = ({ flags }: { flags: number }) => flags === Bits.syn;
  const syn = await guest.segment(7777, isSyn);
  const place = { from: 7777, to: syn.from, sequence: 777 };
  const before = guest.frames.length;
  const old = syn.sequence - 100_000;
  await guest.send(ipv4(GATEWAY, 6, tcp({ ...place, acknowledged: old, flags: Bits.ack })));
  const reset = await guest.segment(7777, ({ flags }) => (flags & Bits.reset) !== 0, before);
  expect([reset.flags, reset.sequence]).toEqual([Bits.reset, old >>> 0]);
  const again = await guest.segment(7777, isSyn, before);
  expect(again.sequence).toBe(syn.sequence);
  // Sooner than the SYN would have been repeated anyway.
  expect(performance.now() - begun).toBeLessThan(240);
  await guest.send(
    ipv4(GATEWAY, 6, tcp({ ...place, acknowledged: syn.sequence + 1, flags: Bits.syn | Bits.ack })),
  );
  await guest.segment(7777, ({ flags }) => flags === Bits.ack, before);
  client.terminate();
  await guest.segment(7777, ({ flags }) => (flags & (Bits.reset | Bits.fin)) !== 0, before);
});

test("the first sequence numbers of connections through published ports follow the clock", async () => {
  const published = await guest.stack.publish({
    ...({ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 7777 } as const),
  });
  const sequences: number[] = [];
  for (let i = 0; i < 5; i++) {
    const since = guest.frames.length;
    const client = await Bun.connect({
      ...{ hostname: "127.0.0.1", port: published.hostPort },
      socket: { data() {} },
    });
    sequences.push((await guest.segment(7777, ({ flags }) => flags === Bits.syn, since)).sequence);
    client.terminate();
    await Bun.sleep(2);
  }
  const steps = sequences.slice(1).map((sequence, i) => (sequence - (sequences[i] as number)) >>> 0);
  for (const step of steps) expect(step > 0 && step < 2 ** 31).toBe(true);
});

test("a machine whose guest gives up on connects has no more of them than connections", async () => {
  const { dlopen, FFIType } = await import("bun:ffi");
  const { i32, ptr } = FFIType;
  const c = dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, ptr, i32], returns: i32 },
    listen: { args: [i32, i32], returns: i32 },
    getsockname: { args: [i32, ptr, ptr], returns: i32 },
    connect: { args: [i32, ptr, i32], returns: i32 },
    close: { args: [i32], returns: i32 },
  }).symbols;
  // A listener that accepts nothing, whose queue is full: connecting to it goes on for two minutes.
  const address = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, ...new Uint8Array(8));
  const sockets = [c.socket(2, 1, 0)];
  c.bind(sockets[0] as number, address, 16);
  c.listen(sockets[0] as number, 0);
  c.getsockname(sockets[0] as number, address, Uint8Array.of(16, 0, 0, 0));
  const port = ((address[2] as number) << 8) | (address[3] as number);
  const O_NONBLOCK = 0o4000;
  for (let i = 0; i < 4; i++) {
    const socket = c.socket(2, 1 | O_NONBLOCK, 0);
    c.connect(socket, address, 16);
    sockets.push(socket);
  }
  const { TcpTable } = await import("./table.ts");
  const { openOutbound } = await import("./outbound.ts");
  const { Output } = await import("../link/output.ts");
  const { Judge } = await import("../judge.ts");
  const { Packet, readIpv4 } = await import("../ip/packet.ts");
  const output = new Output();
  const allow = { allow: true, target: { address: "127.0.0.1", port }, rule: "test" } as const;
  const policy = { decide: () => allow, inspect: () => "pass" as const, closed() {} };
  const parts = {
    ...{ output, judge: new Judge(policy, () => {}), resolver: { resolve: async () => undefined } },
    countAbandoned: (connecting: Promise<unknown>) => table.countAbandoned(connecting),
  };
  const most = 20;
  const table = new TcpTable(output, most, {
    onConnection: (connection, incoming) => openOutbound(parts, connection, incoming),
  });
  const before = descriptors();
  const packet = new Packet();
  for (let from = 1000; from < 1200; from++) {
    for (const [flags, sequence] of [
      [Bits.syn, 5],
      [Bits.reset, 6],
    ] as const) {
      const frame = ipv4(FAR, 6, tcp({ from, to: port, sequence, flags }));
      readIpv4(packet, frame, 14, frame.length);
      table.onPacket(packet);
      await Bun.sleep(0);
    }
  }
  expect(table.size).toBe(0);
  expect(descriptors() - before).toBeLessThanOrEqual(most);
  expect(descriptors() - before).toBeGreaterThan(most / 2);
  for (const socket of sockets) c.close(socket);
});
