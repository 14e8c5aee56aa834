import { writeSync } from "node:fs";
import { dirname } from "node:path";
import { SmolError } from "../errors.ts";
import { parseReference, type Reference } from "../registry/index.ts";
import { Erofs } from "./erofs/index.ts";
import { imageNamed, type NameOptions } from "./manage/names.ts";
import { survey } from "./manage/survey.ts";
import { isReplaceable, NewFile } from "./newfile.ts";
import { configDocument } from "./oci/index.ts";
import { openImageDisk } from "./store/disk-source.ts";
import { leaseImage } from "./store/index.ts";
import { TAR_END, TreeMembers, tarHeader, tarPadding, writeLayerTar } from "./tar/index.ts";

export interface SaveRequest extends NameOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** As `inspectImage` takes it. */
  readonly name: string;
  /** The archive, which appears complete or not at all, in the place of a file that is there. */
  readonly path: string;
  /** What other tools are to call it, in the place of the name that it has here. */
  readonly reference?: string | undefined;
  /** Seconds since 1970: when it was made; default: when it came into the cache. */
  readonly createdAt?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SavedImage {
  readonly id: string;
  /** What other tools call it; undefined when it was named by its id. */
  readonly reference: string | undefined;
  /** Of its manifest in the archive. */
  readonly digest: string;
  readonly bytes: number;
}

const BLOB_HEADER = 3 * 512;
const LAYER = "application/vnd.oci.image.layer.v1.tar";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/**
 * Writes an image as an archive that other tools load: an OCI layout (image-layout.md), and what `docker save` makes, in
 * one. All of its files are in one layer, because the cache has layers in another form than the one their digests are of.
 * The same image gives the same bytes.
 *
 * @throws SmolError `registry.bad_reference`, `image.not_found`, `image.ambiguous_name`, `image.layer_damaged`, `image.save_failed`; the signal's
 * reason
 */
export async function saveImage(request: SaveRequest): Promise<SavedImage> {
  const { cacheDir, name, path, signal } = request;
  const directory = `${cacheDir}/images`;
  const given = request.reference === undefined ? undefined : tagged(request.reference, request.registry);
  const { image, ref } = imageNamed(survey(directory), name, request);
  const { stored } = image;
  const lease = leaseImage(directory, stored.id, false);
  if (lease === undefined) throw new SmolError("image.not_found", `no such image in the cache: ${name}`);
  try {
    const archive = new Archive(path);
    try {
      using disk = openImageDisk(directory, stored);
      const files = new Erofs(disk);
      const members = new TreeMembers({ skipped: 0 }).whole(files, files.root, "");
      archive.file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
      const layer = await archive.blobOf(writeLayerTar(members), signal);
      const { platform, made } = stored;
      const { createdAt = stored.createdAt } = request;
      const about = { platform, createdAt, made, diffIds: [layer.digest] };
      const config = archive.blob(configDocument(stored.config, about));
      const manifest = archive.blob(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MANIFEST,
          config: { mediaType: CONFIG, ...config },
          layers: [{ mediaType: LAYER, ...layer }],
        }),
      );
      const { familiar, canonical } = given ?? ref?.ref ?? {};
      const tag = canonical?.slice(canonical.lastIndexOf(":") + 1);
      const annotations =
        canonical === undefined || canonical.includes("@")
          ? undefined
          : { "io.containerd.image.name": canonical, "org.opencontainers.image.ref.name": tag };
      const manifests = [{ mediaType: MANIFEST, ...manifest, platform, annotations }];
      archive.file("index.json", JSON.stringify({ schemaVersion: 2, manifests }));
      const tags = annotations === undefined ? null : [familiar];
      const docker = [{ Config: blobPath(config.digest), RepoTags: tags, Layers: [blobPath(layer.digest)] }];
      archive.file("manifest.json", JSON.stringify(docker));
      const bytes = archive.finish();
      return { id: stored.id, reference: familiar, digest: manifest.digest, bytes };
    } finally {
      archive.discard();
    }
  } finally {
    lease.release();
  }
}

/** A name for an image that has yet to get a digest. */
function tagged(name: string, registry: string | undefined): Reference {
  const reference = parseReference(name, { registry });
  if (reference.digest === undefined) return reference;
  throw new SmolError("registry.bad_reference", `${name} is the name of another image: its digest is in it`, {
    hint: "give a name with a tag: app:1.0",
  });
}

const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** A tar that is written into a file, where a header can be written when what is behind it is known. */
class Archive {
  readonly #file: NewFile;
  readonly #path: string;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
    if (!this.#attempt(() => isReplaceable(path)))
      throw new SmolError("image.save_failed", `cannot write ${path}: it is there, and is no regular file`);
    this.#file = this.#attempt(() => new NewFile(dirname(path)));
  }

  file(name: string, text: string): void {
    const bytes = Buffer.from(text);
    this.#put(Buffer.concat([header(name, bytes.length), bytes, Buffer.alloc(tarPadding(bytes.length))]));
  }

  blob(text: string): Blob {
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
    this.file(blobPath(digest), text);
    return { digest, size: Buffer.byteLength(text) };
  }

  /** A blob whose digest is its name, and is known at its end. */
  async blobOf(source: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
    const start = this.#at;
    const hasher = new Bun.CryptoHasher("sha256");
    this.#at += BLOB_HEADER;
    for await (const bytes of source) {
      signal?.throwIfAborted();
      hasher.update(bytes);
      this.#put(bytes);
    }
    const size = this.#at - start - BLOB_HEADER;
    const digest = `sha256:${hasher.digest("hex")}`;
    this.#put(Buffer.alloc(tarPadding(size)));
    // With a record of its own, so that it has the same length for every size.
    this.#write(header(blobPath(digest), size, [["comment", "smolvm"]]), start);
    return { digest, size };
  }

  /** @returns the bytes of the archive, which has its name now */
  finish(): number {
    this.#put(TAR_END);
    this.#attempt(() => this.#file.commit(this.#path));
    return this.#at;
  }

  discard(): void {
    this.#file.discard();
  }

  #put(bytes: Uint8Array): void {
    this.#write(bytes, this.#at);
    this.#at += bytes.length;
  }

  #write(bytes: Uint8Array, position: number): void {
    this.#attempt(() => {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#file.fd, bytes, done, bytes.length - done, position + done);
    });
  }

  #attempt<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SmolError("image.save_failed", `cannot write ${this.#path}: ${why}`, { cause });
    }
  }
}

function header(name: string, size: number, records?: readonly (readonly [string, string])[]): Buffer {
  return tarHeader({
    ...{ type: "0", name, target: "", mode: 0o644, uid: 0, gid: 0, size, seconds: 0n, nanoseconds: 0 },
    records,
  });
}
