import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { distributionSources, downloadPackages, resolvePackages, withFreshLists } from "../../build/apt.ts";
import { run } from "../../build/host.ts";

/**
 * A repository for apt, of packages and all that they need, by the last part of a request's path. In one directory
 * (`deb [trusted=yes] http://… ./`), and without the signatures that apt would check first.
 */
export async function debianRepository(names: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
  const sources = await distributionSources();
  const paths = await withFreshLists(async () =>
    downloadPackages(await resolvePackages(names, sources), sources),
  );
  const files = new Map(paths.map((path) => [basename(path), readFileSync(path)] as const));
  const entries = await Promise.all(
    paths.map(async (path) => {
      const content = files.get(basename(path)) as Buffer;
      const sum = new Bun.CryptoHasher("sha256").update(content).digest("hex");
      const control = (await run(["dpkg-deb", "--field", path])).trim();
      return `${control}\nFilename: ./${basename(path)}\nSize: ${content.length}\nSHA256: ${sum}\n`;
    }),
  );
  return new Map([...files, ["Packages", Buffer.from(entries.join("\n"))]]);
}
