import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { run } from "../../build/host.ts";
import { writeLatest } from "../../build/release/release.ts";
import { releaseKey } from "../../build/release/signature.ts";
import { dist, flip, platform, publish, release, version, writeKey } from "./release.fixture.ts";

/** `smolvm self-update` of a smolvm that install.sh has installed, from a web server on the loopback. */

setDefaultTimeout(120_000);

const NEWER = "99.0.0";
const OLDER = "0.0.1";

const work = mkdtempSync("/tmp/smolvm-update-");
const key = writeKey(`${work}/key.pem`);
let served = `${work}/release`;

/** Called with the answer's beginning; the rest of the archive never comes. */
let stall: (() => void) | undefined;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch: async (request) => {
    const path = `${served}${new URL(request.url).pathname}`;
    if (!existsSync(path)) return new Response("not found", { status: 404 });
    if (stall === undefined || !path.endsWith(".tar.gz")) return new Response(Bun.file(path));
    const begun = stall;
    return new Response(
      new ReadableStream({
        start: (body) => {
          body.enqueue(new Uint8Array(1000));
          begun();
        },
      }),
    );
  },
});

beforeAll(async () => {
  const url = `http://127.0.0.1:${server.port}`;
  await release(`${work}/release`, url, key);
  await run(["sh", `${work}/release/install.sh`, "--prefix", `${work}/installed`]);
  await publish(`${work}/release`, NEWER, key);
});
afterAll(async () => {
  await server.stop(true);
  rmSync(work, { recursive: true, force: true });
});

/** A copy of the installation; its files are replaced, never written to. */
async function installed(name: string): Promise<string> {
  served = `${work}/release`;
  stall = undefined;
  await run(["cp", "-al", `${work}/installed`, `${work}/${name}`]);
  return `${work}/${name}`;
}

function start(prefix: string, words: string[] = [], path = "/usr/bin:/bin") {
  return Bun.spawn([`${prefix}/bin/smolvm`, "self-update", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    cwd: work,
    env: { PATH: path, HOME: `${work}/home` },
  });
}

