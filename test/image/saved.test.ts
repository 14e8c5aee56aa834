import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SmolError } from "../../src/errors.ts";
import { type Member, tarOf } from "../../src/image/image.fixture.ts";
import { openLocalImage } from "../../src/image/index.ts";
import type { Platform } from "../../src/image/types.ts";
import { readErofs } from "./erofs-reader.ts";
import {
  configType,
  digestOf,
  hostArchitecture,
  indexType,
  json,
  type LayoutOptions,
  manifestType,
  writeBlob,
  writeLayout,
} from "./layout.ts";
import { run, Scratch } from "./tools.ts";

const layer = tarOf({ path: "bin/sh", data: "#!" });
const upper = tarOf({ path: "bin/.wh.sh" }, { path: "etc/new" });

/** Opens an image. @returns its files and command, or the code and message of the error. */
async function open(scratch: Scratch, source: string, platform?: Platform): Promise<string> {
  const cacheDir = join(scratch.path, "cache");
  try {
    const image = await openLocalImage(source, { cacheDir, platform });
    return `${[...readErofs(image.path).keys()].join(" ")} ${JSON.stringify(image.config.cmd)}`;
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

async function withLayout(options: LayoutOptions, change?: (directory: string) => void): Promise<string> {
  using scratch = new Scratch();
  const directory = scratch.directory("layout");
  writeLayout(directory, [layer, upper], options);
  change?.(directory);
  return await open(scratch, directory);
}

const good = '/ /bin /etc /etc/new ["/bin/sh"]';

describe("OCI layouts", () => {
  test("plain, gzip and zstd", async () => {
    for (const compression of ["none", "gzip", "zstd"] as const)
      expect(await withLayout({ compression })).toBe(good);
  });

  test("both digests decide, not the media type: the same whatever was in the cache before", async () => {
    const kinds = ["", "+gzip", "+zstd"];
    for (const compression of ["none", "gzip", "zstd"] as const) {
      for (const kind of kinds) {
        const options: LayoutOptions = {
          compression,
          editManifest: ({ layers }) => {
            for (const one of layers) one.mediaType = `application/vnd.oci.image.layer.v1.tar${kind}`;
          },
        };
        expect(await withLayout(options)).toBe(good);
      }
    }
    const wrong = digestOf(Buffer.from("something else"));
    const changed: Record<string, LayoutOptions> = {
      blob: {
        editManifest: ({ layers: [one] }) => one && void Object.assign(one, { digest: digestOf(upper) }),
      },
      contents: { editConfig: ({ rootfs }) => void rootfs.diff_ids.splice(0, 1, wrong) },
      // The blob is not compressed, and its digest is that of what is inside.
      inside: {
        compression: "gzip",
        editManifest: ({ layers: [one] }) => one && void Object.assign(one, { digest: digestOf(layer) }),
      },
    };
    for (const options of Object.values(changed)) {
      const result = await withLayout(options, (directory) => writeBlob(directory, layer, ""));
      expect(result).toContain("image.digest_mismatch");
    }
  });

  test("layers in formats that are not read: the error names the format", async () => {
    for (const tool of ["xz", "bzip2"]) {
      const packed = Bun.spawnSync([tool, "-c"], { stdin: layer }).stdout;
      const result = await withLayout(
        {
          editManifest: ({ layers: [one] }) =>
            one && void Object.assign(one, { digest: digestOf(packed), size: packed.length }),
        },
        (directory) => void writeBlob(directory, packed, ""),
      );
      expect(result).toBe(
        `image.unsupported_compression: a layer is compressed with ${tool}; what can be read is plain, gzip and zstd`,
      );
    }
  });

  test("documents that are not what they should be", async () => {
    const results = {
      both: await withLayout({ editManifest: (manifest) => Object.assign(manifest, { manifests: [] }) }),
      indexWithLayers: await withLayout({ editIndex: (index) => Object.assign(index, { layers: [] }) }),
      version: await withLayout({
        editManifest: (manifest) => Object.assign(manifest, { schemaVersion: 1 }),
      }),
      type: await withLayout({
        editManifest: (manifest) => Object.assign(manifest, { mediaType: indexType }),
      }),
      artifact: await withLayout({
        editManifest: ({ config }) => Object.assign(config, { mediaType: "application/x+json" }),
      }),
      layerType: await withLayout({
        editManifest: ({ layers }) => {
          for (const one of layers) one.mediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
        },
      }),
      fewerLayers: await withLayout({ editConfig: ({ rootfs }) => void rootfs.diff_ids.pop() }),
      digest: await withLayout({
        editManifest: ({ config }) => Object.assign(config, { digest: "sha256:../../../etc/passwd" }),
      }),
      size: await withLayout({ editManifest: ({ config }) => void config.size++ }),
      negative: await withLayout({ editManifest: ({ config }) => Object.assign(config, { size: -1 }) }),
      noImage: await withLayout({ editIndex: (index) => Object.assign(index, { manifests: [] }) }),
      notJson: await withLayout({}, (directory) => writeFileSync(join(directory, "index.json"), "{")),
      deep: await withLayout({}, (directory) =>
        writeFileSync(join(directory, "index.json"), "[".repeat(1_000_000)),
      ),
      large: await withLayout({}, (directory) =>
        writeFileSync(join(directory, "index.json"), " ".repeat(5_000_000)),
      ),
      oldLayout: await withLayout({}, (directory) => writeFileSync(join(directory, "oci-layout"), "{}")),
    };
    expect(results).toMatchInlineSnapshot(`
      {
        "artifact": "image.not_an_image: this is an artifact of type application/x+json, not a container image",
        "both": "image.bad_manifest: the image's manifest is also an index, which is not allowed",
        "deep": "image.bad_manifest: the image's index is not JSON: JSON Parse error: Unexpected EOF",
        "digest": "image.bad_manifest: the image's manifest is not valid: config.digest: not a sha256 or sha512 digest",
        "fewerLayers": "image.bad_manifest: the image has 2 layers, but its configuration describes 1",
        "indexWithLayers": "image.bad_manifest: the image's index is also a manifest, which is not allowed",
        "large": "image.limit: index.json is longer than the 4194304 bytes that such a document may have",
        "layerType": "image.bad_layer: a layer has the unknown media type application/vnd.oci.image.layer.v1.tar+gzip+encrypted: encrypted images are not supported",
        "negative": "image.bad_manifest: the image's manifest is not valid: config.size: Invalid value: Expected >=0 but received -1",
        "noImage": "image.bad_manifest: the index names no image",
        "notJson": "image.bad_manifest: the image's index is not JSON: JSON Parse error: Expected '}'",
        "oldLayout": "image.bad_manifest: oci-layout does not name a version",
        "size": "image.digest_mismatch: blobs/sha256/3f5dc9c7c3001b87ebd692ba0803d8ff051a97bf1c2a56aed20b5c259bc328de does not have the 255 bytes it should have",
        "type": "image.bad_manifest: a manifest of type application/vnd.oci.image.manifest.v1+json says it is another type",
        "version": "image.bad_manifest: the image's manifest is not valid: schemaVersion: Invalid type: Expected 2 but received 1",
      }
    `);
  });

  test("blobs that changed, are missing, or are links out of the layout", async () => {
    const blob = (directory: string) => join(directory, "blobs", digestOf(layer).replace(":", "/"));
    const changed = await withLayout({}, (directory) => {
      const bytes = Buffer.from(layer);
      bytes[1000] = 0xff;
      writeFileSync(blob(directory), bytes);
    });
    expect(changed).toContain("image.digest_mismatch");
    expect(
      await withLayout({}, (directory) => writeFileSync(blob(directory), layer.subarray(512))),
    ).toContain("image.digest_mismatch");
    expect(await withLayout({}, (directory) => rmSync(blob(directory)))).toContain("image.bad_archive");
    const linked = await withLayout({}, (directory) => {
      rmSync(blob(directory));
      symlinkSync("/etc/passwd", blob(directory));
    });
    expect(linked).toContain("is a symbolic link, which is not followed");
  });

  test("the configuration of a stranger", async () => {
    const results = {
      nul: await withLayout({ config: { Env: ["A=\0"] } }),
      huge: await withLayout({ config: { Cmd: ["x".repeat(200_000)] } }),
      many: await withLayout({
        config: { Env: Array.from({ length: 20 }, (_, index) => `A${index}=${"x".repeat(100_000)}`) },
      }),
      user: await withLayout({ config: { User: "root\nroot" } }),
      signal: await withLayout({ config: { StopSignal: "TERM; rm -rf /" } }),
      number: await withLayout({ config: { StopSignal: "65" } }),
      realtime: await withLayout({ config: { StopSignal: "RTMIN+31" } }),
      volume: await withLayout({ config: { Volumes: { "/a\0b": {} } } }),
      long: await withLayout({ config: { Volumes: { [`/${"a/".repeat(2048)}`]: {} } } }),
      volumes: await withLayout({
        config: { Volumes: Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`/${n}`, {}])) },
      }),
      shape: await withLayout({ config: { Cmd: { a: 1 } } }),
      labels: await withLayout({ config: { Labels: { a: 1 } } }),
    };
    expect(results).toMatchInlineSnapshot(`
      {
        "huge": "image.bad_manifest: the image's configuration cannot be used: it has a string of more than 131072 bytes",
        "labels": "image.bad_manifest: the image's configuration is not valid: config.Labels.a: Invalid type: Expected string but received 1",
        "long": "image.bad_manifest: the image's configuration cannot be used: it has a working directory or volume of more than 4095 bytes",
        "many": "image.bad_manifest: the image's configuration cannot be used: it has more than 1048576 bytes of arguments and environment",
        "nul": "image.bad_manifest: the image's configuration cannot be used: it has a NUL byte in "A=\\u{0}"",
        "number": "image.bad_manifest: the image's configuration cannot be used: it has the stop signal "65"",
        "realtime": "image.bad_manifest: the image's configuration cannot be used: it has the stop signal "RTMIN+31"",
        "shape": "image.bad_manifest: the image's configuration is not valid: config.Cmd: Invalid type: Expected (Array | string) but received Object",
        "signal": "image.bad_manifest: the image's configuration cannot be used: it has the stop signal "TERM; rm -rf /"",
        "user": "image.bad_manifest: the image's configuration cannot be used: it has the user "root\\u{a}root"",
        "volume": "image.bad_manifest: the image's configuration cannot be used: it has a NUL byte in "/a\\u{0}b"",
        "volumes": "image.bad_manifest: the image's configuration cannot be used: it has more than 256 volumes",
      }
    `);
    using scratch = new Scratch();
    const directory = scratch.directory("layout");
    const config = {
      Cmd: null,
      Entrypoint: "one word",
      Env: ["A=b", "C", "=d", ""],
      WorkingDir: "a/../../../b/./c",
      User: null,
      Volumes: { "data/": {}, "/data": {}, "/a/./b": null, "/": {} },
      StopSignal: "sigrtmin+3",
    };
    writeLayout(directory, [layer], { config });
    const image = await openLocalImage(directory, { cacheDir: scratch.path });
    expect(image.config).toEqual({
      entrypoint: ["one word"],
      cmd: [],
      env: ["A=b"],
      workdir: "/b/c",
      user: "",
      labels: {},
      volumes: ["/a/b", "/data"],
      stopSignal: "sigrtmin+3",
    });
  });
});

