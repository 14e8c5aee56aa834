import { describe, expect, test } from "bun:test";
import type { Lie } from "../../../test/support/registry/proxy.ts";
import { failure, honest, type TestOptions, useRegistry } from "../registry.fixture.ts";

const { serve } = useRegistry();

async function ask(act: Lie, options: TestOptions = {}) {
  const { repository, events, asked } = await serve(act, options);
  return { asked: () => asked().length, events, answer: () => repository.manifest("latest", 1 << 20) };
}

const says =
  (status: number, body = "", headers: Record<string, string> = {}): Lie =>
  (exchange) =>
    exchange.respond(status, headers, body);

const errors = (message: string, code = "DENIED") => JSON.stringify({ errors: [{ code, message }] });

describe("statuses that do not pass: one question, and what the registry says", () => {
  const answers: readonly (readonly [number, string, string, RegExp])[] = [
    [404, errors("manifest unknown"), "registry.not_found", /does not have a\/b:latest: manifest unknown$/],
    [
      401,
      errors("authentication required"),
      "registry.not_found",
      /or it is private: authentication required$/,
    ],
    [403, errors("go away"), "registry.denied", /denies access to a\/b:latest: go away$/],
    [400, errors("", "NAME_INVALID"), "registry.bad_answer", /status 400 .*NAME_INVALID$/],
    [418, "{}", "registry.bad_answer", /status 418/],
    [204, "", "registry.bad_answer", /status 204/],
    [304, "", "registry.bad_answer", /status 304/],
  ];
  for (const [status, body, code, message] of answers) {
    test(String(status), async () => {
      const { answer, asked } = await ask(says(status, body));
      const error = await failure(answer());
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
      expect(asked()).toBe(1);
    });
  }

  test("a private or missing repository says how to log in", async () => {
    const { answer } = await ask(says(401));
    expect((await failure(answer())).hint).toMatch(/docker login 127\.0\.0\.1:\d+/);
  });

  test("credentials that could not be read explain a refusal", async () => {
    const unread = "credentials could not be read, because docker-credential-x is not in PATH";
    const credentials = { unread, find: async () => undefined };
    for (const status of [401, 403, 404]) {
      const { answer } = await ask(says(status), { credentials });
      expect((await failure(answer())).hint).toBe(unread);
    }
  });

  test("a web page is not repeated, but said", async () => {
    const { answer } = await ask(says(400, "<html>Hotel</html>", { "content-type": "text/html" }));
    const { message, hint } = await failure(answer());
    expect(message).toMatch(/with a web page/);
    expect(message).not.toContain("Hotel");
    expect(hint).toMatch(/is .* a registry/);
  });

  test("a registry's words are cleaned, and cut", async () => {
    const evil = `gone\u001b]0;x\u0007\u202e\r\nerror: fake${"!".repeat(10_000)}`;
    const { answer } = await ask(says(404, errors(evil)));
    const { message } = await failure(answer());
    expect(/[\p{Cc}\p{Cf}]/u.test(message)).toBe(false);
    expect(message.length).toBeLessThan(300);
  });

  test("an error body without end costs little", async () => {
    let sent = 0;
    const { answer } = await ask(async (exchange) => {
      await exchange.head(404, { connection: "close" });
      for (; sent < 1 << 30; sent += 1 << 16) await exchange.body(Buffer.alloc(1 << 16, "x"));
    });
    expect((await failure(answer())).code).toBe("registry.not_found");
    expect(sent).toBeLessThan(64 << 20);
  });

  test("an error body that never comes does not hide the status", async () => {
    const { answer } = await ask(
      async (exchange) => {
        await exchange.head(404, { "content-length": "10" });
        await exchange.silence();
      },
      { stallMs: 50 },
    );
    expect((await failure(answer())).code).toBe("registry.not_found");
  });
});

describe("statuses that may pass", () => {
  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    test(`${status}: asked again`, async () => {
      let first = true;
      const { answer, asked, events } = await ask((exchange) => {
        if (!first) return honest(exchange);
        first = false;
        return exchange.respond(status, {}, errors("busy"));
      });
      await answer();
      expect(asked()).toBe(2);
      expect(events).toMatchObject([
        { what: "manifest latest", attempt: 1, reason: expect.stringContaining("busy") },
      ]);
    });
  }

  test("for ever: given up after the attempts, longer waits each time", async () => {
    const { answer, asked, events } = await ask(says(503, errors("busy")), { attempts: 5, backoffMs: 8 });
    const { code, message } = await failure(answer());
    expect([code, asked()]).toEqual(["registry.unavailable", 5]);
    expect(message).toMatch(/status 503: busy \(tried 5 times\)$/);
    for (const [index, { delayMs }] of events.entries()) {
      expect(delayMs).toBeGreaterThanOrEqual(4 * 2 ** index);
      expect(delayMs).toBeLessThanOrEqual(12 * 2 ** index);
    }
  });

  test("501: what is not implemented will not be in a minute", async () => {
    const { answer, asked } = await ask(says(501));
    await failure(answer());
    expect(asked()).toBe(1);
  });

  test("Retry-After is kept to, in seconds and as a date", async () => {
    const date = () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toUTCString();
    for (const value of [() => "1", date]) {
      let first = true;
      const { answer, events } = await ask((exchange) => {
        if (!first) return honest(exchange);
        first = false;
        return exchange.respond(429, { "retry-after": value() }, "");
      });
      await answer();
      expect(events[0]?.delayMs).toBeGreaterThan(300);
      expect(events[0]?.delayMs).toBeLessThanOrEqual(2000);
    }
  });

  test("a Retry-After beyond a minute: given up at once, saying when", async () => {
    const cases: readonly (readonly [number, string, RegExp])[] = [
      [429, "3600", /in 60 minutes, at \d{4}-\d\d-\d\d \d\d:\d\d UTC/],
      [503, new Date(Date.now() + 600_000).toUTCString(), /in 10 minutes/],
      [429, "9".repeat(30), /much later/],
    ];
    for (const [status, value, hint] of cases) {
      const { answer, asked } = await ask(says(status, "", { "retry-after": value }));
      const error = await failure(answer());
      expect(error.code).toBe(status === 429 ? "registry.rate_limited" : "registry.unavailable");
      expect(error.hint).toMatch(hint);
      expect(asked()).toBe(1);
    }
  });
});
