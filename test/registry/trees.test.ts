import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Member, tarOf } from "../../src/image/image.fixture.ts";
import { hostArchitecture, writeLayout } from "../image/layout.ts";
import { differences, type Listing, listTree } from "../image/listing.ts";
import { run, Scratch } from "../image/tools.ts";
import {
  crane,
  oddLayout,
  PullHome,
  pulledTree,
  pushArchives,
  pushIndex,
  pushLayout,
  type Server,
  startCraneRegistry,
  startDockerRegistry,
  useRegistry,
} from "../support/registry/index.ts";

/** Images that other tools made and pushed to real registries: exactly the files that umoci unpacks. */

setDefaultTimeout(60_000);

const { server } = useRegistry();
const scratch = new Scratch();
let docker: Server;
let other: Server;
let odd: string;
/** What umoci unpacks of it. */
let expected: Listing;

beforeAll(async () => {
  docker = server(await startDockerRegistry());
  other = server(await startCraneRegistry());
  odd = oddLayout(scratch);
  expected = unpacked(odd);
});
afterAll(() => scratch[Symbol.dispose]());

function unpacked(layout: string): Listing {
  const bundle = join(scratch.path, `bundle-${Math.random()}`);
  run(["umoci", "unpack", "--image", `${layout}:test`, bundle]);
  return listTree(join(bundle, "rootfs"));
}

/** An image of a registry as umoci unpacks it, fetched by skopeo. */
function unpackedFrom(reference: string): Listing {
  const layout = join(scratch.path, `copy-${Math.random()}`);
  run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", `docker://${reference}`, `oci:${layout}:test`]);
  return unpacked(layout);
}

/** Pulls into a new cache and compares. */
async function expectTree(reference: string, tree: Listing, options: readonly string[] = []): Promise<void> {
  using home = new PullHome();
  await home.pulled(reference, { options });
  expect(differences(tree, await pulledTree(home, reference, scratch))).toEqual([]);
}

describe("four layers with whiteouts, opaque directories, hard links, attributes and devices", () => {
  for (const registry of ["docker-registry", "go-containerregistry"] as const) {
    const host = () => (registry === "docker-registry" ? docker : other);
    for (const options of [
      {},
      { compression: "gzip", format: "v2s2" },
      { compression: "zstd", format: "oci" },
    ] as const) {
      const { compression = "as umoci made it", format = "OCI" } = options as {
        compression?: string | undefined;
        format?: string | undefined;
      };
      test(`${registry}, ${compression}, ${format}: mtree-exact`, async () => {
        await expectTree(await pushLayout(host(), odd, "odd/image:1", options), expected);
      });
    }
  }

  test("by digest", async () => {
    const reference = await pushLayout(docker, odd, "odd/image:1");
    const digest = (await crane("digest", reference)).trim();
    await expectTree(`${docker.host}/odd/image@${digest}`, expected);
    await expectTree(`${docker.host}/odd/image:other@${digest}`, expected);
  });
});

describe("layers by crane", () => {
  const archive = (name: string, ...members: Member[]) => {
    const path = join(scratch.path, `${name}.tar`);
    writeFileSync(path, tarOf({ path: "./", type: "5", mode: 0o755, mtime: 1 }, ...members));
    return path;
  };

  test("127 of them", async () => {
    const archives = Array.from({ length: 127 }, (_, at) =>
      archive(
        `layer-${at}`,
        { path: `own-${at}`, data: `of ${at}` },
        { path: "shared", data: `written by ${at}`, mtime: at },
        ...(at > 10 ? [{ path: `.wh.own-${at - 10}` }] : []),
      ),
    );
    const reference = await pushArchives(docker, archives, "many/layers:1");
    await expectTree(reference, unpackedFrom(reference));
  });

  test("estargz, with its table of contents and annotations", async () => {
    const files = Array.from({ length: 50 }, (_, at) => ({ path: `f${at}`, data: `${at}`.repeat(at * 300) }));
    const reference = await pushArchives(other, [archive("stargz", ...files)], "star/gz:1", {
      estargz: true,
    });
    expect(await crane("manifest", reference)).toContain("containerd.io/snapshot/stargz/toc.digest");
    const tree = unpackedFrom(reference);
    expect(tree.has("/stargz.index.json")).toBe(true);
    await expectTree(reference, tree);
  });

  test("empty ones, the same one twice, and an image without any", async () => {
    const [empty, full] = [archive("empty"), archive("full", { path: "f", data: "x" })];
    const blank = join(scratch.path, "blank.tar");
    writeFileSync(blank, tarOf());
    const reference = await pushArchives(docker, [blank, empty, full, empty, full, blank], "empty/layers:1");
    await expectTree(reference, unpackedFrom(reference));
    const none = scratch.directory("none");
    writeLayout(none, []);
    await expectTree(await pushLayout(docker, none, "empty/none:1"), unpacked(none));
  });
});

describe("an index of many platforms, by crane", () => {
  let index: string;
  const platforms = ["amd64", "amd64/v2", "arm64/v8", "arm/v5", "arm/v6", "arm/v7", "riscv64", "s390x"];
  beforeAll(async () => {
    const references: string[] = [];
    for (const platform of platforms) {
      const [architecture = "", variant] = platform.split("/");
      const layout = scratch.directory(`for-${platform}`);
      writeLayout(layout, [tarOf({ path: platform.replace("/", "-"), data: platform })], {
        editConfig: (config) => Object.assign(config, { architecture, variant }),
      });
      references.push(await pushLayout(docker, layout, `multi/arch:${platform.replace("/", "-")}`));
    }
    index = await pushIndex(docker, references, "multi/arch:all");
  });

  /** The one file of the image that was chosen, or what was said. */
  async function chosen(platform?: string): Promise<string> {
    using home = new PullHome();
    const result = await home.pull(index, {
      options: platform === undefined ? [] : ["--oci-platform", platform],
    });
    if (result.exitCode !== 0) return result.stderr;
    const { output } = await home.smolvm(["images", "ls", "--json"]);
    return String((JSON.parse(output) as { platform: string }[])[0]?.platform);
  }

  test("the host's, or the one that was asked for, or a clear error", async () => {
    expect(await chosen()).toContain(`linux/${hostArchitecture}`);
    expect(await chosen("linux/arm/v7")).toBe("linux/arm/v7");
    expect(await chosen("linux/arm/v6")).toBe("linux/arm/v6");
    expect(await chosen("linux/arm64")).toMatch(/^linux\/arm64/);
    expect(await chosen("linux/riscv64")).toBe("linux/riscv64");
    expect(await chosen("linux/ppc64le")).toMatch(/no image for linux\/ppc64le.*riscv64/);
    expect(await chosen("windows/amd64")).toMatch(/windows/);
  });

  test("two platforms of one reference live side by side", async () => {
    using home = new PullHome();
    for (const platform of ["linux/s390x", "linux/arm/v6"])
      await home.pulled(index, { options: ["--oci-platform", platform] });
    const { output } = await home.smolvm(["images", "ls", "--json"]);
    const listed = JSON.parse(output) as { platform: string; references: string[] }[];
    expect(listed.map(({ platform }) => platform).sort()).toEqual(["linux/arm/v6", "linux/s390x"]);
    expect(listed.every(({ references }) => references.length === 1)).toBe(true);
  });
});
