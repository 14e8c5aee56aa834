import { expect, test } from "bun:test";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { writeLayout } from "../../test/image/layout.ts";
import { loadSettings } from "../config/index.ts";
import { SmolError } from "../errors.ts";
import { tarOf, withDirectory } from "./image.fixture.ts";
import { listImages } from "./index.ts";
import { type OpenAnyImageOptions, openImage } from "./open-image.ts";
import { imagePaths, openStore } from "./store/index.ts";

async function optionsIn(
  directory: string,
  env: Record<string, string> = {},
): Promise<OpenAnyImageOptions & { cacheDir: string }> {
  const cacheDir = join(directory, "cache");
  const paths = { data: directory, cache: cacheDir, config: directory, runtime: directory };
  return { cacheDir, loadSettings: () => loadSettings(paths, env) };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SmolError) return error.code;
    throw error;
  }
  return "no error";
}

function layout(directory: string, name: string, bytes: number): string {
  const path = join(directory, name);
  writeLayout(path, [tarOf({ path: name, data: Buffer.alloc(bytes, name) })]);
  return path;
}

test("a local image has to keep within the size that is asked for", async () => {
  await withDirectory(async (directory) => {
    const options = await optionsIn(directory);
    const source = layout(directory, "large", 2_000_000);
    expect(await codeOf(openImage(source, { ...options, maxImageBytes: 1_000_000 }))).toBe("image.limit");
    expect(await listImages(options.cacheDir)).toEqual([]);
    const image = await openImage(source, { ...options, maxImageBytes: 2_000_000 });
    image.release();
  });
});

test("the cache keeps within its limit when local images are added", async () => {
  await withDirectory(async (directory) => {
    const options = await optionsIn(directory, { SMOLVM_IMAGE_CACHE_MAX_BYTES: "2500000" });
    const ids: string[] = [];
    for (const [index, name] of ["one", "two", "three"].entries()) {
      const image = await openImage(layout(directory, name, 1_000_000), options);
      await image.durable;
      image.release();
      ids.push(image.id);
      const disk = imagePaths(`${options.cacheDir}/images`, image.id).disk;
      utimesSync(disk, 1000 + index, 1000 + index);
    }
    expect((await listImages(options.cacheDir)).map(({ id }) => id).sort()).toEqual(ids.slice(1).sort());
  });
});

test("an id or its first digits; not of another platform; what is no name and no path", async () => {
  await withDirectory(async (directory) => {
    const options = await optionsIn(directory);
    const { id, release } = await openImage(layout(directory, "one", 10), options);
    release();
    for (const name of [id, id.slice(0, 20)]) {
      const image = await openImage(name, options);
      image.release();
      expect([name, image.id, image.cached]).toEqual([name, id, true]);
    }
    const other = { ...options, platform: { os: "linux", architecture: "riscv64" } };
    expect(await codeOf(openImage(id, other))).toBe("image.wrong_platform");
    expect(await codeOf(openImage(`sha256:${"ab".repeat(32)}`, options))).toBe("image.not_found");
    expect(await codeOf(openImage("./nowhere", options))).toBe("image.no_such_file");
    expect(await codeOf(openImage("nowhere.tar", options))).toBe("image.no_such_file");
    expect(await codeOf(openImage("nowhere", { ...options, policy: "never" }))).toBe("image.not_cached");
  });
});

test("a name is one of a registry, whatever lies in the working directory; a failure says so", async () => {
  await withDirectory(async (directory) => {
    const options = await optionsIn(directory);
    const open = async (source: string) => {
      try {
        (await openImage(source, { ...options, policy: "never" })).release();
        return "opened";
      } catch (error) {
        if (!(error instanceof SmolError)) throw error;
        return [error.code, error.hint];
      }
    };
    const here = process.cwd();
    process.chdir(directory);
    try {
      await Bun.write("layer.tar", tarOf({ path: "etc/os-release", data: Buffer.from("x") }));
      await Bun.write("alpine", Bun.file("layer.tar"));
      await Bun.write("Saved Image", Bun.file("layer.tar"));
      await Bun.write("Dockerfile", "FROM scratch\n");
      await Bun.write("app.dockerfile", "FROM scratch\n");
      const pathHint = (name: string) => `for the file or directory here, write --image ./${name}`;
      expect(await open("alpine")).toEqual(["image.not_cached", pathHint("alpine")]);
      expect(await open("Saved Image")).toEqual(["registry.bad_reference", pathHint("Saved Image")]);
      for (const path of ["./alpine", `${directory}/alpine`, "layer.tar", "./Saved Image"]) {
        expect([path, await open(path)]).toEqual([path, "opened"]);
      }
      for (const recipe of ["Dockerfile", "./Dockerfile", "app.dockerfile"]) {
        const [code, hint] = await open(recipe);
        expect([recipe, code, hint]).toEqual([
          recipe,
          "image.not_an_image",
          expect.stringContaining("Dockerfiles are not built"),
        ]);
      }
    } finally {
      process.chdir(here);
    }
  });
});

test("what was read of a layer in vain does not count against the limit", async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(join(directory, "cache"));
    const layer = tarOf({ path: "a", data: Buffer.alloc(600_000) });
    const totals = { entries: 0, bytes: 0, maxBytes: 1_000_000 };
    const unpack = (digest: string) =>
      store.unpackLayer(
        (async function* () {
          yield layer;
        })(),
        { diffId: `sha256:${digest}` },
        { totals },
      );
    expect(await codeOf(unpack("00".repeat(32)))).toBe("image.digest_mismatch");
    expect(totals).toMatchObject({ entries: 0, bytes: 0 });
    await unpack(new Bun.CryptoHasher("sha256").update(layer).digest("hex"));
    expect(totals).toMatchObject({ entries: 1, bytes: 600_000 });
  });
});