test("the platform in other words than the specification's", async () => {
  const architecture = hostArchitecture === "arm64" ? "aarch64" : "x86_64";
  const editConfig = (config: object) => void Object.assign(config, { os: "Linux", architecture });
  expect(await withLayout({ editConfig })).toBe(good);
});

test("one of several images of an OCI layout by its name", async () => {
  using scratch = new Scratch();
  const directory = scratch.directory("layout");
  writeLayout(directory, [layer, upper], {
    editIndex: (index) => {
      const [image] = index.manifests;
      if (image === undefined) never();
      const other = { ...image, digest: digestOf(json({})), annotations: {} };
      const names = {
        "io.containerd.image.name": "docker.io/library/app:2",
        "org.opencontainers.image.ref.name": "2",
      };
      index.manifests.push(other, { ...other, annotations: names });
    },
  });
  expect(await open(scratch, `${directory}:test`)).toBe(good);
  for (const name of ["2", "app:2"]) {
    expect(await open(scratch, `${directory}:${name}`)).toContain("the image lacks the file blobs/");
  }
  expect(await open(scratch, `${directory}:3`)).toMatch(
    /^image\.no_such_tag: no image inside is called 3: there is test, sha256:[0-9a-f]{12}, docker.io\/library\/app:2, 2$/,
  );
  expect(await open(scratch, directory)).toContain("image.ambiguous");
});

