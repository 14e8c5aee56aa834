import { describe, expect, test } from "bun:test";
import { imageOf, type Member, pathsOf, tarOf } from "../image.fixture.ts";

const one = async (path: string, ...members: Member[]) => (await imageOf([tarOf(...members)])).get(path);
const failure = async (...layers: Buffer[]): Promise<string> => {
  try {
    await pathsOf(...layers);
  } catch (error) {
    return String((error as { code?: string }).code);
  }
  return "accepted";
};

describe("entries", () => {
  test("every type, with owner, mode, time and device number", async () => {
    const image = await imageOf([
      tarOf(
        { path: "./", type: "5", mode: 0o1777, uid: 5, mtime: 9 },
        {
          path: "f",
          mode: 0o6755,
          uid: 70000,
          gid: 80000,
          pax: { mtime: "1700000000.123456789" },
          data: "abc",
        },
        { path: "c", type: "3", major: 4095, minor: 1048575 },
        { path: "b", type: "4", major: 8, minor: 300 },
        { path: "p", type: "6", mode: 0o600 },
        { path: "l", type: "2", target: "/\xff" },
        { path: "h", type: "1", target: "/./f", mode: 0, uid: 1 },
        { path: "i/m/p/lied", pax: { mtime: "-0.5" } },
      ),
    ]);
    const brief = [...image].map(([path, { mode, uid, gid, mtimeNs, device, target, sameAs }]) =>
      [path, mode.toString(8), uid, gid, mtimeNs, device, target, sameAs].join(" ").trim(),
    );
    expect(brief).toEqual([
      "/ 41777 5 0 9000000000",
      "/b 60644 0 0 0 8:300",
      "/c 20644 0 0 0 4095:1048575",
      "/f 106755 70000 80000 1700000000123456789",
      "/h 106755 70000 80000 1700000000123456789   /f",
      "/i 40755 0 0 0",
      "/i/m 40755 0 0 0",
      "/i/m/p 40755 0 0 0",
      "/i/m/p/lied 100644 0 0 -500000000",
      "/l 120777 0 0 0  /\xff",
      "/p 10600 0 0 0",
    ]);
  });

  test("attributes: stored in order, without those that steer overlayfs or mean nothing to Linux", async () => {
    const listed = await one("/f", {
      path: "f",
      pax: {
        "SCHILY.xattr.user.z": "1",
        "SCHILY.xattr.security.capability": "\x01\0\0\x02",
        "SCHILY.xattr.system.posix_acl_access": "\x02\0\0\0",
        "SCHILY.xattr.trusted.a": "",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.user.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.metacopy": "",
        "SCHILY.xattr.com.apple.quarantine": "x",
        "SCHILY.xattr.user.": "x",
      },
    });
    expect(listed?.xattrs).toBe(
      "security.capability=01000002 system.posix_acl_access=02000000 trusted.a= user.z=31",
    );
  });

  test("a later entry replaces an earlier one, and a hard link keeps what it points to", async () => {
    const image = await imageOf([
      tarOf({ path: "a", data: "1" }, { path: "b", type: "1", target: "a" }, { path: "a", data: "22" }),
    ]);
    expect([image.get("/a")?.size, image.get("/b")?.size, image.get("/b")?.sameAs]).toEqual([2, 1, ""]);
  });

  test("hard links to nothing, to directories and out of the root", async () => {
    const link = (target: string) => tarOf({ path: "d/x", type: "5" }, { path: "h", type: "1", target });
    expect(await failure(link("missing"))).toBe("image.bad_entry");
    expect(await failure(link("d"))).toBe("image.bad_entry");
    expect(await failure(link("../../../etc/passwd"))).toBe("image.bad_entry");
    expect(await failure(tarOf({ path: "h", type: "1", target: "later" }, { path: "later" }))).toBe(
      "image.bad_entry",
    );
    const toLink = await imageOf([
      tarOf({ path: "s", type: "2", target: "/etc/passwd" }, { path: "h", type: "1", target: "s" }),
    ]);
    expect(toLink.get("/s")).toMatchObject({ target: "/etc/passwd", sameAs: "/h" });
  });

  test("the root may be described, but only as a directory", async () => {
    for (const path of ["./", ".", "/", "x/.."]) {
      expect(await failure(tarOf({ path, type: "5" }))).toBe("accepted");
      // By an old rule, a file whose name ends with a slash is a directory.
      for (const type of path.endsWith("/") ? ["1", "2", "3", "6"] : ["0", "1", "2", "3", "6"]) {
        expect(await failure(tarOf({ path: "t" }, { path, type, target: "t" }))).toBe("image.bad_entry");
      }
    }
  });

  test("links without a target, and devices that cannot be", async () => {
    expect(await failure(tarOf({ path: "l", type: "2" }))).toBe("image.bad_entry");
    const huge = (header: Buffer) => header.write("80000000000fffff", 329, "hex");
    expect(await failure(tarOf({ path: "c", type: "3", edit: huge }))).toBe("image.bad_entry");
  });
});

