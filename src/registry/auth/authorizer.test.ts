import { describe, expect, test } from "bun:test";
import type { Lie, LyingProxy } from "../../../test/support/registry/proxy.ts";
import { CredentialHome } from "../credentials/credentials.fixture.ts";
import type { Credentials } from "../credentials/index.ts";
import {
  blob,
  collect,
  content,
  failure,
  honest,
  repositoryAt,
  type TestOptions,
  useRegistry,
  withoutPings,
} from "../registry.fixture.ts";

const { start } = useRegistry();

const MAX = 1 << 20;
const password = "canary-password";
const login = { username: "me", password };
const basic = `Basic ${Buffer.from(`me:${password}`).toString("base64")}`;

interface Tokens {
  /** What the token server answers; default: a new token. */
  readonly answer?: Lie | undefined;
  readonly credentials?: Credentials | undefined;
  readonly challenge?: ((realm: string) => string) | undefined;
  readonly options?: TestOptions | undefined;
  readonly registry?: Lie | undefined;
}

/** A registry that wants tokens, and the server that gives them. */
async function withTokens({ answer, credentials, challenge, options = {}, registry = honest }: Tokens = {}) {
  const valid = new Set<string>();
  let count = 0;
  const tokens = await start(async (exchange) => {
    if (answer !== undefined) return await answer(exchange);
    count += 1;
    const token = `canary-token-${count}`;
    valid.add(token);
    await exchange.respond(200, {}, JSON.stringify({ token, expires_in: 300 }));
  });
  const makeChallenge =
    challenge ?? ((realm) => `Bearer realm="${realm}",service="test",scope="repository:a/b:pull"`);
  const server = await start(async (exchange) => {
    const sent = exchange.request.headers.authorization ?? "";
    if (valid.has(sent.replace("Bearer ", ""))) return await registry(exchange);
    const body = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}';
    await exchange.respond(401, { "www-authenticate": makeChallenge(`${tokens.url}/token`) }, body);
  });
  const login = credentials && { [server.host]: credentials };
  const repository = repositoryAt(server.host, { login, ...options });
  return { server, tokens, valid, repository };
}

const asked = ({ requests }: LyingProxy) => withoutPings(requests);
const query = (server: LyingProxy, index = 0) =>
  new URL(asked(server)[index]?.path ?? "", "http://x").searchParams;

