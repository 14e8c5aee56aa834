import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { base64, CANARY, CredentialHome } from "./credentials.fixture.ts";
import { decodeEntry } from "./entry.ts";
import { authFiles } from "./files.ts";
import { scopeOfKey, scopesOf } from "./keys.ts";
import { parseAuthFile } from "./read.ts";
import { runHelper } from "./run-helper.ts";

const DOCKER = ".docker/config.json";
const ada = { username: "ada", password: CANARY };

let home: CredentialHome;
beforeEach(() => {
  home = new CredentialHome();
});
afterEach(() => home.remove());

const auth = (user: string, password: string) => ({ auth: base64(`${user}:${password}`) });

describe("order", () => {
  test("config.toml, REGISTRY_AUTH_FILE, docker, podman's session, podman's user; nobody", async () => {
    expect(await home.find("example.com")).toBeUndefined();
    home.write(".config/containers/auth.json", { auths: { "example.com": auth("e", "5") } });
    expect(await home.find("example.com")).toEqual({ username: "e", password: "5" });
    home.write("run/containers/auth.json", { auths: { "example.com": auth("d", "4") } });
    expect(await home.find("example.com")).toEqual({ username: "d", password: "4" });
    home.write(DOCKER, { auths: { "example.com": auth("c", "3") } });
    expect(await home.find("example.com")).toEqual({ username: "c", password: "3" });
    home.write("named.json", { auths: { "example.com": auth("b", "2") } });
    home.env.REGISTRY_AUTH_FILE = `${home.path}/named.json`;
    expect(await home.find("example.com")).toEqual({ username: "b", password: "2" });
    const source = home.open({ "example.com": { username: "a", password: "1" } });
    expect(await source.find("example.com")).toEqual({ username: "a", password: "1" });
  });

  test("a source that has none for this registry lets the next one answer", async () => {
    home.write(DOCKER, { auths: { "other.com": auth("x", "y"), "example.com": {} } });
    home.write("run/containers/auth.json", { auths: { "example.com": auth("ada", CANARY) } });
    const source = home.open({ "example.com": { insecure: true } });
    expect(await source.find("example.com")).toEqual(ada);
  });

  test("in a file: the registry's helper, the store, the file itself", async () => {
    const say = (user: string) => `cat >/dev/null; echo '{"Username":"${user}","Secret":"s"}'`;
    home.helper("own", say("own"));
    home.helper("store", say("store"));
    home.helper("empty", "cat >/dev/null; echo credentials not found in native keychain; exit 1");
    const auths = { "example.com": auth("file", "s") };
    home.write(DOCKER, { credHelpers: { "example.com": "own" }, credsStore: "store", auths });
    expect(await home.find("example.com")).toMatchObject({ username: "own" });
    home.write(DOCKER, { credHelpers: { "other.com": "own" }, credsStore: "store", auths });
    expect(await home.find("example.com")).toMatchObject({ username: "store" });
    home.write(DOCKER, { credHelpers: { "example.com": "empty" }, credsStore: "empty", auths });
    expect(await home.find("example.com")).toMatchObject({ username: "file" });
  });

  test("DOCKER_CONFIG moves docker's directory; relative XDG directories are ignored", async () => {
    home.write(DOCKER, { auths: { "example.com": auth("default", "x") } });
    home.write("elsewhere/config.json", { auths: { "example.com": auth("ada", CANARY) } });
    home.env.DOCKER_CONFIG = `${home.path}/elsewhere/`;
    expect(await home.find("example.com")).toEqual(ada);
    home.env.DOCKER_CONFIG = `${home.path}/nowhere`;
    home.env.XDG_RUNTIME_DIR = "run";
    home.env.XDG_CONFIG_HOME = `${home.path}/xdg`;
    expect(await home.find("example.com")).toBeUndefined();
    home.write("xdg/containers/auth.json", { auths: { "example.com": auth("ada", CANARY) } });
    expect(await home.find("example.com")).toEqual(ada);
  });

  test("nothing is read before it is asked for, and each file once", async () => {
    home.write(DOCKER, "nonsense");
    const source = home.open({ "ghcr.io": ada });
    expect(await source.find("ghcr.io")).toEqual(ada);
    home.write(DOCKER, { auths: { "example.com": auth("ada", CANARY) } });
    expect(await source.find("example.com")).toEqual(ada);
    home.write(DOCKER, "nonsense");
    expect(await source.find("example.com")).toEqual(ada);
  });

  test("the files, by environment", () => {
    const paths = (env: Record<string, string>) => authFiles(env, 7).map(({ path }) => path);
    const session = "/run/containers/7/auth.json";
    expect(paths({})).toEqual([session]);
    expect(paths({ HOME: "relative" })).toEqual([session]);
    expect(paths({ HOME: "/h/", XDG_RUNTIME_DIR: "" })).toEqual([
      "/h/.docker/config.json",
      session,
      "/h/.config/containers/auth.json",
    ]);
    expect(paths({ HOME: "/h", XDG_RUNTIME_DIR: "/r", XDG_CONFIG_HOME: "/c", DOCKER_CONFIG: "/d" })).toEqual([
      "/d/config.json",
      "/r/containers/auth.json",
      "/c/containers/auth.json",
    ]);
  });
});

