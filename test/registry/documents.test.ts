import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import { hostArchitecture } from "../image/layout.ts";
import { Scratch } from "../image/tools.ts";
import {
  type AnyDescriptor,
  digestWith,
  Handmade,
  type LyingProxy,
  PullHome,
  pulledTree,
  startProxy,
  strays,
  types,
  useRegistry,
} from "../support/registry/index.ts";

/** Documents that say something else than they should; layers and digests are right unless the name says otherwise. */

setDefaultTimeout(30_000);

const { server } = useRegistry();
let proxy: LyingProxy;
/** Somewhere else: whoever follows an address of a document comes by here. */
let elsewhere: LyingProxy;
beforeAll(async () => {
  proxy = server(await startProxy());
  elsewhere = server(await startProxy({ address: "127.0.0.2" }));
});
afterEach(() => {
  proxy.reset();
  elsewhere.reset();
});

const layer = tarOf({ path: "f", data: "contents" });

/** Serves a repository and pulls from it what must work. */
async function accepted(repository: Handmade): Promise<void> {
  proxy.add(repository.rule);
  using home = new PullHome();
  await home.pulled(`${proxy.host}/a/b:latest`);
}

/** Serves a repository and pulls from it what must be refused, with this code. @returns what is said */
async function refused(repository: Handmade, code: string): Promise<string> {
  proxy.add(repository.rule);
  using home = new PullHome();
  const error = await home.refused(`${proxy.host}/a/b:latest`);
  expect(error).toMatchObject({ code });
  expect(elsewhere.requests).toEqual([]);
  return error.message;
}

const repository = () => new Handmade("a/b");
const index = (...manifests: AnyDescriptor[]) => ({ schemaVersion: 2, mediaType: types.index, manifests });
const here = { os: "linux", architecture: hostArchitecture };

test("the image that the others are made from can be pulled", async () => {
  const made = repository();
  made.image([layer]);
  await accepted(made);
});

test("an image without a command is refused by machine run before its layers are downloaded", async () => {
  const made = repository();
  made.image([layer], { config: (document) => Object.assign(document, { config: {} }) });
  proxy.add(made.rule);
  using home = new PullHome();
  const result = await home.run([], { options: ["--image", `${proxy.host}/a/b:latest`] });
  expect(result).toMatchObject({ output: "", exitCode: 1 });
  expect(result.stderr).toContain("no command specified");
  expect(proxy.requests.filter(({ path }) => path.includes(digestWith("sha256", layer)))).toEqual([]);
  const session = { options: ["-i", "--image", `${proxy.host}/a/b:latest`, "--timeout", "1ms"] };
  expect((await home.run([], session)).stderr).not.toContain("no command specified");
  expect(proxy.requests.some(({ path }) => path.includes(digestWith("sha256", layer)))).toBe(true);
});

describe("type confusion (CVE-2021-41190)", () => {
  const both = (made: Handmade, type: string) => {
    const image = made.image([layer], { tag: "inner" });
    made.image([layer], {
      manifestType: type,
      manifest: (manifest) => Object.assign(manifest, { manifests: [{ ...image, platform: here }] }),
    });
    return made;
  };
  test("a manifest with manifests", async () => {
    await refused(both(repository(), types.manifest), "registry.bad_answer");
  });
  test("an index with layers", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const { config, layers } = { config: image, layers: [image] };
    made.document({ ...index({ ...image, platform: here }), config, layers }, types.index, { tag: "latest" });
    await refused(made, "registry.bad_answer");
  });
  test("a document that is of another type than the server says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    made.document({ ...index({ ...image, platform: here }) }, types.manifest, { tag: "latest" });
    await refused(made, "registry.bad_answer");
  });
  test("a manifest of the index that is of another type than the index says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const wrong = { ...image, mediaType: types.dockerManifest, platform: here };
    made.document(index(wrong), types.index, { tag: "latest" });
    await refused(made, "image.bad_manifest");
  });
  test("a manifest of the index with another size than the index says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    made.document(index({ ...image, size: image.size + 1, platform: here }), types.index, { tag: "latest" });
    await refused(made, "image.bad_manifest");
  });
});