describe("layers", () => {
  const lower = tarOf({ path: "d/a" }, { path: "d/b" }, { path: "e/f/g" }, { path: "x" });

  test("whiteouts delete below, and only below", async () => {
    expect(
      await pathsOf(lower, tarOf({ path: "d/.wh.a" }, { path: ".wh.e" }, { path: ".wh.nothing" })),
    ).toEqual(["/d", "/d/b", "/x"]);
    const again = tarOf({ path: ".wh.d" }, { path: "d", type: "5" }, { path: "d/new" });
    expect(await pathsOf(lower, again)).toEqual(["/d", "/d/new", "/e", "/e/f", "/e/f/g", "/x"]);
    const late = tarOf({ path: "x", data: "new" }, { path: ".wh.x" });
    expect((await imageOf([lower, late])).get("/x")?.size).toBe(3);
  });

  test("opaque directories", async () => {
    const opaque = { path: "d/.wh..wh..opq" };
    const expected = ["/d", "/d/new", "/e", "/e/f", "/e/f/g", "/x"];
    expect(await pathsOf(lower, tarOf(opaque, { path: "d/new" }))).toEqual(expected);
    expect(await pathsOf(lower, tarOf({ path: "d/new" }, opaque))).toEqual(expected);
    expect(await pathsOf(lower, tarOf({ path: ".wh..wh..opq" }, { path: "n" }))).toEqual(["/n"]);
    expect(await pathsOf(lower, tarOf({ path: "x/.wh..wh..opq" }, { path: "no/.wh..wh..opq" }))).toHaveLength(
      7,
    );
  });

  test("AUFS: its files are in no image, and links of the same layer may lead to them", async () => {
    const big = "x".repeat(100_000);
    const image = await imageOf([
      tarOf({ path: "q" }),
      tarOf(
        { path: ".wh..wh.plnk", type: "5" },
        { path: "./.wh..wh.plnk/1.2", data: "content", mode: 0o4755, uid: 7 },
        { path: ".wh..wh.plnk/big", data: big },
        { path: ".wh..wh.plnk/again", type: "1", target: ".wh..wh.plnk/1.2" },
        { path: ".wh..wh.plnk/s", type: "2", target: "/etc" },
        { path: ".wh..wh.plnk/unused", data: "unused" },
        { path: ".wh..wh.aufs" },
        { path: "deep/.wh..wh.orph/f", data: "orphan" },
        { path: "q", type: "1", target: "/.wh..wh.plnk//1.2" },
        { path: "d/r", type: "1", target: ".wh..wh.plnk/again" },
        { path: "big", type: "1", target: ".wh..wh.plnk/big" },
        { path: "o", type: "1", target: "deep/.wh..wh.orph/f" },
        { path: ".wh..wh.plnk/q", type: "1", target: "q" },
        { path: "last", type: "1", target: ".wh..wh.plnk/q" },
      ),
    ]);
    expect([...image.keys()]).toEqual(["/", "/big", "/d", "/d/r", "/last", "/o", "/q"]);
    expect(image.get("/big")).toMatchObject({ size: big.length, sameAs: "" });
    expect(image.get("/o")).toMatchObject({ size: 6, sameAs: "" });
    const many = { size: 7, uid: 7, mode: 0o104755 };
    expect(image.get("/d/r")).toMatchObject({ ...many, sameAs: "" });
    expect(image.get("/last")).toMatchObject({ ...many, sameAs: "/d/r" });
    expect(image.get("/q")).toMatchObject({ ...many, sameAs: "/d/r" });
  });

  test("AUFS: links to what another layer, or nobody, has", async () => {
    const file = tarOf({ path: ".wh..wh.plnk/1", data: "x" });
    const link = tarOf({ path: "q", type: "1", target: ".wh..wh.plnk/1" });
    expect(await failure(file, link)).toBe("image.bad_entry");
    const symlink = { path: ".wh..wh.plnk/1", type: "2", target: "/etc/passwd" };
    expect(await failure(tarOf(symlink, { path: "q", type: "1", target: symlink.path }))).toBe(
      "image.bad_entry",
    );
    expect(await failure(tarOf({ path: ".wh..wh.plnk/a", type: "1", target: "nothing" }))).toBe("accepted");
  });

  test("names that would delete their own directory are refused", async () => {
    for (const path of ["d/.wh.", "d/.wh..", "d/.wh..."]) {
      expect(await failure(lower, tarOf({ path }))).toBe("image.bad_entry");
    }
  });

  test("a symbolic link of a lower layer is followed inside the root (CVE-2025-45582, CVE-2026-46703)", async () => {
    const link = tarOf({ path: "out", type: "2", target: "/../../tmp" });
    expect(await pathsOf(link, tarOf({ path: "out/pwned" }))).toEqual(["/out", "/tmp", "/tmp/pwned"]);
    expect(await pathsOf(link, tarOf({ path: "out/pwned" }), tarOf({ path: "out/.wh.pwned" }))).toEqual([
      "/out",
      "/tmp",
    ]);
  });

  test("a directory over a link to a directory takes its place", async () => {
    const below = tarOf({ path: "real/x" }, { path: "d", type: "2", target: "real" });
    const image = await imageOf([below, tarOf({ path: "d/", type: "5" }, { path: "d/y" })]);
    expect([...image.keys()]).toEqual(["/", "/d", "/d/y", "/real", "/real/x"]);
  });

  test("names that a case-folding or normalising filesystem would merge stay apart", async () => {
    const names = ["A", "a", "\xc3\xa4", "a\xcc\x88"];
    expect(await pathsOf(tarOf(...names.map((path) => ({ path }))))).toHaveLength(4);
  });

  test("without whiteouts, such names are files", async () => {
    const image = await imageOf([lower, tarOf({ path: ".wh.x" }, { path: ".wh..wh.plnk/1" })], {
      whiteouts: false,
    });
    expect([image.has("/x"), image.has("/.wh.x"), image.has("/.wh..wh.plnk/1")]).toEqual([true, true, true]);
  });
});