describe("config.toml", () => {
  test("password_env wins over password while it is set; without either it is an error", async () => {
    const entry = { username: "ada", passwordEnv: "WORD" };
    home.env.WORD = CANARY;
    expect(await home.open({ "docker.io": { ...entry, password: "x" } }).find("index.docker.io")).toEqual(
      ada,
    );
    home.env.WORD = "";
    expect(await home.open({ "docker.io": { ...entry, password: CANARY } }).find("docker.io")).toEqual(ada);
    expect(await home.refusal("docker.io", home.open({ "docker.io": entry }))).toBe(
      "config.password_env: the password for docker.io is expected in the environment variable WORD, which is not set | " +
        "set it, or change password_env: smolvm config registries edit",
    );
  });

  test("identity tokens, and a username alone", async () => {
    const source = home.open({
      "a.com": { identityToken: "t" },
      "b.com": { identityToken: "t", username: "u", password: "p" },
      "c.com": { username: "u" },
    });
    expect(await source.find("a.com")).toEqual({ identityToken: "t" });
    expect(await source.find("b.com")).toEqual({ identityToken: "t", username: "u" });
    expect(await source.find("c.com")).toBeUndefined();
  });
});

describe("keys", () => {
  test.each([
    ["docker.io", "docker.io"],
    ["https://index.docker.io/v1/", "docker.io"],
    ["index.docker.io/v1/", "docker.io"],
    ["https://registry-1.docker.io", "docker.io"],
    ["http://localhost:5000//", "localhost:5000"],
    ["https://example.com/v2/", "example.com"],
    ["https://example.com/team/app", "example.com"],
    ["example.com/v2", "example.com"],
    ["Example.com/team/app/", "example.com/team/app"],
    ["", undefined],
    ["/", undefined],
    ["https://", undefined],
  ])("%j is %j", (key, scope) => {
    expect(scopeOfKey(key)).toBe(scope as string);
  });

  test("a repository lies in the longest key that begins it, at a slash", async () => {
    home.write("run/containers/auth.json", {
      auths: {
        "example.com": auth("host", "x"),
        "example.com/a": auth("a", "x"),
        "example.com/a/b": auth("ab", "x"),
        "docker.io/library": auth("official", "x"),
      },
    });
    const user = async (registry: string, repository?: string) => {
      const found = await home.find(registry, repository);
      return found && "username" in found ? found.username : found;
    };
    expect(await user("example.com")).toBe("host");
    expect(await user("example.com", "c")).toBe("host");
    expect(await user("example.com", "a")).toBe("a");
    expect(await user("example.com", "ab")).toBe("host");
    expect(await user("example.com", "a/c")).toBe("a");
    expect(await user("example.com", "a/b/c/d")).toBe("ab");
    expect(await user("docker.io", "library/alpine")).toBe("official");
    expect(await user("docker.io", "me/alpine")).toBeUndefined();
    expect(scopesOf("docker.io", "a/b")).toEqual(["docker.io/a/b", "docker.io/a", "docker.io"]);
  });

  test("every spelling that docker has written finds its entry", async () => {
    for (const key of ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://docker.io"]) {
      home.write(DOCKER, { auths: { [key]: auth("ada", CANARY) } });
      expect(await home.find("docker.io", "library/alpine")).toEqual(ada);
    }
    for (const key of ["localhost:5000", "http://localhost:5000", "https://localhost:5000/v2/"]) {
      home.write(DOCKER, { auths: { [key]: auth("ada", CANARY) } });
      expect(await home.find("localhost:5000")).toEqual(ada);
      expect(await home.find("localhost")).toBeUndefined();
    }
  });
});

