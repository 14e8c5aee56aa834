import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { checkSmolfile } from "./check.ts";
import { loadSmolfile } from "./load.ts";
import { withSmolfile } from "./smolfile.fixture.ts";

const load = (text: string | Uint8Array) => withSmolfile(text, (path) => loadSmolfile(path, {}));

/** The code and words of the failure, without the directory. */
async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint?: string };
    return `${code}: ${message.replaceAll(/\/\S*\/smolvm-smolfile-\w+\//g, "")}${hint ? ` | ${hint}` : ""}`;
  }
  throw new Error("it was accepted");
}

describe("files that are no Smolfiles", () => {
  test.each([
    [
      "/nowhere/Smolfile",
      "smolfile.not_found: cannot read the Smolfile /nowhere/Smolfile: no such file or directory",
    ],
    ["/dev/null/x", "smolfile.unreadable: cannot read the Smolfile /dev/null/x: not a directory"],
    [
      "/",
      "smolfile.unreadable: cannot read the Smolfile /: it is a directory | give the file itself: -s PATH/Smolfile",
    ],
    ["/dev/zero", "smolfile.too_large: /dev/zero is larger than 1 MiB, which no Smolfile is"],
    ["a\0b", /^smolfile\.unreadable: cannot read the Smolfile a b: /],
    ["", /^smolfile\.(unreadable|not_found): cannot read the Smolfile : /],
  ])("%j", async (path, words) => {
    const told = await failure(loadSmolfile(path, {}));
    if (typeof words === "string") expect(told).toBe(words);
    else expect(told).toMatch(words);
    expect(await failure(checkSmolfile(path, {}))).toBe(told);
  });

  test("bytes that are no text", async () => {
    expect(await failure(load(new Uint8Array([0x23, 0xff, 0xfe])))).toBe(
      "smolfile.bad_toml: Smolfile is not UTF-8 text",
    );
    expect(await failure(load(new Uint8Array(100)))).toStartWith("smolfile.bad_toml: Smolfile:1:1: ");
  });
});

test("paths are those of the file's directory, wherever one stands", async () => {
  await withSmolfile("image = './a.tar'\n", async (path) => {
    const { layer, notes } = await loadSmolfile(relative(process.cwd(), path), {});
    expect(layer.image).toBe(`${dirname(path)}/a.tar`);
    expect(notes).toEqual([]);
  });
});

test("the first thing that is wrong is the error", async () => {
  expect(await failure(load("\ncpus = 0\nmemmory = 1"))).toBe(
    "smolfile.bad_value: Smolfile:2:1: cpus must be between 1 and 255, not 0",
  );
});

describe("what this release cannot do", () => {
  const cuda = "no machine has a driver for CUDA in this release; gpu = true gives it a GPU for OpenGL";
  const fork = "a machine cannot be forked in this release";
  test.each([
    ["cuda = true", `1:1: cuda = true: ${cuda}`],
    ["auto_graph = true", `1:1: auto_graph = true: ${cuda}`],
    [
      "rosetta = true",
      "1:1: rosetta = true: programs of another architecture are not translated in this release",
    ],
    [
      "docker_socket = true",
      "1:1: docker_socket = true: no socket of the machine answers on the host in this release",
    ],
    ["[fork]\nenabled = true", `2:1: fork.enabled = true: ${fork}`],
    ["fork.pool_size = 1\ncuda = true", `1:6: fork.pool_size = 1: ${fork}`],
  ])("%j", async (text, words) => {
    expect(await failure(load(text))).toBe(`smolfile.unavailable: Smolfile:${words}`);
    await withSmolfile(text, async (path) => {
      const { problems } = await checkSmolfile(path, {});
      expect(problems[0]?.message.slice(path.length)).toBe(`:${words}`);
    });
  });

  test.each([
    ["net = false\ngpu = false\ncuda = false\nrosetta = false\nauto_graph = false\ndocker_socket = false"],
    [
      "ports = []\nvolumes = []\nsecrets = {}\n[dev]\nports = []\nvolumes = []\n[network]\nallow_hosts = []\nallow_cidrs = []",
    ],
    ["[auth]\nssh_agent = false\n[fork]\nenabled = false\n[service]\nport = 80\nprotocol = 'http'"],
    ["[artifact]\ncpus = 1\nmemory = 64\nentrypoint = ['x']\noci_platform = 'linux/arm64'"],
  ])("asking for none of it is fine: %j", async (text) => {
    expect((await load(text)).notes).toEqual([]);
  });
});

describe("sources of volumes are looked for", () => {
  test.each([
    ["volumes = ['./src:/src']", "1:12: mount source not found: ./src"],
    ["volumes = ['.:/a', '/nowhere/x:/b']", "1:20: mount source not found: /nowhere/x"],
    ["volumes = ['./src:/src']\n[dev]\nvolumes = ['./lib:/lib:ro']", "3:12: mount source not found: ./lib"],
  ])("%j", async (text, words) => {
    expect(await failure(load(text))).toBe(`smolfile.no_mount_source: Smolfile:${words}`);
  });

  test("in the file's directory", async () => {
    await withSmolfile("volumes = ['./src:/src', './a.txt:/a.txt']", async (path) => {
      mkdirSync(`${dirname(path)}/src`);
      writeFileSync(`${dirname(path)}/a.txt`, "");
      expect((await loadSmolfile(path, {})).layer.volumes?.map(({ source }) => source)).toEqual([
        `${dirname(path)}/src`,
        `${dirname(path)}/a.txt`,
      ]);
    });
  });
});

describe("notes", () => {
  test.each([
    ["gpu_vram = 1", "gpu_vram has no effect without gpu = true"],
    ["[health]\nretries = 1", "[health] has no effect without exec"],
    ["[pack]\n[artifact]", "[pack] has no effect beside [artifact], which is its other name"],
    [
      "[restart]\nmax_backoff = '99999999999999999999h'",
      "restart.max_backoff is longer than 24 days, and counts as 24 days",
    ],
  ])("%j", async (text, note) => {
    await withSmolfile(text, async (path) => {
      expect((await loadSmolfile(path, {})).notes).toEqual([`${path}: ${note}`]);
      expect(await checkSmolfile(path, {})).toEqual({ problems: [], notes: [`${path}: ${note}`] });
    });
  });
});

describe("checkSmolfile", () => {
  test("nothing to say about what is right", async () => {
    await withSmolfile("cpus = 1\nenv = ['A']\n", async (path) => {
      expect(await checkSmolfile(path, { A: "" })).toEqual({ problems: [], notes: [] });
    });
  });

  test("tells variables that would be left out", async () => {
    await withSmolfile("env = [' A ', 'B=']\ndev.env = ['A', 'C']\n", async (path) => {
      const note = (name: string) => `${path}: the variable ${name} is not set here, and would be left out`;
      expect((await checkSmolfile(path, {})).notes).toEqual([note("A"), note("C")]);
    });
  });

  test("tells everything, in the order of the file", async () => {
    const codes = (text: string) =>
      withSmolfile(text, async (path) => (await checkSmolfile(path, {})).problems.map(({ code }) => code));
    expect(await codes("cuda = true\nvolumes = ['./x:/x']\nrosetta = true")).toEqual([
      "smolfile.unavailable",
      "smolfile.no_mount_source",
      "smolfile.unavailable",
    ]);
    expect(await codes("net = 1\nx = 1\n[dev]\nports = ['x']")).toEqual([
      "smolfile.bad_value",
      "smolfile.unknown_key",
      "smolfile.bad_value",
    ]);
  });
});