async function update(prefix: string, words: string[] = [], path?: string) {
  const child = start(prefix, words, path);
  const [output, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { output, stderr, code };
}

const versionOf = async (prefix: string) => (await run([`${prefix}/bin/smolvm`, "--version"])).trim();

/** That nothing of it has changed, and nothing lies beside it. */
async function expectUntouched(prefix: string): Promise<void> {
  expect(statSync(`${prefix}/bin/smolvm`).ino).toBe(statSync(`${work}/installed/bin/smolvm`).ino);
  await run(["diff", "-r", `${work}/installed`, prefix]);
}

async function expectUpdated(prefix: string, to = NEWER): Promise<void> {
  expect(await versionOf(prefix)).toBe(`smolvm ${to}`);
  expect(readdirSync(prefix).sort()).toEqual(["bin", "lib", "share"]);
  expect(readdirSync(`${prefix}/share/doc/smolvm`)).toEqual([`only-in-${to}`]);
  expect(existsSync(`${prefix}/share/man/man1/smolvm.1`)).toBe(false);
}

/** Changes a copy of the release, and serves that. */
async function tampered(change: (directory: string) => unknown): Promise<void> {
  served = `${work}/tampered`;
  rmSync(served, { recursive: true, force: true });
  await run(["cp", "-a", `${work}/release`, served]);
  await change(served);
}

/** The signer itself names what is newest. */
const signLatest = (line: string) => writeLatest(served, line, releaseKey(readFileSync(key, "utf8")));

describe("self-update", () => {
  test("says what is there, gets it from where it was installed from, and remembers the key", async () => {
    const prefix = await installed("plain");
    const looked = await update(prefix, ["--check"]);
    expect(looked).toEqual({
      output: `smolvm ${NEWER} can be installed; this is ${version}\n`,
      stderr: "",
      code: 0,
    });
    const asJson = await update(prefix, ["--check", "--json"]);
    expect(JSON.parse(asJson.output)).toEqual({ installed: version, newest: NEWER, is_newer: true });
    expect((await update(prefix, ["--json"])).code).toBe(2);
    await expectUntouched(prefix);
    const made = await update(prefix);
    expect(made.stderr).toContain(`installed smolvm ${NEWER} to ${prefix}/bin/smolvm\n`);
    expect(made).toMatchObject({ output: "", code: 0 });
    await expectUpdated(prefix);
    const lines = (path: string) => readFileSync(`${path}/share/smolvm/receipt`, "utf8").split("\n");
    const kept = lines(`${work}/installed`).filter((line) => /^(from|key|dir) /.test(line));
    expect(kept.length).toBeGreaterThan(5);
    expect(lines(prefix)).toEqual(expect.arrayContaining([...kept, `version ${NEWER}`]));
  });

  test.each([
    ["an archive with a flipped bit", `${NEWER}/smolvm-${NEWER}-${platform}.tar.gz`, flip, "is damaged"],
    ["other sums", `${NEWER}/SHA256SUMS`, flip, "the signature of"],
    ["a signature with a flipped bit", `${NEWER}/SHA256SUMS.sig`, flip, "the signature of"],
    ["no signature", `${NEWER}/SHA256SUMS.sig`, (path: string) => rmSync(path), "SHA256SUMS.sig failed"],
    [
      "a version that leads elsewhere",
      "latest",
      (path: string) => Bun.write(path, "../x\n"),
      "is no version",
    ],
    ["a newest version that is none", "latest", () => signLatest("new"), "is no version"],
    [
      "a newest version that the signer never named",
      "latest",
      (path: string) => Bun.write(path, "9.9.9\n"),
      "latest is wrong",
    ],
    ["no signature of what is newest", "latest.sig", (path: string) => rmSync(path), "latest.sig failed"],
    ["no release at all", "latest", (path: string) => rmSync(path), "failed"],
  ])("%s: the old one stays", async (name, file, change, complaint) => {
    const prefix = await installed(name);
    await tampered((directory) => change(`${directory}/${file}`));
    const { output, stderr, code } = await update(prefix);
    expect(stderr).toMatch(/^error: /m);
    expect(stderr).toContain(complaint);
    expect({ output, code }).toEqual({ output: "", code: 1 });
    await expectUntouched(prefix);
  });

  test("a release of another signer, and one that nobody has signed, are refused", async () => {
    const prefix = await installed("signer");
    await tampered((directory) => publish(directory, NEWER, writeKey(`${work}/other.pem`)));
    expect((await update(prefix)).stderr).toContain("the signature of");
    await tampered(async (directory) => {
      rmSync(`${directory}/${NEWER}`, { recursive: true });
      await publish(directory, NEWER);
    });
    expect((await update(prefix)).stderr).toContain("SHA256SUMS.sig failed");
    await expectUntouched(prefix);
  });

  test("where nothing checks signatures, an installation that has a key is not updated", async () => {
    const prefix = await installed("blind");
    const tools = `${work}/tools`;
    mkdirSync(tools);
    const needed = "sh tar gzip sed cut find mkdir mktemp rm rmdir mv cat grep sort uname sha256sum curl";
    for (const name of needed.split(" "))
      await run(["ln", "-s", Bun.which(name) ?? name, `${tools}/${name}`]);
    const refused = await update(prefix, [], tools);
    expect(refused.stderr).toContain("so the signature cannot be checked");
    expect(refused.code).toBe(1);
    await expectUntouched(prefix);
  });

  test("an older version comes only when it is named", async () => {
    const prefix = await installed("older");
    await tampered((directory) => publish(directory, OLDER, key));
    const said = `smolvm ${version} is installed; the newest release is ${OLDER}\n`;
    expect(await update(prefix)).toEqual({ output: said, stderr: "", code: 0 });
    await expectUntouched(prefix);
    expect((await update(prefix, ["--version", OLDER])).code).toBe(0);
    await expectUpdated(prefix, OLDER);
  });

  test("told to end in the middle of a download it leaves nothing; killed, the next one cleans up", async () => {
    const prefix = await installed("killed");
    for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
      const { promise, resolve } = Promise.withResolvers<void>();
      stall = resolve;
      const child = start(prefix);
      await promise;
      const [unfinished = ""] = readdirSync(prefix).filter((name) => name.startsWith(".smolvm-install."));
      child.kill(signal);
      await child.exited;
      if (signal !== "SIGKILL") {
        expect(child.exitCode).toBe(signal === "SIGTERM" ? 143 : 130);
        await expectUntouched(prefix);
        continue;
      }
      process.kill(-Number(unfinished.split(".").pop()), "SIGKILL");
      expect(readdirSync(prefix)).toContain(unfinished);
      expect(await versionOf(prefix)).toBe(`smolvm ${version}`);
    }
    stall = undefined;
    expect((await update(prefix)).code).toBe(0);
    await expectUpdated(prefix);
  });

  test("two at once, to different versions: the result is one of them, whole", async () => {
    const prefix = await installed("twice");
    await tampered((directory) => publish(directory, "99.0.1", key));
    const ended = await Promise.all([
      update(prefix, ["--version", NEWER]),
      update(prefix, ["--version", "99.0.1"]),
    ]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    await expectUpdated(prefix, (await versionOf(prefix)).split(" ")[1]);
  });

  test("a smolvm that came otherwise is left alone", async () => {
    const child = Bun.spawn([`${dist}/smolvm`, "self-update", "--error-format", "json"], { stderr: "pipe" });
    const { error } = JSON.parse(await child.stderr.text());
    expect(error.code).toBe("update.not_ours");
    expect(error.hint).toContain("what a release's install.sh installs updates itself");
    expect(await child.exited).toBe(1);
    const both = await update(await installed("both"), ["--check", "--version", NEWER]);
    expect(both.code).toBe(2);
  });
});
