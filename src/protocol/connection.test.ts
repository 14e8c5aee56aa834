import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { Connection } from "./connection.ts";
import { encodeFrame, FrameType, ProtocolError } from "./frame.ts";
import { jsonCodec } from "./json.ts";
import {
  connectionPair,
  openerWithRawPeer,
  type RawPeer,
  serverWithRawPeer,
  transportPair,
} from "./protocol.fixture.ts";
import { type Stream, StreamFailure } from "./stream.ts";
import { WINDOW_BYTES } from "./window.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function collect(stream: Stream, channel: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of stream.read(channel)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Sends everything back that comes in on channel 0, on channel 1, then finishes. */
async function echo(stream: Stream): Promise<void> {
  stream.accept({ pid: 1 });
  for await (const chunk of stream.read(0)) await stream.write(1, chunk);
  stream.finish({ done: true });
}

describe("work on a stream", () => {
  test("request, answer, data both ways, control messages, result", async () => {
    const { opener } = await connectionPair(async (stream) => {
      stream.onControl = (message) => void stream.write(2, Buffer.from(JSON.stringify(message)));
      await echo(stream);
    });
    const stream = opener.open({ method: "copy", params: { a: 1 } });
    expect(await stream.accepted).toEqual({ pid: 1 });
    stream.control({ type: "resize" });
    const control = await stream.read(2).next();
    expect(text(control.value as Uint8Array)).toBe('{"type":"resize"}');
    await stream.write(0, Buffer.from("hello"));
    stream.end(0);
    expect((await collect(stream, 1)).toString()).toBe("hello");
    expect(await stream.result).toEqual({ done: true });
    opener.close();
  });

  test("events come between accept and result, in order", async () => {
    const { opener } = await connectionPair((stream) => {
      stream.accept();
      for (const number of [1, 2]) stream.event({ number });
      stream.finish("done");
      stream.event({ number: 3 });
    });
    const stream = opener.open({ method: "watch" });
    const events: unknown[] = [];
    stream.onEvent = (event) => events.push(event);
    expect(await stream.result).toBe("done");
    expect(events).toEqual([{ number: 1 }, { number: 2 }]);
    opener.close();
  });

  test("who reads an event may refuse it: that ends the connection with the reason", async () => {
    const { opener } = await connectionPair((stream) => stream.event({}));
    const stream = opener.open({ method: "watch" });
    stream.onEvent = () => {
      throw new ProtocolError("malformed event");
    };
    expect((await opener.closed)?.message).toBe("malformed event");
    expect(await stream.result.catch((e: Error) => e.message)).toBe("malformed event");
  });

  test("bytes that are not UTF-8 travel as lone surrogates", async () => {
    const { opener } = await connectionPair((stream) => stream.finish(stream.request.params));
    const params = ["\udcff", "a\udc80é", "\ud800"];
    expect(await opener.open({ method: "m", params }).result).toEqual(params);
    opener.close();
  });

  test("a failure has a code, a message and a hint", async () => {
    const { opener } = await connectionPair((stream) =>
      stream.fail({ code: "x.y", message: "no", hint: "do" }),
    );
    const error = await opener.open({ method: "m" }).result.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StreamFailure);
    expect(error).toMatchObject({ code: "x.y", message: "no", hint: "do" });
    opener.close();
  });

  test("an endless failure message is cut, not fatal", async () => {
    const { opener } = await connectionPair((stream) =>
      stream.fail({ code: "x", message: "m".repeat(1_000_000) }),
    );
    expect(
      await opener.open({ method: "m" }).result.catch((e: Error) => e.message.length),
    ).toBeLessThanOrEqual(4096);
    opener.close();
  });

  test("a request that is too large fails alone", async () => {
    const { opener } = await connectionPair((stream) => stream.finish("fine"));
    const error = await opener
      .open({ method: "m", params: "x".repeat(2_000_000) })
      .result.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "protocol.too_large" });
    expect(await opener.open({ method: "m" }).result).toBe("fine");
    opener.close();
  });

  test("a request beyond 1024 fails alone, until another one has ended", async () => {
    const served: Stream[] = [];
    let more = () => {};
    const { opener } = await connectionPair((stream) => {
      served.push(stream);
      more();
    });
    const until = async (count: number) => {
      while (served.length < count) await new Promise<void>((resolve) => (more = resolve));
    };
    const streams = Array.from({ length: 1024 }, () => opener.open({ method: "m" }));
    const error = await opener.open({ method: "m" }).result.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "protocol.too_many" });
    await until(1024);
    served[5]?.finish("done");
    expect(await streams[5]?.result).toBe("done");
    const next = opener.open({ method: "m" });
    await until(1025);
    served[1024]?.finish("next");
    expect(await next.result).toBe("next");
    opener.close();
  });

  test("a cancel that comes before the server listens for it is told as soon as it does", async () => {
    const { opener } = await connectionPair(async (stream) => {
      // Frames come in their order.
      await stream.read(0).next();
      stream.onCancel = () => stream.finish("cancelled");
    });
    const stream = opener.open({ method: "late" });
    stream.cancel();
    stream.end(0);
    expect(await stream.result).toBe("cancelled");
    opener.close();
  });

  test("control messages that come before the server listens are told in their order as soon as it does", async () => {
    const { opener } = await connectionPair(async (stream) => {
      await stream.read(0).next();
      const told: unknown[] = [];
      stream.onControl = (message) => {
        told.push(message);
        if (message === "last") stream.finish(told);
      };
    });
    const stream = opener.open({ method: "late" });
    stream.control("first");
    stream.control("second");
    stream.end(0);
    stream.control("last");
    expect(await stream.result).toEqual(["first", "second", "last"]);
    opener.close();
  });

  test("control messages that nobody listens to end the connection before they pile up", async () => {
    const { opener } = await connectionPair(() => {});
    const stream = opener.open({ method: "deaf" });
    const message = "x".repeat(60_000);
    for (let at = 0; at < 5; at++) stream.control(message);
    await expect(stream.result).rejects.toThrow();
  });

  test("cancel reaches the server, which is not kept waiting for a reader", async () => {
    const { opener } = await connectionPair(async (stream) => {
      let cancelled = false;
      stream.onCancel = () => {
        cancelled = true;
      };
      while (!cancelled) await stream.write(1, new Uint8Array(100_000));
      stream.finish("cancelled");
    });
    const stream = opener.open({ method: "flood" });
    await Bun.sleep(50);
    stream.cancel();
    expect(await stream.result).toBe("cancelled");
    opener.close();
  });

  test("the end of the connection ends every stream on both sides", async () => {
    const ended: string[] = [];
    const { opener, server } = await connectionPair((stream) => {
      stream.onCancel = () => ended.push(stream.request.method);
    });
    const streams = ["a", "b", "c"].map((method) => opener.open({ method }));
    await Bun.sleep(50);
    server.close();
    const results = await Promise.allSettled(streams.map((stream) => stream.result));
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(ended).toEqual(["a", "b", "c"]);
    expect(await opener.closed).toBeUndefined();
    expect(await opener.open({ method: "late" }).result.catch((e: Error) => e.message)).toBe(
      "connection closed",
    );
  });
});

