import { describe, expect, test } from "bun:test";
import type { Lie } from "../../../test/support/registry/proxy.ts";
import {
  digestOf,
  failure,
  honest,
  indexType,
  manifestText,
  manifestType,
  useRegistry,
} from "../registry.fixture.ts";

const { serve } = useRegistry();

const digest = digestOf(manifestText);
const MAX = 4 << 20;

const says =
  (body: string | Uint8Array, headers: Record<string, string> = { "content-type": manifestType }): Lie =>
  (exchange) =>
    exchange.respond(200, headers, body);

describe("a manifest", () => {
  test("by tag: bytes as they came, type and digest", async () => {
    const { repository, asked } = await serve(honest);
    const manifest = await repository.manifest("latest", MAX);
    expect(Buffer.from(manifest.bytes).toString()).toBe(manifestText);
    expect([manifest.mediaType, manifest.digest]).toEqual([manifestType, digest]);
    expect(asked()).toMatchObject([{ method: "GET", path: "/v2/a/b/manifests/latest" }]);
    const accept = asked()[0]?.headers.accept;
    for (const kind of ["oci.image.index.v1", "oci.image.manifest.v1", "distribution.manifest.list.v2"]) {
      expect(accept).toContain(`application/vnd.${kind.startsWith("oci") ? "" : "docker."}${kind}+json`);
    }
    expect(asked()[0]?.headers["accept-encoding"]).toBe("identity");
  });

  test("by digest, of both algorithms", async () => {
    const sha512 = digestOf(manifestText, "sha512");
    const { repository } = await serve(says(manifestText));
    expect((await repository.manifest(digest, MAX)).digest).toBe(digest);
    expect((await repository.manifest(sha512, MAX)).digest).toBe(sha512);
  });

  test("another one than its digest says: refused (CVE-2024-3727 and friends)", async () => {
    for (const algorithm of ["sha256", "sha512"] as const) {
      const { repository } = await serve(says(`${manifestText} `));
      const wanted = digestOf(manifestText, algorithm);
      expect((await failure(repository.manifest(wanted, MAX))).code).toBe("registry.digest_mismatch");
    }
  });

  test("another one than the registry says it has: refused", async () => {
    const other = digestOf("other");
    const { repository } = await serve(
      says(manifestText, { "content-type": manifestType, "docker-content-digest": other }),
    );
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.digest_mismatch");
  });

  test("with a sha512 digest of the registry's, or one that is none", async () => {
    const sha512 = digestOf(manifestText, "sha512");
    const named = await serve(
      says(manifestText, { "content-type": manifestType, "docker-content-digest": sha512 }),
    );
    expect((await named.repository.manifest("latest", MAX)).digest).toBe(sha512);
    const odd = await serve(
      says(manifestText, { "content-type": manifestType, "docker-content-digest": "md5:0" }),
    );
    expect((await odd.repository.manifest("latest", MAX)).digest).toBe(digest);
  });

  test("asked for by something that is neither tag nor digest: nothing is sent", async () => {
    const { repository, asked } = await serve(honest);
    for (const name of ["", "../blobs/x", "a/b", "a?b", "sha256:0", "-a", "a".repeat(129), "a b"]) {
      expect((await failure(repository.manifest(name, MAX))).code).toBe("registry.bad_reference");
      expect((await failure(repository.resolve(name, MAX))).code).toBe("registry.bad_reference");
    }
    expect(asked()).toEqual([]);
  });
});

describe("size", () => {
  test("promised too large: refused before the body", async () => {
    const { repository } = await serve(async (exchange) => {
      await exchange.head(200, { "content-type": manifestType, "content-length": "5000000000" });
      await exchange.silence();
    });
    const { code, message } = await failure(repository.manifest("latest", MAX));
    expect([code, message]).toEqual(["registry.too_large", expect.stringContaining("4194304")]);
  });

  test("too large without saying so: refused while it comes", async () => {
    let sent = 0;
    const { repository } = await serve(async (exchange) => {
      await exchange.head(200, { "content-type": manifestType, connection: "close" });
      for (; sent < 1 << 30; sent += 1 << 16) await exchange.body(Buffer.alloc(1 << 16, " "));
    });
    expect((await failure(repository.manifest("latest", MAX))).code).toBe("registry.too_large");
    expect(sent).toBeLessThan(64 << 20);
  });

  test("exactly as large as allowed", async () => {
    const { repository } = await serve(honest);
    expect((await repository.manifest("latest", manifestText.length)).digest).toBe(digest);
    expect((await failure(repository.manifest("latest", manifestText.length - 1))).code).toBe(
      "registry.too_large",
    );
  });

  test("compressed, though it was asked for as it is: decoded, within the same limits", async () => {
    const headers = { "content-type": manifestType, "content-encoding": "gzip" };
    const zipped = Bun.gzipSync(Buffer.from(manifestText));
    const asked = async (body: Uint8Array, maxBytes = MAX, encoding = "gzip") => {
      const { repository } = await serve(says(body, { ...headers, "content-encoding": encoding }));
      return repository.manifest(digest, maxBytes);
    };
    for (const encoding of ["gzip", "x-gzip", "GZIP"]) {
      expect((await asked(zipped, manifestText.length, encoding)).bytes).toEqual(Buffer.from(manifestText));
    }
    // The document itself, by a storage that repeats what it was told.
    expect((await asked(Buffer.from(manifestText))).digest).toBe(digest);
    const codes = {
      large: (await failure(asked(zipped, manifestText.length - 1))).code,
      bomb: (await failure(asked(Bun.gzipSync(Buffer.alloc(100_000_000, "{"))))).code,
      long: (await failure(asked(crypto.getRandomValues(new Uint8Array(65_536)), 10))).code,
      cut: (await failure(asked(zipped.subarray(0, -9)))).code,
      other: (await failure(asked(zipped, MAX, "br"))).code,
      changed: (await failure(asked(Bun.gzipSync(Buffer.from(`${manifestText} `))))).code,
    };
    expect(codes).toEqual({
      large: "registry.too_large",
      bomb: "registry.too_large",
      long: "registry.bad_answer",
      cut: "registry.bad_answer",
      other: "registry.bad_answer",
      changed: "registry.digest_mismatch",
    });
  });
});

