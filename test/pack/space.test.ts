import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import { Scratch } from "../image/tools.ts";
import { onDisk } from "../support/disk.ts";
import { useHome } from "../support/register.ts";
import { randomBytes } from "../support/registry/index.ts";

/** Disks that are full, or become so while a pack is written or unpacked. */

setDefaultTimeout(60_000);

const home = useHome();
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const [image, app] = [`${scratch.path}/image.tar`, `${scratch.path}/app`];

beforeAll(async () => {
  // Compresses well: what it takes shows only on the way.
  const text = Buffer.from("the quick brown fox ".repeat(3_000_000));
  const members = [
    { path: "bin/sh", data: text, mode: 0o755 },
    { path: "noise", data: randomBytes(3_000_000) },
  ];
  writeFileSync(image, tarOf(...members));
  const words = ["pack", "create", "-q", "--no-runtime", "--image", image, "-o", app];
  const { exitCode, stderr } = await home.smolvm(words);
  if (exitCode !== 0) throw new Error(stderr);
});

const codeIn = ({ stderr }: { stderr: string }) =>
  JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code;

const create = `$PROGRAM --error-format json machine create --from ${app}.smolmachine full`;

describe("a disk that becomes full while a pack is unpacked", () => {
  const left = "find disk/smolvm/images -type f -size +0 ! -name store.lock; $PROGRAM machine ls --quiet";

  test("said; nothing half is left, and no machine", async () => {
    const result = await onDisk(home, "30m", `${create}; echo code $?; ${left}`);
    expect(result.output).toBe("code 1\n");
    expect(codeIn(result)).toBe("image.no_space");
  });

  test("once there is room, the same pack is taken", async () => {
    const again = `mount -o remount,size=400m disk && ${create} >/dev/null; echo code $?`;
    const clean = "$PROGRAM machine delete -f full >/dev/null";
    const result = await onDisk(
      home,
      "30m",
      `${create} 2>/dev/null; echo code $?; ${again}; ${clean}; $PROGRAM images ls -q | wc -l`,
    );
    expect(result.output).toBe("code 1\ncode 0\n1\n");
  });
});

test("a disk that becomes full while a pack is written: said, and nothing is left", async () => {
  const pack = `XDG_CACHE_HOME=${scratch.path}/cache $PROGRAM --error-format json pack create -q --no-runtime --image ${image} -o disk/app`;
  const result = await onDisk(home, "2m", `${pack}; echo code $?; ls -A disk`);
  expect(codeIn(result)).toBe("pack.no_space");
  expect(result.output).toBe("code 1\n");
});
