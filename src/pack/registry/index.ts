/** Packs in registries: pushed, looked at, and pulled, as OCI artifacts. */
export { type BehindOptions, packBehindImage } from "./behind.ts";
export { type NamedPack, type NamePackOptions, nameImage, namePack } from "./name.ts";
export {
  inspectRemotePack,
  openRemotePack,
  type PullPackRequest,
  pullPack,
  type RemotePack,
  type RemotePackRequest,
} from "./pull.ts";
export { type PushedPack, type PushPackRequest, pushPack } from "./push.ts";
