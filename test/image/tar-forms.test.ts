import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { writeErofsFromTar } from "../../src/image/index.ts";
import { readErofs } from "./erofs-reader.ts";
import { differences, listTree } from "./listing.ts";
import { checkWithFsck, requireRoot, run, Scratch, unpackWithTar } from "./tools.ts";

setDefaultTimeout(120_000);

/** Files that exercise every kind of field. */
const script = `
  mkdir -p plain/deep "long/$(printf 'd%.0s' $(seq 120))/$(printf 'e%.0s' $(seq 120))"
  printf abc > plain/file; ln plain/file plain/hard; ln -s ../plain/file plain/deep/link
  printf x > "long/$(printf 'd%.0s' $(seq 120))/$(printf 'e%.0s' $(seq 120))/$(printf 'f%.0s' $(seq 200))"
  ln -s "$(printf 't%.0s' $(seq 300))" long/link
  ln "long/$(printf 'd%.0s' $(seq 120))/$(printf 'e%.0s' $(seq 120))/$(printf 'f%.0s' $(seq 200))" long/hard
  printf y > "plain/$(printf '\\344\\377 \\t')"; printf z > "plain/ä ö"
  mkfifo plain/fifo; mknod plain/character c 240 300; mknod plain/block b 8 17
  chown 1000:100 plain/file; chmod 2755 plain/deep; chmod 4711 plain/file
  head -c 70000 /dev/urandom > plain/random
  truncate -s 3M plain/holes
  for n in $(seq 40); do printf data | dd of=plain/holes bs=1 seek=$((n * 70001)) conv=notrunc status=none; done
  truncate -s 1M plain/only-holes
  touch -d @1700000000.123456789 plain/random; touch -d @1 plain/deep
`;

/** What a format can say beyond whole seconds and plain files. */
const forms: Record<string, { options: string[]; excluded?: string[] }> = {
  v7: { options: ["--format=v7"], excluded: ["long", "plain/fifo", "plain/character", "plain/block"] },
  ustar: { options: ["--format=ustar"], excluded: ["long"] },
  oldgnu: { options: ["--format=oldgnu"] },
  gnu: { options: ["--format=gnu"] },
  posix: { options: ["--format=posix", "--xattrs", "--xattrs-include=*"] },
  "gnu sparse": { options: ["--format=gnu", "--sparse"] },
  "posix sparse 0.0": { options: ["--format=posix", "--sparse", "--sparse-version=0.0"] },
  "posix sparse 0.1": { options: ["--format=posix", "--sparse", "--sparse-version=0.1"] },
  "posix sparse 1.0": { options: ["--format=posix", "--sparse", "--sparse-version=1.0"] },
  "posix with global records": {
    options: ["--format=posix", "--pax-option=globexthdr.name=g,mtime=1234567.5"],
  },
};

for (const [name, { options, excluded = [] }] of Object.entries(forms)) {
  test(`${name}: exactly what GNU tar restores`, async () => {
    requireRoot();
    using scratch = new Scratch();
    const root = scratch.directory("root");
    run(["sh", "-ec", script], { cwd: root });
    if (name === "posix") {
      run(["setfattr", "-n", "user.a", "-v", "0x00ff0a3d", join(root, "plain/file")]);
      run(["setfattr", "-n", "security.capability", "-v", capability, join(root, "plain/random")]);
      run(["setfattr", "-n", "system.posix_acl_access", "-v", acl, join(root, "plain/deep")]);
    }
    const archive = join(scratch.path, "archive.tar");
    const left = excluded.map((path) => `--exclude=./${path}`);
    run([
      "tar",
      "--create",
      `--file=${archive}`,
      `--directory=${root}`,
      "--numeric-owner",
      ...options,
      ...left,
      ".",
    ]);
    const unpacked = scratch.directory("unpacked");
    unpackWithTar(archive, unpacked);
    const image = join(scratch.path, "image");
    await writeErofsFromTar([Bun.file(archive).stream()], image);
    checkWithFsck(image);
    expect(differences(listTree(unpacked), readErofs(image))).toEqual([]);
  });
}

const capability = "0x0100000200200000000000000000000000000000";
/** u::rwx, u:1000:r, g::rx, mask::rwx, o::rx */
const acl = "0x0200000001000700ffffffff02000400e803000004000500ffffffff10000700ffffffff20000500ffffffff";

test("files over 8 GiB, and numbers that octal fields cannot hold", async () => {
  requireRoot();
  using scratch = new Scratch();
  for (const [format, size] of [
    ["gnu", "8200M"],
    ["posix", "1M"],
  ] as const) {
    const root = scratch.directory(`root-${format}`);
    const make =
      "truncate -s $1 huge; printf end >> huge; chown 3000000:4000000000 huge; touch -d @99999999999 huge";
    run(["sh", "-ec", make, "sh", size], { cwd: root });
    const archive = join(scratch.path, `${format}.tar`);
    run([
      "tar",
      "--create",
      `--file=${archive}`,
      `--directory=${root}`,
      "--sparse",
      `--format=${format}`,
      ".",
    ]);
    const image = join(scratch.path, "image");
    await writeErofsFromTar([Bun.file(archive).stream()], image);
    checkWithFsck(image);
    // Only PAX has nanoseconds, which the directory's time needs.
    expect(differences(listTree(root), readErofs(image), format === "gnu" ? ["mtimeNs"] : [])).toEqual([]);
  }
});
