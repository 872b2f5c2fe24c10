export type { FolderFiles, ModelsFolder } from './folder/files.ts';
export { isTemporary } from './folder/files.ts';
export type { ProvenFolder } from './folder/probe.ts';
export { type HostAddress, parseHost, plainHttpWarning, requireTls } from './host.ts';
export { isTransferName } from './loopback/names.ts';
export { type OllamaOptions, type OllamaRuntime, ollamaRuntime } from './runtime.ts';
export type { FileEffects } from './store.ts';
export type { SideDoors } from './ways/facts.ts';
