import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { imageWith } from "../support/images.ts";
import {
  flipBit,
  imagesIn,
  isBlobOf,
  type LyingProxy,
  PullHome,
  type Server,
  startDockerRegistry,
  startProxy,
  strays,
  useRegistry,
} from "../support/registry/index.ts";

/** Packs in registries that are run by their names, as images are. */

setDefaultTimeout(60_000);

const { server, scratch } = useRegistry();
const home = new PullHome();
afterAll(() => home.remove());
afterEach(async () => await home.expectNothingLeft());

let docker: Server;
/** In front of it, to see what is asked for. */
let seen: LyingProxy;
let name: string;
let digest: string;

beforeAll(async () => {
  docker = server(await startDockerRegistry());
  seen = server(await startProxy({ upstream: docker.url }));
  name = `${seen.host}/team/app:1`;
  const image = await imageWith({
    Env: ["FROM=image", "PATH=/bin"],
    Cmd: ["sh", "-c", "echo cmd $FROM; exit 3"],
  });
  const file = `${scratch.path}/app.smolmachine`;
  const smolfile = `${scratch.path}/Smolfile`;
  writeFileSync(smolfile, 'init = ["echo made ready"]\n[network]\nallow_hosts = ["one.example"]\n');
  // Elsewhere: no layer of it is in the cache of those who run it.
  using maker = new PullHome();
  const words = [
    "create",
    "-q",
    "--image",
    image,
    "-o",
    `${scratch.path}/app`,
    "--cpus",
    "1",
    "--mem",
    "256",
    "-s",
    smolfile,
  ];
  for (const pack of [words, ["push", `${docker.host}/team/app:1`, "-f", file]]) {
    const { exitCode, stderr } = await maker.smolvm(["pack", ...pack]);
    if (exitCode !== 0) throw new Error(stderr);
  }
  digest = `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex")}`;
}, 60_000);

const run = (...words: string[]) => home.smolvm(["machine", "run", ...words]);
const downloads = () => seen.requests.filter(isBlobOf(digest)).length;
const codeOf = ({ stderr }: { stderr: string }) =>
  JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;

test("a pack that is not what its digest says: nothing of it runs, and nothing is left", async () => {
  seen.add({ when: isBlobOf(digest), act: flipBit(docker.url, 5000) });
  const result = await home.smolvm(["--error-format", "json", "machine", "run", "-q", "--image", name]);
  expect(result).toMatchObject({ exitCode: 125, output: "" });
  expect(codeOf(result)).toBe("registry.digest_mismatch");
  expect(imagesIn(home.images)).toEqual([]);
  expect(strays(home.images)).toEqual([]);
  seen.reset();
});

test("--pull never, and more than --max-image-size, download nothing", async () => {
  seen.reset();
  const json = ["--error-format", "json", "machine", "run", "--image", name];
  expect(codeOf(await home.smolvm([...json, "--pull", "never"]))).toBe("image.not_cached");
  expect(seen.requests).toEqual([]);
  expect(codeOf(await home.smolvm([...json, "--max-image-size", "1000"]))).toBe("image.limit");
  expect(downloads()).toBe(0);
});

test("it runs as it was packed, is downloaded once, and options win", async () => {
  seen.reset();
  const first = await run("--image", name);
  expect(first).toMatchObject({ exitCode: 3, output: "cmd image\n" });
  expect(first.stderr).toContain("made ready");
  expect(first.stderr).toContain("with a network policy of its own");
  expect(downloads()).toBe(1);
  expect(strays(home.images)).toEqual([]);
  const size = ["--pull", "always", "-e", "X=1", "--mem", "320"];
  const script = "echo $X $FROM; nproc; grep MemTotal /proc/meminfo";
  const again = await run("-q", ...size, "--image", name, "--", "sh", "-c", script);
  expect(again.output).toMatch(/^1 image\n1\nMemTotal: +[23]\d{5} kB\n$/);
  expect(downloads()).toBe(1);
});

