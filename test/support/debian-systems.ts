import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { distributionSources, extractPackages, resolvePackages, withFreshLists } from "../../build/apt.ts";
import { part } from "../../build/parts.ts";

/**
 * Root filesystems with an init system, out of Debian's packages: unpacked, none of their scripts run. What
 * those would have made is made here, as far as a boot needs it.
 */

interface System {
  readonly packages: readonly string[];
  /** Path and content; a shell script is executable. */
  readonly files: Readonly<Record<string, string>>;
  /** Path and target; replaces what a package has there. */
  readonly links: Readonly<Record<string, string>>;
}

const helloUnit = `[Unit]
Description=a service like others
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
`;

const systemd: System = {
  packages: ["systemd", "systemd-sysv", "dbus", "dash", "coreutils", "base-files", "perl-base"],
  files: {
    "etc/machine-id": "",
    // It asks for more process numbers than the kernel of a quick build can have.
    "etc/sysctl.d/50-pid-max.conf": "",
    "etc/systemd/system/hello.service": helloUnit,
    "etc/passwd":
      "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\nsystemd-network:x:101:101::/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nutmp:x:43:\nmessagebus:x:100:\nsystemd-network:x:101:\n",
  },
  links: {
    "etc/systemd/system/multi-user.target.wants/hello.service": "../hello.service",
    "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
  },
};

/** As Alpine has it: busybox is the init, and openrc runs the services. */
const inittab = `::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
::shutdown:/sbin/openrc shutdown
`;

const helloService = `#!/sbin/openrc-run
description="says when it starts and stops"
start() { echo "hello started" > /proc/1/fd/1; }
stop() { echo "hello stopped" > /proc/1/fd/1; }
`;

const openrc: System = {
  packages: ["openrc", "busybox-static", "dash", "coreutils", "base-files"],
  files: {
    "etc/inittab": inittab,
    "etc/init.d/hello": helloService,
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nutmp:x:43:\nuucp:x:10:\nshadow:x:42:\n",
  },
  links: {
    "sbin/init": "/bin/busybox",
    "sbin/poweroff": "/bin/busybox",
    "bin/mount": "/bin/busybox",
    "bin/mountpoint": "/bin/busybox",
    "bin/grep": "/bin/busybox",
    "bin/sed": "/bin/busybox",
    "etc/runlevels/default/hello": "/etc/init.d/hello",
  },
};

/** A directory that boots by its /sbin/init. */
export const systemdRoot = (): Promise<string> => systemRoot("test-systemd", systemd);
export const openrcRoot = (): Promise<string> => systemRoot("test-openrc", openrc);

function systemRoot(name: string, system: System): Promise<string> {
  return withFreshLists(async () => {
    const sources = await distributionSources();
    const packages = await resolvePackages(system.packages, sources);
    const pins = packages.map(({ sha256 }) => sha256);
    return await part(name, { recipe: import.meta.path, pins }, async (out) => {
      // Debian's packages still ship files in both places; the links make them one.
      for (const folder of ["bin", "sbin", "lib", "lib64"]) {
        mkdirSync(`${out}/usr/${folder}`, { recursive: true });
        symlinkSync(`usr/${folder}`, `${out}/${folder}`);
      }
      for (const folder of ["proc", "sys", "dev", "run", "tmp", "root", "var"]) mkdirSync(`${out}/${folder}`);
      await extractPackages(packages, sources, out);
      for (const [path, text] of Object.entries(system.files)) {
        mkdirSync(dirname(`${out}/${path}`), { recursive: true });
        writeFileSync(`${out}/${path}`, text);
        if (text.startsWith("#!")) chmodSync(`${out}/${path}`, 0o755);
      }
      for (const [path, target] of Object.entries(system.links)) {
        mkdirSync(dirname(`${out}/${path}`), { recursive: true });
        rmSync(`${out}/${path}`, { force: true });
        symlinkSync(target, `${out}/${path}`);
      }
    });
  });
}
