import { jsonObject } from "../../options/common.ts";
import { imageOptions } from "../../options/machine-options.ts";
import { pullOptions, pullPolicy } from "../../options/pull-options.ts";
import { smolfile } from "../../options/run-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, list, section, value } from "../../program/types.ts";
import { parseHosts } from "../../values/platform.ts";
import { countUpTo, sizeIn } from "../../values/size.ts";
import { parseAnyText, parseText } from "../../values/text.ts";

export const createOptions = {
  output: value({
    long: "output",
    short: "o",
    placeholder: "NAME",
    description: "What is made: the program NAME, and NAME.smolmachine",
    hint: { kind: "file" },
    parse: parseText,
  }),
  smolfile,
  fromVm: value({
    long: "from-vm",
    placeholder: "NAME",
    description: "Pack this stopped machine: its image, and its changes above it",
    hint: { kind: "machine" },
    parse: parseText,
  }),
  rebase: flag({
    long: "rebase-from-image",
    description: "With --from-vm: its changes above what its image's name means now",
  }),
  singleFile: flag({
    long: "single-file",
    description: "Make one file: the pack is appended to the program",
  }),
  noRuntime: flag({
    long: "no-runtime",
    description: "Leave smolvm out: 60 MB less, and hosts need one that is installed",
  }),
  hosts: list({
    long: "host",
    placeholder: "OS/ARCH,...",
    description: "Carry smolvm for these hosts (default: such as this one)",
    hint: { kind: "choice", values: ["linux/amd64", "linux/arm64", "darwin/arm64"] },
    parse: parseHosts,
  }),
  hostArchives: list({
    long: "host-archive",
    placeholder: "FILE",
    description: "The archive of a release that has smolvm for one of --host",
    hint: { kind: "file" },
    parse: parseText,
  }),
  json: jsonObject,
  stagingDirectory: value({
    long: "staging-dir",
    placeholder: "DIR",
    description: "No effect: nothing is staged, packs are written in place",
    parse: parseText,
  }),
  ...section("Image", { ...imageOptions, pull: pullPolicy, ...pullOptions }),
  ...section("Machine", {
    cpus: value({
      long: "cpus",
      placeholder: "N",
      description: "Virtual CPUs (default: those of where it runs)",
      parse: countUpTo(255),
    }),
    memory: value({
      long: "mem",
      placeholder: "MIB",
      description: "Memory, also as 512M or 2G (default: 8192)",
      parse: sizeIn({ unit: "MiB", min: 64, max: 16_777_216, what: "memory" }),
    }),
    entrypoint: value({
      long: "entrypoint",
      placeholder: "PROGRAM",
      description: "Replace the image's ENTRYPOINT, and drop its CMD; '' removes it",
      parse: parseAnyText,
    }),
  }),
  ...section("Signature", {
    sign: value({
      long: "sign",
      placeholder: "FILE",
      description: "Sign the pack with this private key; see keygen",
      hint: { kind: "file" },
      parse: parseText,
    }),
    noSign: flag({ long: "no-sign", description: "No effect: nothing is signed unless --sign is given" }),
  }),
};

export const packCreate = command({
  path: ["pack", "create"],
  duration: "slow",
  summary: "Package an OCI image, or a Smolfile's machine, as a program",
  options: createOptions,
  text: `Makes NAME.smolmachine: the image's layers as the cache keeps them, what the machine is, and
smolvm for hosts that have none; and NAME, a small program that runs it (./NAME --help). pack run
runs the pack too, machine run and create take it with --from, on any host of the same architecture;
nothing is downloaded there. An image that is not here is pulled first. A pack for another
architecture has neither program nor smolvm: it is for hosts of that one.

The first pack that a version of smolvm makes takes some seconds longer: smolvm compresses itself,
and keeps the result. --no-runtime leaves that out.

--host names the platforms of hosts that need no smolvm of their own, this one or others: for each
other one --host-archive gives the archive of this version's release, which is called
smolvm-VERSION-OS-ARCH.tar.gz. The launcher for another Linux is then NAME.OS-ARCH; call it NAME
there, beside NAME.smolmachine.

With -s, image and settings are those of a Smolfile, without its [dev]; [artifact] wins over the
keys above it, options win over both. Folders, ports and what the host lends are not packed: whoever
runs the pack decides about them. Neither are secrets, and a Smolfile that names some is refused.

With --from-vm, the machine's image is packed with what the machine has changed as one layer above
it, and the machine's settings. Its own files stay as they are; the machine must not run. A machine
that was made --from a pack keeps what was in that; --rebase-from-image drops it: the image is
pulled by its name (--pull says when), and the machine's own changes are laid above that.

The same image and settings give the same bytes when SOURCE_DATE_EPOCH is set. NAME must not end in
.smolmachine, and a file that is there is replaced only when it is a pack.

--json prints an object with the keys path (of the file with the pack), program (null when none is
made), image, platform, layer_digest (of the pack, as Checksum:), layer_size (bytes of the pack) and
total_bytes (with the program); hosts lists the platforms that it
carries smolvm for, with the program for each.`,
  examples: [
    { command: "smolvm pack create --image python:3.12-alpine -o my-app" },
    { command: "smolvm pack create -s ./Smolfile --sign ./vendor.key -o my-app" },
    { command: "smolvm pack create --from-vm dev -o dev-tools" },
    { command: "smolvm pack create --image alpine --oci-platform linux/arm64 -o tool-arm64" },
    { command: "smolvm pack create --image app --host linux/arm64 --host-archive ./ARCHIVE -o app" },
  ],
  run: async ({ values }) => {
    const [{ createShown }, { createdJson, describeCreated }] = await Promise.all([
      import("../../work/pack-create.ts"),
      import("../../show/pack-created.ts"),
    ]);
    const made = await createShown(values);
    if (values.json) await printJson(createdJson(made));
    else await print(describeCreated(made));
    return 0;
  },
});
