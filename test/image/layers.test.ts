import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { SmolError } from "../../src/errors.ts";
import { chunksOf, type Member, tarOf } from "../../src/image/image.fixture.ts";
import { openLocalImage, writeErofsFromTar } from "../../src/image/index.ts";
import {
  claimImage,
  findImage,
  isLeased,
  leaseImage,
  openStore,
  removeExclusively,
} from "../../src/image/store/index.ts";
import { Disk, withJoined } from "./disk.ts";
import { readErofs } from "./erofs-reader.ts";
import { digestOf, writeLayout } from "./layout.ts";
import { differences, listTree } from "./listing.ts";
import { checkWithFsck, leftovers, requireRoot, run, Scratch } from "./tools.ts";

setDefaultTimeout(120_000);

const bytes = (size: number, seed: number) => Buffer.alloc(size, `${seed}-contents `);
const hard = (path: string, target: string): Member => ({ path, type: "1", target });

/** Puts layers into a layout, and opens it. */
async function open(
  scratch: Scratch,
  name: string,
  layers: readonly Buffer[],
  compression?: "gzip" | "zstd",
) {
  const layout = scratch.directory(name);
  writeLayout(layout, layers, { compression });
  return await openLocalImage(layout, { cacheDir: join(scratch.path, "cache") });
}

const layerFiles = (scratch: Scratch) => readdirSync(join(scratch.path, "cache/images/layers")).sort();

describe("a layer", () => {
  const base = tarOf(
    { path: "big", data: bytes(300_000, 1) },
    { path: "small", data: "s" },
    hard("h", "small"),
  );
  const upper = (name: string) => tarOf({ path: name, data: bytes(50_000, 2) });

  test("that two images share is there once, and used by both", async () => {
    using scratch = new Scratch();
    const one = await open(scratch, "one", [base, upper("a")]);
    const before = layerFiles(scratch);
    const state = before.map((name) => statSync(join(scratch.path, "cache/images/layers", name)).ino);
    const two = await open(scratch, "two", [base, upper("b")], "gzip");
    const after = layerFiles(scratch);
    expect([before.length, after.length]).toEqual([4, 6]);
    const kept = before.map((name) => statSync(join(scratch.path, "cache/images/layers", name)).ino);
    expect(kept).toEqual(state);
    expect(two.id).not.toBe(one.id);
    expect([...readErofs(one.path).keys()]).toEqual(["/", "/a", "/big", "/h", "/small"]);
    expect([...readErofs(two.path).keys()]).toEqual(["/", "/b", "/big", "/h", "/small"]);
    for (const { path } of [one, two]) checkWithFsck(path);
  });

  test("that is twice in an image is on its disk once", async () => {
    using scratch = new Scratch();
    const empty = tarOf();
    const image = await open(scratch, "twice", [empty, base, empty, upper("a"), base, empty]);
    checkWithFsck(image.path);
    expect([...readErofs(image.path).keys()]).toEqual(["/", "/a", "/big", "/h", "/small"]);
    using disk = new Disk(image.path);
    expect(disk.extents).toHaveLength(4);
  });

  test("gives the same bytes from every source, however it comes in pieces", async () => {
    const contents = (scratch: Scratch) =>
      layerFiles(scratch).map((name) => readFileSync(join(scratch.path, "cache/images/layers", name)));
    const many = tarOf(
      ...Array.from({ length: 3000 }, (_, index) => ({
        path: `d${index % 9}/${index}`,
        data: bytes((index * 37) % 9000, index),
      })),
    );
    const found: Buffer[][] = [];
    for (const compression of [undefined, "gzip", "zstd"] as const) {
      using scratch = new Scratch();
      const image = await open(scratch, "same", [base, many], compression);
      await image.durable;
      found.push([
        ...contents(scratch),
        readFileSync(image.path.replace(".vmdk", ".erofs")),
        readFileSync(image.path),
      ]);
    }
    for (const step of [512, 1000, 65_537]) {
      using scratch = new Scratch();
      const store = await openStore(join(scratch.path, "cache"));
      for (const layer of [base, many]) {
        const pieces = Array.from({ length: Math.ceil(layer.length / step) }, (_, at) =>
          layer.subarray(at * step, (at + 1) * step),
        );
        await store.unpackLayer(chunksOf(...pieces), { diffId: digestOf(layer) });
      }
      const layers = contents(scratch);
      // Not known to be safe yet: the only thing that may differ.
      for (const [index, file] of layers.entries())
        if (layerFiles(scratch)[index]?.endsWith(".entries")) file.fill(0, 120, 160);
      expect(layers.every((file, index) => file.equals(found[0]?.[index] ?? Buffer.alloc(0)))).toBe(true);
    }
    const [first = []] = found;
    for (const files of found)
      expect(files.every((file, index) => file.equals(first[index] ?? Buffer.alloc(0)))).toBe(true);
  });

  test("that is sparse takes no more space than its data", async () => {
    using scratch = new Scratch();
    const root = scratch.directory("root");
    run(
      [
        "sh",
        "-ec",
        "mkdir etc; truncate -s 300M etc/holes; printf x | dd of=etc/holes bs=1 seek=100M conv=notrunc",
      ],
      {
        cwd: root,
      },
    );
    const archive = join(scratch.path, "sparse.tar");
    run(["tar", "--create", "--sparse", `--file=${archive}`, `--directory=${root}`, "."]);
    const image = await openLocalImage(archive, { cacheDir: join(scratch.path, "cache") });
    const data = layerFiles(scratch).find((name) => name.endsWith(".data")) ?? "";
    const { blocks } = statSync(join(scratch.path, "cache/images/layers", data));
    expect(blocks * 512).toBeLessThan(200_000);
    const listed = readErofs(image.path).get("/etc/holes");
    const sha256 = run(["sha256sum", join(root, "etc/holes")]).slice(0, 64);
    expect(listed).toMatchObject({ size: 300 * 2 ** 20, sha256 });
  });

  test("without files, and an image without layers", async () => {
    using scratch = new Scratch();
    for (const layers of [[], [tarOf()], [tarOf(), tarOf({ path: "./", type: "5", mode: 0o700 })]]) {
      const image = await open(scratch, `n${layers.length}`, layers);
      checkWithFsck(image.path);
      expect([...readErofs(image.path).keys()]).toEqual(["/"]);
    }
  });
});

