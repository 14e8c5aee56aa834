import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import { onDisk } from "../support/disk.ts";
import { program } from "../support/program.ts";
import {
  type PullError,
  PullHome,
  randomBytes,
  startDockerRegistry,
  storeContents,
  useRegistry,
} from "../support/registry/index.ts";

/** A disk that is full, or becomes so in the middle of a pull. */

setDefaultTimeout(60_000);

const { server, push } = useRegistry();
let reference: string;
let host: string;

beforeAll(async () => {
  const registry = server(await startDockerRegistry());
  host = registry.host;
  // Compresses well: what it needs shows only on the way.
  const text = (seed: number) =>
    Buffer.from(`${seed} the quick brown fox `.repeat(3_000_000)).subarray(0, 60_000_000);
  const layers = [
    tarOf({ path: "a", data: text(1) }),
    tarOf({ path: "b", data: text(2) }),
    tarOf({ path: "c", data: randomBytes(1000) }),
  ];
  reference = await push(registry, layers, "big/one:1");
});

/** The code of the error on stderr. */
const codeIn = ({ stderr }: { stderr: string }) => (JSON.parse(stderr) as { error: PullError }).error.code;

const files = "find disk/smolvm -type f -size +0 ! -name store.lock | sort";

describe("a full disk", () => {
  test("in the middle of a pull: said, nothing half is left, and what does not fit is not kept", async () => {
    using home = new PullHome();
    const script = `$PROGRAM images pull --quiet --json ${reference}; echo code $?; ${files}; $PROGRAM images ls --quiet; echo listed $?`;
    // Enough for what is left free for others (64 MiB) and one layer, not for two.
    const result = await onDisk(home, "110m", script);
    expect(codeIn(result)).toBe("image.no_space");
    expect(result.output).toMatch(/^code 1\n/);
    expect(result.output).toMatch(/listed 0\n$/);
    const kept = result.output.split("\n").filter((line) => line.startsWith("disk/"));
    // A whole layer may stay for the next attempt; no part of one, no image, no reference.
    for (const name of kept) expect(name).toMatch(/layers\/[0-9a-f]{64}\.(data|entries)$/);
    expect(kept.length % 2).toBe(0);
  });

  test("before a pull: refused without a download", async () => {
    using home = new PullHome();
    const result = await onDisk(
      home,
      "16m",
      `$PROGRAM images pull --quiet --json ${reference}; echo code $?; ${files}`,
    );
    expect(result.output).toBe("code 1\n");
    expect(codeIn(result)).toBe("image.no_space");
  });

  test("then there is room again: the same pull succeeds, with a cache like any other", async () => {
    using home = new PullHome();
    const again = `mount -o remount,size=400m disk && $PROGRAM images pull --quiet --json ${reference}`;
    const script = `$PROGRAM images pull --quiet --json ${reference} >/dev/null; echo code $?; ${again} >/dev/null; echo code $?; cp -r disk/smolvm/images kept`;
    const result = await onDisk(home, "110m", script);
    expect(result.output).toMatch(/^code 1\ncode 0\n$/);
    using other = new PullHome();
    await other.pulled(reference);
    expect(storeContents(`${home.path}/kept`)).toEqual(storeContents(other.images));
  });

  test("no inodes left", async () => {
    using home = new PullHome();
    const script = `mount -o remount,nr_inodes=9 disk && $PROGRAM images pull --quiet --json ${reference}; echo code $?`;
    const result = await onDisk(home, "400m", script);
    expect(result.output).toBe("code 1\n");
    expect(codeIn(result)).toBe("image.no_space");
  });
});

test("a limit on the size of files (ulimit -f): said", async () => {
  using home = new PullHome();
  const result = await home.shell(
    `ulimit -f 8000; ${program} images pull --quiet --json ${reference}; echo code $?`,
  );
  expect(result.output).toBe("code 1\n");
  expect(codeIn(result)).toBe("image.too_large");
});

test("a cache that cannot be written: said with its path", async () => {
  using home = new PullHome();
  const { code, message } = await home.refused(reference, { env: { XDG_CACHE_HOME: "/proc/1" } });
  expect([code, message]).toEqual(["image.write_failed", expect.stringContaining("/proc/1")]);
});

test("the cache's limit: the least recently used images go, never the new one", async () => {
  using home = new PullHome();
  for (const name of ["one", "two", "three"]) {
    await push({ host }, [tarOf({ path: name, data: randomBytes(3_000_000) })], `evict/${name}:1`);
    await home.pulled(`${host}/evict/${name}:1`, { env: { SMOLVM_IMAGE_CACHE_MAX_BYTES: "7000000" } });
  }
  const { output } = await home.smolvm(["images", "ls", "--json"]);
  const names = (JSON.parse(output) as { references: string[] }[]).flatMap(({ references }) => references);
  expect(names.map((name) => /evict\/(\w+)/.exec(name)?.[1]).sort()).toEqual(["three", "two"]);
});
