import { describe, expect, test } from "bun:test";
import type { Exchange } from "../../../test/support/registry/exchange.ts";
import type { Lie } from "../../../test/support/registry/proxy.ts";
import {
  blob,
  collect,
  content,
  failure,
  honest,
  repositoryAt,
  type TestOptions,
  useRegistry,
} from "../registry.fixture.ts";

const { start, serve } = useRegistry();

const size = content.length;

async function pull(act: Lie, options: TestOptions = {}) {
  const served = await serve(act, options);
  return { ...served, bytes: () => collect(served.repository.blob(blob)) };
}

/** The first answers in order; the last one for all that follow. */
function inTurn(...answers: Lie[]): Lie {
  let turn = 0;
  return (exchange) => answers[Math.min(turn++, answers.length - 1)]?.(exchange);
}

/** Breaks off after so many bytes of what an honest server would send. */
const breaksAfter =
  (bytes: number, headers: Record<string, string> = {}): Lie =>
  async (exchange) => {
    const first = Number(/^bytes=(\d+)-/.exec(exchange.request.headers.range ?? "")?.[1] ?? 0);
    const range: Record<string, string> =
      first === 0 ? {} : { "content-range": `bytes ${first}-${size - 1}/${size}` };
    await exchange.head(first === 0 ? 200 : 206, {
      "content-length": String(size - first),
      ...range,
      ...headers,
    });
    await exchange.body(content.subarray(first, first + bytes));
    await breakOff(exchange);
  };

/** Not in the same instant as the last bytes: fetch would throw away what it has not handed out yet. */
async function breakOff(exchange: Exchange): Promise<void> {
  await Bun.sleep(20);
  exchange.close();
}

const chunked =
  (bytes: Uint8Array, end = true): Lie =>
  async (exchange) => {
    await exchange.head(200, { "transfer-encoding": "chunked" });
    const mark = `${bytes.length.toString(16)}\r\n`;
    await exchange.body(
      Buffer.concat([Buffer.from(mark), bytes, Buffer.from(end ? "\r\n0\r\n\r\n" : "\r\n")]),
    );
    if (!end) await breakOff(exchange);
  };

describe("a blob comes whole", () => {
  test("at once", async () => {
    const { bytes, asked, events } = await pull(honest);
    expect(await bytes()).toEqual(content);
    expect([asked().length, events]).toEqual([1, []]);
  });

  test("without a length, chunked, and by the end of the connection", async () => {
    expect(await (await pull(chunked(content))).bytes()).toEqual(content);
    const untilClosed: Lie = async (exchange) => {
      await exchange.head(200, { connection: "close" });
      await exchange.body(content);
      exchange.close();
    };
    expect(await (await pull(untilClosed)).bytes()).toEqual(content);
  });

  test("without the mark of the last chunk", async () => {
    expect(await (await pull(chunked(content, false))).bytes()).toEqual(content);
  });

  test("of no bytes: nothing is asked", async () => {
    const { repository, asked } = await pull(honest);
    expect(await collect(repository.blob({ ...blob, size: 0 }))).toHaveLength(0);
    expect(asked()).toEqual([]);
  });
});