describe("platforms", () => {
  const other = hostArchitecture === "amd64" ? "arm64" : "amd64";

  /** A layout whose index names one image for each platform; each image has a file with the platform's name. */
  function writeIndex(directory: string, platforms: Platform[], nested: boolean): void {
    const manifests = platforms.map((platform) => {
      const files = tarOf({ path: `${platform.os}-${platform.architecture}-${platform.variant ?? ""}` });
      const config = {
        os: platform.os,
        architecture: platform.architecture,
        rootfs: { type: "layers", diff_ids: [digestOf(files)] },
      };
      const manifest = {
        schemaVersion: 2,
        config: writeBlob(directory, json(config), configType),
        layers: [writeBlob(directory, files, "application/vnd.oci.image.layer.v1.tar")],
      };
      return { ...writeBlob(directory, json(manifest), manifestType), platform };
    });
    const attestation = { ...manifests[0], platform: { os: "unknown", architecture: "unknown" } };
    let index = { schemaVersion: 2, manifests: [attestation, ...manifests] as unknown[] };
    if (nested) index = { schemaVersion: 2, manifests: [writeBlob(directory, json(index), indexType)] };
    writeFileSync(join(directory, "index.json"), json(index));
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.1.0"}');
  }

  const choose = async (platforms: Platform[], wanted?: Platform, nested = false) => {
    using scratch = new Scratch();
    const directory = scratch.directory("layout");
    writeIndex(directory, platforms, nested);
    return await open(scratch, directory, wanted);
  };
  const host: Platform = { os: "linux", architecture: hostArchitecture };
  const arm = (variant?: string): Platform => ({
    os: "linux",
    architecture: "arm",
    variant,
  });

  test("the host's is chosen, also out of an index in an index", async () => {
    const all = [
      { os: "windows", architecture: hostArchitecture },
      { os: "linux", architecture: other },
      host,
    ];
    for (const nested of [false, true]) {
      expect(await choose(all, undefined, nested)).toBe(`/ /linux-${hostArchitecture}- []`);
      expect(await choose(all, { os: "linux", architecture: other }, nested)).toBe(`/ /linux-${other}- []`);
    }
  });

  test("variants", async () => {
    const all = [arm("v6"), arm("v7")];
    expect(await choose(all, arm("v7"))).toBe("/ /linux-arm-v7 []");
    expect(await choose(all, arm("v5"))).toContain("image.wrong_platform");
    expect(await choose(all, arm())).toContain("image.ambiguous");
    expect(await choose([...all, arm()], arm())).toBe("/ /linux-arm- []");
  });

  test("none fits, or the configuration is for another machine", async () => {
    expect(await choose([{ os: "linux", architecture: other }])).toBe(
      `image.wrong_platform: no image for linux/${hostArchitecture}: there is only unknown/unknown, linux/${other}`,
    );
    expect(
      await withLayout({ editConfig: (config) => Object.assign(config, { architecture: other }) }),
    ).toContain(`the image is for linux/${other}, and linux/${hostArchitecture} is needed`);
  });

  test("several images, and indexes without end", async () => {
    const twice = await withLayout({
      editManifest: () => {},
      editIndex: ({ manifests }) =>
        void manifests.push({ ...(manifests[0] ?? never()), digest: digestOf(layer) }),
    });
    expect(twice).toContain("there are several images inside: test, test");
    using scratch = new Scratch();
    const directory = scratch.directory("layout");
    let index: unknown = { schemaVersion: 2, manifests: [] };
    for (let depth = 0; depth < 6; depth++) {
      index = { schemaVersion: 2, manifests: [writeBlob(directory, json(index), indexType)] };
    }
    writeFileSync(join(directory, "index.json"), json(index));
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    expect(await open(scratch, directory)).toContain("nested deeper than 4");
  });
});