test("what was run once needs no registry: nothing is asked, unless --pull always says so", async () => {
  seen.reset();
  const again = await run("--image", name);
  expect(again).toMatchObject({ exitCode: 3, output: "cmd image\n" });
  expect(again.stderr).toContain("made ready");
  expect(again.stderr).toContain("with a network policy of its own");
  const never = await run("-q", "--pull", "never", "--image", name, "--", "nproc");
  expect(never).toMatchObject({ exitCode: 0, output: "1\n" });
  expect(await home.smolvm(["machine", "create", "offline", "--image", name])).toMatchObject({ exitCode: 0 });
  await home.smolvm(["machine", "delete", "-f", "--name", "offline"]);
  expect(seen.requests).toEqual([]);
  expect(await run("-q", "--pull", "always", "--image", name)).toMatchObject({ exitCode: 3 });
  expect(seen.requests).not.toEqual([]);
  expect(downloads()).toBe(0);
  // By that name its image is in the list, and goes when it is told to.
  const listed = JSON.parse((await home.smolvm(["images", "ls", "--json"])).output);
  expect(listed).toMatchObject([{ references: [name] }]);
  expect((await home.smolvm(["images", "rm", name])).exitCode).toBe(0);
  const json = ["--error-format", "json", "machine", "run", "--image", name];
  expect(codeOf(await home.smolvm([...json, "--pull", "never"]))).toBe("image.not_cached");
});

test("machine create takes it into the cache, with its settings; the registry is not needed after that", async () => {
  await home.smolvm(["images", "prune", "--all"]);
  seen.reset();
  try {
    const made = await home.smolvm(["machine", "create", "--json", "made", "--image", name]);
    expect(JSON.parse(made.output)).toMatchObject({ name: "made", image: name, cpus: 1 });
    expect(downloads()).toBe(1);
    seen.reset();
    expect((await home.smolvm(["machine", "start", "--name", "made"])).exitCode).toBe(0);
    expect(seen.requests).toEqual([]);
  } finally {
    await home.smolvm(["machine", "delete", "-f", "--name", "made"]);
  }
});

test("a Smolfile's image may be a pack, and --image beside one: what the file says wins over the pack", async () => {
  const named = `${scratch.path}/named.toml`;
  const beside = `${scratch.path}/beside.toml`;
  const settings = 'memory = 320\nenv = ["FROM=file"]\ncmd = ["sh", "-c", "echo file $FROM; nproc"]\n';
  writeFileSync(named, `image = "${name}"\n${settings}`);
  writeFileSync(beside, settings);
  for (const words of [
    ["-s", named],
    ["-s", beside, "--image", name],
  ]) {
    await home.smolvm(["images", "prune", "--all"]);
    expect(await run("-q", ...words)).toMatchObject({ exitCode: 0, output: "file file\n1\n" });
    await home.smolvm(["images", "prune", "--all"]);
    try {
      const made = await home.smolvm(["machine", "create", "--json", "filed", ...words]);
      expect(JSON.parse(made.output)).toMatchObject({ image: name, cpus: 1, memory_mib: 320 });
    } finally {
      await home.smolvm(["machine", "delete", "-f", "--name", "filed"]);
    }
  }
});

test("machine create where no registry answers: as for an image, which its start finds out about", async () => {
  try {
    const words = ["machine", "create", "--image", "127.0.0.1:9/no/where", "later"];
    expect((await home.smolvm(words)).exitCode).toBe(0);
    expect((await home.smolvm(["machine", "start", "--name", "later"])).exitCode).not.toBe(0);
  } finally {
    await home.smolvm(["machine", "delete", "-f", "--name", "later"]);
  }
});

test("-d makes a machine of it that needs the registry no more", async () => {
  try {
    const { exitCode, stderr } = await run(
      "-q",
      "-d",
      "--name",
      "kept",
      "--image",
      name,
      "--",
      "sleep",
      "100",
    );
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("error")]);
    expect((await home.smolvm(["machine", "stop", "--name", "kept"])).exitCode).toBe(0);
    seen.reset();
    expect((await home.smolvm(["machine", "start", "--name", "kept"])).exitCode).toBe(0);
    expect(seen.requests).toEqual([]);
  } finally {
    await home.smolvm(["machine", "delete", "-f", "--name", "kept"]);
  }
});