describe("a broken connection is resumed where it broke", () => {
  test("with If-Range when there is a strong ETag", async () => {
    const { bytes, asked, events } = await pull(inTurn(breaksAfter(20_000, { etag: '"v1"' }), honest));
    expect(await bytes()).toEqual(content);
    expect(asked().map(({ headers }) => [headers.range, headers["if-range"]])).toEqual([
      [undefined, undefined],
      ["bytes=20000-", '"v1"'],
    ]);
    expect(events).toMatchObject([
      { attempt: 1, what: expect.stringMatching(/^layer sha256:[0-9a-f]{12}$/) },
    ]);
    expect(events[0]?.reason).toContain("after 20000 of 60000 bytes");
  });

  test("without If-Range when the ETag is weak or nonsense", async () => {
    for (const etag of ['W/"v1"', "v1", '"a"b"']) {
      const { bytes, asked } = await pull(inTurn(breaksAfter(1, { etag }), honest));
      expect(await bytes()).toEqual(content);
      expect(asked()[1]?.headers["if-range"]).toBeUndefined();
    }
  });

  test("more often than the attempts allow, when each brings something", async () => {
    const { bytes, asked } = await pull(inTurn(...Array(9).fill(breaksAfter(5000)), honest));
    expect(await bytes()).toEqual(content);
    expect(asked()).toHaveLength(10);
  });

  test("not for ever, however little comes each time", async () => {
    const { bytes, asked } = await pull(breaksAfter(1), { attempts: 2 });
    expect((await failure(bytes())).code).toBe("registry.broken_connection");
    expect(asked().length).toBeLessThanOrEqual(40);
  });

  test("200 instead of 206: what is there already is skipped", async () => {
    const whole: Lie = (exchange) => exchange.respond(200, {}, content);
    const { bytes, asked } = await pull(inTurn(breaksAfter(20_000), whole));
    expect(await bytes()).toEqual(content);
    expect(asked()).toHaveLength(2);
  });

  test("200 again and again, broken before and after what is there", async () => {
    const wholeUntil =
      (bytes: number): Lie =>
      async (exchange) => {
        await exchange.head(200, { "content-length": String(size) });
        await exchange.body(content.subarray(0, bytes));
        await breakOff(exchange);
      };
    const { bytes } = await pull(
      inTurn(wholeUntil(20_000), wholeUntil(10_000), wholeUntil(40_000), wholeUntil(size)),
    );
    expect(await bytes()).toEqual(content);
  });

  const ranges = {
    "of another place": `bytes 0-${size - 20_001}/${size}`,
    "of another size": `bytes 20000-${size}/${size + 1}`,
    "that ends before it begins": `bytes 20000-10/${size}`,
    "that is nonsense": "bytes lots",
    "in another unit": `lines 20000-${size - 1}/${size}`,
  };
  for (const [what, range] of Object.entries(ranges)) {
    test(`a Content-Range ${what} is not believed: all is read again, and skipped`, async () => {
      const liar: Lie = (exchange) =>
        exchange.respond(206, { "content-range": range }, content.subarray(20_000));
      const whole: Lie = (exchange) => exchange.respond(200, {}, content);
      const { bytes, asked } = await pull(inTurn(breaksAfter(20_000), liar, whole));
      expect(await bytes()).toEqual(content);
      expect(asked().map(({ headers }) => headers.range)).toEqual([undefined, "bytes=20000-", undefined]);
    });
  }

  test("a part of the range, and then the rest", async () => {
    const part: Lie = (exchange) =>
      exchange.respond(206, { "content-range": "bytes 20000-29999/*" }, content.subarray(20_000, 30_000));
    const { bytes, asked } = await pull(inTurn(breaksAfter(20_000), part, honest));
    expect(await bytes()).toEqual(content);
    expect(asked()[2]?.headers.range).toBe("bytes=30000-");
  });

  test("connections that break before anything arrives: a part is asked for, which cannot break, then more", async () => {
    // Together with the end of the connection; fetch throws away what came in the same moment.
    const large = crypto.getRandomValues(new Uint8Array(65_536 * 30));
    const asked: string[] = [];
    const server = await start(async (exchange) => {
      const [, first = "0", last = ""] =
        /^bytes=(\d+)-(\d*)$/.exec(exchange.request.headers.range ?? "") ?? [];
      asked.push(exchange.request.headers.range ?? "all");
      const end = last === "" ? large.length : Number(last) + 1;
      const part = large.subarray(Number(first), end);
      const range = `bytes ${first}-${end - 1}/${large.length}`;
      const head = { "content-length": String(part.length), "content-range": range, connection: "close" };
      if (part.length > 600_000) return exchange.close();
      await exchange.head(206, head);
      await exchange.body(part);
      exchange.close();
    });
    const repository = repositoryAt(server.host, { attempts: 2 });
    const bytes = await collect(repository.blob({ ...blob, size: large.length }));
    expect(Buffer.compare(bytes, large)).toBe(0);
    // fetch asks a second time by itself when a connection ends without a word.
    const different = [...new Set(asked)];
    expect(different.slice(0, 5)).toEqual([
      "all",
      "bytes=0-262143",
      "bytes=262144-1310719",
      "bytes=262144-524287",
      "bytes=524288-786431",
    ]);
  });

  test("416: all is read again", async () => {
    const refuses: Lie = (exchange) => exchange.respond(416, {}, "");
    const { bytes, asked } = await pull(inTurn(breaksAfter(20_000), refuses, honest));
    expect(await bytes()).toEqual(content);
    expect(asked()[2]?.headers.range).toBeUndefined();
  });

  test("206 to somebody who asked for all: refused", async () => {
    const { bytes } = await pull((exchange) => exchange.respond(206, {}, content));
    expect((await failure(bytes())).code).toBe("registry.bad_answer");
  });
});

