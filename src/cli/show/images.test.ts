import { describe, expect, test } from "bun:test";
import type { ImageSummary, RemovedImages } from "../../image/index.ts";
import { formatImages, namesOf } from "./images.ts";
import { detailedJson, removedJson, summaryJson } from "./images-json.ts";
import { formatInUse, formatMachinePruned, formatPruned, formatRemoved } from "./removed.ts";
import { formatStorage, storageJson, storageOf } from "./storage.ts";

const MIB = 2 ** 20;
const NOW = 1_700_000_000;
const idOf = (digit: string) => `sha256:${digit.repeat(64)}`;

const alpine: ImageSummary = {
  id: idOf("a"),
  references: ["alpine:3.20", "registry.example:5000/a-team/a-very-long-name/alpine:3.20-bookworm"],
  digests: [idOf("d")],
  platform: "linux/amd64",
  createdAt: NOW - 3 * 86_400,
  lastUsedAt: NOW - 61,
  sizeBytes: 8 * MIB,
  uniqueBytes: 1 * MIB,
  layers: [
    { diffId: idOf("1"), bytes: 5 * MIB },
    { diffId: idOf("2"), bytes: 2 * MIB },
    { diffId: idOf("2"), bytes: 2 * MIB },
  ],
  inUse: true,
  machines: [],
  config: {
    entrypoint: ["/bin/sh\u001b[31m"],
    cmd: ["-l"],
    env: ["PATH=/bin"],
    workdir: "/",
    user: "",
    labels: { maintainer: "a" },
    volumes: ["/data"],
    stopSignal: undefined,
  },
};

/** Of a local archive. */
const nameless: ImageSummary = {
  ...alpine,
  id: idOf("b"),
  references: [],
  digests: [],
  platform: "linux/arm64/v8",
  createdAt: NOW,
  lastUsedAt: NOW,
  sizeBytes: 1023.4 * MIB,
  layers: [{ diffId: idOf("1"), bytes: 5 * MIB }],
  inUse: false,
};

const format = (images: readonly ImageSummary[], full = false, verbose = false) =>
  formatImages(images, { full, verbose, now: NOW });