describe("flow control", () => {
  test("a writer without a reader stops at the window, another stream goes on", async () => {
    let written = 0;
    const { opener } = await connectionPair(async (stream) => {
      if (stream.request.method === "echo") return echo(stream);
      for (;;) {
        await stream.write(1, new Uint8Array(10_000));
        written += 10_000;
        if (written > 100 * WINDOW_BYTES) return;
      }
    });
    const flood = opener.open({ method: "flood" });
    await Bun.sleep(100);
    expect(written).toBeLessThanOrEqual(WINDOW_BYTES);
    expect(written).toBeGreaterThan(WINDOW_BYTES - 20_000);
    const other = opener.open({ method: "echo" });
    void other.write(0, new Uint8Array(3 * WINDOW_BYTES)).then(() => other.end(0));
    expect((await collect(other, 1)).length).toBe(3 * WINDOW_BYTES);
    // And the flood goes on as soon as somebody reads.
    const reader = flood.read(1);
    for (let bytes = 0; bytes < 2 * WINDOW_BYTES; ) bytes += (await reader.next()).value?.length ?? 0;
    opener.close();
  });

  test("100 streams at once, each byte for byte", async () => {
    const { opener } = await connectionPair((stream) => void echo(stream));
    const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const bytes = randomBytes(1 + i * 9_973);
        const stream = opener.open({ method: "echo" });
        void stream.write(0, bytes).then(() => stream.end(0));
        expect(digest(await collect(stream, 1))).toBe(digest(bytes));
        expect(await stream.result).toEqual({ done: true });
      }),
    );
    opener.close();
  });

  test("a full pipe is shared in turns", async () => {
    const sent = new Map<string, number>();
    const { opener } = await connectionPair(async (stream) => {
      for (;;) {
        await stream.write(1, new Uint8Array(64 * 1024));
        sent.set(stream.request.method, (sent.get(stream.request.method) ?? 0) + 1);
        if ((sent.get(stream.request.method) ?? 0) > 200) return stream.finish();
      }
    });
    const names = Array.from({ length: 8 }, (_, i) => `s${i}`);
    const streams = names.map((name) => opener.open({ method: name }));
    const readers = streams.map((stream) => collect(stream, 1));
    await Promise.race(streams.map((stream) => stream.result));
    // When the first is through with its 200, none of the others lags far behind.
    expect(Math.min(...names.map((name) => sent.get(name) ?? 0))).toBeGreaterThan(100);
    await Promise.all(readers);
    opener.close();
  });
});

