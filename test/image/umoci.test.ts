import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openLocalImage } from "../../src/image/index.ts";
import { readErofs } from "./erofs-reader.ts";
import { differences, type Listing, listTree } from "./listing.ts";
import { checkWithFsck, requireRoot, run, Scratch } from "./tools.ts";

setDefaultTimeout(120_000);

/** What each layer changes, as commands in the root of the image. */
const layers = [
  `mkdir -p etc bin opaque/sub gone/deep kept odd
   printf root > etc/passwd; printf 1 > opaque/one; printf 2 > opaque/sub/two; printf 3 > gone/deep/three
   printf k > kept/file; ln kept/file kept/hard; ln -s ../etc kept/link; ln -s /opaque linked
   mknod odd/null c 1 3; mkfifo odd/fifo; chmod 4755 kept/file; chown 7:8 kept
   printf x > odd/type; mkdir odd/swap; printf s > odd/swap/inside; ln -s type odd/to-directory
   touch -d @1600000000.123456789 kept/file; touch -d @1500000000.5 etc`,
  `rm -r gone opaque/one; rm -r opaque && mkdir opaque && printf new > opaque/three; chmod 700 etc
   printf changed > kept/file; setfattr -n user.layer -v two kept/file; head -c 3000000 /dev/urandom > bin/big`,
  `rm odd/type && mkdir odd/type && printf in > odd/type/in; rm -r odd/swap && printf now-a-file > odd/swap
   rm odd/to-directory && mkdir odd/to-directory; rm bin/big; printf small > bin/small; rm linked odd/fifo`,
  `rm -r kept; mkdir kept; printf again > kept/file; chown -R 0:0 kept; touch -h -d @1400000000 kept/file`,
];

/** Builds the image layer by layer. @returns its layout. */
function buildImage(scratch: Scratch): string {
  const layout = join(scratch.path, "layout");
  run(["umoci", "init", "--layout", layout]);
  run(["umoci", "new", "--image", `${layout}:test`]);
  const config = [
    "--config.entrypoint=/bin/tool",
    "--config.cmd=a b",
    "--config.env=A=1",
    "--config.env=B=x=y",
  ];
  const more = [
    "--config.workingdir=/work/../srv",
    "--config.user=7:8",
    "--config.label=l=v",
    "--config.stopsignal=SIGINT",
    "--config.volume=/data",
  ];
  run(["umoci", "config", "--image", `${layout}:test`, ...config, ...more]);
  for (const [index, commands] of layers.entries()) {
    const bundle = join(scratch.path, `bundle-${index}`);
    run(["umoci", "unpack", "--image", `${layout}:test`, bundle]);
    run(["sh", "-ec", commands], { cwd: join(bundle, "rootfs") });
    run(["umoci", "repack", "--image", `${layout}:test`, bundle]);
  }
  return layout;
}

describe("an image of several layers with whiteouts and opaque directories", () => {
  let scratch: Scratch;
  let layout: string;
  let expected: Listing;
  const open = async (source: string) =>
    await openLocalImage(source, { cacheDir: scratch.directory("cache") });

  beforeAll(() => {
    requireRoot();
    scratch = new Scratch();
    layout = buildImage(scratch);
    const final = join(scratch.path, "final");
    run(["umoci", "unpack", "--image", `${layout}:test`, final]);
    expected = listTree(join(final, "rootfs"));
  });
  afterAll(() => scratch[Symbol.dispose]());

  test("from an OCI layout: exactly what umoci unpacks", async () => {
    const image = await open(layout);
    checkWithFsck(image.path);
    expect(differences(expected, readErofs(image.path))).toEqual([]);
    expect(image.config).toEqual({
      entrypoint: ["/bin/tool"],
      cmd: ["a b"],
      env: ["A=1", "B=x=y"],
      workdir: "/srv",
      user: "7:8",
      labels: { l: "v" },
      volumes: ["/data"],
      stopSignal: "SIGINT",
    });
  });

  test("from every other form, by skopeo: the same files", async () => {
    const first = await open(layout);
    const archive = join(scratch.path, "layout.tar");
    run(["tar", "--create", `--file=${archive}`, `--directory=${layout}`, "."]);
    const same = await open(archive);
    expect([same.id, same.cached]).toEqual([first.id, true]);
    const docker = join(scratch.path, "docker.tar");
    run(["skopeo", "copy", `oci:${layout}:test`, `docker-archive:${docker}:name/of:it`]);
    const oci = join(scratch.path, "oci.tar");
    run(["skopeo", "copy", `oci:${layout}:test`, `oci-archive:${oci}:it`]);
    const zstd = join(scratch.path, "zstd");
    run(["skopeo", "copy", "--dest-compress-format=zstd", `oci:${layout}:test`, `oci:${zstd}:it`]);
    const manifest = run(["sh", "-c", 'grep -rl "tar+zstd" "$1/blobs"', "sh", zstd]);
    expect(manifest).not.toBe("");
    for (const source of [docker, oci, zstd]) {
      const image = await open(source);
      expect(differences(expected, readErofs(image.path))).toEqual([]);
      expect(image.config.entrypoint).toEqual(["/bin/tool"]);
    }
  });

  test("from standard input", async () => {
    const docker = join(scratch.path, "docker-stdin.tar");
    run(["skopeo", "copy", `oci:${layout}:test`, `docker-archive:${docker}`]);
    for (const bytes of [readFileSync(docker), Bun.gzipSync(readFileSync(docker))]) {
      const stdin = new Blob([bytes]).stream();
      const image = await openLocalImage("-", { cacheDir: scratch.directory("stdin"), stdin });
      expect(differences(expected, readErofs(image.path))).toEqual([]);
    }
  });
});