describe("images ls", () => {
  test("no images", () => {
    expect(format([])).toBe("No cached images.\n");
  });

  test("a line for each name, in columns that stay in place", () => {
    expect(format([alpine, nameless])).toMatchInlineSnapshot(`
      "NAME                             IMAGE ID     PLATFORM           SIZE CREATED        LAST USED
      ---------------------------------------------------------------------------------------------------
      alpine:3.20                      aaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
      registry.exampl...:3.20-bookworm aaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
      <none>                           bbbbbbbbbbbb linux/arm64/v8 1023 MiB just now       just now
      "
    `);
  });

  test("--no-trunc cuts nothing off", () => {
    expect(format([alpine], true)).toMatchInlineSnapshot(`
      "NAME                                                               IMAGE ID                                                                PLATFORM           SIZE CREATED        LAST USED
      ------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------
      alpine:3.20                                                        sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
      registry.example:5000/a-team/a-very-long-name/alpine:3.20-bookworm sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
      "
    `);
  });

  test("--verbose adds what is too long for a column, once for each image", () => {
    expect(format([alpine], false, true)).toMatchInlineSnapshot(`
      "NAME                             IMAGE ID     PLATFORM           SIZE CREATED        LAST USED
      ---------------------------------------------------------------------------------------------------
      alpine:3.20                      aaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
      registry.exampl...:3.20-bookworm aaaaaaaaaaaa linux/amd64     8.0 MiB 3 days ago     1 minute ago
        Id: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        Digest: sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
        Removing frees: 1.0 MiB
        Layers: 3
        In use: yes
        Entrypoint: ["/bin/sh\\u001b[31m"]
        Cmd: ["-l"]
        Created: 2023-11-11T22:13:20.000Z

      "
    `);
  });

  test("fits 100 columns", () => {
    for (const line of format([alpine, nameless]).split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("--names has a word for every image that other commands take", () => {
    expect([alpine, nameless].flatMap(namesOf)).toEqual([...alpine.references, idOf("b")]);
  });
});

test("the keys of --json", () => {
  expect(summaryJson(alpine)).toMatchInlineSnapshot(`
    {
      "created_at": 1699740800,
      "digests": [
        "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
      ],
      "id": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "in_use": true,
      "last_used_at": 1699999939,
      "layer_count": 3,
      "machines": [],
      "platform": "linux/amd64",
      "references": [
        "alpine:3.20",
        "registry.example:5000/a-team/a-very-long-name/alpine:3.20-bookworm",
      ],
      "size_bytes": 8388608,
      "unique_bytes": 1048576,
    }
  `);
  const { layers, config, ...rest } = detailedJson(alpine);
  expect(rest).toEqual(summaryJson(alpine));
  expect({ layers, config }).toMatchInlineSnapshot(`
    {
      "config": {
        "cmd": [
          "-l",
        ],
        "entrypoint": [
          "/bin/sh\x1B[31m",
        ],
        "env": [
          "PATH=/bin",
        ],
        "labels": {
          "maintainer": "a",
        },
        "stop_signal": null,
        "user": "",
        "volumes": [
          "/data",
        ],
        "workdir": "/",
      },
      "layers": [
        {
          "diff_id": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "size_bytes": 5242880,
        },
        {
          "diff_id": "sha256:2222222222222222222222222222222222222222222222222222222222222222",
          "size_bytes": 2097152,
        },
        {
          "diff_id": "sha256:2222222222222222222222222222222222222222222222222222222222222222",
          "size_bytes": 2097152,
        },
      ],
    }
  `);
});

const nothing: RemovedImages = {
  images: [],
  untagged: [],
  layers: 0,
  freedBytes: 0,
  inUse: [],
  machines: {},
  kept: false,
};
const something: RemovedImages = {
  images: [{ id: idOf("a"), references: ["alpine:3.20"] }],
  untagged: ["old\u001b[2J:1"],
  layers: 2,
  freedBytes: 12 * MIB,
  inUse: [idOf("b")],
  machines: { [idOf("b")]: [] },
  kept: false,
};

describe("images rm", () => {
  test("says what went, in docker's words", () => {
    expect(formatRemoved(something)).toMatchInlineSnapshot(`
      "Untagged: old [2J:1
      Untagged: alpine:3.20
      Deleted: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      Freed 12.0 MiB
      "
    `);
  });

  test("says who needs an image that stays", () => {
    const kept = (machines: Record<string, readonly string[]>) =>
      formatInUse({ ...nothing, inUse: Object.keys(machines), machines });
    expect(kept({ [idOf("b")]: [] })).toBe("image in use is not removed: bbbbbbbbbbbb");
    expect(kept({ [idOf("b")]: ["web"] })).toBe(
      "image bbbbbbbbbbbb is used by machine 'web' and was not removed",
    );
    expect(kept({ [idOf("a")]: [], [idOf("b")]: ["db", "web"] })).toBe(
      "images in use are not removed: aaaaaaaaaaaa, bbbbbbbbbbbb (machines 'db', 'web')",
    );
  });

  test("says of a name that it went, when the image stays", () => {
    expect(formatRemoved({ ...nothing, untagged: ["alpine:3.20"] })).toBe("Untagged: alpine:3.20\n");
  });

  test("as JSON", () => {
    expect(removedJson(something, true)).toMatchInlineSnapshot(`
      {
        "dry_run": true,
        "freed_bytes": 12582912,
        "images": [
          {
            "id": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "references": [
              "alpine:3.20",
            ],
          },
        ],
        "in_use": [
          "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        ],
        "kept": false,
        "layer_count": 2,
        "machines": {
          "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb": [],
        },
        "untagged": [
          "old\x1B[2J:1",
        ],
      }
    `);
  });
});

describe("prune", () => {
  test("has nothing to do", () => {
    expect(formatPruned(nothing, { all: false, dryRun: false })).toBe("No unreferenced layers to remove.\n");
    expect(formatPruned(nothing, { all: true, dryRun: true })).toBe("No unused images to remove.\n");
  });

  test("frees layers alone", () => {
    const layers = { ...nothing, layers: 1, freedBytes: 12 * MIB };
    expect(formatPruned(layers, { all: false, dryRun: false })).toBe("Freed 12.0 MiB\n");
    expect(formatPruned(layers, { all: false, dryRun: true })).toBe("Would free 12.0 MiB\n");
  });

  test("says that layers stay because of a download, also when nothing else was to do", () => {
    const line = "Layers stay while something is downloaded: prune again later.\n";
    for (const dryRun of [false, true]) {
      for (const all of [false, true]) {
        expect(formatPruned({ ...something, kept: true }, { all, dryRun })).toBe(
          formatPruned(something, { all, dryRun }) + line,
        );
        expect(formatPruned({ ...nothing, kept: true }, { all, dryRun })).toBe(line);
      }
    }
    expect(formatRemoved({ ...something, kept: true })).toBe(formatRemoved(something) + line);
    expect(removedJson({ ...nothing, kept: true }, false).kept).toBe(true);
  });

  test("says who needs an image that stays", () => {
    const used = { ...nothing, inUse: [idOf("b")], machines: { [idOf("b")]: ["web"] } };
    expect(formatPruned(used, { all: true, dryRun: false })).toBe(
      `Kept, because it is used by machine 'web': ${idOf("b")}\nNo unused images to remove.\n`,
    );
  });

  test("of a machine keeps to the words that scripts look for", () => {
    const used = { ...something, machines: { [idOf("b")]: ["web"] } };
    const of = (removed: RemovedImages, all: boolean, dryRun = false) =>
      formatMachinePruned(removed, "web", { all, dryRun });
    expect(of(nothing, false)).toBe("No unreferenced layers to remove.\n");
    expect(of({ ...nothing, layers: 1, freedBytes: 12 * MIB }, false)).toBe(
      "Freed 12.0 MiB of unreferenced layers\n",
    );
    expect(of(used, true)).toBe("Kept 1 cached image(s) in use by machine 'web'; freed 12.0 MiB\n");
    expect(of(used, true, true)).toBe(
      "Would keep 1 cached image(s) in use by machine 'web'; would free 12.0 MiB\n",
    );
    // A bare machine's, or one of another.
    expect(of(something, true)).toBe(formatPruned(something, { all: true, dryRun: false }));
  });

  test("removes images", () => {
    expect(formatPruned(something, { all: true, dryRun: false })).toMatchInlineSnapshot(`
      "Kept, because it is in use: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      Untagged: old [2J:1
      Untagged: alpine:3.20
      Deleted: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      Freed 12.0 MiB
      "
    `);
    expect(formatPruned(something, { all: true, dryRun: true })).toMatchInlineSnapshot(`
      "Kept, because it is in use: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      Would delete: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa alpine:3.20
      Would free 12.0 MiB
      "
    `);
  });
});

describe("machine images", () => {
  test("counts layers that images share once", () => {
    expect(storageOf([alpine, nameless], 1026.4 * MIB, 64 * 2 ** 30)).toEqual({
      totalBytes: 64 * 2 ** 30,
      usedBytes: 1026.4 * MIB,
      layers: 2,
      images: 2,
    });
  });

  test("as upstream shows it", () => {
    const storage = storageOf([alpine, nameless], 1026.4 * MIB, 64 * 2 ** 30);
    expect(formatStorage(storage, [alpine, nameless])).toMatchInlineSnapshot(`
      "Storage Usage:
        Total:  64.0 GiB
        Used:   1.0 GiB
        Layers: 2

      IMAGE                                          SIZE   LAYERS
      ------------------------------------------------------------
      alpine:3.20                                 8.0 MiB        3
      registry.example:50...pine:3.20-bookworm    8.0 MiB        3
      bbbbbbbbbbbb                               1023 MiB        1

      Total: 2 images
      "
    `);
    expect(formatStorage(storageOf([], 3 * MIB, Number.POSITIVE_INFINITY), [])).toMatchInlineSnapshot(`
      "Storage Usage:
        Total:  no limit
        Used:   3.0 MiB
        Layers: 0

      No cached images.
      "
    `);
  });

  test("as JSON", () => {
    const json = storageJson(storageOf([alpine], 8 * MIB, Number.POSITIVE_INFINITY), [alpine]);
    expect(json).toMatchObject({
      storage: { total_bytes: null, used_bytes: 8 * MIB, layer_count: 2, image_count: 1 },
    });
    expect((json.images as { reference: string }[]).map(({ reference }) => reference)).toEqual([
      ...alpine.references,
    ]);
    expect((json.images as unknown[])[0]).toMatchInlineSnapshot(`
      {
        "architecture": "amd64",
        "cmd": [
          "-l",
        ],
        "created": "2023-11-11T22:13:20.000Z",
        "digest": "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "entrypoint": [
          "/bin/sh\x1B[31m",
        ],
        "env": [
          "PATH=/bin",
        ],
        "id": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "layer_count": 3,
        "layers": [
          "sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "sha256:2222222222222222222222222222222222222222222222222222222222222222",
          "sha256:2222222222222222222222222222222222222222222222222222222222222222",
        ],
        "os": "linux",
        "reference": "alpine:3.20",
        "size": 8388608,
        "user": "",
        "workdir": "/",
      }
    `);
  });
});
