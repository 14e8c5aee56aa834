import type { Details } from "../table/types.ts";

export const list: Details = {
  text: `Lists the images of registries and archives that are kept on this host, the last used one first: one
line for each name. Layers are kept once, however many images have them: SIZE counts them in each.

--json prints an array of objects with the keys id, references, digests, platform, created_at and
last_used_at (seconds since 1970), size_bytes, unique_bytes (what removing only this image frees),
layer_count, in_use, and machines (names of those that are made of it, whether they run or not).`,
  examples: [
    { command: "smolvm images ls" },
    { command: "smolvm images ls --no-trunc -v" },
    { command: "smolvm images ls --json | jq -r '.[].references[]'" },
  ],
};

export const pull: Details = {
  text: `Asks the registry for each IMAGE (alpine, alpine:3.20, ghcr.io/owner/name@sha256:..., default
registry docker.io) and downloads what is not here yet: layers that other images have are not
downloaded again. machine run does the same by itself for an image that is not here; this is for
getting one beforehand, or a newer one. Everything is checked against its digest.

Prints the id of each image on stdout and progress on stderr. --progress tty redraws lines, plain
prints a few, json prints one object a line (docs/progress.md), none nothing; auto is tty on a
terminal, plain elsewhere, and none with --json. An interrupted download goes on where it stopped
with the layers that were complete.

--json prints {"images":[...]} with the keys reference, digest, id, size_bytes and changed.

Logins are those of docker login and podman login, or of smolvm's own configuration; mirrors,
insecure registries and certificates too (smolvm config registries edit).`,
  examples: [
    { command: "smolvm images pull alpine:3.20" },
    { command: "smolvm images pull -q ghcr.io/owner/app:1 registry.example.com:5000/tools" },
    { command: "smolvm images pull --oci-platform linux/arm64 debian:12", comment: "not for this host" },
    { command: "smolvm images pull --proxy http://proxy.example:3128 alpine" },
  ],
};

export const remove: Details = {
  text: `Takes the name off an image, and removes the image with its last name. IMAGE may also be an id, or
its first digits (6 or more): then all of the image goes; --force is needed when it has several
names. --oci-platform tells images of one name apart. Layers that other images have stay. An image
of a machine stays too, also when the machine does not run, and whatever is forced: exit code 1.

--json prints an object with the keys images, untagged, layer_count, freed_bytes, in_use, machines
(by the ids in in_use) and kept (layers stay, because something is being downloaded: prune later).`,
  examples: [{ command: "smolvm images rm alpine:3.20" }, { command: "smolvm images rm -f 05455a08881e" }],
};

export const inspect: Details = {
  text: `Prints a JSON array with an object for each IMAGE: the keys of images ls --json, layers (diff_id,
size_bytes; lowest first) and config (entrypoint, cmd, env, workdir, user, labels, volumes,
stop_signal).
IMAGE is a name, an id or its first digits, or the digest of a manifest. Asks no registry.`,
  examples: [{ command: "smolvm images inspect alpine:3.20 | jq '.[0].config.env'" }],
};

export const prune: Details = {
  text: `Removes images that have lost their name to a newer one, layers that belong to no image, and what
interrupted downloads left. --all removes every image that no machine is made of, whether that runs
or not; the next run pulls it again. Asks nothing.

--json prints an object with the keys dry_run, images, untagged, layer_count, freed_bytes, in_use,
machines (by the ids in in_use) and kept (layers stay, because something is being downloaded: prune
later).`,
  examples: [{ command: "smolvm images prune" }, { command: "smolvm images prune --all --dry-run" }],
};

export const machineImages: Details = {
  text: `Images are kept on the host, and all machines share them: this shows how much room they take of
what the cache may take, and each of them. --name shows only the image of a machine that runs (none
when that is the built-in one). images ls shows more.

--json prints an object {"storage":{"total_bytes","used_bytes","layer_count","image_count"},
"images":[{"reference","id","digest","size","created","architecture","os","layer_count","layers",
"entrypoint","cmd","env","workdir","user"}]}.`,
  examples: [{ command: "smolvm machine images" }, { command: "smolvm machine images --json" }],
};

export const machinePrune: Details = {
  text: `The same as images prune. Images are kept on the host, and all machines share them: with --name it
fails when there is no such machine, and otherwise does the same. What a machine uses stays.`,
  examples: [{ command: "smolvm machine prune --dry-run" }, { command: "smolvm machine prune --all" }],
};
