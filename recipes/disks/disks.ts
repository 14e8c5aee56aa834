import { closeSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { ensureInstalled } from "../../build/apt.ts";
import { writeComponents } from "../../build/components.ts";
import { EPOCH_SECONDS, run } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { TEMPLATE_GIB } from "../../src/machine/disks/template-sizes.ts";

const GIB = 1024 ** 3;

/**
 * Formatted disks that every machine's own start out as copies of: sparse files with a few hundred kilobytes of data. Each
 * start of a machine copies them, so they have room to grow that is sensible (`growTo`) instead of a thousand times their
 * size, which is megabytes of tables; Linux grows them beyond it too, by another way (meta_bg).
 * Identical from run to run and from one version of mke2fs to the next: identifiers, times and features are fixed.
 *
 * `small` is for a disk below the usual size, whichever it is: it is grown, which takes a guest's kernel a moment, where
 * formatting would take longer than the boot.
 */
const templates = {
  overlay: {
    size: TEMPLATE_GIB.overlay * GIB,
    uuid: "736d6f6c-766d-4f76-8000-000000000002",
    journalMib: 64,
    growTo: 128 * GIB,
    directories: ["upper", "work"],
  },
  storage: {
    size: TEMPLATE_GIB.storage * GIB,
    uuid: "736d6f6c-766d-4f76-8000-000000000020",
    journalMib: 64,
    growTo: 512 * GIB,
    directories: ["workspace"],
  },
  small: {
    size: TEMPLATE_GIB.small * GIB,
    uuid: "736d6f6c-766d-4f76-8000-000000000001",
    journalMib: 32,
    growTo: TEMPLATE_GIB.storage * GIB,
    directories: [],
  },
} as const;

export type Template = keyof typeof templates;

const HASH_SEED = "736d6f6c-766d-4f76-8000-0000000000aa";

/** The features that the guest's kernel and every resize2fs since 1.46 know, instead of this machine's defaults. */
const features = [
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super",
  "large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
].join(",");

/** All of /etc/mke2fs.conf that is in force; what is not said here is said on the command line. */
const configuration = "[defaults]\n\tbase_features = none\n[fs_types]\n\text4 = {\n\t}\n";

/** Makes `NAME.ext4` and returns its directory. */
export async function diskTemplate(name: Template): Promise<string> {
  const template = templates[name];
  return await part(name, { recipe: import.meta.path, pins: template }, async (out) => {
    await ensureInstalled(["e2fsprogs"], "formats the disk templates");
    const path = `${out}/${name}.ext4`;
    closeSync(openSync(path, "wx"));
    truncateSync(path, template.size);
    const config = `${out}/mke2fs.conf`;
    writeFileSync(config, configuration);
    const env = {
      MKE2FS_CONFIG: config,
      E2FSPROGS_FAKE_TIME: String(EPOCH_SECONDS),
      SOURCE_DATE_EPOCH: String(EPOCH_SECONDS),
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    };
    await run(["mke2fs", ...formatOptions(template), path], { env });
    // What every machine would make first: making the first one in the guest costs as much as mounting the disk.
    for (const directory of template.directories)
      await run(["debugfs", "-w", "-R", `mkdir ${directory}`, path], { env });
    writeComponents(out, []);
  });
}

const BLOCK = 4096;

function formatOptions({ uuid, journalMib, growTo }: (typeof templates)[Template]): string[] {
  // Tables are written now (and are holes in the file): a guest that had to would fill the disk with zeros.
  const extended = `hash_seed=${HASH_SEED},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard,resize=${growTo / BLOCK}`;
  const geometry = ["-b", `${BLOCK}`, "-I", "256", "-i", "16384", "-m", "0", "-J", `size=${journalMib}`];
  return ["-q", "-F", "-t", "ext4", ...geometry, "-U", uuid, "-E", extended, "-O", features];
}
