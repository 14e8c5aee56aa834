import { readFileSync } from "node:fs";
import { ensureInstalled } from "../../build/apt.ts";
import { packageVersion } from "../../build/compile.ts";
import { writeComponents } from "../../build/components.ts";
import { architecture, multiarch, root, run, sha256File } from "../../build/host.ts";
import { muslCompile, muslComponent, muslLicence, muslPins } from "../../build/musl.ts";
import { part } from "../../build/parts.ts";

/** The launcher that packed programs start with: our own C (stub/), linked statically with musl and zstd's decoder. */

/** Limit of the launcher, in bytes: it is in front of every packed program. */
const LIMIT = 400_000;

/** Makes `stub` and returns its directory. */
export async function stub(): Promise<string> {
  await ensureInstalled(["libzstd-dev"], "the decoder in packed programs");
  const library = `/usr/lib/${multiarch()}/libzstd.a`;
  const platform = `linux/${architecture() === "x64" ? "amd64" : "arm64"}`;
  const pins = {
    ...(await muslPins(`${root}/stub`, "compiles the launcher of packed programs")),
    program: packageVersion(),
    platform,
    zstd: {
      version: await run(["dpkg-query", "-W", "-f", "\u0024{Version}", "libzstd-dev"]),
      sha256: await sha256File(library),
    },
  };
  return await part("stub", { recipe: import.meta.path, pins }, async (out) => {
    const define = (name: string, value: string) => `-D${name}="${value}"`;
    const output = `${out}/stub`;
    await muslCompile(`${root}/stub`, output, [
      define("STUB_VERSION", pins.program),
      define("STUB_PLATFORM", platform),
      library,
    ]);
    if (readFileSync(output).length > LIMIT) throw new Error(`the launcher is larger than ${LIMIT} bytes`);
    const source = "the build machine's package libzstd-dev";
    const zstd = {
      name: "zstd (in the launcher)",
      ...pins.zstd,
      source,
      licence: "BSD-3-Clause",
      part: "stub" as const,
    };
    const licences = [
      {
        title: `zstd ${pins.zstd.version}`,
        text: readFileSync("/usr/share/doc/libzstd-dev/copyright", "utf8"),
      },
      ...muslLicence(pins.musl.version),
    ];
    writeComponents(out, [muslComponent(pins.musl, "stub", "the launcher"), zstd], licences);
  });
}