test("the disk of an image is, byte for byte, the file that its layers would give", async () => {
  using scratch = new Scratch();
  const layers = [
    tarOf({ path: "d/a", data: bytes(100, 1) }, { path: "d/b", data: bytes(10_000, 2) }, hard("d/c", "d/a")),
    tarOf({ path: "d/.wh.b" }, hard("e", "d/a"), { path: "f", data: bytes(4096, 3) }),
  ];
  const image = await open(scratch, "layout", layers);
  const file = join(scratch.path, "file");
  await writeErofsFromTar(
    layers.map((layer) => chunksOf(layer)),
    file,
  );
  withJoined(image.path, (joined) => {
    const [one, other] = [readFileSync(joined), readFileSync(file)];
    // The checksum and the UUID of the superblock tell them apart.
    for (const disk of [one, other]) disk.fill(0, 1028, 1032).fill(0, 1072, 1088);
    expect(one.equals(other)).toBe(true);
  });
});

test("hard links to files of lower layers: small, large and sparse, with the right link counts", async () => {
  requireRoot();
  using scratch = new Scratch();
  const when = { mtime: 5 };
  const lower = tarOf(
    { path: "./", type: "5", mode: 0o755, ...when },
    { path: "small", data: "small", pax: { "SCHILY.xattr.user.a": "b" }, ...when },
    { path: "large", data: bytes(70_000, 1), ...when },
    { path: "once", data: "once", ...when },
    { path: "pair", data: "pair", ...when },
    { ...hard("pair2", "pair"), ...when },
    {
      path: "sparse",
      pax: { "GNU.sparse.size": "90000", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "50000,3" },
      data: "abc",
      ...when,
    },
  );
  const upper = tarOf(
    { path: "./", type: "5", mode: 0o755, ...when },
    { ...hard("small2", "small"), ...when },
    { ...hard("large2", "large"), ...when },
    { ...hard("sparse2", "sparse"), ...when },
    { path: ".wh.pair2" },
  );
  const image = await open(scratch, "layout", [lower, upper]);
  checkWithFsck(image.path);
  // The reader checks every link count.
  const listing = readErofs(image.path);
  run(["umoci", "unpack", "--image", `${join(scratch.path, "layout")}:test`, join(scratch.path, "bundle")]);
  expect(differences(listTree(join(scratch.path, "bundle/rootfs")), listing)).toEqual([]);
  expect(listing.get("/large2")?.sameAs).toBe("/large");
  // In an image of the lower layer alone, the same data counts differently.
  const alone = await open(scratch, "alone", [lower]);
  checkWithFsck(alone.path);
  expect(readErofs(alone.path).get("/small")).toMatchObject({ sameAs: "", xattrs: "user.a=62" });
  expect(readErofs(alone.path).get("/pair2")?.sameAs).toBe("/pair");
});

