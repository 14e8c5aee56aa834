import { readdirSync, readFileSync } from "node:fs";
import { architecture, run, say } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/** What the npm registry says of the packages that hold the programs (`dist.integrity`). */
const packages = {
  x64: {
    name: "@superradcompany/microsandbox-linux-x64-gnu",
    version: "0.6.18",
    integrity:
      "sha512-b9Mu+tu1Vq407c8sr7scNOxBgGpJX/Znd4NGFQ/Dx44SS6bHU3pjUEAdso3IpEB2Cx9nrGIBtBdaRrVw1ro+6w==",
  },
  arm64: {
    name: "@superradcompany/microsandbox-linux-arm64-gnu",
    // The newest that there is for this processor.
    version: "0.6.8",
    integrity:
      "sha512-cMgS/pE6N2LTbdGYMNiSzfxlsD0F1fhVuCFuIULxGfGyK+zmrYHgTgV0K6n9UQY+PjseOvNn//T7FJQ7SwyJ3g==",
  },
};

/** `msb`, the command line of npm's microsandbox: a rival. @returns its path */
export async function microsandbox(): Promise<string> {
  const pin = packages[architecture()];
  const inputs = { recipe: import.meta.path, pins: pin };
  const directory = await part("bench-microsandbox", inputs, async (out) => {
    say(`bench: downloading ${pin.name} ${pin.version}`);
    await run(["npm", "pack", "--silent", `${pin.name}@${pin.version}`], { cwd: out });
    const file = readdirSync(out).find((name) => name.endsWith(".tgz"));
    if (file === undefined) throw new Error(`npm pack gave no archive of ${pin.name}`);
    const digest = new Bun.CryptoHasher("sha512").update(readFileSync(`${out}/${file}`)).digest("base64");
    if (`sha512-${digest}` !== pin.integrity) throw new Error(`not the pinned ${pin.name}@${pin.version}`);
    await run(["tar", "-xzf", file, "--strip-components=1", "package/bin", "package/lib"], { cwd: out });
    await run(["rm", file], { cwd: out });
  });
  return `${directory}/bin/msb`;
}
