import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import {
  type Authority,
  blobTraffic,
  createAuthority,
  dropAfter,
  expectNowhere,
  isBlobOf,
  isManifest,
  PullHome,
  type Rule,
  randomBytes,
  reply,
  requireToken,
  type SeenRequest,
  type Server,
  startDockerRegistry,
  startProxy,
  startTokenServer,
  type TokenServer,
  useRegistry,
} from "../support/registry/index.ts";

/** Who one is: tokens, passwords, and where they come from; and that they go nowhere else. */

setDefaultTimeout(30_000);

const { server, scratch, push } = useRegistry();

/** Occurs nowhere but where it belongs. */
const PASSWORD = "canary-7d1f:with:colons";
const users = { me: PASSWORD };
const encoded = Buffer.from(`me:${PASSWORD}`).toString("base64");

const layers = [tarOf({ path: "large", data: randomBytes(1_200_000) }), tarOf({ path: "small", data: "y" })];
let large: string;
let authority: Authority;
/** Without authentication. */
let plain: Server;

beforeAll(async () => {
  authority = createAuthority(scratch.path);
  plain = server(await startDockerRegistry());
  await push(plain, layers, "team/image:1", {
    editManifest: ({ layers: [first] }) => {
      large = first?.digest ?? "";
    },
  });
});

/** Pushes the image to a registry that wants a password. */
const pushAs = async (registry: Server) =>
  await push(registry, layers, "team/image:1", { credentials: `me:${PASSWORD}` });

const expectNoSecret = (home: PullHome, ...said: string[]) =>
  expectNowhere(home, ["canary-7d1f", encoded], said);

