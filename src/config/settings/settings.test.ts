import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { createExample, EXAMPLE } from "./example.ts";
import { registryHost } from "./host.ts";
import { loadSettings } from "./load.ts";
import { load, refusal } from "./settings.fixture.ts";

const config = (text: string) => ({ "config.toml": text });

/** A word that must not appear in any message. */
const CANARY = "c4n4ry-s3cr3t";

test("without a file, everything has its default", async () => {
  const settings = await load({});
  expect(settings).toEqual({
    images: { defaultRegistry: undefined, registries: new Map() },
    machines: { defaultRegistry: undefined, registries: new Map() },
    cache: { maxBytes: 64 * 1024 ** 3 },
    pull: { stallSeconds: 30, attempts: 5, parallelLayers: 4 },
    confinement: "auto",
    templates: "auto",
    path: settings.path,
    present: false,
    legacyPath: undefined,
    unused: [],
    notes: [],
  });
  expect(settings.path).toEndWith("/config.toml");
  const { path: _, ...empty } = await load(config(""));
  const { path: __, ...absent } = settings;
  expect(empty).toEqual({ ...absent, present: true });
});

test("every key", async () => {
  const settings = await load(
    config(`
[images]
default_registry = "Registry.Example.com:5000"
[images.registries."HTTPS://ghcr.io/"]
username = "name"
password = "word"
password_env = "WORD"
identity_token = "token"
mirror = "a.example.com"
mirrors = ["http://B:5000/", "a.example.com", "HTTPS://[::1]:5000"]
insecure = true
ca_file = "ca.pem"
[images.registries."https://index.docker.io/v1/"]
ca_file = "/etc/ca.pem"
[machines.defaults]
registry = "index.docker.io"
[cache]
max_size = "1.5G"
[pull]
stall_timeout = "1m 30s"
attempts = 1
parallel_layers = 16
[confinement]
mode = "require"
`),
  );
  const directory = settings.path.replace("/config.toml", "");
  expect(settings).toMatchObject({
    images: {
      defaultRegistry: "registry.example.com:5000",
      registries: new Map([
        [
          "ghcr.io",
          {
            username: "name",
            password: "word",
            passwordEnv: "WORD",
            identityToken: "token",
            mirrors: ["a.example.com", "http://b:5000", "https://[::1]:5000"],
            insecure: true,
            caFile: `${directory}/ca.pem`,
          },
        ],
        ["docker.io", { mirrors: [], insecure: false, caFile: "/etc/ca.pem" }],
      ]),
    },
    machines: { defaultRegistry: "docker.io" },
    cache: { maxBytes: 1.5 * 1024 ** 3 },
    pull: { stallSeconds: 90, attempts: 1, parallelLayers: 16 },
    confinement: "require",
    unused: [],
  });
});

test("a file of upstream is read; what has no effect here is listed", async () => {
  const settings = await load(
    config(`
[cloud]
endpoint = "https://api.example.com"
api_key = "key"
refresh_token = "refresh"
token_expires_at = 1790000000
whatever = [1]
[machines.registries."registry.example.com"]
username = "token"
password = "word"
identity_token = "x"
refresh_token = "y"
expires_at = 1790000000
[images.defaults]
registry = "docker.io"
`),
  );
  expect(settings.unused).toEqual([
    'machines.registries."registry.example.com".refresh_token',
    'machines.registries."registry.example.com".expires_at',
    "cloud",
  ]);
});

describe("registries.toml of earlier releases", () => {
  const legacy = { "registries.toml": '[registries."ghcr.io"]\nusername = "old"\n' };

  test("stands for [images] when config.toml has none", async () => {
    for (const files of [legacy, { ...legacy, ...config("[cache]\nmax_size = 0") }]) {
      const settings = await load(files);
      expect(settings.images.registries.get("ghcr.io")?.username).toBe("old");
      expect(settings.legacyPath).toEndWith("/registries.toml");
      expect(settings.present).toBe("config.toml" in files);
    }
  });

  test("is not read when it has", async () => {
    const settings = await load({ "registries.toml": "nonsense", ...config("[images]") });
    expect(settings).toMatchObject({ legacyPath: undefined, images: { registries: new Map() } });
  });

  test("is checked as strictly", async () => {
    expect(await refusal({ "registries.toml": "[images]" })).toBe(
      "config.unknown_key: DIR/registries.toml:1:2: unknown key images | known here: default_registry, defaults, registries",
    );
  });
});