describe("documents without measure (CVE-2023-25153)", () => {
  test("an index of 257 entries", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const many = Array.from({ length: 257 }, (_, at) => ({
      ...image,
      platform: { os: "linux", architecture: `a${at}` },
    }));
    made.document(index(...many), types.index, { tag: "latest" });
    await refused(made, "image.bad_manifest");
  });
  test("indexes in indexes without end", async () => {
    const made = repository();
    let inner = made.image([layer], { tag: "inner" });
    for (let depth = 0; depth < 8; depth++)
      inner = made.document(index({ ...inner, platform: here }), types.index, { tag: "latest" });
    await refused(made, "image.limit");
  });
  test("a configuration that claims 9 MiB, and one that claims 2^60 bytes", async () => {
    for (const size of [9 << 20, 2 ** 53 - 1]) {
      const made = repository();
      made.image([layer], { manifest: (manifest) => Object.assign(manifest.config, { size }) });
      await refused(made, "image.limit");
    }
  });
  test("a configuration that is longer than it says", async () => {
    const made = repository();
    made.image([layer], {
      manifest: ({ config }) => {
        config.size -= 10;
      },
    });
    await refused(made, "registry.bad_answer");
  });
  test("a thousand layers", async () => {
    const made = repository();
    const empty = tarOf();
    made.image(Array.from({ length: 1000 }, () => empty));
    await refused(made, "image.bad_manifest");
  });
  test("JSON that is nested a hundred thousand times", async () => {
    const made = repository();
    made.document(`${"[".repeat(100_000)}${"]".repeat(100_000)}`, types.manifest, { tag: "latest" });
    await refused(made, "registry.bad_answer");
  });
});

describe("digests (CVE-2024-3727)", () => {
  const digests = [
    "sha256:../../../../etc/passwd",
    "sha256:..",
    "sha256:",
    `sha256:${"a".repeat(63)}`,
    `sha256:${"A".repeat(64)}`,
    `sha256:${"a".repeat(64)}/../../x`,
    `md5:${"a".repeat(32)}`,
    `sha512:${"a".repeat(64)}`,
    `sha256:${"a".repeat(64)}\u0000`,
    "",
  ];
  for (const digest of digests) {
    test(`of a layer: ${JSON.stringify(digest.slice(0, 30))}`, async () => {
      const made = repository();
      made.image([layer], {
        manifest: ({ layers: [first] }) => first && Object.assign(first, { digest }),
      });
      await refused(made, "image.bad_manifest");
    });
  }
  test("of a configuration, of a manifest in an index, of a layer's contents", async () => {
    const digest = "sha256:../../../../etc/passwd";
    const made = repository();
    made.image([layer], { manifest: ({ config }) => Object.assign(config, { digest }) });
    await refused(made, "image.bad_manifest");
    const second = repository();
    const image = second.image([layer], { tag: "inner" });
    second.document(index({ ...image, digest, platform: here }), types.index, { tag: "latest" });
    await refused(second, "image.bad_manifest");
    const third = repository();
    third.image([layer], {
      config: (config) => {
        config.rootfs.diff_ids = [digest];
      },
    });
    await refused(third, "image.bad_manifest");
  });
  test("sha512 throughout", async () => {
    const made = repository();
    const { digest } = made.image([layer], { algorithm: "sha512", layerType: types.gzip });
    using scratch = new Scratch();
    using home = new PullHome();
    proxy.add(made.rule);
    for (const reference of [`${proxy.host}/a/b`, `${proxy.host}/a/b@${digest}`]) {
      await home.pulled(reference);
      expect([...(await pulledTree(home, reference, scratch)).keys()]).toEqual(["/", "/f"]);
    }
  });
  test("sha512 of something else", async () => {
    const made = repository();
    made.image([layer], {
      algorithm: "sha512",
      config: (config) => {
        config.rootfs.diff_ids = [digestWith("sha512", tarOf())];
      },
    });
    await refused(made, "image.digest_mismatch");
  });
  test("of a layer's contents that are another layer's (diff_id)", async () => {
    const made = repository();
    made.image([layer], {
      layerType: types.gzip,
      config: (config) => {
        config.rootfs.diff_ids = [digestWith("sha256", tarOf())];
      },
    });
    await refused(made, "image.digest_mismatch");
  });
});

describe("layers that are not here to be unpacked", () => {
  const withLayer = (changes: Record<string, unknown>) => {
    const made = repository();
    made.image([layer], {
      manifest: ({ layers: [first] }) => first && Object.assign(first, changes),
    });
    return made;
  };
  const kinds: Record<string, string> = {
    encrypted: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
    xz: "application/vnd.oci.image.layer.v1.tar+xz",
    "a WebAssembly module": "application/wasm",
    "a Helm chart": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "no type": "",
    "a type with control characters": "a\u001b[2J",
  };
  for (const [name, mediaType] of Object.entries(kinds)) {
    test(name, async () => {
      const said = await refused(withLayer({ mediaType }), "image.bad_layer");
      expect(said).toContain("unknown media type");
      expect(said.includes("encrypted images are not supported")).toBe(name === "encrypted");
      expect(said.includes("\u001b")).toBe(false);
    });
  }
  const foreign = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  ];
  test("foreign layers that the registry lacks: refused, and their address is not visited (CVE-2020-15157)", async () => {
    for (const mediaType of foreign) {
      const digest = digestWith("sha256", Buffer.from(mediaType));
      const made = withLayer({ mediaType, digest, urls: [`${elsewhere.url}/layer`] });
      expect(await refused(made, "registry.not_found")).toContain(elsewhere.host);
      proxy.reset();
    }
  });
  test("foreign layers that the registry has are layers like others", async () => {
    for (const layerType of foreign) {
      const made = repository();
      made.image([layer], {
        layerType,
        manifest: ({ layers: [first] }) =>
          first && Object.assign(first, { urls: [`${elsewhere.url}/layer`] }),
      });
      await accepted(made);
      proxy.reset();
    }
    expect(elsewhere.requests).toEqual([]);
  });
  test("addresses of an ordinary layer are not visited", async () => {
    const made = withLayer({ urls: [`${elsewhere.url}/layer`, "file:///etc/passwd"] });
    await accepted(made);
    expect(elsewhere.requests).toEqual([]);
  });
});