describe("type confusion (CVE-2021-41190)", () => {
  const json = (value: object) => JSON.stringify(value);
  const confused: readonly (readonly [string, string, string, RegExp])[] = [
    [
      "header and document disagree",
      json({ mediaType: indexType, manifests: [] }),
      manifestType,
      /says it is of type/,
    ],
    ["both manifests and layers", json({ manifests: [], layers: [] }), manifestType, /at once/],
    ["both manifests and config", json({ manifests: [], config: {} }), indexType, /at once/],
    ["a manifest called an index", json({ layers: [], config: {} }), indexType, /called an index/],
    ["an index called a manifest", json({ manifests: [] }), manifestType, /called a manifest/],
    ["the same, by its own word", json({ mediaType: manifestType, manifests: [] }), "", /called a manifest/],
    ["neither", json({ hello: 1 }), "application/json", /neither/],
    ["a mediaType that is no text", json({ mediaType: [manifestType], layers: [] }), manifestType, /no text/],
    ["not JSON", "{", manifestType, /not a JSON object/],
    ["an array", "[]", manifestType, /not a JSON object/],
    ["a very deep one", "[".repeat(1 << 20), manifestType, /not a JSON object/],
    ["not UTF-8", '{"a":"\u00ff"}', manifestType, /not a JSON object/],
    ["a web page", "<html>Welcome</html>", "text/html; charset=utf-8", /web page/],
    ["schema 1", json({ schemaVersion: 1, fsLayers: [] }), "application/json", /schema 1/],
    ["schema 1, signed", "{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", /schema 1/],
  ];
  for (const [what, body, type, why] of confused) {
    test(`${what}: refused`, async () => {
      const { repository } = await serve(says(Buffer.from(body, "latin1"), { "content-type": type }));
      const { code, message } = await failure(repository.manifest("latest", MAX));
      expect(code).toBe("registry.bad_answer");
      expect(message).toMatch(why);
    });
  }

  const honestTypes: readonly (readonly [string, string, string])[] = [
    [json({ layers: [], config: {} }), `${manifestType}; charset=utf-8`, manifestType],
    [json({ layers: [], config: {} }), "APPLICATION/vnd.OCI.image.manifest.v1+json", manifestType],
    [json({ layers: [], config: {} }), "", manifestType],
    [json({ manifests: [] }), "application/json", indexType],
    [json({ manifests: [], mediaType: indexType }), "text/plain", indexType],
    // Not for us to judge.
    [
      json({ blobs: [] }),
      "application/vnd.oci.artifact.manifest.v1+json",
      "application/vnd.oci.artifact.manifest.v1+json",
    ],
  ];
  for (const [body, type, expected] of honestTypes) {
    test(`${body} as ${JSON.stringify(type)}`, async () => {
      const { repository } = await serve(says(body, { "content-type": type }));
      expect((await repository.manifest("latest", MAX)).mediaType).toBe(expected);
    });
  }
});

describe("the digest of a tag", () => {
  test("by HEAD alone", async () => {
    const { repository, asked } = await serve(honest);
    expect(await repository.resolve("latest", MAX)).toBe(digest);
    expect(asked().map(({ method }) => method)).toEqual(["HEAD"]);
  });

  const without: Readonly<Record<string, Lie>> = {
    "a registry without HEAD": (exchange) => exchange.respond(405, {}, ""),
    "a HEAD without a digest": (exchange) =>
      exchange.respond(200, { "content-type": manifestType }, manifestText),
    "a HEAD with a digest of a broken kind": (exchange) =>
      exchange.respond(200, { "docker-content-digest": "sha256:../../x" }, ""),
  };
  for (const [what, head] of Object.entries(without)) {
    test(`${what}: by a download`, async () => {
      const { repository, asked } = await serve((exchange) =>
        exchange.request.method === "HEAD" ? head(exchange) : honest(exchange),
      );
      expect(await repository.resolve("latest", MAX)).toBe(digest);
      expect(asked().map(({ method }) => method)).toEqual(["HEAD", "GET"]);
    });
  }

  test("that does not exist", async () => {
    const body = '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}';
    const { repository, asked } = await serve((exchange) => exchange.respond(404, {}, body));
    const { code, message } = await failure(repository.resolve("none", MAX));
    expect(code).toBe("registry.not_found");
    expect(message).toMatch(/does not have a\/b:none: manifest unknown$/);
    expect(asked()).toHaveLength(2);
  });
});