describe("the size of the cache", () => {
  test.each([
    ['"64GiB"', 64 * 1024 ** 3],
    ['"512 mb"', 512 * 1024 ** 2],
    ["1000", 1000],
    ["0", Number.POSITIVE_INFINITY],
    ['"0"', Number.POSITIVE_INFINITY],
    ['"unlimited"', Number.POSITIVE_INFINITY],
  ])("%s", async (text, maxBytes) => {
    expect((await load(config(`[cache]\nmax_size = ${text}`))).cache).toEqual({ maxBytes });
  });

  test.each([['"64"'], ["-1"], ["nan"], ["inf"], ['"lots"'], ["true"], ['""']])(
    "%s is refused",
    async (text) => {
      expect(await refusal(config(`[cache]\nmax_size = ${text}`))).toStartWith(
        "config.bad_value: DIR/config.toml:2:1: cache.max_size ",
      );
    },
  );

  test("SMOLVM_IMAGE_CACHE_MAX_BYTES wins", async () => {
    const files = config("[cache]\nmax_size = 5");
    expect((await load(files, { SMOLVM_IMAGE_CACHE_MAX_BYTES: "7" })).cache.maxBytes).toBe(7);
    expect((await load(files, { SMOLVM_IMAGE_CACHE_MAX_BYTES: "0" })).cache.maxBytes).toBe(Infinity);
    expect((await load(files, { SMOLVM_IMAGE_CACHE_MAX_BYTES: "" })).cache.maxBytes).toBe(5);
    expect(await refusal(files, { SMOLVM_IMAGE_CACHE_MAX_BYTES: "64GiB" })).toBe(
      'config.bad_environment: SMOLVM_IMAGE_CACHE_MAX_BYTES is not a number of bytes: "64GiB" | 0 means no limit',
    );
  });
});

const IN_ENTRY = '[images.registries."ghcr.io"]\n';