describe("entries", () => {
  const decode = (entry: Record<string, unknown>) =>
    decodeEntry(entry, { path: "FILE", scope: "example.com" });

  test.each([
    [auth("ada", "a:b::"), { username: "ada", password: "a:b::" }],
    [auth("ada", "word\0\0"), { username: "ada", password: "word" }],
    [auth("ada", "wörd 🙂"), { username: "ada", password: "wörd 🙂" }],
    [auth("ada", ""), { username: "ada", password: "" }],
    [{ auth: ` ${base64("ada:x")}\n` }, { username: "ada", password: "x" }],
    [{ auth: base64("ada:xy").replace(/=+$/, "") }, { username: "ada", password: "xy" }],
    [
      { username: "ada", password: "x" },
      { username: "ada", password: "x" },
    ],
    [
      { ...auth("ada", "x"), username: "bob", password: "y" },
      { username: "ada", password: "x" },
    ],
    [{ identitytoken: "t" }, { identityToken: "t" }],
    [
      { ...auth("ada", "x"), identitytoken: "t" },
      { identityToken: "t", username: "ada" },
    ],
    [{ ...auth("<token>", ""), identitytoken: "t" }, { identityToken: "t" }],
    [auth("<token>", "t"), { identityToken: "t" }],
    [{ registrytoken: "t.u-v" }, { registryToken: "t.u-v" }],
    [{}, undefined],
    [{ auth: "", email: "x@example.com" }, undefined],
    [{ auth: null, username: null }, undefined],
    [auth("", ""), undefined],
  ])("%j", (entry, credentials) => {
    expect(decode(entry)).toEqual(credentials as never);
  });

  test.each([
    [{ auth: base64(CANARY) }, "its auth is not base64 of USER:PASSWORD"],
    [{ auth: `${CANARY}!` }, "its auth is not base64 of USER:PASSWORD"],
    [{ auth: base64(new Uint8Array([0x61, 0x3a, 0xff])) }, "its auth is not base64 of USER:PASSWORD"],
    [{ auth: 5 }, "its auth is not a text"],
    [{ username: [CANARY] }, "its username is not a text"],
    [{ registrytoken: `${CANARY}\r\nX: y` }, "its registrytoken is not a token"],
  ])("%j is refused, and not shown", (entry, reason) => {
    expect(() => decode(entry)).toThrow(
      `cannot take credentials from FILE: in the entry for example.com, ${reason}`,
    );
  });
});