describe("archives of docker save", () => {
  const config = {
    architecture: hostArchitecture,
    os: "linux",
    config: { Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: [digestOf(layer), digestOf(upper)] },
  };
  const name = `${digestOf(json(config)).slice(7)}.json`;
  const manifest = (layers: string[], more: object[] = []) =>
    json([{ Config: name, RepoTags: ["a:b"], Layers: layers }, ...more]);

  async function opened(...members: Member[]): Promise<string> {
    using scratch = new Scratch();
    const archive = join(scratch.path, "image.tar");
    writeFileSync(archive, tarOf(...members));
    return await open(scratch, archive);
  }

  test("layers by name, by link, and with the manifest at the end", async () => {
    const members: Member[] = [
      { path: "one/", type: "5" },
      { path: "one/layer.tar", data: layer },
      { path: "two/layer.tar", data: upper },
      { path: "three/layer.tar", type: "2", target: "../two/layer.tar" },
      { path: "./four.tar", type: "1", target: "one/layer.tar" },
      { path: name, data: json(config) },
    ];
    const list = (...layers: string[]): Member => ({ path: "manifest.json", data: manifest(layers) });
    expect(await opened(...members, list("one/layer.tar", "two/layer.tar"))).toBe(good);
    expect(await opened(...members, list("four.tar", "three/layer.tar"))).toBe(good);
    expect(await opened(...members, list("one/layer.tar", "one/layer.tar"))).toContain(
      "image.digest_mismatch",
    );
    expect(await opened(...members, list("../../one/layer.tar", "/two/layer.tar"))).toBe(good);
    expect(await opened(...members, list("one/layer.tar", "none"))).toContain(
      "the image lacks the file none",
    );
    expect(await opened(...members, list("one/layer.tar"))).toContain(
      "has 1 layers, but its configuration describes 2",
    );
  });

  test("several images, a changed configuration, links in circles", async () => {
    const rest = [
      { path: "a", data: layer },
      { path: "b", data: upper },
    ];
    const several = manifest(["a", "b"], [{ Config: name, RepoTags: ["c:d"], Layers: [] }]);
    expect(await opened({ path: "manifest.json", data: several })).toContain(
      "several images inside: a:b, c:d",
    );
    const changed = { path: name, data: json({ ...config, os: "linux " }) };
    expect(await opened({ path: "manifest.json", data: manifest(["a", "b"]) }, changed, ...rest)).toContain(
      "not what its name promises",
    );
    const circle = { path: name, type: "2", target: name };
    expect(await opened({ path: "manifest.json", data: manifest([]) }, circle)).toContain("lacks the file");
  });

  test("one of several by its name: exactly, as a reference, by its tag", async () => {
    using scratch = new Scratch();
    const archive = join(scratch.path, "images.tar");
    const other = { ...config, config: { Cmd: ["other"] } };
    const list = [
      { Config: "one.json", RepoTags: ["alpine:latest", "reg.example:5000/a/b:1"], Layers: ["a", "b"] },
      { Config: "two.json", RepoTags: ["debian:1", "debian:12"], Layers: ["a", "b"] },
    ];
    writeFileSync(
      archive,
      tarOf(
        { path: "manifest.json", data: json(list) },
        { path: "one.json", data: json(config) },
        { path: "two.json", data: json(other) },
        { path: "a", data: layer },
        { path: "b", data: upper },
      ),
    );
    const second = good.replace("/bin/sh", "other");
    const named = async (name: string) => await open(scratch, `${archive}:${name}`);
    for (const name of [
      "alpine",
      "alpine:latest",
      "docker.io/library/alpine",
      "latest",
      "reg.example:5000/a/b:1",
    ]) {
      expect([name, await named(name)]).toEqual([name, good]);
    }
    for (const name of ["debian:1", "debian:12", "12"])
      expect([name, await named(name)]).toEqual([name, second]);
    const all = "alpine:latest, reg.example:5000/a/b:1, debian:1, debian:12";
    expect(await open(scratch, archive)).toBe(`image.ambiguous: there are several images inside: ${all}`);
    expect(await named("1")).toBe(`image.ambiguous: there are several images inside: ${all}`);
    for (const name of ["debian", "alpine:3", "\u001b[2J"]) {
      const shown = name.replace("\u001b", "\\u{1b}");
      expect(await named(name)).toBe(
        `image.no_such_tag: no image inside is called ${shown}: there is ${all}`,
      );
    }
  });

  test("a colon in the name of a file is no choice, and a root filesystem has none", async () => {
    using scratch = new Scratch();
    writeFileSync(join(scratch.path, "root.tar:1"), tarOf({ path: "etc/x" }));
    expect(await open(scratch, join(scratch.path, "root.tar:1"))).toBe("/ /etc /etc/x []");
    expect(await open(scratch, join(scratch.path, "root.tar:1:2"))).toContain("image.no_such_tag");
    mkdirSync(join(scratch.path, "root/etc"), { recursive: true });
    expect(await open(scratch, join(scratch.path, "root:x"))).toContain("image.no_such_tag");
    expect(await open(scratch, join(scratch.path, "none.tar:x"))).toContain("image.unreadable");
  });

  test("as a directory, without following links out of it", async () => {
    using scratch = new Scratch();
    const directory = scratch.directory("unpacked");
    mkdirSync(join(directory, "sub"));
    writeFileSync(join(directory, "manifest.json"), manifest(["sub/a", "b"]));
    writeFileSync(join(directory, name), json(config));
    writeFileSync(join(directory, "sub/a"), layer);
    writeFileSync(join(directory, "b"), upper);
    expect(await open(scratch, directory)).toBe(good);
    rmSync(join(scratch.path, "cache"), { recursive: true });
    const outside = scratch.directory("outside");
    writeFileSync(join(outside, "a"), readFileSync(join(directory, "sub/a")));
    rmSync(join(directory, "sub"), { recursive: true });
    symlinkSync(outside, join(directory, "sub"));
    expect(await open(scratch, directory)).toContain("image.bad_archive");
  });
});