test.each([
  ["a = ", "config.bad_toml: DIR/config.toml:1:5: invalid value"],
  [`\n\n x = "${CANARY}`, "config.bad_toml: DIR/config.toml:3:6: unfinished string"],
  ["[imgaes]", "config.unknown_key: DIR/config.toml:1:2: unknown key imgaes | did you mean images?"],
  [
    `images = { registries = { "a.b" = { username = "x",\n\n  zzz = "${CANARY}" } } }`,
    'config.unknown_key: DIR/config.toml:3:3: unknown key images.registries."a.b".zzz | known here: username, ' +
      "password, password_env, identity_token, mirror, mirrors, ca_file, insecure, refresh_token, expires_at",
  ],
  [
    `${IN_ENTRY}passwort = "${CANARY}"`,
    'config.unknown_key: DIR/config.toml:2:1: unknown key images.registries."ghcr.io".passwort | did you mean password?',
  ],
  [
    `${IN_ENTRY}username = "x"\npassword = 5`,
    'config.bad_value: DIR/config.toml:3:1: images.registries."ghcr.io".password must be a text, not a number',
  ],
  [
    `${IN_ENTRY}password = "${CANARY}"`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".password needs a username beside it',
  ],
  [
    `${IN_ENTRY}username = "${CANARY}:x"`,
    "config.bad_value: DIR/config.toml:2:1: a username cannot contain a colon",
  ],
  [
    `${IN_ENTRY}username = "x\\n"`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".username must not contain control characters',
  ],
  [
    `${IN_ENTRY}username = ""`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".username must not be empty',
  ],
  [
    `${IN_ENTRY}mirrors = ["a", "https://u:${CANARY}@b"]`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".mirrors is not the address of a registry | ' +
      "write HOST, HOST:PORT or http://HOST:PORT, without a path and without a password",
  ],
  [
    `${IN_ENTRY}mirrors = "a"`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".mirrors must be an array of texts, not a text',
  ],
  [
    `${IN_ENTRY}ca_file = "~/ca.pem"`,
    "config.bad_value: DIR/config.toml:2:1: ~ is not expanded in ca_file | write the whole path, or one from the " +
      "directory of this file",
  ],
  [
    `${IN_ENTRY}insecure = "yes"`,
    'config.bad_value: DIR/config.toml:2:1: images.registries."ghcr.io".insecure must be true or false, not a text',
  ],
  [
    '[images.registries."http://localhost:5000"]',
    'config.bad_value: DIR/config.toml:1:20: images.registries."http://localhost:5000": a registry is named without ' +
      'http:// | write "localhost:5000", with insecure = true in it',
  ],
  [
    '[images.registries."a b"]',
    'config.bad_value: DIR/config.toml:1:20: not the name of a registry: "a b" | write HOST or HOST:PORT',
  ],
  [
    '[images.registries."docker.io"]\n[images.registries."index.docker.io"]',
    "config.bad_value: DIR/config.toml:2:20: the registry docker.io is configured twice",
  ],
  [
    '[images]\ndefault_registry = "a"\ndefaults.registry = "b"',
    "config.bad_value: DIR/config.toml:2:1: default_registry and defaults.registry contradict each other",
  ],
  ["images = 1", "config.bad_value: DIR/config.toml:1:1: images must be a table, not a number"],
  ["[[images]]", "config.bad_value: DIR/config.toml:1:3: images must be a table, not an array"],
  [
    "[pull]\nattempts = 0",
    "config.bad_value: DIR/config.toml:2:1: pull.attempts must be between 1 and 20, not 0",
  ],
  [
    "[pull]\nstall_timeout = '0s'",
    "config.bad_value: DIR/config.toml:2:1: pull.stall_timeout must be a time span between 1s and 1h",
  ],
  ["cloud = 1", "config.bad_value: DIR/config.toml:1:1: cloud must be a table, not a number"],
])("%j", async (text, message) => {
  expect(await refusal(config(text))).toBe(message);
});

test("files that are no settings", async () => {
  expect(await refusal({ "config.toml": new Uint8Array([0xff, 0xfe]) })).toBe(
    "config.bad_toml: DIR/config.toml is not UTF-8 text",
  );
  expect(await refusal(config(`#${"x".repeat(1 << 20)}`))).toBe(
    "config.too_large: DIR/config.toml is larger than 1 MiB, which no settings are",
  );
  expect(await refusal({}, { SMOLVM_CONFIG: "/" })).toBe("config.unreadable: cannot read /: EISDIR");
  expect(await refusal({}, { SMOLVM_CONFIG: "" })).toStartWith("config.bad_environment: ");
});

test("a file that SMOLVM_CONFIG names, and that is not there, is an error", async () => {
  const expected =
    "config.missing_file: SMOLVM_CONFIG names a file that is not there: /nowhere/x.toml | correct or unset SMOLVM_CONFIG, " +
    "or create the file: smolvm config registries init";
  expect(await refusal({}, { SMOLVM_CONFIG: "/nowhere/x.toml" })).toBe(expected);
  expect(await refusal({ "registries.toml": "" }, { SMOLVM_CONFIG: "/nowhere/x.toml" })).toBe(expected);
  expect((await load({}, {})).present).toBe(false);
});

test("SMOLVM_CONFIG names the file, also from the working directory", async () => {
  expect((await load({}, { SMOLVM_CONFIG: "/nowhere/x.toml" }, { mayBeMissing: true })).path).toBe(
    "/nowhere/x.toml",
  );
  expect((await load({}, { SMOLVM_CONFIG: "x.toml" }, { mayBeMissing: true })).path).toBe(
    `${process.cwd()}/x.toml`,
  );
});