describe("bearer tokens", () => {
  test("of docker-registry: one token, for no more than pulling this repository", async () => {
    const tokens = server(startTokenServer({ authority, users }));
    const registry = server(await startDockerRegistry({ tokens }));
    const reference = await pushAs(registry);
    const before = tokens.requests.length;
    using home = new PullHome();
    home.dockerConfig({ auths: { [registry.host]: { auth: encoded } } });
    const { stderr } = await home.pulled(reference);
    expect(tokens.requests.slice(before)).toEqual([
      {
        method: "GET",
        service: "registry.test",
        scopes: ["repository:team/image:pull"],
        user: "me",
        grant: undefined,
      },
    ]);
    expectNoSecret(home, stderr);
  });

  test("for nobody in particular: no credentials are needed, and none are sent", async () => {
    const tokens = server(startTokenServer({ authority }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests.map(({ user, method }) => [user, method])).toEqual([[undefined, "GET"]]);
  });

  const unknown = '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}';
  /** Says "not found" to whoever has no token; the challenge stands at /v2/ only, for another repository or none. */
  const hiding = (tokens: TokenServer, scope = ""): Rule[] => {
    const general = `Bearer realm="${tokens.realm}",service="registry.test"${scope}`;
    const allowed = ({ headers }: SeenRequest) => tokens.accepts(headers.authorization, "team/image", "pull");
    return [
      { when: ({ path }) => path === "/v2/", act: reply(401, { "www-authenticate": general }) },
      { when: (request) => !allowed(request), act: reply(404, {}, unknown) },
    ];
  };

  test("where everything is not found without one: the challenge of /v2/ is used", async () => {
    for (const scope of ["", ',scope="repository:user/image:pull"']) {
      const tokens = server(startTokenServer({ authority }));
      const proxy = server(await startProxy({ upstream: plain.url, rules: hiding(tokens, scope) }));
      using home = new PullHome();
      await home.pulled(`${proxy.host}/team/image:1`);
      expect(tokens.requests.map(({ scopes }) => scopes)).toEqual([["repository:team/image:pull"]]);
    }
  });

  test("where everything is not found without one, and nobody gives one: not found, and how to log in", async () => {
    const tokens = server(startTokenServer({ authority, users }));
    const proxy = server(await startProxy({ upstream: plain.url, rules: hiding(tokens) }));
    using home = new PullHome();
    const { code, hint } = await home.refused(`${proxy.host}/team/image:1`);
    expect([code, hint]).toEqual(["registry.not_found", expect.stringContaining("docker login")]);
    home.dockerConfig({ auths: { [proxy.host]: { auth: encoded } } });
    await home.pulled(`${proxy.host}/team/image:1`);
  });

  test("an image that is really not there is asked for once more with a token, not for ever", async () => {
    const tokens = server(startTokenServer({ authority }));
    const proxy = server(await startProxy({ rules: hiding(tokens) }));
    using home = new PullHome();
    expect((await home.refused(`${proxy.host}/team/image:1`)).code).toBe("registry.not_found");
    expect(proxy.requests.filter(isManifest)).toHaveLength(2);
  });

  test("that run out in the middle of a pull (docker-registry)", async () => {
    // The registry allows a minute more than the token says.
    const tokens = server(startTokenServer({ authority, seconds: -58, announcedSeconds: 300 }));
    const registry = server(await startDockerRegistry({ tokens }));
    await push(registry, layers, "team/image:1");
    const late = { when: isBlobOf(large), times: 1, act: async () => await Bun.sleep(3000) };
    const proxy = server(await startProxy({ upstream: registry.url, rules: [late] }));
    const before = tokens.requests.length;
    using home = new PullHome('[pull]\nstall_timeout = "10s"\nattempts = 3\n');
    await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests.length - before).toBeGreaterThanOrEqual(2);
    expect(proxy.requests.filter(isBlobOf(large)).map(({ status }) => status)).toEqual([401, 200]);
  });

  test("that run out in the middle of a layer: the download goes on with a new one where it broke", async () => {
    const tokens = server(startTokenServer({ authority }));
    const proxy = server(await startProxy({ upstream: plain.url }));
    const drop = dropAfter(plain.url, 500_000);
    proxy.add(
      { when: () => true, act: requireToken(tokens) },
      {
        when: isBlobOf(large),
        times: 1,
        act: async (exchange) => {
          tokens.revoke();
          await drop(exchange);
        },
      },
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
    const fetches = proxy.requests.filter(isBlobOf(large));
    expect(fetches.at(-1)).toMatchObject({ status: 206, headers: { range: "bytes=500000-" } });
    expect(
      proxy.requests.slice(proxy.requests.indexOf(fetches[0] as SeenRequest)).map(({ status }) => status),
    ).toContain(401);
    expect(blobTraffic(proxy.requests).get(large)?.requests).toBe(2);
    expect(tokens.requests.length).toBeGreaterThanOrEqual(2);
  });

  test("as OAuth2 answers: access_token, without a time", async () => {
    const tokens = server(startTokenServer({ authority, answer: (token) => ({ access_token: token }) }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    await home.pulled(`${proxy.host}/team/image:1`);
  });

  test("for an identity token (docker login with a browser): OAuth2's refresh grant", async () => {
    const refreshTokens = ["canary-7d1f-identity"];
    const tokens = server(startTokenServer({ authority, users, refreshTokens }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    home.dockerConfig({ auths: { [proxy.host]: { identitytoken: "canary-7d1f-identity" } } });
    const { stderr } = await home.pulled(`${proxy.host}/team/image:1`);
    expect(tokens.requests).toEqual([
      expect.objectContaining({ method: "POST", user: "by refresh token", grant: "refresh_token" }),
    ]);
    expectNoSecret(home, stderr);
  });

  test("a wrong password is said as such, without the password", async () => {
    const tokens = server(startTokenServer({ authority, users }));
    const proxy = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    using home = new PullHome();
    const wrong = Buffer.from("me:canary-7d1f-wrong").toString("base64");
    home.dockerConfig({ auths: { [proxy.host]: { auth: wrong } } });
    const error = await home.refused(`${proxy.host}/team/image:1`);
    expect(error.code).toBe("registry.unauthorized");
    expect(tokens.requests.length).toBeLessThanOrEqual(2);
    expectNoSecret(home, JSON.stringify(error));
  });

  const answers: Record<string, [code: string, ...Parameters<typeof reply>]> = {
    "is no JSON": ["registry.bad_answer", 200, {}, "<html>"],
    "has no token": ["registry.bad_answer", 200, {}, "{}"],
    "has a token that would break the request": [
      "registry.bad_answer",
      200,
      {},
      JSON.stringify({ token: "a\r\nX-Evil: 1" }),
    ],
    "is 20 MB": ["registry.too_large", 200, {}, JSON.stringify({ token: "x".repeat(20 << 20) })],
    "leads in a circle": ["registry.bad_answer", 307, { location: "/token" }, ""],
  };
  for (const [what, [expected, ...answer]] of Object.entries(answers)) {
    test(`an answer of the token server that ${what}: refused`, async () => {
      const realm = server(await startProxy({ rules: [{ when: () => true, act: reply(...answer) }] }));
      const bearer = `Bearer realm="${realm.url}/token",service="s",scope="repository:team/image:pull"`;
      const proxy = server(
        await startProxy({ rules: [{ when: () => true, act: reply(401, { "www-authenticate": bearer }) }] }),
      );
      using home = new PullHome();
      const { code, message } = await home.refused(`${proxy.host}/team/image:1`, { seconds: 20 });
      expect([code, message.length < 2000]).toEqual([expected, true]);
      expect(realm.requests.length).toBeLessThanOrEqual(25);
    });
  }

  test("a realm over plain http gets no password (reliability 2c, CVE-2020-15157)", async () => {
    const bearer = 'Bearer realm="http://tokens.example/token",service="s"';
    const proxy = server(
      await startProxy({ rules: [{ when: () => true, act: reply(401, { "www-authenticate": bearer }) }] }),
    );
    // Whatever wants to leave this machine comes by here.
    const outside = server(await startProxy());
    using home = new PullHome();
    home.dockerConfig({ auths: { [proxy.host]: { auth: encoded } } });
    const error = await home.refused(`${proxy.host}/team/image:1`, {
      env: { HTTP_PROXY: outside.url, HTTPS_PROXY: outside.url, NO_PROXY: "127.0.0.1" },
    });
    expect([error.code, outside.requests]).toEqual(["registry.bad_answer", []]);
    expect(error.message).toContain("plain http");
    expectNoSecret(home, JSON.stringify(error));
  });
});

describe("passwords", () => {
  let registry: Server;
  let reference: string;
  beforeAll(async () => {
    registry = server(await startDockerRegistry({ users }));
    reference = await pushAs(registry);
  });

  test("none: refused, and it says how to log in", async () => {
    using home = new PullHome();
    const { code, hint } = await home.refused(reference);
    expect([code, hint]).toEqual(["registry.not_found", expect.stringContaining("docker login")]);
  });

  const helper = (home: PullHome, name: string, script: string) => {
    const bin = `${home.path}/bin`;
    mkdirSync(bin, { recursive: true });
    writeFileSync(`${bin}/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${bin}/docker-credential-${name}`, 0o755);
    return { env: { PATH: `${bin}:/usr/bin:/bin` } };
  };
  /** A helper as docker's credential helpers protocol has it: `get`, the registry on stdin, JSON on stdout. */
  const honest = () => `read host; [ "$1 $host" = "get ${registry.host}" ] || exit 1
printf '{"ServerURL":"%s","Username":"me","Secret":"%s"}' "$host" '${PASSWORD}'`;

  type Setup = (home: PullHome) => { env?: Record<string, string> } | undefined;
  const ways: Record<string, Setup> = {
    "docker's config.json": (home) => {
      home.dockerConfig({ auths: { [registry.host]: { auth: encoded } } });
      return undefined;
    },
    "docker's config.json, by URL": (home) => {
      home.dockerConfig({ auths: { [`https://${registry.host}/v1/`]: { auth: encoded } } });
      return undefined;
    },
    "docker's config.json, with name and password": (home) => {
      home.dockerConfig({ auths: { [registry.host]: { username: "me", password: PASSWORD } } });
      return undefined;
    },
    "~/.docker/config.json": (home) => {
      mkdirSync(`${home.path}/elsewhere/.docker`, { recursive: true });
      const document = { auths: { [registry.host]: { auth: encoded } } };
      writeFileSync(`${home.path}/elsewhere/.docker/config.json`, JSON.stringify(document));
      Reflect.deleteProperty(home.env, "DOCKER_CONFIG");
      return { env: { HOME: `${home.path}/elsewhere` } };
    },
    "a credential helper for this registry": (home) => {
      home.dockerConfig({ credHelpers: { [registry.host]: "test" } });
      return helper(home, "test", honest());
    },
    "a credential store": (home) => {
      home.dockerConfig({ auths: { [registry.host]: {} }, credsStore: "test" });
      return helper(home, "test", honest());
    },
    "podman's auth.json": (home) => {
      const path = `${home.path}/auth.json`;
      writeFileSync(path, JSON.stringify({ auths: { [registry.host]: { auth: encoded } } }));
      return { env: { REGISTRY_AUTH_FILE: path } };
    },
    "config.toml, in the file": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword = "${PASSWORD}"\n`);
      return undefined;
    },
    "config.toml, in an environment variable": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword_env = "MY_SECRET"\n`);
      return { env: { MY_SECRET: PASSWORD } };
    },
    "config.toml, which wins over docker's": (home) => {
      home.settings(`[images.registries."${registry.host}"]\nusername = "me"\npassword = "${PASSWORD}"\n`);
      home.dockerConfig({ auths: { [registry.host]: { auth: Buffer.from("me:no").toString("base64") } } });
      return undefined;
    },
  };
  for (const [name, setup] of Object.entries(ways)) {
    test(`from ${name}`, async () => {
      using home = new PullHome();
      const { stderr } = await home.pulled(reference, setup(home) ?? {});
      expectNoSecret(home, stderr);
    });
  }

  test("wrong: refused, without saying it", async () => {
    using home = new PullHome();
    home.settings(
      `[images.registries."${registry.host}"]\nusername = "me"\npassword = "canary-7d1f-wrong"\n`,
    );
    const error = await home.refused(reference);
    expect(error.code).toBe("registry.unauthorized");
    expectNoSecret(home, JSON.stringify(error));
  });

  test("a helper's name cannot be a path (reliability 2c: hostile helper name)", async () => {
    for (const name of ["../../evil", "a/b", "/bin/sh", "x;touch y", "", "a b", "-x"]) {
      using home = new PullHome();
      home.dockerConfig({ credHelpers: { [registry.host]: name } });
      writeFileSync(`${home.path}/evil`, `#!/bin/sh\ntouch ${home.path}/ran\n`, { mode: 0o755 });
      mkdirSync(`${home.path}/bin/docker-credential-`, { recursive: true });
      const { code } = await home.refused(reference, { env: { PATH: `${home.path}/bin:/usr/bin:/bin` } });
      expect([name, code]).toEqual([name, "registry.not_found"]);
      expect(readdirSync(home.path)).not.toContain("ran");
    }
  });

  test("a helper that fails, floods, or speaks nonsense: tried without it, and the refusal names it", async () => {
    for (const script of [
      "echo canary-7d1f >&2; exit 3",
      'echo \'{"Username":"me"\'',
      "yes canary-7d1f",
      "kill -9 $$",
    ]) {
      using home = new PullHome();
      home.dockerConfig({ credHelpers: { [registry.host]: "bad" } });
      const { code, hint } = await home.refused(reference, helper(home, "bad", script));
      expect([script, code, hint]).toEqual([
        script,
        "registry.not_found",
        expect.stringContaining("docker-credential-bad"),
      ]);
      await home.expectNothingLeft();
    }
  });

  test("a broken helper keeps nobody from an image that everybody may pull", async () => {
    const tokens = server(startTokenServer({ authority }));
    const open = server(
      await startProxy({ upstream: plain.url, rules: [{ when: () => true, act: requireToken(tokens) }] }),
    );
    for (const config of [{ credsStore: "bad" }, { credHelpers: { [open.host]: "bad" } }]) {
      using home = new PullHome();
      home.dockerConfig(config);
      const { stderr } = await home.pulled(
        `${open.host}/team/image:1`,
        helper(home, "bad", "echo locked; exit 1"),
      );
      expect(stderr).not.toContain("docker-credential-bad");
    }
    expect(tokens.requests.map(({ user }) => user)).toEqual([undefined, undefined]);
  });

  test("are not sent to a registry of another name or port", async () => {
    const other = server(
      await startProxy({
        rules: [{ when: () => true, act: reply(401, { "www-authenticate": 'Basic realm="give"' }) }],
      }),
    );
    using home = new PullHome();
    home.dockerConfig({ auths: { [registry.host]: { auth: encoded }, "127.0.0.1": { auth: encoded } } });
    await home.pull(`${other.host}/team/image:1`);
    expect(other.requests.length).toBeGreaterThan(0);
    for (const { headers } of other.requests) expect(headers.authorization).toBeUndefined();
  });
});
