import { gzipSync } from "node:zlib";
import { membersOf, tarOf } from "../../src/image/image.fixture.ts";

const hash = (algorithm: "sha1" | "sha256", data: Uint8Array) =>
  new Bun.CryptoHasher(algorithm).update(data).digest("hex");

const VERSION = "1.0-r0";

/**
 * A package for Alpine's apk: two gzip streams, what the package says about itself and its files
 * (https://wiki.alpinelinux.org/wiki/Apk_spec). Not signed: `apk add --allow-untrusted`.
 *
 * @param script becomes /usr/bin/NAME
 */
export function apkPackage(name: string, script: string): Buffer {
  const { control, files } = packageParts(name, script);
  return Buffer.concat([control, files]);
}

/** What a repository of one such package answers, by the last part of a request's path. */
export function apkRepository(name: string, script: string): ReadonlyMap<string, Buffer> {
  const { control, files } = packageParts(name, script);
  const content = Buffer.concat([control, files]);
  const sum = new Bun.CryptoHasher("sha1").update(control).digest("base64");
  const entry = {
    C: `Q1${sum}`,
    P: name,
    V: VERSION,
    A: "noarch",
    S: content.length,
    I: 4096,
    T: "made by hand",
  };
  const lines = Object.entries(entry).map(([key, value]) => `${key}:${value}\n`);
  return new Map([
    ["APKINDEX.tar.gz", gzipSync(tarOf({ path: "APKINDEX", data: `${lines.join("")}L:MIT\n\n` }))],
    [`${name}-${VERSION}.apk`, content],
  ]);
}

function packageParts(name: string, script: string): { readonly control: Buffer; readonly files: Buffer } {
  const sum = { "APK-TOOLS.checksum.SHA1": hash("sha1", Buffer.from(script)) };
  const files = gzipSync(
    tarOf(
      { path: "usr/", type: "5", mode: 0o755 },
      { path: "usr/bin/", type: "5", mode: 0o755 },
      { path: `usr/bin/${name}`, data: script, mode: 0o755, pax: sum },
    ),
  );
  const facts = {
    ...{ pkgname: name, pkgver: VERSION, pkgdesc: "made by hand", arch: "noarch", size: "4096" },
    ...{ license: "MIT", origin: name, datahash: hash("sha256", files) },
  };
  const lines = Object.entries(facts).map(([key, value]) => `${key} = ${value}\n`);
  return { control: gzipSync(membersOf({ path: ".PKGINFO", data: lines.join("") })), files };
}
