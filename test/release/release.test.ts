import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { run } from "../../build/host.ts";
import { debianImage } from "../support/debian.ts";
import { Home } from "../support/home.ts";
import { dist, flip, platform, release, serve, version, writeKey } from "./release.fixture.ts";

/** `./dev release` and what people install from it; dpkg, lintian, ruby, openssl, shells and curl are the judges. */

setDefaultTimeout(240_000);

const work = mkdtempSync("/tmp/smolvm-release-");
let served = `${work}/release`;
const server = serve(() => served);
const url = `http://127.0.0.1:${server.port}`;
const home = new Home();
const files = () => `${work}/release/${version}`;
const archive = `smolvm-${version}-${platform}.tar.gz`;

beforeAll(async () => {
  await release(`${work}/release`, url, writeKey(`${work}/key.pem`));
});
afterAll(async () => {
  await server.stop(true);
  home.remove();
  rmSync(work, { recursive: true, force: true });
});

interface Installation {
  readonly shell?: string[];
  readonly env?: Record<string, string>;
  readonly path?: string;
}

/** Pipes the installer into a shell that has next to no environment. */
async function install(prefix: string, words: string[] = [], options: Installation = {}) {
  const { shell = ["sh"], env = {}, path = "/usr/bin:/bin" } = options;
  const child = Bun.spawn([...shell, "-s", "--", "--prefix", prefix, ...words], {
    stdin: Bun.file(`${work}/release/install.sh`),
    stdout: "pipe",
    stderr: "pipe",
    cwd: work,
    env: { PATH: path, HOME: `${work}/home`, ...env },
  });
  const [output, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { output, stderr, code };
}

const below = (prefix: string) =>
  existsSync(prefix)
    ? readdirSync(prefix, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
    : [];

/** A release in which one file is another one. */
async function tampered(name: string, change: (path: string) => unknown): Promise<void> {
  served = `${work}/tampered`;
  rmSync(served, { recursive: true, force: true });
  await run(["cp", "-a", `${work}/release`, served]);
  await change(`${served}/${version}/${name}`);
}

/** The Python package: source archive, wheel. */
const pythonFiles = [
  `smolvm_machines-${version}.tar.gz`,
  `smolvm_machines-${version}-py3-none-any.whl`,
].sort();

describe("a release", () => {
  test("has a Python package, which pip installs without a network, and which works", async () => {
    for (const [i, name] of pythonFiles.entries()) {
      const target = `${work}/python-${i}`;
      const options = ["--quiet", "--no-index", "--no-build-isolation", "--target", target];
      await run(["/usr/bin/python3", "-m", "pip", "install", ...options, `${files()}/${name}`]);
      expect(existsSync(`${target}/smolvm/py.typed`)).toBe(true);
      const script = "import smolvm\nwith smolvm.SmolVM() as vm: print(vm.run('uname -s').output)";
      const child = Bun.spawn(["/usr/bin/python3", "-c", script], {
        env: { ...home.env, PYTHONPATH: target, SMOLVM_BIN: `${dist}/smolvm` },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [output, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect({ output, stderr }).toEqual({ output: "Linux\n", stderr: "" });
    }
  });

  test("has an archive, a package, npm packages, a formula, a bill of materials, and sums of them that are signed", async () => {
    await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: files() });
    const listed = readFileSync(`${files()}/SHA256SUMS`, "utf8").match(/\S+$/gm);
    const cpu = archive.match(/(\w+)\.tar/)?.[1];
    expect(listed).toEqual([
      archive.replace("tar.gz", "spdx.json"),
      archive,
      `smolvm-${version}.tgz`,
      `smolvm-cli-${process.platform}-${process.arch}-${version}.tgz`,
      "smolvm.rb",
      `smolvm_${version}_${cpu}.deb`,
      ...pythonFiles,
    ]);
    expect(readFileSync(`${work}/release/latest`, "utf8")).toBe(`${version}\n`);
    const names = (await run(["tar", "-tzf", `${files()}/${archive}`])).split("\n");
    for (const name of ["bin/smolvm", "share/man/man1/smolvm-machine-run.1", "share/doc/smolvm/LICENCES.txt"])
      expect(names).toContain(`${archive.replace(".tar.gz", "")}/${name}`);
    const bill = JSON.parse(readFileSync(`${files()}/${archive.replace("tar.gz", "spdx.json")}`, "utf8"));
    const { components } = JSON.parse(readFileSync(`${dist}/manifest.json`, "utf8"));
    expect(bill.packages).toHaveLength(components.length + 1);
    await run(["ruby", "-c", `${files()}/smolvm.rb`]);
    expect(readFileSync(`${files()}/smolvm.rb`, "utf8")).toContain(`url "${url}/${version}/${archive}"`);
  });

  test("has a Debian package in which lintian finds what docs/install.md says, and nothing else", async () => {
    const words = ["--allow-root", "--tag-display-limit", "0", "--no-cfg"];
    const deb = `${files()}/smolvm_${version}_${archive.match(/(\w+)\.tar/)?.[1]}.deb`;
    const child = Bun.spawn(["lintian", ...words, deb], { stdout: "pipe", stderr: "pipe" });
    const [output, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const tags = output
      .trimEnd()
      .split("\n")
      .map((line) => line.match(/^\w: smolvm: (\S+)/)?.[1] ?? line);
    expect({ tags, stderr }).toEqual({
      tags: [
        "bogus-mail-host",
        "bogus-mail-host-in-debian-changelog",
        "malformed-deb-archive",
        "malformed-deb-archive",
      ],
      stderr: "",
    });
  });

  test("is the same bytes when it is made again elsewhere", async () => {
    await release(`${work}/again/else where`, url, `${work}/key.pem`);
    await run(["diff", "-r", `${work}/release`, `${work}/again/else where`]);
  });

  test("refuses archives of another version or of something else", async () => {
    const { makeRelease } = await import("../../build/release/release.ts");
    const made = makeRelease({
      dist,
      directory: `${work}/no`,
      url,
      archives: [`${work}/smolvm-9.9.9-linux-arm64.tar.gz`],
    });
    expect(made).rejects.toThrow("is no archive of");
  });
});

describe("install.sh", () => {
  test("has nothing that shellcheck, dash or busybox object to", async () => {
    await run(["shellcheck", "--shell=sh", `${work}/release/install.sh`]);
    for (const shell of [["dash"], ["busybox", "sh"], ["bash", "--posix"]])
      await run([...shell, "-n", `${work}/release/install.sh`]);
  });

  test.each([["dash"], ["busybox sh"], ["bash"]])(
    "by %s: installs, upgrades in place, uninstalls",
    async (shell) => {
      served = `${work}/release`;
      const prefix = `${work}/in stalled`;
      for (const round of [1, 2]) {
        const { output, stderr, code } = await install(prefix, [], { shell: shell.split(" ") });
        expect({ round, output, code }).toEqual({ round, output: "", code: 0 });
        expect(stderr).toContain(`installed smolvm ${version} to ${prefix}/bin/smolvm`);
        expect(stderr).toContain("is not in your PATH");
      }
      expect(await run([`${prefix}/bin/smolvm`, "--version"])).toBe(`smolvm ${version}\n`);
      expect(readFileSync(`${prefix}/share/smolvm/receipt`, "utf8")).toContain(`\nfrom ${url}\n`);
      expect(readdirSync(prefix).sort()).toEqual(["bin", "lib", "share"]);
      expect((await install(prefix, ["--uninstall"], { shell: shell.split(" ") })).code).toBe(0);
      expect(existsSync(prefix)).toBe(false);
    },
  );

  test("removes the directories that it made, when nothing else is in them, and no other", async () => {
    const prefix = `${work}/shared`;
    mkdirSync(`${prefix}/share/man/man1`, { recursive: true });
    await install(prefix);
    await install(prefix);
    await Bun.write(`${prefix}/share/zsh/site-functions/_mine`, "");
    expect((await install(prefix, ["--uninstall"])).code).toBe(0);
    const left = readdirSync(prefix, { recursive: true }).sort();
    const mine = ["share/zsh", "share/zsh/site-functions", "share/zsh/site-functions/_mine"];
    expect(left).toEqual(["share", "share/man", "share/man/man1", ...mine]);
  });

  test("works with wget alone, without openssl and ssh-keygen, and says that the signature was not checked", async () => {
    const tools = `${work}/tools`;
    mkdirSync(tools);
    const needed = "sh tar gzip sed cut find mkdir rm rmdir mv cat grep sort uname sha256sum wget".split(" ");
    for (const name of needed) await run(["ln", "-s", Bun.which(name) ?? name, `${tools}/${name}`]);
    const made = await install(`${work}/bare`, [], { path: tools });
    expect(made.stderr).toContain("the signature was not checked");
    expect(made.code).toBe(0);
    const strict = await install(`${work}/strict`, ["--require-signature"], { path: tools });
    expect(strict).toMatchObject({ code: 1 });
    expect(below(`${work}/strict`)).toEqual([]);
    rmSync(`${tools}/sha256sum`);
    const blind = await install(`${work}/blind`, [], { path: tools });
    expect(blind.stderr).toContain("nothing here computes SHA-256");
    expect(blind.code).toBe(1);
    expect(below(`${work}/blind`)).toEqual([]);
  });

  test.each([
    ["an archive with a flipped bit", archive, flip, "is damaged, or not what was published"],
    ["an archive cut off", archive, (path: string) => run(["truncate", "-s", "-1000", path]), "is damaged"],
    ["other sums", "SHA256SUMS", flip, "the signature of"],
    ["a signature with a flipped bit", "SHA256SUMS.sig", flip, "the signature of"],
    ["no signature", "SHA256SUMS.sig", (path: string) => rmSync(path), "failed"],
    ["no archive", archive, (path: string) => rmSync(path), "failed"],
  ])("%s is refused, and what was installed stays", async (_, name, change, complaint) => {
    served = `${work}/release`;
    const prefix = `${work}/kept`;
    await install(prefix);
    const before = statSync(`${prefix}/bin/smolvm`).ino;
    await tampered(name, change);
    const { stderr, code } = await install(prefix);
    served = `${work}/release`;
    expect(stderr).toContain(complaint);
    expect(code).toBe(1);
    expect(statSync(`${prefix}/bin/smolvm`).ino).toBe(before);
    expect(readdirSync(prefix).sort()).toEqual(["bin", "lib", "share"]);
  });

  test("half of it does nothing, plain http is refused, and so is a release of another signer", async () => {
    const text = readFileSync(`${work}/release/install.sh`, "utf8");
    const half = Bun.spawnSync(["sh", "-s", "--", "--prefix", `${work}/half`], {
      stdin: Buffer.from(text.slice(0, text.lastIndexOf("main "))),
    });
    expect([half.exitCode, below(`${work}/half`)]).toEqual([0, []]);
    const plain = await install(`${work}/plain`, ["--from", "http://example.invalid"]);
    expect(plain.stderr).toContain("is not https");
    const hidden = await install(`${work}/plain`, ["--from", "http://127.0.0.1:80@example.invalid"]);
    expect([hidden.code, hidden.stderr]).toEqual([1, expect.stringContaining("there is an @ in")]);
    await install(`${work}/signed`);
    const receipt = `${work}/signed/share/smolvm/receipt`;
    await Bun.write(receipt, readFileSync(receipt, "utf8").replace(/^key .*/m, "key other"));
    const other = await install(`${work}/signed`);
    expect(other.stderr).toContain("was signed with another key");
    expect([plain.code, other.code]).toEqual([1, 1]);
  });

  test("in a machine: Debian runs what it installs, and Alpine is told that smolvm needs glibc", async () => {
    const words = ["--net", "-v", `${work}/release:/release:ro`];
    const script = "sh /release/install.sh --from /release --prefix /opt/smolvm";
    const inAlpine = ["sh", "-c", `${script}; echo $?; ls -A /opt/smolvm`];
    const alpine = await home.run(inAlpine, { options: words, seconds: 180 });
    expect(alpine.output).toBe("1\n");
    expect(alpine.stderr).toContain("it needs glibc");
    const image = await debianImage();
    const debian = await home.run(
      [
        "sh",
        "-ec",
        `${script} 2>&1; /opt/smolvm/bin/smolvm --version; dpkg -i /release/${version}/*.deb; smolvm --version
         dpkg -r smolvm; [ ! -e /usr/bin/smolvm ]`,
      ],
      { options: ["--image", image, ...words], seconds: 180 },
    );
    expect(debian).toMatchObject({ exitCode: 0 });
    expect(debian.output.match(new RegExp(`^smolvm ${version}$`, "gm"))).toHaveLength(2);
  });
});
