import { beforeAll, describe, expect } from "bun:test";
import { resolvePaths } from "../../src/config/paths.ts";
import { readErofs } from "../image/erofs-reader.ts";
import { differences, listTree } from "../image/listing.ts";
import { run, Scratch } from "../image/tools.ts";
import { imageWith } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { inLab } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** An image that is made of a machine has the machine's files: all of them, as they are. */

const home = useMachines();

/** Of every kind, and in all the ways in which overlayfs keeps changes. */
const CHANGE = `set -e
cd /
mkdir -p /new/dir/deep; echo hello > /new/dir/file; chmod 4751 /new/dir/file; chown 123:456 /new/dir/file
ln /new/dir/file /new/dir/other; ln -s ../nowhere /new/link; mkfifo /new/fifo; mknod /new/null c 1 3
printf 'name with a blank' > '/new/odd name'
truncate -s 30M /new/holes; echo end >> /new/holes
: > /new/empty; touch -d '2001-02-03 04:05:06' /new/empty
# A file of the image: its attributes alone, its bytes, and gone.
chmod 600 /tree/attributes; echo more >> /tree/bytes; rm /tree/gone
# A directory of the image: renamed, renamed inside a renamed one, emptied and made again, replaced by a file.
mv /tree/moved /tree/was-moved; mv /tree/was-moved/inner /tree/was-moved/inner2; echo x > /tree/was-moved/added
rm -r /tree/again; mkdir /tree/again; echo new > /tree/again/new
rm -r /tree/file-now; echo file > /tree/file-now
rm /tree/dir-now; mkdir /tree/dir-now; echo in > /tree/dir-now/in
echo work > /workspace/work; mkdir /workspace/sub; ln -s work /workspace/sub/link
mkdir -p /storage/db/deep; echo rows > /storage/db/deep/table; ln /storage/db/deep/table /storage/db/again
chown 70:70 /storage/db; chmod 700 /storage/db; mkfifo /storage/queue
`;

/** What the image has to begin with. */
const PREPARE = `set -e
mkdir -p /tree/moved/inner /tree/again/old /tree/file-now/x
for f in attributes bytes gone dir-now moved/file moved/inner/file again/old/file file-now/x/y; do
  echo "content of $f" > /tree/$f; done
ln /tree/moved/file /tree/moved/second`;

/** One line for each file: path, kind and mode, owner, number of names, size, time, target; and what is in it. */
const LIST = `for top in / /workspace /storage; do
  find "$top" -xdev ! -path /proc ! -path /dev ! -path /storage ! -path '/storage/workspace*' ! -path /storage/lost+found \
    ! -path /workspace ! -path / ! -path /etc/mtab | sort | while read -r f; do
    [ -d "$f" ] && s=- || s=$(stat -c '%h %s' "$f")
    echo "$f $(stat -c '%f %u:%g %Y' "$f") $s $(readlink "$f")"
  done
  find "$top" -xdev -type f ! -path '/storage/workspace/*' | sort | while read -r f; do [ -e "$f" ] && md5sum "$f"; done
done`;

/** The same without what a machine's own start gives a root. */
async function listing(name: string): Promise<string[]> {
  const lines = (await home.sh(name, LIST)).split("\n");
  return lines.filter(
    (line) => !/^(\/(sys|run|etc\/resolv.conf|etc\/hosts|etc\/hostname) |[0-9a-f]{32} {2}\/etc\/)/.test(line),
  );
}

async function changed(name: string, ...words: string[]): Promise<string[]> {
  await home.create(name, ...words);
  await home.ok("start", name);
  await home.sh(name, CHANGE);
  const files = await listing(name);
  await home.ok("stop", name);
  return files;
}

