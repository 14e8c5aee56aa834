import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/testing.ts";
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
  storeContents,
  strays,
  types,
  useServers,
} from "../support/registry/index.ts";

/** Documents that say something else than they should; layers and digests are right unless the name says otherwise. */

setDefaultTimeout(30_000);

const server = useServers();
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

/** Serves a repository, pulls from it, and says what became of that. */
async function pull(repository: Handmade, reference = "a/b:latest") {
  proxy.add(repository.rule);
  using home = new PullHome();
  const result = await home.pull(`${proxy.host}/${reference}`, { seconds: 25 });
  return { ...result, home, left: strays(home.images), stored: [...storedIn(home)] };
}

function storedIn(home: PullHome): string[] {
  try {
    return [...storeContents(home.images).keys()].filter((name) => /vmdk$|^refs\//.test(name));
  } catch {
    return []; // no cache was made
  }
}

async function refused(repository: Handmade, words: RegExp, reference?: string): Promise<void> {
  const { exitCode, stderr, left, stored } = await pull(repository, reference);
  expect({ exitCode, left, stored }).toEqual({ exitCode: 1, left: [], stored: [] });
  expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
  expect(elsewhere.requests).toEqual([]);
}

const repository = () => new Handmade("a/b");
const index = (...manifests: AnyDescriptor[]) => ({ schemaVersion: 2, mediaType: types.index, manifests });
const here = { os: "linux", architecture: hostArchitecture };

test("the image that the others are made from can be pulled", async () => {
  const made = repository();
  made.image([layer]);
  expect((await pull(made)).exitCode).toBe(0);
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
    await refused(both(repository(), types.manifest), /at once/);
  });
  test("an index with layers", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const { config, layers } = { config: image, layers: [image] };
    made.document({ ...index({ ...image, platform: here }), config, layers }, types.index, { tag: "latest" });
    await refused(made, /at once/);
  });
  test("a document that is of another type than the server says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    made.document({ ...index({ ...image, platform: here }) }, types.manifest, { tag: "latest" });
    await refused(made, /type|manifest/);
  });
  test("a manifest of the index that is of another type than the index says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    const wrong = { ...image, mediaType: types.dockerManifest, platform: here };
    made.document(index(wrong), types.index, { tag: "latest" });
    await refused(made, /type|manifest/);
  });
  test("a manifest of the index with another size than the index says", async () => {
    const made = repository();
    const image = made.image([layer], { tag: "inner" });
    made.document(index({ ...image, size: image.size + 1, platform: here }), types.index, { tag: "latest" });
    await refused(made, /size|bytes/);
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
    await refused(made, /limit|too many|entries|256/);
  });
  test("indexes in indexes without end", async () => {
    const made = repository();
    let inner = made.image([layer], { tag: "inner" });
    for (let depth = 0; depth < 8; depth++)
      inner = made.document(index({ ...inner, platform: here }), types.index, { tag: "latest" });
    await refused(made, /deep|nested/);
  });
  test("a configuration that claims 9 MiB, and one that claims 2^60 bytes", async () => {
    for (const size of [9 << 20, 2 ** 53 - 1]) {
      const made = repository();
      made.image([layer], { manifest: (manifest) => Object.assign(manifest.config, { size }) });
      await refused(made, /larger|limit|size/);
    }
  });
  test("a configuration that is longer than it says", async () => {
    const made = repository();
    made.image([layer], {
      manifest: ({ config }) => {
        config.size -= 10;
      },
    });
    await refused(made, /bytes|size|long|digest/);
  });
  test("a thousand layers", async () => {
    const made = repository();
    const empty = tarOf();
    made.image(Array.from({ length: 1000 }, () => empty));
    await refused(made, /layers|limit/);
  });
  test("JSON that is nested a hundred thousand times", async () => {
    const made = repository();
    made.document(`${"[".repeat(100_000)}${"]".repeat(100_000)}`, types.manifest, { tag: "latest" });
    await refused(made, /not a JSON object/);
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
      await refused(made, /digest/);
    });
  }
  test("of a configuration, of a manifest in an index, of a layer's contents", async () => {
    const digest = "sha256:../../../../etc/passwd";
    const made = repository();
    made.image([layer], { manifest: ({ config }) => Object.assign(config, { digest }) });
    await refused(made, /digest/);
    const second = repository();
    const image = second.image([layer], { tag: "inner" });
    second.document(index({ ...image, digest, platform: here }), types.index, { tag: "latest" });
    await refused(second, /digest/);
    const third = repository();
    third.image([layer], {
      config: (config) => {
        config.rootfs.diff_ids = [digest];
      },
    });
    await refused(third, /digest|diff_id/);
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
    await refused(made, /digest|promise/);
  });
  test("of a layer's contents that are another layer's (diff_id)", async () => {
    const made = repository();
    made.image([layer], {
      layerType: types.gzip,
      config: (config) => {
        config.rootfs.diff_ids = [digestWith("sha256", tarOf())];
      },
    });
    await refused(made, /digest|promise/);
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
  const kinds: Record<string, [string, RegExp]> = {
    encrypted: ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", /encrypted/],
    xz: ["application/vnd.oci.image.layer.v1.tar+xz", /xz|type/],
    "a WebAssembly module": ["application/wasm", /type/],
    "a Helm chart": ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", /type/],
    "no type": ["", /type/],
    "a type with control characters": ["a\u001b[2J", /type/],
  };
  for (const [name, [mediaType, words]] of Object.entries(kinds)) {
    test(name, async () => await refused(withLayer({ mediaType }), words));
  }
  test("a type with control characters does not reach the terminal", async () => {
    const { stderr } = await pull(withLayer({ mediaType: "a\u001b[2J" }));
    expect(stderr.includes("\u001b")).toBe(false);
  });
  const foreign = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  ];
  test("foreign layers that the registry lacks: refused, and their address is not visited (CVE-2020-15157)", async () => {
    for (const mediaType of foreign) {
      const digest = digestWith("sha256", Buffer.from(mediaType));
      await refused(withLayer({ mediaType, digest, urls: [`${elsewhere.url}/layer`] }), /127\.0\.0\.2/);
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
      expect((await pull(made)).exitCode).toBe(0);
      proxy.reset();
    }
    expect(elsewhere.requests).toEqual([]);
  });
  test("addresses of an ordinary layer are not visited", async () => {
    const made = withLayer({ urls: [`${elsewhere.url}/layer`, "file:///etc/passwd"] });
    expect((await pull(made)).exitCode).toBe(0);
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
    await refused(artifact(types.empty, { artifactType: "application/vnd.example+type" }), /artifact/);
  });
  test("a Helm chart", async () => {
    await refused(
      artifact("application/vnd.cncf.helm.config.v1+json"),
      /helm|artifact|not an? (container )?image/i,
    );
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
    expect((await pull(made)).exitCode).toBe(0);
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
    await refused(made, /schema|version 1|old/i);
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
      await refused(made, /manifest|not a JSON object/);
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
      config: (config) =>
        Object.assign(config.config, { Volumes: { "../../../../etc": {}, "/a\u0000b": {} }, Labels: evil }),
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
      await refused(made, /configuration|limit|config/);
      proxy.reset();
    }
  });
});