test("127 layers: exactly what umoci unpacks", async () => {
  requireRoot();
  using scratch = new Scratch();
  const root: Member = { path: "./", type: "5", mode: 0o755, mtime: 1 };
  const directory: Member = { path: "d/", type: "5", mode: 0o755, mtime: 1 };
  const layers = Array.from({ length: 127 }, (_, index) =>
    tarOf(
      root,
      directory,
      { path: `d/small${index}`, data: `${index}`, mtime: index },
      { path: `d/large${index}`, data: bytes(9000 + index, index), mtime: index },
      { path: "last", data: `${index}`, mtime: index },
      ...(index % 3 === 2
        ? [
            { path: `d/.wh.small${index - 1}` },
            { ...hard(`d/hard${index}`, `d/large${index - 2}`), mtime: 1 },
          ]
        : []),
    ),
  );
  const image = await open(scratch, "layout", layers);
  checkWithFsck(image.path);
  run(["umoci", "unpack", "--image", `${join(scratch.path, "layout")}:test`, join(scratch.path, "bundle")]);
  expect(
    differences(listTree(join(scratch.path, "bundle/rootfs")), readErofs(image.path), ["mtimeNs"]),
  ).toEqual([]);
  using disk = new Disk(image.path);
  expect(disk.extents).toHaveLength(129);
});

test("a directory of the host: names like whiteouts are files, and sockets stay", async () => {
  using scratch = new Scratch();
  const root = scratch.directory("root");
  const make =
    "mkdir etc; echo a > etc/.wh.hidden; echo b > etc/hidden; ln etc/hidden etc/second; mkfifo etc/.wh..wh..opq";
  run(["sh", "-ec", make], { cwd: root });
  using listener = Bun.listen({ unix: join(root, "etc/socket"), socket: { data() {} } });
  expect(listener.unix).toEndWith("socket");
  const image = await openLocalImage(root, { cacheDir: join(scratch.path, "cache") });
  checkWithFsck(image.path);
  const listing = readErofs(image.path);
  expect(differences(listTree(root), listing)).toEqual([]);
  expect([...listing.keys()].slice(2)).toEqual(
    [".wh..wh..opq", ".wh.hidden", "hidden", "second", "socket"].map((name) => `/etc/${name}`),
  );
});

test("the cache may be moved", async () => {
  using scratch = new Scratch();
  const image = await open(scratch, "layout", [tarOf({ path: "f", data: bytes(9000, 1) })]);
  image.release();
  await image.durable;
  renameSync(join(scratch.path, "cache"), join(scratch.path, "moved"));
  const directory = join(scratch.path, "moved/images");
  expect(findImage(directory, image.id)?.id).toBe(image.id);
  expect(readErofs(image.path.replace("/cache/", "/moved/")).size).toBe(2);
});