test("a later program that still understands this one is understood", async () => {
  const { opener, peer } = await openerWithRawPeer();
  peer.json(FrameType.hello, 0, { protocol: 99, oldest: 3, version: "9.9", more: true });
  expect(await opener.hello).toEqual({ protocol: 99, oldest: 3, version: "9.9" });
  opener.close();
});

describe("a hostile server: the connection ends with the reason", () => {
  const credit = (bytes: number) => {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    return payload;
  };
  const cases: [name: string, attack: (peer: RawPeer) => void, message: RegExp][] = [
    ["data first", (p) => p.frame(FrameType.data, 1, Buffer.from("x")), /no hello/],
    ["hello that is none", (p) => p.json(FrameType.hello, 0, ["x"]), /malformed hello/],
    ["hello that is no JSON", (p) => p.frame(FrameType.hello, 0, Buffer.from("{")), /not JSON/],
    [
      "a huge version",
      (p) => p.json(FrameType.hello, 0, { protocol: 2, version: "x".repeat(1000) }),
      /malformed hello/,
    ],
    ["hello twice", (p) => [p.greet(), p.greet()], /not open/],
    ["opens a stream", (p) => [p.greet(), p.json(FrameType.open, 9, { method: "x" })], /unexpected open/],
    [
      "unknown stream",
      (p) => [p.greet(), p.frame(FrameType.data, 77, Buffer.from("x"), 1)],
      /77 is not open/,
    ],
    ["unknown channel", (p) => [p.greet(), p.frame(FrameType.data, 1, Buffer.from("x"), 4)], /channel 4/],
    [
      "credit for an unknown channel",
      (p) => [p.greet(), p.frame(FrameType.credit, 1, credit(1), 200)],
      /channel 200/,
    ],
    ["empty data", (p) => [p.greet(), p.frame(FrameType.data, 1, Buffer.alloc(0), 1)], /without data/],
    ["credit from nothing", (p) => [p.greet(), p.frame(FrameType.credit, 1, credit(1))], /more credit/],
    [
      "credit that overflows",
      (p) => [p.greet(), p.frame(FrameType.credit, 1, credit(0xffffffff))],
      /more credit/,
    ],
    ["control", (p) => [p.greet(), p.json(FrameType.control, 1, {})], /unexpected frame/],
    ["cancel", (p) => [p.greet(), p.frame(FrameType.cancel, 1)], /unexpected frame/],
    [
      "an event that is no JSON",
      (p) => [p.greet(), p.frame(FrameType.event, 1, Buffer.from("{"))],
      /not JSON/,
    ],
    [
      "an event after the result",
      (p) => [p.greet(), p.json(FrameType.result, 1, 0), p.json(FrameType.event, 1, {})],
      /not open/,
    ],
    [
      "failure without code",
      (p) => [p.greet(), p.json(FrameType.fail, 1, { message: "x" })],
      /malformed failure/,
    ],
    [
      "data after its end",
      (p) => [
        p.greet(),
        p.frame(FrameType.end, 1, undefined, 1),
        p.frame(FrameType.data, 1, Buffer.from("x"), 1),
      ],
      /after the end/,
    ],
    [
      "data after the result",
      (p) => [p.greet(), p.json(FrameType.result, 1, 0), p.frame(FrameType.data, 1, Buffer.from("x"), 1)],
      /not open/,
    ],
    [
      "more than the window",
      (p) => [
        p.greet(),
        ...Array.from({ length: 5 }, () => p.frame(FrameType.data, 1, new Uint8Array(65_536), 1)),
      ],
      /window exceeded/,
    ],
    [
      "unknown frame type",
      (p) => [p.greet(), p.send(Buffer.from("63".padEnd(24, "0"), "hex"))],
      /unknown frame type/,
    ],
  ];
  for (const [name, attack, message] of cases) {
    test(name, async () => {
      const { opener, peer } = await openerWithRawPeer();
      const stream = opener.open({ method: "exec" });
      attack(peer);
      const error = await opener.closed;
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error?.message).toMatch(message);
      expect(
        await stream.result.then(
          () => "done",
          (e: Error) => e.message,
        ),
      ).toMatch(/done|./);
      await peer.closed;
    });
  }

  test.each([
    [{ protocol: 99, version: "9.9" }, /^a later smolvm \(9\.9\)/],
    [{ protocol: 2, version: "0.1" }, /^an earlier smolvm \(0\.1\)/],
  ])("one of another version, %j, ends the connection and says so", async (hello, message) => {
    const { opener, peer } = await openerWithRawPeer();
    const stream = opener.open({ method: "exec" });
    peer.json(FrameType.hello, 0, hello);
    const error = await stream.result.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "machine.other_version", message: expect.stringMatching(message) });
  });

  test("a server that closes in the middle of a frame is an end like any other", async () => {
    const { opener, peer } = await openerWithRawPeer();
    const stream = opener.open({ method: "exec" });
    peer.greet();
    peer.send(encodeFrame(FrameType.data, 1, new Uint8Array(1000), 1).subarray(0, 500));
    await opener.hello;
    peer.close();
    await opener.closed;
    expect(await stream.result.catch((e: Error) => e.message)).toMatch(/connection (closed|reset)/);
  });

  test("a server that says nothing can be given up", async () => {
    const { opener } = await openerWithRawPeer();
    opener.close();
    expect(await opener.hello.catch((e: Error) => e.message)).toBe("connection closed");
  });
});

