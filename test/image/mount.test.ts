import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tarOf } from "../../src/image/image.fixture.ts";
import { testImages } from "../support/images.ts";
import { onQemu, useHome } from "../support/register.ts";
import { debianArchive } from "./debian.ts";
import { writeLayout } from "./layout.ts";
import { requireRoot, run, Scratch, unpackWithTar } from "./tools.ts";

/** The last judge of an image is the kernel that mounts it. */

const home = useHome();

/**
 * Names, types, modes, owners, sizes, times to the nanosecond, targets, devices and contents. What the guest adds to
 * its root (mounts, /etc/hosts) is left out.
 */
const list = `
  export LC_ALL=C; cd "$1"
  set -- usr var odd root
  find "$@" -xdev ! -type d -printf '%p %y %m %U:%G %n %s %T@ %l\\0' | sort -z
  find "$@" -xdev -type d -printf '%p %y %m %U:%G %T@\\0' | sort -z
  stat -c '%n %t:%T' odd/block odd/character
  find "$@" -xdev -type f -print0 | sort -z | xargs -0 sha256sum -z
`;

onQemu(
  "a Debian root in the guest: exactly what GNU tar restores",
  async () => {
    requireRoot();
    using scratch = new Scratch();
    const archive = debianArchive();
    const unpacked = scratch.directory("unpacked");
    unpackWithTar(archive, unpacked);
    const digest = (directory: string) => `set -e; (${list}) | base64 -w 0`.replace('"$1"', directory);
    const expected = run(["sh", "-c", digest(unpacked)]);
    const guest = await home.smolvm(
      ["machine", "run", "-q", "--mem", "1024", "--image", archive, "--", "sh", "-c", digest("/")],
      { seconds: 280 },
    );
    expect(guest.stderr).toBe("");
    const lines = (text: string) => Buffer.from(text.trim(), "base64").toString("latin1").split("\0");
    expect(lines(expected).length).toBeGreaterThan(5000);
    expect(lines(guest.output)).toEqual(lines(expected));
  },
  300,
);

onQemu(
  "127 layers in the guest: each one's files, and a link from the last to the first",
  async () => {
    using scratch = new Scratch();
    const base = join(scratch.path, "base.tar");
    run(["tar", "--create", `--file=${base}`, `--directory=${(await testImages()).rootfs}`, "."]);
    const layers: Buffer[] = [readFileSync(base)];
    for (let index = 1; index < 127; index++) {
      const data = Buffer.alloc(5000 + index, `${index} `);
      layers.push(tarOf({ path: `l/${index}`, data }, { path: `l/s${index}`, data: `${index}` }));
    }
    layers[126] = tarOf(
      { path: "l/126", data: "last" },
      { path: "l/one", type: "1", target: "l/s1" },
      { path: "l/.wh.s2" },
    );
    const layout = scratch.directory("layout");
    writeLayout(layout, layers, { compression: "gzip" });
    const guest = await home.smolvm(
      [
        "machine",
        "run",
        "-q",
        "--image",
        layout,
        "--",
        "sh",
        "-c",
        "cd /l; ls | wc -l; stat -c %h one s1; cat 126; cat [0-9]* | md5sum",
      ],
      { seconds: 100 },
    );
    const contents = Array.from({ length: 126 }, (_, index) => index + 1)
      .sort((a, b) => (String(a) < String(b) ? -1 : 1))
      .map((index) => (index === 126 ? "last" : Buffer.alloc(5000 + index, `${index} `).toString()));
    const md5 = new Bun.CryptoHasher("md5").update(contents.join("")).digest("hex");
    expect(guest).toMatchObject({ stderr: "", output: `251\n2\n2\nlast${md5}  -\n` });
  },
  150,
);
