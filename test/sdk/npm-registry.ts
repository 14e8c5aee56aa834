/** A registry of npm's on this host's loopback, which has the packages of a release: what users install from. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

export interface NpmRegistry {
  readonly url: string;
  stop(): Promise<void>;
}

interface Described {
  readonly name: string;
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Serves packages. Those of other platforms, which the first one names, are listed as a registry lists them, and their
 * archives are not there: whoever asks for one of them has not looked at its platform.
 *
 * @param archives files of `npm pack`: the package, and the one with the program of this platform
 */
export async function serveNpm(archives: readonly string[]): Promise<NpmRegistry> {
  const described = await Promise.all(archives.map(describe));
  const [face, program] = described as [Described, Described];
  const files = new Map(archives.map((path) => [basename(path), readFileSync(path)]));
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      const path = decodeURIComponent(new URL(url).pathname).slice(1);
      const file = files.get(path);
      if (file !== undefined) return new Response(file);
      const known = described.find(({ name }) => name === path);
      const isOther = face.optionalDependencies?.[path] !== undefined;
      if (known === undefined && !isOther) return new Response("{}", { status: 404 });
      const archive = archives[described.indexOf(known as Described)];
      return Response.json(listing(known ?? ofPlatform(path, program), archive, `${new URL(url).origin}/`));
    },
  });
  return { url: `http://127.0.0.1:${server.port}/`, stop: () => server.stop(true) };
}

async function describe(archive: string): Promise<Described> {
  return JSON.parse(await Bun.$`tar -xzOf ${archive} package/package.json`.text());
}

/** `@smolvm/cli-linux-arm64` */
function ofPlatform(name: string, like: Described): Described {
  const [os = "", cpu = ""] = name.split("/cli-")[1]?.split("-") ?? [];
  return { ...like, name, os: [os], cpu: [cpu] } as Described;
}

/** What a registry says of a package with one version. */
function listing(described: Described, archive: string | undefined, origin: string): object {
  const { name, version } = described;
  const bytes = archive === undefined ? "" : readFileSync(archive);
  const dist = {
    tarball: `${origin}${archive === undefined ? "not-for-this-host.tgz" : basename(archive)}`,
    integrity: `sha512-${createHash("sha512").update(bytes).digest("base64")}`,
    shasum: createHash("sha1").update(bytes).digest("hex"),
  };
  return {
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...described, dist } },
    time: { [version]: "2026-01-01T00:00:00.000Z" },
  };
}
