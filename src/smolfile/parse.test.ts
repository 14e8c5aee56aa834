import { describe, expect, test } from "bun:test";
import { EVERYTHING } from "./everything.fixture.ts";
import { parseSmolfile } from "./parse.ts";
import { parsed, refusals } from "./smolfile.fixture.ts";

test("every key is read as it stands there", () => {
  const { content, path, directory } = parsed(EVERYTHING);
  expect({ path, directory }).toEqual({ path: "Smolfile", directory: "/project" });
  // Tables of TOML have no prototype.
  expect(content).toEqual(JSON.parse(JSON.stringify(Bun.TOML.parse(EVERYTHING))));
});

test("an empty file says nothing", () => {
  expect(parsed("").content).toEqual({});
  expect(parsed("\uFEFF# only a comment\r\n").content).toEqual({});
});

test("what asks for nothing is right", () => {
  const text = `entrypoint = []\ncmd = []\nenv = []\nnet = false\nports = []\nsecrets = {}\n[dev]\n[fork]\nenabled = false`;
  expect(refusals(text)).toEqual([]);
});

describe("what is no TOML", () => {
  test.each([
    ["image = ", "Smolfile:1:9: invalid value"],
    ["a = 1\na = 2", "Smolfile:2:1: trying to redefine an already defined table or value"],
    ["image = 'secret", "Smolfile:1:9: unfinished string"],
    ["[dev]\n[dev]", "Smolfile:2:2: trying to redefine an already defined table or value"],
  ])("%j", (text, message) => {
    const failure = expect.objectContaining({ code: "smolfile.bad_toml", message });
    expect(() => parseSmolfile("Smolfile", "/", text)).toThrow(failure);
  });
});

describe("unknown keys", () => {
  test.each([
    ["imagee = 'x'", "1:1: unknown key imagee | did you mean image?"],
    ["[restrat]", "1:2: unknown section [restrat] | did you mean [restart]?"],
    ["net = true\n[dev]\nvolume = []", "3:1: unknown key dev.volume | did you mean volumes?"],
    [
      "[dev]\nmemory = 512",
      "2:1: unknown key dev.memory | memory belongs at the top of the file, before any [section]",
    ],
    ["policy = 'always'", "1:1: unknown key policy | policy belongs in [restart]"],
    ["restart.polcy = 'always'", "1:9: unknown key restart.polcy | did you mean policy?"],
    ["mem = 512", "1:1: unknown key mem | did you mean memory?"],
    ["command = ['x']", "1:1: unknown key command | did you mean cmd?"],
    ["name = 'x'", "1:1: unknown key name | a machine's name is given on the command line: --name NAME"],
    [
      "secrets.A = { from_stor = 'x' }",
      "1:15: unknown key secrets.A.from_stor | known here: from_env, from_file",
    ],
    ["secrets.A.from_fil = 'x'", "1:11: unknown key secrets.A.from_fil | did you mean from_file?"],
    ['"a b" = 1', '1:1: unknown key "a b"'],
    ["__proto__ = 1", "1:1: unknown key __proto__"],
    ["constructor = 1", "1:1: unknown key constructor"],
    ["[toString]", "1:2: unknown section [toString]"],
    [
      "[dev]\n__proto__.x = 1",
      "2:1: unknown key dev.__proto__ | known here: volumes, ports, init, init_once, env, workdir",
    ],
    ["[[x]]", "1:3: unknown key x"],
  ])("%j", (text, words) => {
    expect(refusals(text)).toEqual([`Smolfile:${words}`]);
  });
});