describe("wrong lengths", () => {
  const lengths: Readonly<Record<string, Lie>> = {
    "shorter, and says so": (exchange) => exchange.respond(200, {}, content.subarray(1)),
    "longer, and says so": (exchange) => exchange.respond(200, {}, Buffer.concat([content, content])),
    "longer, chunked": chunked(Buffer.concat([content, Buffer.from("x")])),
  };
  for (const [what, act] of Object.entries(lengths)) {
    test(`${what}: an error`, async () => {
      const { bytes, asked } = await pull(act);
      const { code, message } = await failure(bytes());
      expect(code).toBe("registry.bad_answer");
      expect(message).toMatch(/bytes/);
      expect(asked().length).toBeLessThanOrEqual(3);
    });
  }

  test("never more than `size` bytes come out", async () => {
    const { repository } = await pull(chunked(Buffer.concat([content, content])));
    let count = 0;
    await failure(
      (async () => {
        for await (const part of repository.blob(blob)) count += part.length;
      })(),
    );
    expect(count).toBeLessThanOrEqual(size);
  });

  test("shorter, chunked: an error after all attempts, resumed in between", async () => {
    const { bytes, asked } = await pull(chunked(content.subarray(0, size - 1)), { attempts: 2 });
    const { code } = await failure(bytes());
    expect(["registry.broken_connection", "registry.bad_answer"]).toContain(code);
    expect(asked()[1]?.headers.range).toBe(`bytes=${size - 1}-`);
  });

  test("a Content-Encoding that changes nothing is let pass, another is refused", async () => {
    const same: Lie = (exchange) => exchange.respond(200, { "content-encoding": "gzip" }, content);
    expect(await (await pull(same)).bytes()).toEqual(content);
    const zipped = Bun.gzipSync(content);
    const other: Lie = (exchange) => exchange.respond(200, { "content-encoding": "gzip" }, zipped);
    const refused = async (lie: Lie) => {
      const { bytes, asked } = await pull(lie);
      const { code, message } = await failure(bytes());
      // Asking again would not change it.
      expect([code, asked().length]).toEqual(["registry.bad_answer", 1]);
      expect(message).toContain("is sent compressed (Content-Encoding: gzip)");
    };
    await refused(other);
    const unknown: Lie = async (exchange) => {
      await exchange.head(200, { "content-encoding": "gzip", connection: "close" });
      await exchange.body(zipped);
      exchange.close();
    };
    await refused(unknown);
  });
});

describe("silence", () => {
  const silent: Lie = (exchange) => exchange.silence();

  test("before an answer", async () => {
    const { bytes, asked } = await pull(silent, { stallMs: 100, attempts: 2 });
    const { code, message } = await failure(bytes());
    expect([code, asked().length]).toEqual(["registry.stalled", 2]);
    expect(message).toContain("0.1 seconds (tried 2 times)");
  });

  test("in the middle: goes on elsewhere in the time that is left to it", async () => {
    const stalls: Lie = async (exchange) => {
      await exchange.head(200, { "content-length": String(size) });
      await exchange.body(content.subarray(0, 30_000));
      await exchange.silence();
    };
    const { bytes, events } = await pull(inTurn(stalls, honest), { stallMs: 200 });
    expect(await bytes()).toEqual(content);
    expect(events.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/sent nothing for 0.2 seconds/),
    ]);
  });

  test("of the consumer is not the server's: a slow reader is not stalled", async () => {
    const { repository } = await pull(honest, { stallMs: 60 });
    let count = 0;
    for await (const part of repository.blob(blob)) {
      count += part.length;
      await Bun.sleep(100);
    }
    expect(count).toBe(size);
  });
});