describe("things in a registry that are no images", () => {
  const artifact = (configType: string, more: object = {}) => {
    const made = repository();
    const document = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: made.blob(Buffer.from("{}"), configType),
      layers: [made.blob(Buffer.from("apiVersion: v2\n"), "application/vnd.example.thing")],
      ...more,
    };
    made.document(document, types.manifest, { tag: "latest" });
    return made;
  };
  test("an artifact with the empty configuration", async () => {
    await refused(
      artifact(types.empty, { artifactType: "application/vnd.example+type" }),
      "image.not_an_image",
    );
  });
  test("a Helm chart", async () => {
    await refused(artifact("application/vnd.cncf.helm.config.v1+json"), "image.not_an_image");
  });
  test("an attestation of buildkit beside the image is not taken for the image", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const attestation = made.document(
      { schemaVersion: 2, mediaType: types.manifest, config: image, layers: [] },
      types.manifest,
    );
    const note = { "vnd.docker.reference.type": "attestation-manifest" };
    const unknown = { os: "unknown", architecture: "unknown" };
    made.document(
      index({ ...attestation, platform: unknown, annotations: note }, { ...image, platform: here }),
      types.index,
      { tag: "latest" },
    );
    await accepted(made);
  });
  test("docker's schema 1", async () => {
    const made = repository();
    const one = {
      schemaVersion: 1,
      name: "a/b",
      tag: "latest",
      fsLayers: [],
      history: [],
      architecture: "amd64",
    };
    made.document(one, "application/vnd.docker.distribution.manifest.v1+prettyjws", { tag: "latest" });
    expect(await refused(made, "registry.bad_answer")).toContain("schema 1");
  });
  test("nonsense", async () => {
    for (const text of [
      "",
      "null",
      "[]",
      "42",
      '{"schemaVersion":2}',
      "{",
      "\u0000".repeat(100),
      '{"schemaVersion":2,"layers":{}}',
    ]) {
      const made = repository();
      made.document(text, types.manifest, { tag: "latest" });
      // The registry's client looks for a JSON object; what is in it is for the reader of images.
      const isObject = text.startsWith('{"');
      await refused(made, isObject ? "image.bad_manifest" : "registry.bad_answer");
      proxy.reset();
    }
  });
});

describe("what an image says of itself is data", () => {
  test("volumes, labels and annotations with paths and commands change nothing (CVE-2022-23648, CVE-2026-53488, CVE-2026-53492, CVE-2026-50195, CVE-2025-62725)", async () => {
    using scratch = new Scratch();
    using home = new PullHome();
    const plain = repository();
    plain.image([layer]);
    proxy.add(plain.rule);
    await home.pulled(`${proxy.host}/a/b`);
    const before = strays(home.images);
    const evil = {
      "../../../../tmp/evil": "$(touch /tmp/evil)",
      "org.opencontainers.image.ref.name": "docker.io/library/alpine:latest",
    };
    const made = new Handmade("c/d");
    made.image([layer], {
      config: (config) => Object.assign(config.config, { Volumes: { "../../../../etc": {} }, Labels: evil }),
      manifest: (manifest) => {
        Object.assign(manifest, { annotations: evil });
        for (const one of manifest.layers)
          one.annotations = { ...evil, "org.opencontainers.image.title": "../../../tmp/evil" };
      },
    });
    proxy.add(made.rule);
    const reference = `${proxy.host}/c/d:latest`;
    await home.pulled(reference);
    expect(strays(home.images)).toEqual(before);
    const { output } = await home.smolvm(["images", "ls", "--json"]);
    expect(output).not.toContain("docker.io/library/alpine");
    expect([...(await pulledTree(home, reference, scratch)).keys()]).toEqual(["/", "/f"]);
  });
  test("a working directory, user or entry point beyond measure (CVE-2022-23648)", async () => {
    for (const more of [
      { WorkingDir: "x".repeat(5000) },
      { Env: Array.from({ length: 200_000 }, (_, at) => `A${at}=x`) },
      { Entrypoint: ["a\u0000b"] },
      { User: "x".repeat(100_000) },
    ]) {
      const made = repository();
      made.image([layer], { config: (config) => Object.assign(config.config, more) });
      await refused(made, "image.bad_manifest");
      proxy.reset();
    }
  });
});
