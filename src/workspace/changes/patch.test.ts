import { expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { treeOfGuest, treeOfHost } from "../layer/model.fixture.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { changesOf } from "./changes.ts";
import { gitPath, hunkHeader, patchesOf } from "./patch.ts";

async function patchText(place: ReturnType<typeof makePlace>): Promise<string> {
  using workspace = openWorkspace(place, "read");
  const lines: string[] = [];
  for (const change of changesOf(workspace))
    for (const { header, hunks } of await patchesOf(workspace, change)) {
      lines.push(...header);
      for (const hunk of hunks) lines.push(hunkHeader(hunk), ...hunk.lines);
    }
  return lines.map((line) => `${line}\n`).join("");
}

test("git apply makes of the host's folder what the guest has", async () => {
  using place = makePlace();
  const { folder } = place;
  mkdirSync(`${folder}/src`);
  const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\n`);
  writeFileSync(`${folder}/src/edit.txt`, lines.join(""));
  writeFileSync(`${folder}/src/gone.txt`, "gone\n");
  writeFileSync(`${folder}/src/moved.txt`, lines.join(""));
  writeFileSync(`${folder}/run`, "#!/bin/sh\n");
  writeFileSync(`${folder}/becomes-link`, "text without end");
  symlinkSync("edit.txt", `${folder}/src/link`);
  {
    using guest = Guest.of(place);
    guest.write(
      "src/edit.txt",
      lines.with(3, "three\n").with(30, "thirty without end").slice(0, 31).join(""),
    );
    guest.unlink("src/gone.txt");
    guest.rename("src/moved.txt", "moved here.txt");
    guest.chmod("run", 0o755);
    guest.write('n\xc3\xb6\t"new".txt', "one\ntwo\xff\n");
    guest.mkdir("deep");
    guest.write("deep/empty", "");
    guest.write("deep/script", "x\n", 0o755);
    guest.unlink("becomes-link");
    guest.symlink("src/edit.txt", "becomes-link");
    guest.unlink("src/link");
    guest.symlink("elsewhere", "src/link");
  }
  const patch = await patchText(place);
  expect(patch).toContain("rename from src/moved.txt\nrename to moved here.txt\n");
  expect(patch).toContain("old mode 100644\nnew mode 100755\n");
  cpSync(folder, `${place.root}/copy`, { recursive: true, verbatimSymlinks: true });
  chmodSync(`${place.root}/copy`, 0o755);
  writeFileSync(`${place.root}/patch`, Buffer.from(patch, "latin1"));
  const git = Bun.spawnSync(["git", "apply", "--whitespace=nowarn", `${place.root}/patch`], {
    cwd: `${place.root}/copy`,
    env: { PATH: process.env.PATH, GIT_CEILING_DIRECTORIES: "/" },
    stderr: "pipe",
  });
  expect({ stderr: git.stderr.toString(), patch: git.exitCode === 0 ? "" : patch }).toEqual({
    stderr: "",
    patch: "",
  });
  using guest = Guest.of(place);
  const tree = Object.entries(treeOfHost(`${place.root}/copy`));
  const bytes = tree.map(([path, what]) => [Buffer.from(path).toString("latin1"), what]);
  expect(Object.fromEntries(bytes)).toEqual(treeOfGuest(guest));
});

test("what is no text, or too much of it, is not compared", async () => {
  using place = makePlace();
  writeFileSync(`${place.folder}/binary`, Buffer.from([1, 0, 2]));
  const noise = (seed: number) =>
    Array.from({ length: 100_000 }, (_, i) => `${(i * seed) % 65537}\n`).join("");
  writeFileSync(`${place.folder}/different`, noise(48271));
  writeFileSync(`${place.folder}/large`, "");
  {
    using guest = Guest.of(place);
    guest.write("binary", "\x01\x00\x03");
    guest.write("different", noise(69621));
    guest.write("large", "a\n".repeat(1024 * 1024));
  }
  const started = performance.now();
  const patch = await patchText(place);
  expect(patch).toContain("Binary files a/binary and b/binary differ\n");
  expect(patch).toMatch(/a\/different and b\/different differ \(too much to compare\)/);
  expect(patch).toMatch(/a\/large and b\/large differ \(too large to show\)/);
  expect(performance.now() - started).toBeLessThan(15_000);
}, 30_000);

test("a name cannot end its line, nor move the terminal's cursor", () => {
  expect(gitPath("a", ["x\ny", "\x1b[2J"])).toBe('"a/x\\ny/\\033[2J"');
  expect(gitPath(undefined, ["plain", "name"])).toBe("plain/name");
});
