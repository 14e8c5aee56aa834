import { expect } from "bun:test";
import { onQemu, useHome } from "../support/register.ts";
import { debianArchive } from "./debian.ts";
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
      ["machine", "run", "--mem", "1024", "--image", archive, "--", "sh", "-c", digest("/")],
      { seconds: 280 },
    );
    expect(guest.stderr).toBe("");
    const lines = (text: string) => Buffer.from(text.trim(), "base64").toString("latin1").split("\0");
    expect(lines(expected).length).toBeGreaterThan(5000);
    expect(lines(guest.output)).toEqual(lines(expected));
  },
  300,
);
