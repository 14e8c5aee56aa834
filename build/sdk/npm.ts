import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { packageVersion } from "../compile.ts";
import { architecture, EPOCH_SECONDS, root, say } from "../host.ts";
import { type ReleaseFile, treeOf } from "../release/contents.ts";
import { writeTar } from "../tar.ts";
import { compileSdk, declarations } from "./compile.ts";

/**
 * The npm packages: `smolvm`, which is the SDK, and one for each platform with the program, which the first names as optional
 * dependencies. npm takes the one whose `os`, `cpu` and `libc` fit; no package has a script that runs when it is installed.
 */

/** As Node calls them. */
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64"] as const;

type Platform = (typeof PLATFORMS)[number];

const nameOf = (platform: Platform): string => `@smolvm/cli-${platform}`;

const file = (path: string, content: string | Uint8Array, mode = 0o644): ReleaseFile => ({
  path,
  mode,
  content: Buffer.from(content),
});

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * Writes both packages of this platform as `npm pack` would: `smolvm-VERSION.tgz`, `smolvm-cli-PLATFORM-VERSION.tgz`.
 *
 * @param files what a release installs (../release/contents.ts)
 * @returns the names of the files
 */
export async function npmPackages(files: readonly ReleaseFile[], directory: string): Promise<string[]> {
  const version = packageVersion();
  const platform = PLATFORMS.find((known) => known === `${process.platform}-${architecture()}`);
  if (platform === undefined) throw new Error(`there is no npm package for ${process.platform}`);
  const packages = [
    { name: `smolvm-${version}.tgz`, content: await sdkPackage(version) },
    { name: `smolvm-cli-${platform}-${version}.tgz`, content: programPackage(platform, version, files) },
  ];
  for (const { name, content } of packages) {
    say(`release: ${name}`);
    // npm takes archives whose one folder is called package. Most of the program is compressed already: more effort costs
    // many seconds and saves nothing.
    const pieces = await Array.fromAsync(writeTar(treeOf(content, "package"), EPOCH_SECONDS));
    writeFileSync(`${directory}/${name}`, gzipSync(Buffer.concat(pieces), { level: 6 }));
  }
  return packages.map(({ name }) => name);
}

/** The files of the package `smolvm`, which npm unpacks into `node_modules/smolvm`. */
export async function sdkPackage(version: string): Promise<ReleaseFile[]> {
  const { name, ...said } = JSON.parse(readFileSync(`${root}/sdk/package.json`, "utf8"));
  const optionalDependencies = Object.fromEntries(PLATFORMS.map((platform) => [nameOf(platform), version]));
  const made = [...(await compileSdk()), ...(await declarations())];
  return [
    file("package.json", json({ name, version, ...said, optionalDependencies })),
    file("README.md", readFileSync(`${root}/sdk/README.md`)),
    file("LICENSE", readFileSync(`${root}/LICENSE`)),
    ...made.map(({ path, text }) => file(`dist/${path}`, text)),
  ];
}

function programPackage(platform: Platform, version: string, files: readonly ReleaseFile[]): ReleaseFile[] {
  const [os, cpu] = platform.split("-");
  const description = {
    name: nameOf(platform),
    version,
    description: `The program smolvm for ${platform}. Install the package smolvm instead.`,
    license: "Apache-2.0",
    os: [os],
    cpu: [cpu],
    // The runtime in the program needs it; other systems than Linux have no choice of one.
    ...(os === "linux" && { libc: ["glibc"] }),
    bin: { smolvm: "bin/smolvm" },
    files: ["bin", "LICENCES.txt"],
    // Yarn keeps packages as archives, in which no program can be run.
    preferUnplugged: true,
  };
  const of = (path: string): Uint8Array => {
    const found = files.find((entry) => entry.path === path);
    if (found === undefined) throw new Error(`the release has no ${path}`);
    return found.content;
  };
  return [
    file("package.json", json(description)),
    file("README.md", `# ${nameOf(platform)}\n\n${description.description}\n`),
    file("LICENSE", of("share/doc/smolvm/LICENSE")),
    file("LICENCES.txt", of("share/doc/smolvm/LICENCES.txt")),
    file("bin/smolvm", of("bin/smolvm"), 0o755),
  ];
}
