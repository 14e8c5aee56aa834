import { gzipSync } from "node:zlib";
import { membersOf, tarOf } from "../../src/image/image.fixture.ts";

const hash = (algorithm: "sha1" | "sha256", data: Uint8Array) =>
  new Bun.CryptoHasher(algorithm).update(data).digest("hex");

/**
 * A package for Alpine's apk: two gzip streams, what the package says about itself and its files
 * (https://wiki.alpinelinux.org/wiki/Apk_spec). Not signed: `apk add --allow-untrusted`.
 *
 * @param script becomes /usr/bin/NAME
 */
export function apkPackage(name: string, script: string): Buffer {
  const sum = { "APK-TOOLS.checksum.SHA1": hash("sha1", Buffer.from(script)) };
  const files = gzipSync(
    tarOf(
      { path: "usr/", type: "5", mode: 0o755 },
      { path: "usr/bin/", type: "5", mode: 0o755 },
      { path: `usr/bin/${name}`, data: script, mode: 0o755, pax: sum },
    ),
  );
  const facts = {
    ...{ pkgname: name, pkgver: "1.0-r0", pkgdesc: "made by hand", arch: "noarch", size: "4096" },
    ...{ license: "MIT", origin: name, datahash: hash("sha256", files) },
  };
  const lines = Object.entries(facts).map(([key, value]) => `${key} = ${value}\n`);
  return Buffer.concat([gzipSync(membersOf({ path: ".PKGINFO", data: lines.join("") })), files]);
}