describe("tokens", () => {
  test("a credsStore without its program: what everybody may pull is pulled, a refusal says what is missing", async () => {
    const home = new CredentialHome();
    try {
      home.write(".docker/config.json", { credsStore: "gone" });
      const open = await withTokens({ options: { credentials: home.open() } });
      await open.repository.manifest("latest", MAX);
      expect(asked(open.tokens)[0]?.headers.authorization).toBeUndefined();
      const closed = await withTokens({
        options: { credentials: home.open() },
        answer: (exchange) => exchange.respond(401, {}, "{}"),
      });
      const { code, hint } = await failure(closed.repository.manifest("latest", MAX));
      expect([code, hint]).toEqual(["registry.not_found", expect.stringContaining("docker-credential-gone")]);
    } finally {
      home.remove();
    }
  });

  test("for everybody: no credentials are sent, and one token is enough for many requests", async () => {
    const { repository, tokens, server } = await withTokens();
    await repository.manifest("latest", MAX);
    await Promise.all(Array.from({ length: 4 }, () => collect(repository.blob(blob))));
    expect(asked(tokens)).toHaveLength(1);
    expect(asked(tokens)[0]?.headers.authorization).toBeUndefined();
    expect(query(tokens).getAll("scope")).toEqual(["repository:a/b:pull"]);
    expect(query(tokens).get("service")).toBe("test");
    // One question without a token, and then each with it.
    expect(asked(server)).toHaveLength(6);
  });

  test("several requests at once wait for one token", async () => {
    const { repository, tokens } = await withTokens();
    await Promise.all(Array.from({ length: 4 }, () => collect(repository.blob(blob))));
    expect(asked(tokens).length).toBe(1);
  });

  test("with a password, which the token server alone sees", async () => {
    const { repository, tokens, server } = await withTokens({ credentials: login });
    await repository.manifest("latest", MAX);
    expect(asked(tokens)[0]?.headers.authorization).toBe(basic);
    expect(query(tokens).get("account")).toBe("me");
    for (const { headers } of asked(server)) expect(headers.authorization ?? "").not.toContain("Basic");
  });

  test("with an identity token: OAuth 2.0, in the body of a POST", async () => {
    const { repository, tokens } = await withTokens({ credentials: { identityToken: "canary-identity" } });
    await repository.manifest("latest", MAX);
    const [request] = asked(tokens);
    expect([request?.method, request?.path]).toEqual(["POST", "/token"]);
    expect(request?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  });

  test("what an identity token's request says", async () => {
    const forms: Record<string, string>[] = [];
    const tokens = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        forms.push(Object.fromEntries(new URLSearchParams(await request.text())));
        return Response.json({ access_token: "canary-good", expires_in: 60 });
      },
    });
    const made = await withTokens({
      credentials: { identityToken: "canary-identity" },
      challenge: () =>
        `Bearer realm="http://127.0.0.1:${tokens.port}/token",service="s",scope="repository:a/b:pull"`,
    });
    made.valid.add("canary-good");
    await made.repository.manifest("latest", MAX);
    await tokens.stop(true);
    expect(forms).toEqual([
      {
        grant_type: "refresh_token",
        service: "s",
        client_id: "smolvm",
        scope: "repository:a/b:pull",
        refresh_token: "canary-identity",
      },
    ]);
  });

  test("a token of the user's own is used as it is", async () => {
    const { repository, valid, tokens } = await withTokens({ credentials: { registryToken: "canary-own" } });
    valid.add("canary-own");
    await repository.manifest("latest", MAX);
    expect(asked(tokens)).toEqual([]);
  });

  test("a token of the user's own that would be another header: refused", async () => {
    const { repository, server } = await withTokens({
      credentials: { registryToken: "canary\r\nX-Evil: 1" },
    });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.unauthorized");
    expect(asked(server)).toHaveLength(1);
  });

  test("several scopes, and none: our own", async () => {
    const several = await withTokens({
      challenge: (realm) => `Bearer realm="${realm}",scope="repository:a/b:pull repository:c:pull"`,
    });
    await several.repository.manifest("latest", MAX);
    expect(query(several.tokens).getAll("scope")).toEqual(["repository:a/b:pull", "repository:c:pull"]);
    const none = await withTokens({ challenge: (realm) => `Bearer realm="${realm}?x=1"` });
    await none.repository.manifest("latest", MAX);
    expect([query(none.tokens).get("scope"), query(none.tokens).get("x")]).toEqual([
      "repository:a/b:pull",
      "1",
    ]);
  });

  test("access_token, and a time that is missing or nonsense", async () => {
    for (const fields of [{}, { expires_in: "soon" }, { expires_in: -5 }, { expires_in: 1e300 }]) {
      const { repository, valid } = await withTokens({
        answer: (exchange) =>
          exchange.respond(200, {}, JSON.stringify({ access_token: "canary-t", ...fields })),
      });
      valid.add("canary-t");
      await repository.manifest("latest", MAX);
      await repository.manifest("latest", MAX);
    }
  });

  test("that has ended is renewed before it is used again", async () => {
    const { repository, tokens, server } = await withTokens({
      answer: (exchange) => exchange.respond(200, {}, '{"token":"canary-short","expires_in":5}'),
    });
    await failure(repository.manifest("latest", MAX));
    const before = asked(tokens).length;
    await failure(repository.manifest("latest", MAX));
    expect(asked(tokens).length).toBeGreaterThan(before);
    // Never without a token after the first time.
    expect(asked(server).filter(({ headers }) => headers.authorization === undefined)).toHaveLength(1);
  });

  test("that ends in the middle of a blob: a new one, and on where it broke", async () => {
    let broken = false;
    const made = await withTokens({
      registry: async (exchange) => {
        if (broken) return await honest(exchange);
        broken = true;
        made.valid.clear();
        await exchange.head(200, { "content-length": String(content.length) });
        await exchange.body(content.subarray(0, 20_000));
        await Bun.sleep(20);
        exchange.close();
      },
    });
    expect(await collect(made.repository.blob(blob))).toEqual(content);
    expect(asked(made.tokens)).toHaveLength(2);
    expect(asked(made.server).map(({ status, headers }) => [status, headers.range])).toEqual([
      [401, undefined],
      [200, undefined],
      [401, "bytes=20000-"],
      [206, "bytes=20000-"],
    ]);
  });

  test("that is never good enough: two questions, then the truth", async () => {
    const anonymous = await withTokens({
      answer: (exchange) => exchange.respond(200, {}, '{"token":"canary-no"}'),
    });
    expect((await failure(anonymous.repository.manifest("latest", MAX))).code).toBe("registry.not_found");
    expect(asked(anonymous.server)).toHaveLength(2);
    const known = await withTokens({
      answer: (exchange) => exchange.respond(200, {}, '{"token":"canary-no"}'),
      credentials: login,
    });
    const error = await failure(known.repository.manifest("latest", MAX));
    expect([error.code, error.message]).toEqual([
      "registry.unauthorized",
      expect.stringMatching(/does not let you/),
    ]);
  });
});

