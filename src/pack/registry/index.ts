/** Packs in registries: pushed, looked at, and pulled, as OCI artifacts. */
export { type NamedPack, type NamePackOptions, namePack } from "./name.ts";
export {
  inspectRemotePack,
  openRemotePack,
  type Patience,
  type PullPackRequest,
  pullPack,
  type RemotePack,
  type RemotePackRequest,
} from "./pull.ts";
export { type PushedPack, type PushPackRequest, pushPack } from "./push.ts";
