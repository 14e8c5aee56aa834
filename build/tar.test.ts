import { expect, test } from "bun:test";
import { type TarEntry, writeTar } from "./tar.ts";

const root = { uid: 0, gid: 0 };

async function archive(entries: TarEntry[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTar(entries, 1735689600)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("GNU tar reads what is written", async () => {
  const bytes = await archive([
    { path: "tmp", ...root, mode: 0o1777, content: { directory: true } },
    { path: "bin/empty", ...root, mode: 0o644, content: { file: new Uint8Array() } },
    { path: "bin/block", uid: 12, gid: 345, mode: 0o4755, content: { file: new Uint8Array(512) } },
    { path: "bin/odd", ...root, mode: 0o600, content: { file: new Uint8Array(513) } },
    { path: "bin/sh", ...root, mode: 0o777, content: { symlink: "busybox" } },
  ]);
  expect(bytes.length % 512).toBe(0);
  const tar = Bun.spawnSync(["tar", "-tvf", "-", "--utc", "--numeric-owner"], { stdin: bytes });
  expect(tar.stderr.toString()).toBe("");
  expect(tar.stdout.toString()).toMatchInlineSnapshot(`
"drwxrwxrwt 0/0               0 2025-01-01 00:00 tmp/
-rw-r--r-- 0/0               0 2025-01-01 00:00 bin/empty
-rwsr-xr-x 12/345          512 2025-01-01 00:00 bin/block
-rw------- 0/0             513 2025-01-01 00:00 bin/odd
lrwxrwxrwx 0/0               0 2025-01-01 00:00 bin/sh -> busybox
"
`);
});

test("what does not fit a header is refused", async () => {
  const entry: TarEntry = {
    path: "x".repeat(101),
    ...root,
    mode: 0o644,
    content: { file: new Uint8Array() },
  };
  await expect(archive([entry])).rejects.toThrow("too long");
});