describe("the token server", () => {
  test("does not like our password: said, and not tried again", async () => {
    for (const status of [401, 403]) {
      const { repository, tokens } = await withTokens({
        answer: (exchange) => exchange.respond(status, {}, `{"details":"wrong: ${password}"}`),
        credentials: login,
      });
      const { code, message } = await failure(repository.manifest("latest", MAX));
      expect(code).toBe("registry.unauthorized");
      expect(message).toMatch(/does not accept your credentials: wrong: \*\*\*$/);
      expect(asked(tokens)).toHaveLength(1);
    }
  });

  test("gives nothing to people it does not know: not found, or private", async () => {
    const { repository } = await withTokens({ answer: (exchange) => exchange.respond(403, {}, "{}") });
    expect((await failure(repository.manifest("latest", MAX))).message).toMatch(/or it is private/);
  });

  test("fails: tried again", async () => {
    let first = true;
    const made = await withTokens({
      answer: async (exchange) => {
        if (first) {
          first = false;
          return await exchange.respond(502, {}, "");
        }
        made.valid.add("canary-late");
        await exchange.respond(200, {}, '{"token":"canary-late"}');
      },
    });
    await made.repository.manifest("latest", MAX);
  });

  const nonsense: Readonly<Record<string, string>> = {
    "no JSON": "<html>",
    "an array": "[]",
    nothing: "",
    "no token": "{}",
    "a number": '{"token":5}',
    "an empty one": '{"token":""}',
    "one that would be another header": '{"token":"a\\r\\nX-Evil: 1"}',
    "one with blanks": '{"token":"a b"}',
    "one beyond ASCII": '{"token":"\u00e9\u20ac"}',
    "one of half a megabyte": JSON.stringify({ token: "x".repeat(1 << 19) }),
  };
  for (const [what, body] of Object.entries(nonsense)) {
    test(`answers with ${what}: refused`, async () => {
      const { repository } = await withTokens({ answer: (exchange) => exchange.respond(200, {}, body) });
      const { code, message } = await failure(repository.manifest("latest", MAX));
      expect([code, message]).toEqual(["registry.bad_answer", expect.stringMatching(/gives no token/)]);
    });
  }

  test("answers without end: refused", async () => {
    const { repository } = await withTokens({
      answer: async (exchange) => {
        await exchange.head(200, { connection: "close" });
        for (let sent = 0; sent < 1 << 28; sent += 1 << 16) await exchange.body(Buffer.alloc(1 << 16, " "));
      },
    });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.too_large");
  });

  test("redirects: the password stays, and an identity token goes nowhere", async () => {
    const thief = await start((exchange) => exchange.respond(200, {}, '{"token":"canary-x"}'));
    const elsewhere: Lie = (exchange) => exchange.respond(307, { location: `${thief.url}/x` }, "");
    const first = await withTokens({ answer: elsewhere, credentials: login });
    await failure(first.repository.manifest("latest", MAX));
    expect(thief.requests.length).toBeGreaterThan(0);
    for (const { headers } of thief.requests) expect(headers.authorization).toBeUndefined();
    const before = thief.requests.length;
    const second = await withTokens({ answer: elsewhere, credentials: { identityToken: "canary-i" } });
    expect((await failure(second.repository.manifest("latest", MAX))).code).toBe("registry.bad_answer");
    expect(thief.requests.length).toBe(before);
  });
});

describe("the realm", () => {
  const refused = [
    "http://tokens.example/token",
    "http://127.0.0.1.example/token",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "//tokens.example",
    "token",
    "https://me:canary@tokens.example/",
    "",
  ];
  for (const realm of refused) {
    test(`${JSON.stringify(realm)}: refused, nothing is sent`, async () => {
      const outside = await start(honest);
      const { repository } = await withTokens({
        challenge: () => `Bearer realm="${realm}"`,
        credentials: login,
        options: { proxy: { url: outside.url } },
      });
      const { code, message } = await failure(repository.manifest("latest", MAX));
      expect([code, outside.requests.length]).toEqual(["registry.bad_answer", 0]);
      expect(message).toMatch(/sends us for a token to an address/);
      expect(message).not.toContain("canary");
    });
  }
});

describe("passwords (Basic)", () => {
  const wantsBasic: Lie = async (exchange) => {
    if (exchange.request.headers.authorization === basic) return await honest(exchange);
    await exchange.respond(401, { "www-authenticate": 'Negotiate, Basic realm="x"' }, "");
  };

  test("are sent when asked for, and not before", async () => {
    const server = await start(wantsBasic);
    const repository = repositoryAt(server.host, { login: { [server.host]: login } });
    await repository.manifest("latest", MAX);
    expect(await collect(repository.blob(blob))).toEqual(content);
    expect(asked(server).map(({ headers }) => headers.authorization)).toEqual([undefined, basic, basic]);
  });

  test("wrong: refused after one try", async () => {
    const server = await start(wantsBasic);
    const wrong = { username: "me", password: "canary-wrong" };
    const repository = repositoryAt(server.host, { login: { [server.host]: wrong } });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.unauthorized");
    expect(asked(server)).toHaveLength(2);
  });

  test("of another registry are not used", async () => {
    const server = await start(wantsBasic);
    const repository = repositoryAt(server.host, { login: { "127.0.0.1": login, "docker.io": login } });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.not_found");
    for (const { headers } of server.requests) expect(headers.authorization).toBeUndefined();
  });

  test("an identity token is no password", async () => {
    const server = await start(wantsBasic);
    const repository = repositoryAt(server.host, { login: { [server.host]: { identityToken: "canary-i" } } });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.unauthorized");
  });
});
