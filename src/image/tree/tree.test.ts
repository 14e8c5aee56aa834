import { describe, expect, test } from "bun:test";
import { SmolError } from "../../errors.ts";
import { FileType, type FileTypeBits, Inode, impliedDirectory, printable, Tree } from "./index.ts";

/** A tree, and all files that were ever in it. */
function start() {
  const all = new Set<Inode>();
  const tree = new Tree();
  const put = (path: string, type: FileTypeBits = FileType.regular, target = "") => {
    const place = tree.locate(path, true);
    if (place === undefined) throw new Error(path);
    const inode = new Inode(type, impliedDirectory);
    inode.target = target;
    all.add(inode);
    return tree.put(place, inode);
  };
  const get = (path: string) => {
    const place = tree.locate(path, false);
    return place && tree.at(place);
  };
  /** How many files have lost their last name. */
  const removed = () => [...all].filter(({ links }) => links === 0).length;
  return { tree, removed, put, get };
}

function list(tree: Tree): string[] {
  const visit = (inode: Inode, path: string): string[] =>
    [...(inode.children ?? [])].flatMap(([name, child]) => [
      `${path}/${name}`,
      ...visit(child, `${path}/${name}`),
    ]);
  return visit(tree.root, "").sort();
}

describe("paths stay inside the root", () => {
  test("dots and slashes", () => {
    const { tree, put } = start();
    for (const path of ["/a", "./b", "../../c", "x/../d", "//e//f/", "g/./h"]) put(path);
    expect(list(tree)).toEqual(["/a", "/b", "/c", "/d", "/e", "/e/f", "/g", "/g/h"]);
  });

  test("symbolic links are followed inside the root, also absolute and dangling ones", () => {
    const { tree, put, get } = start();
    put("real", FileType.directory);
    put("abs", FileType.symlink, "/real");
    put("up", FileType.symlink, "../../../../real");
    put("chain", FileType.symlink, "abs/../up");
    put("gone", FileType.symlink, "/not/there");
    put("host", FileType.symlink, "/proc/self/root/etc");
    for (const link of ["abs", "up", "chain", "gone", "host"]) put(`${link}/of-${link}`);
    expect(list(tree).filter((path) => path.includes("of-"))).toEqual([
      "/not/there/of-gone",
      "/proc/self/root/etc/of-host",
      "/real/of-abs",
      "/real/of-chain",
      "/real/of-up",
    ]);
    expect(get("chain/of-abs")).toBeDefined();
    expect(get("abs")?.type).toBe(FileType.symlink);
  });

  test("circles, files on the way and endless depth are refused", () => {
    const { put } = start();
    put("a", FileType.symlink, "b");
    put("b", FileType.symlink, "a");
    put("file");
    expect(() => put("a/x")).toThrow("links lead in circles");
    expect(() => put("file/x")).toThrow("file is not a directory");
    expect(() => put(`${"d/".repeat(600)}x`)).toThrow("nested deeper than 512");
    expect(() => put("x".repeat(256))).toThrow("longer than 255");
    expect(() => put("x/".repeat(2049))).toThrow("longer than 4096");
    // A link to its own directory makes paths grow without a circle.
    put("s", FileType.symlink, "s2/s2/s2/s2/s2");
    put("s2", FileType.symlink, "s3/s3/s3/s3/s3");
    put("s3", FileType.symlink, ".");
    expect(() => put("s/s/s/s/x")).toThrow(SmolError);
    put("w", FileType.symlink, "d/../".repeat(800));
    expect(() => put("w/w/w/x")).toThrow("lead on and on");
  });

  test("the proc link does not reach the host", () => {
    const { tree, put } = start();
    put("etc", FileType.symlink, "/proc/self/root/../../..");
    put("etc/passwd");
    expect(list(tree)).toContain("/passwd");
  });
});

describe("replacing", () => {
  test("a directory over a directory keeps what is inside", () => {
    const { tree, put, removed } = start();
    put("d", FileType.directory);
    put("d/x");
    put("d", FileType.directory);
    expect(list(tree)).toEqual(["/d", "/d/x"]);
    // Only the second description, which the first directory took over.
    expect(removed()).toBe(1);
  });

  test("anything else replaces all that was there", () => {
    const { tree, put, removed } = start();
    put("d/e/x");
    put("d/y");
    put("d");
    expect(list(tree)).toEqual(["/d"]);
    expect(removed()).toBe(2);
    put("d", FileType.directory);
    expect(removed()).toBe(3);
  });

  test("the root cannot be replaced", () => {
    const { put } = start();
    for (const path of ["/", ".", "./", "..", ""]) expect(() => put(path)).toThrow("root");
  });

  test("a file goes away with its last name", () => {
    const { tree, put, removed } = start();
    const file = put("a");
    const place = tree.locate("b", true);
    if (place === undefined) throw new Error("no place");
    tree.link(place, file);
    tree.link(place, file);
    expect(file.links).toBe(2);
    put("a");
    expect([file.links, removed()]).toEqual([1, 0]);
    put("b");
    expect([file.links, removed()]).toEqual([0, 1]);
  });
});

describe("whiteouts", () => {
  const place = (tree: Tree, path: string) => {
    const found = tree.locate(path, false);
    if (found === undefined) throw new Error(path);
    return found;
  };

  test("remove lower files, never those of their own layer", () => {
    const { tree, put } = start();
    put("d/low");
    put("d/sub/low");
    tree.nextLayer();
    put("d/sub/high");
    tree.removeLower(place(tree, "d"));
    expect(list(tree)).toEqual(["/d", "/d/sub", "/d/sub/high"]);
    tree.nextLayer();
    tree.removeLower(place(tree, "d"));
    expect(list(tree)).toEqual([]);
  });

  test("an opaque directory is emptied once, whatever the order", () => {
    const { tree, put, get } = start();
    put("d/low");
    tree.nextLayer();
    put("d/high");
    const directory = get("d");
    if (directory === undefined) throw new Error("no directory");
    tree.clearLower(directory);
    put("d/later");
    tree.clearLower(directory);
    expect(list(tree)).toEqual(["/d", "/d/high", "/d/later"]);
  });

  test("a name that the layer gave to a lower file stays", () => {
    const { tree, put, get } = start();
    const file = put("d/old");
    tree.nextLayer();
    const target = tree.locate("d/new", true);
    if (target === undefined) throw new Error("no place");
    tree.link(target, file);
    const directory = get("d");
    if (directory === undefined) throw new Error("no directory");
    tree.clearLower(directory);
    expect(list(tree)).toEqual(["/d", "/d/new"]);
    expect(file.links).toBe(1);
  });
});

test("names are printed without control characters", () => {
  expect(printable("a\x1b[31m\n\xc3\xa4")).toBe("a\\u{1b}[31m\\u{a}ä");
  expect(printable("x".repeat(300))).toHaveLength(201);
});
