import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { matchingStamp } from "./stamp.ts";
import { temporaryDirectory } from "./testing.ts";

/** The program as its guests' runtime, with a small compiled program in the place of smolvm. */

const root = temporaryDirectory();
const program = `${root.path}/bin/program`;
const runtime = `${root.path}/cache/runtime/0123456789abcdef0123456789abcdef`;

const SOURCE = `
  import { makeProgramImage, shareProgram } from "${import.meta.dir}/runtime.ts";
  const [what, directory] = process.argv.slice(2);
  const work = { image: makeProgramImage, share: shareProgram }[what!];
  work!(directory!).then(console.log, (error) => console.log(error.code ?? error.stack));
`;

beforeAll(async () => {
  writeFileSync(`${root.path}/program.ts`, SOURCE);
  const result = await Bun.build({
    entrypoints: [`${root.path}/program.ts`],
    target: "bun",
    compile: { outfile: program },
  });
  expect(result.success).toBe(true);
}, 60_000);

afterAll(() => root[Symbol.dispose]());

async function run(what: "image" | "share", command = [program]): Promise<string> {
  const child = Bun.spawn([...command, what, runtime], { stdout: "pipe", stderr: "inherit" });
  return (await new Response(child.stdout).text()).trim();
}

describe("the share", () => {
  const shared = `${runtime}/share/smolvm`;

  test("holds the running file itself, and nothing else", async () => {
    expect(await run("share")).toBe(`${runtime}/share`);
    expect(statSync(shared).ino).toBe(statSync(program).ino);
    expect(readdirSync(`${runtime}/share`)).toEqual(["smolvm"]);
  });

  test("is left alone when it is right, and made again when it is gone or damaged", async () => {
    const { ino } = statSync(shared);
    await run("share");
    expect(statSync(shared).ino).toBe(ino);
    rmSync(shared);
    await run("share");
    expect(readFileSync(shared).equals(readFileSync(program))).toBe(true);
    rmSync(shared);
    writeFileSync(shared, "damaged");
    await run("share");
    expect(readFileSync(shared).equals(readFileSync(program))).toBe(true);
  });

  test("is a copy where no hard link can be made", async () => {
    rmSync(runtime, { recursive: true });
    // Another filesystem, which only this process sees: hard links do not lead out of it.
    const script =
      'mkdir -p "$0" && mount -t tmpfs tmpfs "$0" && "$@" && cmp "$0/share/smolvm" "$1" && echo same';
    const isolated = [
      "unshare",
      "--user",
      "--map-root-user",
      "--mount",
      "sh",
      "-c",
      script,
      runtime,
      program,
    ];
    expect(await run("share", isolated)).toBe(`${runtime}/share\nsame`);
  }, 60_000);

  test("serves many processes at once, also while the program is being replaced", async () => {
    rmSync(runtime, { recursive: true, force: true });
    const answers = Array.from({ length: 10 }, () => run("share"));
    copyFileSync(program, `${program}.other`);
    expect(new Set(await Promise.all(answers))).toEqual(new Set([`${runtime}/share`]));
    expect(readdirSync(`${runtime}/share`)).toEqual(["smolvm"]);
  }, 60_000);
});

describe("the image", () => {
  const image = `${runtime}/runtime.erofs`;

  test("holds the program as /smolvm, byte for byte", async () => {
    expect(await run("image")).toBe(image);
    const extracted = `${root.path}/extracted`;
    const check = Bun.spawnSync(["fsck.erofs", `--extract=${extracted}`, image]);
    expect(`${check.exitCode} ${check.stderr}`).toBe("0 ");
    expect(readdirSync(extracted)).toEqual(["smolvm"]);
    expect(readFileSync(`${extracted}/smolvm`).equals(readFileSync(program))).toBe(true);
    expect(statSync(`${extracted}/smolvm`).mode & 0o555).toBe(0o555);
  }, 60_000);

  test("is made again when it is damaged", async () => {
    const whole = readFileSync(image);
    writeFileSync(image, Buffer.from(whole).fill(0, 8192, 12288));
    expect(matchingStamp(image)).toBeUndefined();
    await run("image");
    expect(readFileSync(image).equals(whole)).toBe(true);
    expect(
      readdirSync(runtime)
        .filter((name) => name.startsWith("runtime"))
        .sort(),
    ).toEqual(["runtime.erofs", "runtime.erofs.stamp"]);
  }, 60_000);

  test("run from source there is no program to share", async () => {
    const source = [process.execPath, `${root.path}/program.ts`];
    rmSync(runtime, { recursive: true });
    expect(await run("share", source)).toBe("assets.not_compiled");
    expect(await run("image", source)).toBe("assets.not_compiled");
  });
});