describe("directories of skopeo", () => {
  /** `skopeo copy dir:` of an image made by hand. */
  function copied(scratch: Scratch, words: readonly string[], options: LayoutOptions = {}): string {
    const layout = scratch.directory("layout");
    writeLayout(layout, [layer, upper], options);
    const directory = join(scratch.path, "copy");
    run(["skopeo", "copy", ...words, `oci:${layout}:test`, `dir:${directory}`]);
    return directory;
  }

  test("of one image, in OCI's and in docker's words", async () => {
    for (const format of ["oci", "v2s2"]) {
      using scratch = new Scratch();
      const directory = copied(scratch, ["--format", format], { compression: "gzip" });
      expect(await open(scratch, directory)).toBe(good);
      expect(await open(scratch, `${directory}:test`)).toContain("image.no_such_tag");
    }
  });

  test("of an index, with all its images", async () => {
    using scratch = new Scratch();
    const directory = copied(scratch, ["--all"], {
      editIndex: (index) => {
        const [image] = index.manifests;
        if (image === undefined) never();
        const platform = { os: "linux", architecture: hostArchitecture };
        const inner = { schemaVersion: 2, mediaType: indexType, manifests: [{ ...image, platform }] };
        const descriptor = writeBlob(join(scratch.path, "layout"), json(inner), indexType);
        index.manifests = [{ ...descriptor, annotations: image.annotations ?? {} }];
      },
    });
    expect(await open(scratch, directory)).toBe(good);
  });

  test("whose blobs or version are not what they should be", async () => {
    using scratch = new Scratch();
    const directory = copied(scratch, []);
    const blob = join(directory, digestOf(layer).slice(7));
    const bytes = readFileSync(blob);
    bytes[1000] = 1;
    writeFileSync(blob, bytes);
    expect(await open(scratch, directory)).toContain("image.digest_mismatch");
    rmSync(blob);
    symlinkSync("/etc/passwd", blob);
    expect(await open(scratch, directory)).toContain("image.bad_archive");
    writeFileSync(join(directory, "version"), "Directory Transport Version: 2.0\n");
    expect(await open(scratch, directory)).toBe(
      "image.bad_manifest: version 2 of skopeo's directories is not supported",
    );
  });
});

function never(): never {
  throw new Error("the layout has no manifest");
}
