import { describe, expect, test } from "bun:test";
import type { Lie } from "../../../test/support/registry/proxy.ts";
import { blob, collect, content, failure, honest, repositoryAt, useRegistry } from "../registry.fixture.ts";

const { start } = useRegistry();

const login = { username: "me", password: "canary-password" };

const to =
  (location: string, status = 307): Lie =>
  (exchange) =>
    exchange.respond(status, { location }, "");

/** Wants a password, and then does something. */
const behindPassword =
  (act: Lie): Lie =>
  async (exchange) => {
    if (exchange.request.headers.authorization !== undefined) return await act(exchange);
    await exchange.respond(401, { "www-authenticate": 'Basic realm="x"' }, "");
  };

describe("blobs at a storage elsewhere", () => {
  test("are fetched, with Range, and without Authorization (CVE-2020-15157)", async () => {
    let broken = false;
    const storage = await start(async (exchange) => {
      if (broken) return await honest(exchange);
      broken = true;
      await exchange.head(200, { "content-length": String(content.length) });
      await exchange.body(content.subarray(0, 1000));
      await Bun.sleep(20);
      exchange.close();
    });
    for (const status of [301, 302, 303, 307, 308]) {
      broken = false;
      const registry = await start(behindPassword(to(`${storage.url}/signed?key=canary-signature`, status)));
      const repository = repositoryAt(registry.host, { login: { [registry.host]: login } });
      expect(await collect(repository.blob(blob))).toEqual(content);
    }
    expect(storage.requests.length).toBeGreaterThanOrEqual(10);
    for (const { headers } of storage.requests) expect(headers.authorization).toBeUndefined();
    expect(storage.requests.some(({ headers }) => headers.range === "bytes=1000-")).toBe(true);
  });

  test("Authorization is not taken up again when a redirect leads back", async () => {
    const registry = await start(
      behindPassword(async (exchange) => {
        const { path } = exchange.request;
        await exchange.respond(307, { location: `${storage.url}${path}` }, "");
      }),
    );
    const storage = await start(async (exchange) => {
      await exchange.respond(307, { location: `${registry.url}/back` }, "");
    });
    const repository = repositoryAt(registry.host, { login: { [registry.host]: login } });
    await failure(collect(repository.blob(blob)));
    const back = registry.requests.filter(({ path }) => path === "/back");
    expect(back.length).toBeGreaterThan(0);
    expect(back[0]?.headers.authorization).toBeUndefined();
  });

  test("on the same origin it is kept", async () => {
    const registry = await start(
      behindPassword((exchange) =>
        exchange.request.path === "/moved"
          ? honest(exchange)
          : exchange.respond(307, { location: "/moved" }, ""),
      ),
    );
    const repository = repositoryAt(registry.host, { login: { [registry.host]: login } });
    expect(await collect(repository.blob(blob))).toEqual(content);
  });

  test("another port is another origin", async () => {
    const other = await start((exchange) =>
      exchange.respond(401, { "www-authenticate": 'Basic realm="give"' }, ""),
    );
    const registry = await start(behindPassword(to(`${other.url}/x`)));
    const repository = repositoryAt(registry.host, {
      login: { [registry.host]: login, [other.host]: login },
    });
    const { code, message } = await failure(collect(repository.blob(blob)));
    expect([code, message]).toEqual(["registry.bad_answer", expect.stringContaining(other.host)]);
    for (const { headers } of other.requests) expect(headers.authorization).toBeUndefined();
  });

  test("a storage that wants a password gets none, and makes us show none to the registry", async () => {
    const storage = await start((exchange) =>
      exchange.respond(401, { "www-authenticate": 'Basic realm="give"' }, ""),
    );
    const registry = await start(to(`${storage.url}/x`));
    const repository = repositoryAt(registry.host, {
      login: { [registry.host]: login, [storage.host]: login },
    });
    expect((await failure(collect(repository.blob(blob)))).code).toBe("registry.bad_answer");
    for (const { headers } of [...registry.requests, ...storage.requests]) {
      expect(headers.authorization).toBeUndefined();
    }
  });

  test("a signed address is in no message", async () => {
    const storage = await start((exchange) => exchange.respond(403, {}, "no"));
    const registry = await start(to(`${storage.url}/x?signature=canary-signature`));
    const { message, hint } = await failure(collect(repositoryAt(registry.host).blob(blob)));
    expect(`${message} ${hint}`).not.toContain("canary");
    expect(message).toContain(storage.host);
  });
});

describe("refused", () => {
  const targets = [
    "",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:text/plain,x",
    "http://[",
    "http://me:canary@127.0.0.1/",
    "https://canary@127.0.0.1/",
    `http://127.0.0.1/${"x".repeat(20_000)}`,
    "unix:///run/x",
    "javascript:alert(1)",
  ];
  for (const target of targets) {
    test(JSON.stringify(target).slice(0, 60), async () => {
      const registry = await start(to(target));
      const { code, message } = await failure(collect(repositoryAt(registry.host).blob(blob)));
      expect([code, message]).toEqual(["registry.bad_answer", expect.stringMatching(/redirects to/)]);
      expect(message).not.toContain("canary");
      expect(message.length).toBeLessThan(300);
    });
  }

  test("no Location at all", async () => {
    const registry = await start((exchange) => exchange.respond(302, {}, ""));
    expect((await failure(collect(repositoryAt(registry.host).blob(blob)))).message).toMatch(
      /redirects to nowhere/,
    );
  });

  test("a circle, of one and of two", async () => {
    const one = await start((exchange) => exchange.respond(307, { location: exchange.request.path }, ""));
    expect((await failure(collect(repositoryAt(one.host).blob(blob)))).message).toMatch(/circle/);
    expect(one.requests.length).toBeLessThanOrEqual(2);
    const two = await start((exchange) => exchange.respond(307, { location: `${one.url}/x` }, ""));
    expect((await failure(collect(repositoryAt(two.host).blob(blob)))).message).toMatch(/circle/);
  });

  test("more than ten", async () => {
    let count = 0;
    const registry = await start((exchange) => {
      count += 1;
      return exchange.respond(307, { location: `/${count}` }, "");
    });
    expect((await failure(collect(repositoryAt(registry.host).blob(blob)))).message).toMatch(
      /more than 10 times/,
    );
    expect(count).toBe(11);
  });
});
