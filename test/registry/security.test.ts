import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Member, membersOf, paxOf, tarOf } from "../../src/image/image.fixture.ts";
import { writeLayout } from "../image/layout.ts";
import { differences, listTree } from "../image/listing.ts";
import { requireRoot, run } from "../image/tools.ts";
import {
  Handmade,
  type LyingProxy,
  type PullError,
  PullHome,
  pulledTree,
  startProxy,
  strays,
  types,
  useRegistry,
} from "../support/registry/index.ts";

/**
 * Attacks by the contents of layers, each pulled from a registry by the released program and named after what it did to
 * others. docs/security-tests.md lists all of them, with those that are tested elsewhere.
 */

setDefaultTimeout(60_000);

const { server, scratch } = useRegistry();
let proxy: LyingProxy;
/** A directory of the host that the attacks are after. */
let target: string;
beforeAll(async () => {
  requireRoot();
  proxy = server(await startProxy());
  target = scratch.directory("target");
  writeFileSync(join(target, "canary"), "untouched");
});

const root: Member = { path: "./", type: "5", mode: 0o755, mtime: 1 };
const layer = (...members: Member[]) => tarOf(root, ...members);
const directory = (path: string): Member => ({ path: `${path}/`, type: "5", mode: 0o755, mtime: 1 });
const file = (path: string, data = "attack"): Member => ({ path, data, mtime: 2 });
const link = (path: string, to: string): Member => ({ path, target: to, type: "2", mtime: 3 });
const hard = (path: string, to: string): Member => ({ path, target: to, type: "1", mtime: 3 });

let count = 0;
const homes: PullHome[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) home.remove();
});

/** Pulls an image of these layers. @returns also the code of the error, if it was refused */
async function pull(layers: Uint8Array[]) {
  const repository = new Handmade(`attack/n${++count}`);
  repository.image(layers, { layerType: types.gzip });
  proxy.add(repository.rule);
  const home = new PullHome();
  homes.push(home);
  const reference = `${proxy.host}/${repository.name}`;
  const { exitCode, stderr } = await home.pull(reference, { seconds: 30, options: ["--json"] });
  const code = exitCode === 0 ? undefined : (JSON.parse(stderr) as { error: PullError }).error.code;
  expect([readdirSync(target), await Bun.file(join(target, "canary")).text()]).toEqual([
    ["canary"],
    "untouched",
  ]);
  expect(strays(home.images)).toEqual([]);
  return { exitCode, code, home, reference };
}

/** The image is refused, for one of these reasons. */
async function refused(codes: string | readonly string[], ...layers: Uint8Array[]): Promise<void> {
  const { exitCode, code, home } = await pull(layers);
  expect([exitCode, [codes].flat()]).toEqual([1, expect.arrayContaining([code])]);
  expect(existsSync(`${home.images}/refs`) ? readdirSync(`${home.images}/refs`) : []).toEqual([]);
}

/** The image is what umoci makes of it, where everything stays inside the root. */
async function contained(...layers: Uint8Array[]): Promise<void> {
  const { code, home, reference } = await pull(layers);
  expect(code).toBeUndefined();
  const own = scratch.directory(`umoci-${count}`);
  writeLayout(join(own, "layout"), layers, { compression: "gzip" });
  run(["umoci", "unpack", "--image", `${join(own, "layout")}:test`, join(own, "bundle")]);
  const tree = await pulledTree(home, reference, scratch);
  expect(differences(listTree(join(own, "bundle/rootfs")), tree)).toEqual([]);
}

describe("CVE-2026-46703 (boxlite): a link to the host, then a write through it", () => {
  const links: Record<string, () => string> = {
    absolute: () => target,
    relative: () => `../../../../../../../../..${target}`,
    "through the host's proc": () => `/proc/self/root${target}`,
    "to the host's root": () => "/",
  };
  for (const [how, to] of Object.entries(links)) {
    test(`${how}, in one layer`, async () => {
      await contained(layer(directory("tmp"), link("out", to()), directory("here"), file("here/f")));
      await pull([layer(link("out", to()), file("out/x"))]);
    });
    test(`${how}, in two layers`, async () => {
      await pull([layer(link("out", to())), layer(file("out/x"))]);
      await pull([layer(link("out", to())), layer(directory("out/d"), file("out/d/x"))]);
    });
  }
  test("chained", async () => {
    await pull([layer(link("a", "b"), link("b", "c")), layer(link("c", target)), layer(file("a/x"))]);
  });
  test("deleted through the link by a whiteout", async () => {
    await pull([layer(link("out", target)), layer({ path: "out/.wh.canary" })]);
    await pull([layer(link("out", target)), layer({ path: "out/.wh..wh..opq" })]);
  });
});

test("CVE-2025-45582 (GNU tar): a link of one archive, a file through it of the next", async () => {
  await contained(layer(directory("etc"), link("out", "/etc")), layer(file("out/x")));
  await pull([layer(link("out", target)), layer(file("out/x"))]);
});

describe("CVE-2021-29136 (umoci): an entry for the root that is no directory", () => {
  for (const path of [".", "./", "/", "..", "a/.."]) {
    test(JSON.stringify(path), async () => {
      await refused("image.bad_entry", tarOf(link(path, target)));
      await refused("image.bad_entry", tarOf(hard(path, "etc/passwd")));
    });
  }
  test("a file", async () => await refused("image.bad_entry", tarOf(file("."))));
});

