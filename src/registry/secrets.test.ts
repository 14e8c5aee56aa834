import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import type { Lie } from "../../test/support/registry/proxy.ts";
import type { Credentials } from "./credentials/index.ts";
import { blob, collect, repositoryAt, useRegistry } from "./registry.fixture.ts";

/** Whatever a server does with what it was sent, no secret comes back to a screen or a log (reliability 2c). */

const { start } = useRegistry();

const MARK = "canary";
const password = `${MARK}-pass word"\\ü`;
const encoded = Buffer.from(`me:${password}`).toString("base64");

/** Says back everything that it was told, in every place where there is room. */
const echo =
  (status: number, headers: (said: string) => Record<string, string> = () => ({})): Lie =>
  async (exchange) => {
    const { path, headers: sent } = exchange.request;
    const authorization = sent.authorization ?? "";
    const plain = Buffer.from(authorization.replace("Basic ", ""), "base64").toString();
    const said = `${authorization} ${plain} ${decodeURIComponent(path)} ${encodeURIComponent(plain)}`;
    const words = { message: said, detail: said, error: said, code: said, error_description: said };
    await exchange.respond(status, headers(said), JSON.stringify({ ...words, errors: [words] }));
  };

/** All that a user could see of a failure. */
async function everything(act: Lie, credentials: Credentials, tokens: Lie): Promise<string> {
  const seen: unknown[] = [];
  const tokenServer = await start(tokens);
  let first = true;
  const server = await start(async (exchange) => {
    if (!first) return await act(exchange);
    first = false;
    const bearer = `Bearer realm="${tokenServer.url}/token",scope="repository:a/b:pull"`;
    await exchange.respond(401, { "www-authenticate": `${bearer}, Basic realm="x"` }, "");
  });
  const repository = repositoryAt(server.host, {
    login: { [server.host]: credentials },
    proxy: { url: `http://me:${MARK}-proxy@127.0.0.1:1` },
    onRetry: (event) => seen.push(event),
    stallMs: 50,
  });
  const written: unknown[] = [];
  const consoles = ["log", "error", "warn", "info", "debug"] as const;
  const saved = consoles.map((name) => console[name]);
  for (const name of consoles) console[name] = (...words: unknown[]) => void written.push(words);
  try {
    for (const attempt of [
      () => repository.manifest("latest", 1 << 20),
      () => repository.resolve("latest", 1 << 20),
      () => collect(repository.blob(blob)),
    ]) {
      await attempt().then(
        () => seen.push("it worked"),
        (error: Error) => seen.push(error, error.stack, String(error), error.cause),
      );
    }
  } finally {
    for (const [index, name] of consoles.entries()) console[name] = saved[index] ?? console[name];
  }
  expect(written).toEqual([]);
  return inspect(seen, { depth: 10, showHidden: true });
}

const gives: Lie = (exchange) => exchange.respond(200, {}, JSON.stringify({ token: `${MARK}-token` }));

describe("no secret in any error or event", () => {
  const kinds: Readonly<Record<string, Credentials>> = {
    "a password": { username: "me", password },
    "an identity token": { identityToken: `${MARK}-identity` },
    "a token": { registryToken: `${MARK}-own` },
  };
  const answers: Readonly<Record<string, Lie>> = {
    "echoes it with 400": echo(400),
    "echoes it with 401": echo(401, () => ({ "www-authenticate": 'Basic realm="again"' })),
    "echoes it with 403": echo(403),
    "echoes it with 404": echo(404),
    "echoes it with 429": echo(429),
    "echoes it with 500": echo(500),
    "echoes it as a manifest": echo(200, () => ({ "content-type": "application/json" })),
    "redirects to it": echo(307, (said) => ({ location: `http://${encodeURIComponent(said)}/` })),
    "redirects with it": echo(307, (said) => ({
      location: `http://me:${encodeURIComponent(said)}@127.0.0.1/`,
    })),
    "hangs up": (exchange) => exchange.close(),
    "is silent": (exchange) => exchange.silence(),
  };
  for (const [kind, credentials] of Object.entries(kinds)) {
    for (const [what, act] of Object.entries(answers)) {
      test(`${kind}, when the registry ${what}`, async () => {
        const seen = await everything(act, credentials, gives);
        expect(seen).toContain("SmolError");
        expect(seen).not.toContain(MARK);
        expect(seen).not.toContain(encoded);
      });
    }
    for (const status of [200, 400, 401, 403, 500]) {
      test(`${kind}, when the token server echoes it with ${status}`, async () => {
        const seen = await everything(echo(404), credentials, echo(status));
        expect(seen).not.toContain(MARK);
        expect(seen).not.toContain(encoded);
      });
    }
  }
});