describe("machine commit", () => {
  beforeAll(
    async () => {
      if (inLab) return;
      const image = await imageWith({ Cmd: ["sleep", "100000"] });
      await home.create("seed", "--image", image);
      await home.ok("start", "seed");
      await home.sh("seed", PREPARE);
      await home.ok("stop", "seed");
      await home.ok("commit", "seed", "seed:1");
    },
    { timeout: 120_000 },
  );

  onQemu(
    "of an image machine: the same files, layers of the image kept; also in a pack of it",
    async () => {
      const files = await changed("box", "--image", "seed:1");
      const id = (
        await home.ok("commit", "box", "-m", "all kinds", "-a", "me", "-c", 'CMD ["sleep","inf"]', "box:1")
      ).trim();
      expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
      await home.create("copy", "--image", "box:1");
      await home.ok("start", "copy");
      expect(await listing("copy")).toEqual(files);
      expect(files).toEqual(
        expect.arrayContaining([expect.stringMatching(/^[0-9a-f]{32} {2}\/storage\/db\/deep\/table$/)]),
      );
      // What is deleted stays so: the disk got the image's files once.
      await home.sh("copy", "rm -r /storage/db /storage/queue");
      await home.ok("stop", "copy");
      await home.ok("commit", "copy", "copy:1");
      await home.ok("start", "copy");
      expect(await home.sh("copy", "ls /storage")).toBe("lost+found\nworkspace\n");
      // Nothing was started or changed for it: the same again is the same image.
      expect(
        (
          await home.ok(
            "commit",
            "--name",
            "box",
            "-m",
            "all kinds",
            "-a",
            "me",
            "-c",
            'CMD ["sleep","inf"]',
            "box:2",
          )
        ).trim(),
      ).toBe(id);
      const inspected = JSON.parse((await home.smolvm(["images", "inspect", "seed:1", "box:1"])).output);
      const [below, above] = inspected.map(({ layers }: { layers: { diff_id: string }[] }) =>
        layers.map(({ diff_id }) => diff_id),
      );
      expect(above.slice(0, -1)).toEqual(below);

      // As an archive, the image is for other tools what it is here.
      using scratch = new Scratch();
      const archive = `${scratch.path}/box.tar`;
      const saved = await home.smolvm(["images", "save", "-o", archive, "box:1"]);
      expect([saved.exitCode, saved.output]).toEqual([0, expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/)]);
      const disk = `${resolvePaths(home.env).cache}/images/${id.slice("sha256:".length)}.vmdk`;
      const expected = readErofs(disk);
      for (const [kind, from] of [
        ["docker", `docker-archive:${archive}:docker.io/library/box:1`],
        ["oci", `oci-archive:${archive}:1`],
      ] as const) {
        run(["skopeo", "copy", "--quiet", from, `oci:${scratch.path}/${kind}:test`]);
        run(["umoci", "unpack", "--image", `${scratch.path}/${kind}:test`, `${scratch.path}/bundle-${kind}`]);
        expect(differences(expected, listTree(`${scratch.path}/bundle-${kind}/rootfs`))).toEqual([]);
      }
      // A pack of the machine has these files too, in a cache that has none of them.
      const packed = `${scratch.path}/packed`;
      const pack = ["pack", "create", "-q", "--no-runtime", "--from-vm", "box", "-o", packed];
      expect(await home.smolvm(pack)).toMatchObject({ exitCode: 0 });
      await home.create("unpacked", "--from", `${packed}.smolmachine`);
      await home.ok("start", "unpacked");
      expect(await listing("unpacked")).toEqual(files);
      const env = { XDG_CACHE_HOME: `${scratch.path}/cache` };
      const exporting = ["pack", "export", "--oci", `${scratch.path}/packed.tar`, `${packed}.smolmachine`];
      expect(await home.smolvm(exporting, { env })).toMatchObject({ exitCode: 0 });
      const [image] = JSON.parse((await home.smolvm(["images", "ls", "--json"], { env })).output);
      const unpacked = `${scratch.path}/cache/smolvm/images/${image.id.slice("sha256:".length)}.vmdk`;
      expect(differences(expected, readErofs(unpacked))).toEqual([]);
      const config = JSON.parse(run(["skopeo", "inspect", "--config", `oci-archive:${archive}:1`]));
      expect([config.author, config.config.Cmd, config.history[0].comment]).toEqual([
        "me",
        ["sleep", "inf"],
        "all kinds",
      ]);
      // The same bytes, and the same files for us.
      await home.smolvm(["images", "save", "-o", `${archive}.2`, "box:1"]);
      expect(Bun.spawnSync(["cmp", archive, `${archive}.2`]).exitCode).toBe(0);
      const again = await home.run(["cat", "/new/dir/file"], { options: ["--image", archive] });
      expect([again.exitCode, again.output]).toEqual([0, "hello\n"]);
    },
    180,
  );

  onQemu(
    "of a machine with the built-in image: the same files; what it lies above is a layer of its own",
    async () => {
      await home.create("bare");
      await home.ok("start", "bare");
      await home.sh(
        "bare",
        "echo mine > /root/mine; rm /etc/motd; mv /etc/apk /etc/moved; echo w > /workspace/w; echo s > /storage/s",
      );
      const list =
        "find /etc /root /usr /bin /workspace/ /storage -xdev ! -path '/etc/host*' ! -path /etc/resolv.conf | sort";
      const files = await home.sh("bare", list);
      await home.ok("stop", "bare");
      await home.ok("commit", "bare", "bare:1");
      await home.create("bare-copy", "--image", "bare:1", "--", "sleep", "100000");
      await home.ok("start", "bare-copy");
      expect(await home.sh("bare-copy", list)).toBe(files);
      expect(await home.sh("bare-copy", "cat /root/mine /workspace/w /storage/s")).toBe("mine\nw\ns\n");
    },
  );

  onQemu("refuses machines that run, were never started, or did not end in order", async () => {
    await home.create("busy", "--image", "seed:1");
    expect((await home.refusal("commit", "busy", "x:1")).code).toBe("machine.no_disks");
    expect((await home.refusal("commit", "busy", "X:1")).code).toBe("registry.bad_reference");
    expect((await home.refusal("commit", "busy", "x:1", "-c", "RUN x")).code).toBe("image.bad_change");
    expect((await home.refusal("commit", "no-such", "x:1")).code).toBe("machine.not_found");
    await home.ok("start", "busy");
    expect((await home.refusal("commit", "busy", "x:1")).code).toBe("machine.running");
    await home.powerCut("busy");
    expect((await home.refusal("commit", "busy", "x:1")).code).toBe("disk.unclean");
    await home.ok("start", "busy");
    await home.ok("stop", "busy");
    await home.ok("commit", "busy", "x:1");
    await home.ok("start", "busy");
    await home.sh("busy", "echo x > /workspace/.wh.x");
    await home.ok("stop", "busy");
    expect((await home.refusal("commit", "busy", "x:2")).code).toBe("image.bad_file_name");
  });
});