describe("the serving side", () => {
  const cases: [name: string, attack: (peer: RawPeer) => void, message: RegExp][] = [
    ["stream 0", (p) => p.json(FrameType.open, 0, { method: "x" }), /was open before/],
    ["no method", (p) => p.json(FrameType.open, 1, {}), /open without a method/],
    [
      "a number opened twice",
      (p) => [1, 1].map((id) => p.json(FrameType.open, id, { method: "x" })),
      /was open before/,
    ],
    [
      "a number used again",
      (p) => [5, 3].map((id) => p.json(FrameType.open, id, { method: "x" })),
      /was open before/,
    ],
    ["a stream never opened", (p) => p.frame(FrameType.cancel, 3), /not open/],
    [
      "an event",
      (p) => [p.json(FrameType.open, 1, { method: "x" }), p.json(FrameType.event, 1, 1)],
      /unexpected frame/,
    ],
    [
      "a result",
      (p) => [p.json(FrameType.open, 1, { method: "x" }), p.json(FrameType.result, 1, 1)],
      /unexpected frame/,
    ],
    [
      "too many streams",
      (p) => Array.from({ length: 1025 }, (_, i) => p.json(FrameType.open, i + 1, { method: "x" })),
      /too many streams/,
    ],
  ];
  for (const [name, attack, message] of cases) {
    test(`refuses ${name}`, async () => {
      const { server, peer } = await serverWithRawPeer(() => {});
      peer.greet();
      await server.hello;
      attack(peer);
      expect((await server.closed)?.message).toMatch(message);
    });
  }

  test("ignores what was on its way to a stream that has just finished", async () => {
    const { server, peer } = await serverWithRawPeer((stream) => stream.finish(stream.request.method));
    peer.greet();
    peer.json(FrameType.open, 1, { method: "one" });
    peer.frame(FrameType.data, 1, Buffer.from("late"));
    peer.frame(FrameType.cancel, 1);
    peer.json(FrameType.open, 2, { method: "two" });
    while (peer.frames.length < 3) await Bun.sleep(1);
    expect(peer.frames.slice(1).map(({ stream, payload }) => [stream, text(payload)])).toEqual([
      [1, '"one"'],
      [2, '"two"'],
    ]);
    server.close();
  });

  test("gives up a peer that asks and never reads the answers, before memory runs out", async () => {
    const [, second] = await transportPair();
    const server = new Connection(second, { codec: jsonCodec("s"), onStream: () => {} });
    // Both ends are in this process: while this loop runs nobody reads.
    for (let i = 0; i < 200_000; i++) server.send(FrameType.result, 1, new Uint8Array(1000));
    expect((await server.closed)?.message).toBe("the other side does not read");
  });
});