describe("the store", () => {
  test("unpacks several layers at once", async () => {
    using scratch = new Scratch();
    const store = await openStore(scratch.path);
    const layers = Array.from({ length: 8 }, (_, index) =>
      tarOf(
        ...Array.from({ length: 200 }, (_, file) => ({
          path: `d${index}/${file}`,
          data: bytes(file * 50, index),
        })),
      ),
    );
    const totals = { entries: 0, bytes: 0 };
    const diffIds = layers.map(digestOf);
    await Promise.all(
      layers.map((layer, index) => {
        const pieces = Array.from({ length: Math.ceil(layer.length / 700) }, (_, at) =>
          layer.subarray(at * 700, (at + 1) * 700),
        );
        return store.unpackLayer(chunksOf(...pieces), { diffId: diffIds[index] ?? "" }, { totals });
      }),
    );
    expect(totals).toEqual({ entries: 1600, bytes: 8 * 50 * ((199 * 200) / 2) });
    const built = await store.assemble({ ...parts, diffIds });
    await built.durable;
    const stored = findImage(store.directory, parts.id);
    expect(stored).toMatchObject({ writtenInBoot: "", origin: "registry", platform: parts.platform });
    expect(diffIds.every((diffId) => store.findLayer(diffId)?.durable)).toBe(true);
    const listing = readErofs(join(store.directory, `${parts.id.slice(7)}.vmdk`));
    expect(listing.size).toBe(1 + 8 * 201);
  });

  test("keeps layers that are named by SHA-512", async () => {
    using scratch = new Scratch();
    const store = await openStore(scratch.path);
    const layer = tarOf({ path: "f", data: bytes(6000, 1) });
    const diffId = `sha512:${new Bun.CryptoHasher("sha512").update(layer).digest("hex")}`;
    await store.unpackLayer(chunksOf(layer), { diffId });
    await store.assemble({ ...parts, diffIds: [diffId] });
    expect(findImage(store.directory, parts.id)?.layers).toEqual([{ diffId, bytes: 8192 }]);
    expect(readErofs(join(store.directory, `${parts.id.slice(7)}.vmdk`)).has("/f")).toBe(true);
  });

  test("holds the limits over all layers of an image", async () => {
    using scratch = new Scratch();
    const store = await openStore(scratch.path);
    const layer = (seed: number) => tarOf({ path: `f${seed}`, data: bytes(6000, seed) });
    const totals = { entries: 0, bytes: 0, maxBytes: 10_000 };
    await store.unpackLayer(chunksOf(layer(1)), {}, { totals });
    const refused = await store
      .unpackLayer(chunksOf(layer(2)), {}, { totals })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "image.limit", hint: "--max-image-size sets another limit" });
    expect(readdirSync(join(store.directory, "layers")).map((name) => name.slice(64))).toEqual([
      ".data",
      ".entries",
    ]);
  });

  test("makes no image of layers that are not there", async () => {
    using scratch = new Scratch();
    const store = await openStore(scratch.path);
    const refused = await store
      .assemble({ ...parts, diffIds: [digestOf(Buffer.from("x"))] })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SmolError);
    expect(refused).toMatchObject({ code: "image.layer_damaged" });
    expect(leftovers(scratch.path)).toEqual([]);
  });

  test("knows who uses an image, and who adds", async () => {
    using scratch = new Scratch();
    const store = await openStore(scratch.path);
    const { directory } = store;
    const { diffId } = await store.unpackLayer(chunksOf(tarOf({ path: "f" })), {});
    expect(leaseImage(directory, parts.id)).toBeUndefined();
    const built = await store.assemble({ ...parts, diffIds: [diffId] });
    await built.durable;
    expect(isLeased(directory, parts.id)).toBe(false);
    const [one, two] = [leaseImage(directory, parts.id), leaseImage(directory, parts.id)];
    one?.release();
    one?.release();
    expect(isLeased(directory, parts.id)).toBe(true);
    expect(claimImage(directory, parts.id)).toBeUndefined();
    two?.release();
    const claim = claimImage(directory, parts.id);
    expect(claim).toBeDefined();
    claim?.release();
    expect(isLeased(directory, parts.id)).toBe(false);

    const adding = await store.adding();
    let ran = 0;
    expect(removeExclusively(directory, () => ran++)).toBe(false);
    const more = await store.adding();
    adding.release();
    expect(removeExclusively(directory, () => ran++)).toBe(false);
    more.release();
    expect(removeExclusively(directory, () => ran++)).toBe(true);
    expect(ran).toBe(1);
    mkdirSync(join(scratch.path, "nothing"));
    expect(removeExclusively(join(scratch.path, "nothing/images"), () => ran++)).toBe(true);
    expect(readdirSync(join(scratch.path, "nothing"))).toEqual([]);
  });
});

const parts = {
  id: `sha256:${"5".repeat(64)}`,
  config: {
    entrypoint: [],
    cmd: [],
    env: [],
    workdir: "/",
    user: "",
    labels: {},
    volumes: [],
    stopSignal: undefined,
  },
  platform: { os: "linux", architecture: "amd64" },
};