describe("CVE-2026-23745, CVE-2026-24842 (node-tar), CVE-2024-12905, CVE-2025-48387, CVE-2025-59343 (tar-fs): hard links", () => {
  test("out of the root", async () => {
    for (const to of [
      `../../../../../../../..${target}/canary`,
      `${target}/canary`,
      "/etc/passwd",
      "..",
      ".",
    ])
      await refused("image.bad_entry", layer(hard("h", to)));
  });
  test("to a link that leads out: a second name of the link itself", async () => {
    await contained(layer(link("l", `${target}/canary`), hard("h", "l")));
  });
  test("before their target is there", async () => {
    await refused("image.bad_entry", layer(hard("h", "f"), file("f")));
  });
  test("then written to: the other name changes only inside", async () => {
    await contained(layer(file("f", "one"), hard("h", "f")), layer(file("h", "two")));
  });
});

test("CVE-2026-23950 (node-tar): names that other filesystems hold for one stay apart", async () => {
  const composed = Buffer.from("é.txt").toString("latin1");
  const decomposed = Buffer.from("é.txt").toString("latin1");
  const names = ["Readme", "README", composed, decomposed, "ß", "ss"].map((name) => name);
  await contained(layer(...names.map((path) => file(Buffer.from(path, "latin1").toString("latin1"), path))));
});

describe("archives that programs read differently: as GNU tar does, or not at all", () => {
  const smuggled = membersOf({ path: "SMUGGLED", mtime: 1 });
  const after = { path: "after", mtime: 1 };
  const long = (text: string): Member => ({ path: "././@LongLink", type: "L", data: `${text}\0` });

  async function asGnuTar(archive: Buffer): Promise<void> {
    const { code, home, reference } = await pull([archive]);
    if (code !== undefined) {
      expect(code).toBe("image.bad_archive");
      return;
    }
    const path = join(scratch.path, "differs.tar");
    writeFileSync(path, archive);
    const names = run(["tar", "-tf", path])
      .trim()
      .split("\n")
      .map((name) => `/${name}`);
    const tree = await pulledTree(home, reference, scratch);
    expect([...tree.keys()].filter((name) => name !== "/").sort()).toEqual(names.sort());
  }

  test("CVE-2025-62518 (TARmageddon): the size in a PAX header and in the header differ", async () => {
    await asGnuTar(tarOf({ path: "m", pax: { size: "512" }, size: 0, data: smuggled, mtime: 1 }, after));
    await asGnuTar(
      Buffer.concat([membersOf({ path: "m", size: 512, pax: { size: "0" } }), smuggled, tarOf(after)]),
    );
  });
  test("CVE-2026-53655 (node-tar): a PAX size before a long name", async () => {
    const pax = { type: "x", data: paxOf({ size: "1024" }) };
    const both = { path: "m", data: Buffer.concat([smuggled, smuggled]), mtime: 1 };
    await asGnuTar(tarOf(pax, long("longname"), both, after));
    const none = { type: "x", data: paxOf({ size: "0" }) };
    await asGnuTar(tarOf(none, { ...long(""), data: smuggled }, { path: "m" }, after));
  });
  test("sizes of 2^63, negative, and in base 256", async () => {
    for (const bytes of ["800000007fffffffffffffff", "ff".repeat(12), "800000000001000000000000"])
      await refused(
        ["image.bad_archive", "image.limit"],
        tarOf({ edit: (header) => header.write(bytes, 124, "hex") }),
      );
  });
  test("a sparse file of 9 PB", async () => {
    const pax = { "GNU.sparse.size": "9000000000000000", "GNU.sparse.map": "0,0" };
    await refused("image.limit", tarOf({ pax }));
  });
});

describe("devices, setuid, attributes", () => {
  test("devices and setuid files are in the image, never on the host", async () => {
    await contained(
      layer(
        { path: "disk", type: "4", major: 8, minor: 0, mode: 0o666, mtime: 1 },
        { path: "mem", type: "3", major: 1, minor: 1, mode: 0o666, mtime: 1 },
        { ...file("su"), mode: 0o4755 },
      ),
    );
  });
  test("attributes that would steer the guest's overlay (whiteout, redirect, metacopy) are left away", async () => {
    const pax: Record<string, string> = { "SCHILY.xattr.user.kept": "yes" };
    for (const name of ["opaque", "redirect", "metacopy", "whiteout", "origin"])
      for (const namespace of ["trusted", "user"]) pax[`SCHILY.xattr.${namespace}.overlay.${name}`] = "/etc";
    const { exitCode, home, reference } = await pull([layer({ ...file("f"), pax })]);
    expect(exitCode).toBe(0);
    const tree = await pulledTree(home, reference, scratch);
    expect(tree.get("/f")?.xattrs).toBe("user.kept=796573");
  });
});

describe("whiteouts that nobody should write", () => {
  for (const path of ["d/.wh..", "d/.wh...", "d/.wh./", ".wh.", ".wh..", "d/.wh.", ".wh.../x"]) {
    test(`${JSON.stringify(path)}: refused, or a file like others; nothing above goes`, async () => {
      const { code, home, reference } = await pull([
        layer(directory("d"), file("d/f"), file("g")),
        layer({ path }),
      ]);
      if (code !== undefined) {
        expect(code).toBe("image.bad_entry");
        return;
      }
      const tree = await pulledTree(home, reference, scratch);
      expect([tree.has("/d/f"), tree.has("/g")]).toEqual([true, true]);
    });
  }
  test("of a file that another name still holds, and of what its own layer has", async () => {
    await contained(layer(file("f"), hard("h", "f")), layer({ path: ".wh.f" }));
    await contained(
      layer(directory("d"), file("d/a")),
      layer(directory("d"), file("d/b"), { path: "d/.wh..wh..opq" }),
    );
  });
});