describe("wrong values", () => {
  const span = "must be a time span such as 30s, 5m or 1h30m";
  test.each([
    ["image = 1", "1:1: image must be a text, not a number"],
    ["image = ''", "1:1: image must not be empty"],
    ["image = ' '", "1:1: image must not be empty"],
    ["image = '-'", "1:1: image cannot be -: a file cannot say what comes on stdin"],
    [
      "image = 'A'",
      /^1:1: image must be the name of an image, or a path that begins with \.\/, \.\.\/ or \/: /,
    ],
    ["image = '~/x.tar'", /^1:1: image begins with ~, which is not expanded: /],
    ['image = "./x\\u0007"', "1:1: image must not contain control characters"],
    ["cpus = 0", "1:1: cpus must be between 1 and 255, not 0"],
    ["cpus = 256", "1:1: cpus must be between 1 and 255, not 256"],
    ["cpus = 1.5", "1:1: cpus must be a whole number, not 1.5"],
    ["cpus = nan", "1:1: cpus must be a whole number, not a number"],
    ["cpus = '1'", "1:1: cpus must be a whole number, not a text"],
    ["memory = 1", "1:1: memory must be at least 64 MiB (got 1 MiB)"],
    ["memory = -1", "1:1: memory must be at least 64 MiB (got -1 MiB)"],
    ["memory = '1M'", "1:1: memory must be at least 64 MiB (got 1 MiB)"],
    ["memory = '2x'", '1:1: memory must be a number of MiB or a text such as "2G", not "2x"'],
    ["memory = true", '1:1: memory must be a number of MiB or a text such as "2G", not true'],
    ["storage = 0", "1:1: storage must be at least 1 GiB (got 0 GiB)"],
    ["overlay = '1.5G'", "1:1: overlay must be a whole number of GiB, not 1.5G"],
    ["storage = inf", '1:1: storage must be a number of GiB or a text such as "2G", not "Infinity"'],
    ["gpu_vram = 0", "1:1: gpu_vram must be between 1 and 16777216, not 0"],
    ["net = 'yes'", "1:1: net must be true or false, not a text"],
    ["env = 'A=1'", "1:1: env must be an array, not a text"],
    ["env = ['A=1', 2]", "1:15: env[1] must be a text, not a number"],
    [
      "env = [\n  'A=1',\n  '=secret']",
      "3:3: env[1] must be NAME=value, or NAME to pass the host's value on; a name has no blanks",
    ],
    ["env = ['A B=secret']", /env\[0\] must be NAME=value/],
    ['cmd = ["a\\u0000"]', "1:8: cmd[0] must not contain a NUL character"],
    ["workdir = 'a'", '1:1: workdir must be an absolute path in the guest, not "a"'],
    ["stop_signal = 'SIGFOO'", '1:1: stop_signal must be a signal such as SIGQUIT, not "SIGFOO"'],
    [
      "oci_platform = 'arm64'",
      '1:1: oci_platform must be a platform such as linux/amd64 or linux/arm/v7, not "arm64"',
    ],
    ["on_timeout = 'remove'", '1:1: on_timeout must be stop or delete, not "remove"'],
    ["ttl = '25d'", "1:1: ttl must be at most 24 days, not 25d"],
    ["ttl = 0", "1:1: ttl must be at least 1ms, not 0"],
    ["stop_timeout = '5x'", `1:1: stop_timeout ${span}, not "5x"`],
    ["stop_timeout = -1", `1:1: stop_timeout ${span}, not "-1"`],
    ["stop_timeout = []", `1:1: stop_timeout ${span}, not an array`],
    [
      "ports = ['x']",
      '1:10: ports[0] must be [ADDRESS:]HOST:GUEST[/udp], with ports from 1 to 65535, not "x"',
    ],
    ["ports = ['80:0']", /^1:10: ports\[0\] must be .*, not "80:0"$/],
    ["ports = ['65536:80']", /^1:10: ports\[0\] must be .*, not "65536:80"$/],
    ["volumes = ['a']", /^1:12: volumes\[0\] must be SOURCE:GUEST or SOURCE:GUEST:ro, /],
    ["volumes = ['a:b']", /^1:12: volumes\[0\] must be SOURCE:GUEST or SOURCE:GUEST:ro, /],
    ["volumes = ['a:/b:rx']", /^1:12: volumes\[0\] must be SOURCE:GUEST or SOURCE:GUEST:ro, /],
    ["volumes = ['s3://bucket:/b']", /^1:12: volumes\[0\] must be SOURCE:GUEST or SOURCE:GUEST:ro, /],
    ["volumes = ['~/a:/b']", /^1:12: volumes\[0\] begins with ~, which is not expanded/],
    ["labels = { a = 1 }", "1:12: labels.a must be a text, not a number"],
    [
      "[labels]\na.b = '1'",
      '2:1: labels.a must be a text, not a table | quote a name that has dots: labels."a.b"',
    ],
    ["labels = { '' = '1' }", '1:12: labels."" has no name'],
    ["labels = { __proto__ = '1' }", "1:12: labels.__proto__ has a name that cannot be used"],
    ["labels = { constructor = '1' }", "1:12: labels.constructor has a name that cannot be used"],
    ["dev = 1", "1:1: dev must be a table, not a number"],
    ["dev = []", "1:1: dev must be a table, not an array"],
    ["dev = 1979-05-27", "1:1: dev must be a table, not a date"],
    ["[[dev]]", "1:3: dev must be a table, not an array"],
    ["[health]\nretries = 0", "2:1: health.retries must be between 1 and 4294967295, not 0"],
    ["[health]\nexec = 'true'", "2:1: health.exec must be an array, not a text"],
    ["[health]\ninterval = '50ms'", "2:1: health.interval must be at least 100ms, not 50ms"],
    [
      "[restart]\npolicy = 'sometimes'",
      '2:1: restart.policy must be never, always, on-failure or unless-stopped, not "sometimes"',
    ],
    ["[restart]\npolicy = 1", "2:1: restart.policy must be a text, not a number"],
    ["[restart]\nmax_backoff = '1m30'", `2:1: restart.max_backoff ${span}, not "1m30"`],
    ["[restart]\nmax_backoff = '500ms'", "2:1: restart.max_backoff must be at least 1s, not 500ms"],
    [
      "[network]\nallow_hosts = ['h:0']",
      '2:16: network.allow_hosts[0] has "h:0", which is invalid: a port is a number from 1 to 65535',
    ],
    [
      "[network]\nallow_hosts = ['10.0.0.0/8']",
      /^2:16: network\.allow_hosts\[0\] has .* which is invalid: .* --allow-cidr takes$/,
    ],
    [
      "[network]\nallow_hosts = ['a b']",
      '2:16: network.allow_hosts[0] has "a b", which is invalid: "a b" is no name of a host',
    ],
    [
      "[network]\nallow_cidrs = ['10.0.0.0/33']",
      /^2:16: network\.allow_cidrs\[0\] has "10.0.0.0\/33", which is invalid: /,
    ],
    ["[network]\nallow_cidrs = ['example.com']", /invalid/],
    ["[fork]\npool_size = 1", "2:1: fork.pool_size requires cuda = true"],
    ["cuda = true\n[fork]\ncuda_vram_limit_mib = 1", "3:1: fork.cuda_vram_limit_mib requires pool_size"],
    [
      "[service]\nport = 1\nlisten = 1",
      "3:1: service.listen is another name of service.port, and both are here",
    ],
    ["[service]\nport = 0", "2:1: service.port must be between 1 and 65535, not 0"],
    ["secrets.A = {}", "1:9: secrets.A must have exactly one source | give it either from_env or from_file"],
    ["secrets.A = { from_env = 'A', from_file = '/a' }", /^1:9: secrets\.A must have exactly one source/],
    ["secrets.A = { from_file = 'a' }", "1:15: secrets.A.from_file must be an absolute path"],
    ["secrets.A = 'secret'", "1:9: secrets.A must be a table, not a text"],
    ["secrets.'A=B'.from_env = 'A'", "1:9: a secret is named as a variable is: without = and blanks"],
  ] as [string, string | RegExp][])("%j", (text, words) => {
    const [first, ...others] = refusals(text);
    expect(others).toEqual([]);
    const [, place = ""] = /^Smolfile:(.*)$/s.exec(first ?? "") ?? [];
    if (typeof words === "string") expect(place).toBe(words);
    else expect(place).toMatch(words);
  });

  test("limits of sizes and counts", () => {
    const many = (count: number) => `cmd = [${'"x",'.repeat(count)}]`;
    expect(refusals(many(1000))).toEqual([]);
    expect(refusals(many(1001))).toEqual(["Smolfile:1:1: cmd must not have more than 1000 entries"]);
    expect(refusals(`init = ["${"x".repeat(65_537)}"]`)).toEqual([
      "Smolfile:1:9: init[0] must not be longer than 65536 characters",
    ]);
  });
});

test("everything that is wrong is told, in the order of the file", () => {
  const text = `
memory = 1
[dev]
prots = []
env = ["A=1", "=1"]
[restart]
policy = "x"
`;
  expect(refusals(text).map((words) => words.split(" ")[0])).toEqual([
    "Smolfile:2:1:",
    "Smolfile:4:1:",
    "Smolfile:5:15:",
    "Smolfile:7:1:",
  ]);
});

test("policies have upstream's spellings", () => {
  for (const policy of ["never", "Always", "on-failure", "onfailure", "UNLESS-STOPPED", "unlessstopped"]) {
    expect(refusals(`[restart]\npolicy = "${policy}"`)).toEqual([]);
  }
});