test("a file with a password that others can read is a note, not an error", async () => {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-config-"));
  const path = join(directory, "config.toml");
  const notes = async () => (await loadSettings({ config: directory }, {})).notes;
  try {
    writeFileSync(path, `${IN_ENTRY}username = "x"\npassword = "${CANARY}"`);
    chmodSync(path, 0o640);
    expect(await notes()).toEqual([
      `${path} holds a password and other users can read it: chmod 600 ${path}`,
    ]);
    chmodSync(path, 0o600);
    expect(await notes()).toEqual([]);
    writeFileSync(path, `${IN_ENTRY}username = "x"\npassword_env = "Y"`);
    chmodSync(path, 0o644);
    expect(await notes()).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

describe("the example", () => {
  test("is valid, and so is every line of it without its #", async () => {
    const { path: _, ...asIs } = await load(config(EXAMPLE));
    const { path: __, ...empty } = await load(config(""));
    expect(asIs).toEqual(empty);
    const settings = await load(config(EXAMPLE.replace(/^#(?=\S)/gm, "")));
    expect([...settings.images.registries.keys()]).toEqual([
      "docker.io",
      "ghcr.io",
      "registry.example.com:5000",
    ]);
    expect(settings).toMatchObject({ cache: asIs.cache, pull: asIs.pull });
  });

  test("is written for its owner only, and never over a file", () => {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-config-"));
    const path = join(directory, "a/b/config.toml");
    try {
      expect(createExample(path)).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(join(directory, "a/b")).mode & 0o777).toBe(0o700);
      writeFileSync(path, "mine");
      expect(createExample(path)).toBe(false);
      expect(readFileSync(path, "utf8")).toBe("mine");
      const unwritable = expect.objectContaining({ code: "config.unwritable" });
      expect(() => createExample(join(path, "below"))).toThrow(unwritable);
      expect(existsSync("/proc/config.toml")).toBe(false);
      expect(() => createExample("/proc/config.toml")).toThrow(unwritable);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

test.each([
  ["docker.io", "docker.io"],
  ["https://index.docker.io/v1/", "docker.io"],
  ["registry-1.docker.io", "docker.io"],
  ["HTTP://Example.com:5000//x/y", "example.com:5000"],
  ["localhost", "localhost"],
  ["[::1]:5000", "[::1]:5000"],
  ["", undefined],
  ["a b", undefined],
  ["user@host", undefined],
  ["-x", undefined],
  ["host:port", undefined],
  ["../x", undefined],
])("the host of %j is %j", (text, host) => {
  expect(registryHost(text)).toBe(host as string);
});

test("whatever the file holds, it is read or refused with one line that shows no password", async () => {
  const key = fc.constantFrom(
    ..."images machines registries defaults registry username password password_env mirror mirrors insecure".split(
      " ",
    ),
    ..."ca_file cache max_size pull stall_timeout attempts cloud api_key ghcr.io __proto__ constructor x".split(
      " ",
    ),
  );
  const name = fc.oneof(
    key,
    key.map((text) => JSON.stringify(text)),
  );
  const value = fc.constantFrom(
    ...[
      `"${CANARY}"`,
      `'''\n${CANARY}'''`,
      '"ghcr.io"',
      "1",
      "-1.5",
      "true",
      "nan",
      "1979-05-27",
      "07:32:00",
    ],
    ...[`["${CANARY}"]`, `{ username = "${CANARY}" }`, "[]", "{}", `[[{ a = "${CANARY}" }]]`, `"${CANARY}`],
  );
  const dotted = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
  const line = fc.oneof(
    dotted.map((path) => `[${path}]`),
    dotted.map((path) => `[[${path}]]`),
    fc.tuple(dotted, value).map(([path, text]) => `${path} = ${text}`),
    fc.string({ unit: "grapheme" }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      try {
        await load({ "config.toml": lines.join("\n") });
      } catch (error) {
        if (!(error instanceof SmolError)) throw error;
        expect(error.code).toStartWith("config.");
        expect(`${error.message}${error.hint}`).not.toContain(CANARY);
        expect(error.message).not.toContain("\n");
      }
    }),
    { numRuns: 2000 },
  );
});