describe("files that are none", () => {
  test.each([
    [
      `{"auths": "${CANARY}`,
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: it is not JSON",
    ],
    [
      "[]",
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: it is not a JSON object",
    ],
    [
      { auths: [] },
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: auths is not an object",
    ],
    [
      { auths: { "example.com": CANARY } },
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: its entry for example.com is not an object",
    ],
    [
      { credHelpers: { "example.com": 1 } },
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: its helper for example.com is not a text",
    ],
    [
      { credsStore: {} },
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: credsStore is not a text",
    ],
    [
      " ".repeat(4 * 1024 * 1024 + 1),
      "credentials.bad_file: cannot take credentials from home/.docker/config.json: it is larger than 4 MiB",
    ],
  ])("%#", async (content, message) => {
    home.write(DOCKER, content);
    expect(await home.refusal()).toBe(message);
  });

  test("a file that cannot be read, and one that was named and is not there", async () => {
    symlinkSync("config.json", `${home.path}/config.json`);
    home.env.DOCKER_CONFIG = home.path;
    expect(await home.refusal()).toBe(
      "credentials.unreadable: cannot read credentials from home/config.json: ELOOP",
    );
    home.env.REGISTRY_AUTH_FILE = `${home.path}/nowhere.json`;
    expect(await home.refusal()).toBe(
      "credentials.unreadable: cannot read credentials from home/nowhere.json: ENOENT | REGISTRY_AUTH_FILE names it",
    );
  });

  test("an empty file, and docker's with everything but credentials, are no errors", async () => {
    home.write(DOCKER, "\n");
    expect(await home.find("example.com")).toBeUndefined();
    home.write(DOCKER, { HttpHeaders: {}, credsStore: "", credHelpers: { "example.com": "" }, plugins: {} });
    expect(await home.find("example.com")).toBeUndefined();
  });

  test("whatever they hold, nothing but SmolError is thrown, and no secret is shown", () => {
    const value = fc.oneof(fc.jsonValue(), fc.constant(CANARY), fc.constant(base64(`u:${CANARY}`)));
    const entry = fc.oneof(
      value,
      fc.dictionary(
        fc.constantFrom("auth", "username", "password", "identitytoken", "registrytoken", "__proto__"),
        value,
      ),
    );
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom("example.com", "https://index.docker.io/v1/", "__proto__"),
    );
    const file = fc.record(
      {
        auths: fc.oneof(value, fc.dictionary(key, entry)),
        credHelpers: fc.oneof(value, fc.dictionary(key, value)),
        credsStore: value,
      },
      { requiredKeys: [] },
    );
    const text = fc.oneof(
      file.map((content) => JSON.stringify(content)),
      fc.json(),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (content) => {
        try {
          const { auths } = parseAuthFile("FILE", content);
          for (const [scope, entries] of auths) {
            for (const { entry } of entries) decodeEntry(entry, { path: "FILE", scope });
          }
        } catch (error) {
          if (!(error instanceof SmolError)) throw error;
          expect(error.code).toBe("credentials.bad_file");
          expect(error.message).not.toContain(CANARY);
          expect(error.message).not.toContain("\n");
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("helpers", () => {
  const use = (name: string, script: string) => {
    home.helper(name, script);
    home.write(DOCKER, { credHelpers: { "example.com": name, "docker.io": name } });
  };

  test("are given `get` and the server, as docker spells it, and nothing more", async () => {
    use(
      "record",
      `echo "$#:$1:$(cat)" >> "$HOME/asked"; echo '{"ServerURL":"","Username":"ada","Secret":"${CANARY}"}'`,
    );
    expect(await home.find("example.com", "a/b")).toEqual(ada);
    expect(await home.find("docker.io")).toEqual(ada);
    expect(readFileSync(`${home.path}/asked`, "utf8")).toBe(
      "1:get:example.com\n1:get:https://index.docker.io/v1/\n",
    );
  });

  test("are asked once, also when they had nothing", async () => {
    use(
      "count",
      `cat >/dev/null; echo x >> "$HOME/asked"; echo credentials not found in native keychain; exit 1`,
    );
    const source = home.open();
    expect(await Promise.all([source.find("example.com"), source.find("example.com", "a")])).toEqual([
      undefined,
      undefined,
    ]);
    expect(readFileSync(`${home.path}/asked`, "utf8")).toBe("x\n");
  });

  test("are asked under the name that docker noted at login", async () => {
    home.helper(
      "noted",
      `[ "$(cat)" = https://example.com/v2/ ] && exec echo '{"Username":"<token>","Secret":"t"}'
       echo credentials not found in native keychain; exit 1`,
    );
    home.write(DOCKER, { credsStore: "noted", auths: { "https://example.com/v2/": {} } });
    expect(await home.find("example.com")).toEqual({ identityToken: "t" });
  });

  test("that answer with nothing have none", async () => {
    use("blank", `echo '{"Username":"","Secret":""}'`);
    expect(await home.find("example.com")).toBeUndefined();
  });

  test("that are missing are named, with the file", async () => {
    home.write(DOCKER, { credHelpers: { "example.com": "desktop" }, credsStore: "desktop" });
    const missing =
      "credentials could not be read: the credential helper docker-credential-desktop, which home/.docker/config.json " +
      "names, is not in PATH; install it, or remove it from home/.docker/config.json";
    expect(await home.unread()).toBe(missing);
    delete home.env.PATH;
    expect(await home.unread()).toBe(missing);
  });

  test("that do not work: whatever else knows the registry is asked, and it is noted", async () => {
    const auths = { "example.com": { auth: base64(`ada:${CANARY}`) } };
    home.helper("other", `echo '{"Username":"ada","Secret":"${CANARY}"}'`);
    home.write(DOCKER, {
      credsStore: "desktop",
      credHelpers: { "other.com": "gone", "third.com": "other" },
      auths,
    });
    const source = home.open();
    expect(source.unread).toBeUndefined();
    expect(await source.find("example.com")).toEqual(ada);
    expect(await Promise.all([source.find("docker.io"), source.find("docker.io")])).toEqual([
      undefined,
      undefined,
    ]);
    expect(source.unread).toContain("docker-credential-desktop");
    expect(await source.find("third.com")).toEqual(ada);
    expect(await home.unread("other.com")).toContain("docker-credential-gone");
    home.write(DOCKER, { credsStore: "other", credHelpers: { "other.com": "gone" } });
    expect(await home.find("other.com")).toEqual(ada);
  });

  test.each([["../../bin/x"], ["/bin/x"], ["a b"], ["x;id"], ["$(id)"], ["ä"], ["x\n"], ["a".repeat(101)]])(
    "are not looked for under the name %j",
    async (name) => {
      home.write(DOCKER, { credsStore: name });
      expect(await home.unread()).toBe(
        "credentials could not be read: home/.docker/config.json names a credential helper that is no program's name; " +
          "the name is what follows docker-credential-, without a path",
      );
    },
  );

  test("are not run from the working directory, whatever PATH says", async () => {
    home.helper("here", `touch "$HOME/ran"`);
    home.write(DOCKER, { credHelpers: { "example.com": "here" } });
    const before = process.cwd();
    try {
      process.chdir(`${home.path}/bin`);
      for (const path of ["", ".", ":", "bin:.", `.:${home.path}`]) {
        home.env.PATH = path;
        expect(await home.unread()).toContain("is not in PATH");
      }
    } finally {
      process.chdir(before);
    }
    expect(existsSync(`${home.path}/ran`)).toBe(false);
  });

  test.each([
    ["echo 'pass is locked' >&2; exit 2", "pass is locked"],
    ["echo 'no such server'; exit 1", "no such server"],
    [`printf '\\033[2Jlocked\\nx' >&2; exit 1`, "[2Jlocked x"],
    [`echo '{"Username":"ada","Secret":"${CANARY}"}'; exit 3`, "exit code 3"],
    [`echo '${CANARY}'`, "its answer is not JSON"],
    [`echo '{"Username":"ada","Secret":["${CANARY}"]}'`, "its answer has no Username and Secret"],
    ["kill -9 $$", "it was killed by SIGKILL"],
    ["exec yes", "it writes more than 64 KiB"],
    ["exec yes >&2", "it writes more than 64 KiB"],
  ])("that fail, %j, say why: %s", async (script, reason) => {
    use("failing", script);
    expect(await home.unread()).toBe(
      "credentials could not be read: docker-credential-failing, which home/.docker/config.json names, has no answer for " +
        `example.com: ${reason}`,
    );
  });

  test("that are no programs are noted", async () => {
    home.helper("broken", "");
    home.write("bin/docker-credential-broken", "\x7fELF but not really");
    home.write(DOCKER, { credsStore: "broken" });
    expect(await home.unread()).toContain("docker-credential-broken");
  });

  test("get their time", async () => {
    home.helper("slow", "exec sleep 60");
    const program = `${home.path}/bin/docker-credential-slow`;
    expect(await runHelper(program, "x", home.env, { timeoutMs: 300 })).toEqual({
      kind: "failed",
      reason: "it did not answer within 0.3 s",
    });
  });

  test("may leave something running that keeps their pipes", async () => {
    use("forking", `sleep 3 & echo '{"Username":"ada","Secret":"${CANARY}"}'`);
    const start = performance.now();
    expect(await home.find("example.com")).toEqual(ada);
    expect(performance.now() - start).toBeLessThan(2500);
  });
});