describe("nothing is left behind", () => {
  const endless: Lie = async (exchange: Exchange) => {
    await exchange.head(200, { "content-length": String(size) });
    await exchange.body(content.subarray(0, 1000));
    await exchange.silence();
  };

  test("a consumer that stops early closes the connection", async () => {
    const closed = Promise.withResolvers<void>();
    const { repository } = await pull(async (exchange) => {
      exchange.socket.once("close", () => closed.resolve());
      await endless(exchange);
    });
    for await (const part of repository.blob(blob)) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    await closed.promise;
  });

  test("an aborted signal ends it at once, with its reason, and closes the connection", async () => {
    for (const whose of ["own", "all"] as const) {
      const closed = Promise.withResolvers<void>();
      const controller = new AbortController();
      const { repository } = await pull(
        async (exchange) => {
          exchange.socket.once("close", () => closed.resolve());
          setTimeout(() => controller.abort(new Error("enough")), 30);
          await endless(exchange);
        },
        { stallMs: 60_000, signal: whose === "all" ? controller.signal : undefined },
      );
      const bytes = collect(
        repository.blob(blob, { signal: whose === "own" ? controller.signal : undefined }),
      );
      expect(await bytes.catch((error: Error) => error.message)).toBe("enough");
      await closed.promise;
    }
  });

  test("a signal that is aborted before: nothing is sent", async () => {
    const { repository, server } = await pull(honest);
    const bytes = collect(repository.blob(blob, { signal: AbortSignal.abort(new Error("no")) }));
    expect(await bytes.catch((error: Error) => error.message)).toBe("no");
    expect(server.requests.filter(({ path }) => path.includes("blobs"))).toEqual([]);
  });

  test("a wait between attempts ends with the signal", async () => {
    const controller = new AbortController();
    const { repository } = await pull((exchange) => exchange.respond(503, { "retry-after": "50" }, ""), {
      signal: controller.signal,
      onRetry: () => setTimeout(() => controller.abort(new Error("enough")), 10),
    });
    const bytes = collect(repository.blob(blob));
    expect(await bytes.catch((error: Error) => error.message)).toBe("enough");
  });

  test("listeners of a signal that lives longer than many requests", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...words: Parameters<typeof add>) => {
      listeners += 1;
      add(...words);
    };
    signal.removeEventListener = (...words: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...words);
    };
    const { repository } = await pull(honest, { signal });
    for (let count = 0; count < 5; count += 1) await collect(repository.blob(blob));
    expect(listeners).toBeLessThanOrEqual(1);
  });

  test("a server that is read slowly has to wait", async () => {
    const large = 64 << 20;
    let sent = 0;
    const { repository } = await pull(async (exchange) => {
      await exchange.head(200, { "content-length": String(large) });
      const part = Buffer.alloc(64 << 10);
      for (; sent < large; sent += part.length) await exchange.body(part);
    });
    const stream = repository.blob({ ...blob, size: large });
    await stream.next();
    await Bun.sleep(200);
    expect(sent).toBeLessThan(large / 2);
    await stream.return();
  });
});

describe("a blob that is not there", () => {
  test("404: no second question", async () => {
    const { bytes, asked } = await pull((exchange) => exchange.respond(404, {}, ""));
    expect((await failure(bytes())).code).toBe("registry.not_found");
    expect(asked()).toHaveLength(1);
  });

  test("a foreign layer is fetched from the registry, never from the manifest's URLs", async () => {
    const elsewhere = await start(honest);
    const foreign = { ...blob, urls: [`${elsewhere.url}/layer`] };
    const { repository } = await pull((exchange) => exchange.respond(404, {}, ""));
    const { code, message } = await failure(collect(repository.blob(foreign)));
    expect([code, elsewhere.requests.length]).toEqual(["registry.not_found", 0]);
    expect(message).toContain(elsewhere.host);
    const served = await pull(honest);
    expect(await collect(served.repository.blob(foreign))).toEqual(content);
  });

  test("descriptors that make no sense: nothing is asked", async () => {
    const { repository, asked } = await pull(honest);
    for (const digest of ["sha256:../../etc", "sha256:", `sha1:${"0".repeat(40)}`, `${blob.digest}/../x`]) {
      expect((await failure(collect(repository.blob({ ...blob, digest })))).code).toBe("registry.bad_answer");
    }
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 60]) {
      expect((await failure(collect(repository.blob({ ...blob, size: bad })))).code).toBe(
        "registry.bad_answer",
      );
    }
    expect(asked()).toEqual([]);
  });
});
