import { MountFlag, type Step, StepFlag } from "../../guest/index.ts";
import { type Places, slot } from "./places.ts";

/** HOST_NAME_MAX is 64; a label of a domain name has at most 63 (RFC 1035). */
const MAX_HOSTNAME = 63;

/** What a machine calls itself: its name, as far as that fits into a host name. */
export function hostnameOf(name: string): string {
  return name.slice(0, MAX_HOSTNAME).replace(/[-._]+$/, "");
}

/**
 * The machine's name has a line and an address of its own, as Debian does it: the first name of a line is the
 * canonical one, and a name beside `localhost` would make that the answer to `hostname -f`.
 */
function hostsFile(hostname: string): string {
  return [
    "127.0.0.1\tlocalhost",
    `127.0.1.1\t${hostname}`,
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    "",
  ].join("\n");
}

/** Files below /etc that the machine gives to every image, and their slots. */
const given = [
  { name: "hosts", slot: slot.hosts },
  { name: "hostname", slot: slot.hostname },
  { name: "resolv.conf", slot: slot.resolver },
] as const;

/**
 * On the system's side: writes the files. They have a filesystem of their own, with a limit: the workload may
 * write to them.
 *
 * @param nameserver what resolv.conf says; undefined: nothing
 */
export function writeEtc(hostname: string, nameserver: string | undefined, place: Places): Step[] {
  const content = {
    hosts: hostsFile(hostname),
    hostname: `${hostname}\n`,
    "resolv.conf": nameserver === undefined ? "" : `nameserver ${nameserver}\n`,
  };
  return [
    {
      kind: "mount",
      source: "etc",
      path: place.etc,
      type: "tmpfs",
      mountFlags: MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExec,
      data: "size=1m,nr_inodes=16,mode=0755",
      flags: StepFlag.makeDirectory,
    },
    ...given.flatMap(({ name, slot }): Step[] => [
      { kind: "write", path: `${place.etc}/${name}`, content: content[name], mode: 0o644 },
      { kind: "hold", path: `${place.etc}/${name}`, slot },
    ]),
  ];
}

/**
 * Inside: mounts the files over the image's, as docker does. A link is followed within the root, and its
 * target made where it leads nowhere: root filesystems of distributions have /etc/resolv.conf ->
 * ../run/systemd/resolve/stub-resolv.conf. What an image makes impossible, say because its /etc is a file, it
 * goes without.
 *
 * Old programs that list mounts look for /etc/mtab; docker, podman and CRI-O make the same link where nothing is there.
 */
export function attachEtc(): Step[] {
  return [
    { kind: "mkdir", path: "/etc", mode: 0o755, flags: StepFlag.optional },
    ...given.map(
      ({ name, slot }): Step => ({
        kind: "attach",
        slot,
        path: `/etc/${name}`,
        flags: StepFlag.makeFile | StepFlag.optional,
      }),
    ),
    {
      kind: "symlink",
      path: "/etc/mtab",
      target: "/proc/mounts",
      flags: StepFlag.ifAbsent | StepFlag.optional,
    },
  ];
}
