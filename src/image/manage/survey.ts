import { type Stats, statSync } from "node:fs";
import { namesIn } from "../../host/index.ts";
import { listRefs, type RefFile } from "../refs/index.ts";
import {
  describeImages,
  type ForeignImage,
  foreignImages,
  imagePaths,
  layerPaths,
  type StoredImage,
} from "../store/index.ts";

export interface SurveyedImage {
  readonly stored: StoredImage;
  /** References that lead here, with the files that say so. */
  readonly refs: readonly RefFile[];
  /** Bytes on the disk of what belongs to this image alone: description, metadata, descriptor. */
  readonly ownBytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsedMs: number;
}

export interface SurveyedLayer {
  /** Bytes on the disk. */
  readonly bytes: number;
  /** Images that are made of it. */
  readonly users: number;
}

/** What is in the cache of images. */
export interface Survey {
  readonly directory: string;
  readonly images: readonly SurveyedImage[];
  /** By diff ID. */
  readonly layers: ReadonlyMap<string, SurveyedLayer>;
  /** Of images that other versions made and use; not in `images`. */
  readonly foreign: readonly ForeignImage[];
  /** Files that belong to nothing: of images whose removal was interrupted, and of other versions. */
  readonly strays: readonly string[];
  readonly totalBytes: number;
}

/** Looks at everything in the cache; reads descriptions and file sizes, changes nothing. */
export function survey(directory: string): Survey {
  const names = namesIn(directory);
  const refs = listRefs(directory);
  const images = describeImages(directory).map((stored) => surveyImage(directory, stored, refs));
  const users = new Map<string, number>();
  const foreign = foreignImages(directory);
  const needed = [
    ...images.map(({ stored }) => uniqueLayers(stored).map(({ diffId }) => diffId)),
    ...foreign.map(({ diffIds }) => [...new Set(diffIds)]),
  ];
  for (const diffId of needed.flat()) users.set(diffId, (users.get(diffId) ?? 0) + 1);
  const layers = new Map<string, SurveyedLayer>();
  for (const diffId of layersIn(directory)) {
    layers.set(diffId, { bytes: layerBytes(directory, diffId), users: users.get(diffId) ?? 0 });
  }
  const ids = [...images.map(({ stored }) => stored.id), ...foreign.map(({ id }) => id)];
  const known = new Set(ids.map((id) => id.slice("sha256:".length)));
  const strays = names
    .filter((name) => {
      const hex = /^([0-9a-f]{64})\.(json|erofs|vmdk)$/.exec(name)?.[1];
      return hex !== undefined && !known.has(hex);
    })
    .map((name) => `${directory}/${name}`);
  const totalBytes =
    images.reduce((sum, { ownBytes }) => sum + ownBytes, 0) +
    [...layers.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  return { directory, images, foreign, layers, strays, totalBytes };
}

function surveyImage(directory: string, stored: StoredImage, refs: readonly RefFile[]): SurveyedImage {
  const paths = imagePaths(directory, stored.id);
  const files = [paths.description, paths.metadata, paths.disk].map(statOf);
  return {
    stored,
    refs: refs.filter(({ ref }) => ref.imageId === stored.id),
    ownBytes: files.reduce((sum, stat) => sum + diskBytes(stat), 0),
    lastUsedMs: files[2]?.mtimeMs ?? 0,
  };
}

/** An image may have the same layer several times (empty ones, for instance). */
export function uniqueLayers(stored: StoredImage): StoredImage["layers"] {
  return [...new Map(stored.layers.map((layer) => [layer.diffId, layer])).values()];
}

/** Bytes on the disk that go when the image and its references go, and nothing else does. */
export function uniqueBytes(image: SurveyedImage, { layers }: Survey): number {
  return uniqueLayers(image.stored).reduce((sum, { diffId }) => {
    const layer = layers.get(diffId);
    return sum + (layer?.users === 1 ? layer.bytes : 0);
  }, image.ownBytes);
}

function layersIn(directory: string): string[] {
  const names = namesIn(`${directory}/layers`).map(
    (name) => /^([0-9a-f]{64}|[0-9a-f]{128})\./.exec(name)?.[1],
  );
  const hexes = new Set(names.filter((hex) => hex !== undefined));
  return [...hexes].map((hex) => `${hex.length === 64 ? "sha256" : "sha512"}:${hex}`);
}

function layerBytes(directory: string, diffId: string): number {
  const { data, entries } = layerPaths(directory, diffId);
  return diskBytes(statOf(data)) + diskBytes(statOf(entries));
}

const diskBytes = (stat: Stats | undefined) => (stat?.blocks ?? 0) * 512;

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
