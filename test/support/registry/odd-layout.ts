import { join } from "node:path";
import { requireRoot, run, type Scratch } from "../../image/tools.ts";

/** What each layer changes, as commands in the root of the image. */
const layers = [
  `mkdir -p bin etc/conf.d var/empty-later var/opaque/below dev tmp
   printf '#!/bin/sh\\n' > bin/tool; chmod 6755 bin/tool; ln bin/tool bin/same; ln -s ../bin/tool etc/tool
   for n in 1 2 3 4; do printf "setting $n" > etc/conf.d/$n; printf "$n" > var/opaque/below/$n; done
   mknod dev/null c 1 3; mknod dev/disk b 8 16; mkfifo -m 640 var/pipe; chmod 1777 tmp
   setfattr -n user.note -v "two words" etc/conf.d; setfattr -n user.empty etc/conf.d/1
   setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 bin/tool
   chown 65534:1000 var/pipe; chown -h 12:34 etc/tool; touch -h -d @1234567890.987654321 etc/tool
   head -c 300000 /dev/urandom > var/data; truncate -s 9M var/holes; printf end >> var/holes`,
  `rm etc/conf.d/2; rm -r var/opaque; mkdir var/opaque; printf fresh > var/opaque/new
   rm -r var/empty-later; printf "now a file" > var/empty-later; printf "setting 3 changed" > etc/conf.d/3
   printf "$(head -c 90 /dev/zero | tr '\\0' x)" > "etc/$(head -c 180 /dev/zero | tr '\\0' n)"`,
  `rm bin/same; ln bin/tool bin/third; setfattr -x user.note etc/conf.d; rm var/pipe; mkdir var/pipe
   printf deep > var/pipe/file; chmod 711 var; touch -d @1600000000.5 var; rm dev/disk; ln -s /bin usr`,
  "printf last > etc/last; ln etc/last etc/conf.d/linked; rm var/holes",
];

/**
 * An image of four layers, made by umoci, with everything that layers can do to one another: whiteouts, opaque
 * directories, hard links, attributes, devices, odd owners, modes and times. @returns its layout; the image is `test`
 */
export function oddLayout(scratch: Scratch): string {
  requireRoot();
  const layout = join(scratch.path, "odd");
  const image = `${layout}:test`;
  run(["umoci", "init", "--layout", layout]);
  run(["umoci", "new", "--image", image]);
  run(["umoci", "config", "--image", image, "--config.cmd=/bin/tool", "--config.user=12:34"]);
  for (const [index, commands] of layers.entries()) {
    const bundle = join(scratch.path, `odd-${index}`);
    run(["umoci", "unpack", "--image", image, bundle]);
    run(["sh", "-ec", commands], { cwd: join(bundle, "rootfs") });
    run(["umoci", "repack", "--image", image, bundle]);
  }
  return layout;
}
