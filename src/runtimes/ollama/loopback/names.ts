import { createHash, randomBytes } from 'node:crypto';
import type { Digest } from '../../../core/digest.ts';
import { parseModelName } from '../../names.ts';

const NAMESPACE = 'gemma-provision';
const PULLED = new RegExp(`^127\\.0\\.0\\.1:(\\d{1,5})/${NAMESPACE}/[0-9a-f]{32}:(?:blob|probe)$`);
const STUB = /^gemma-provision-transfer:[0-9a-f]{24}$/;

/** A name that leads to a registry of ours, and that no other process on this machine can guess. */
export function pulledName(port: number, tag: 'blob' | 'probe'): string {
  return `127.0.0.1:${port}/${NAMESPACE}/${randomBytes(16).toString('hex')}:${tag}`;
}

/**
 * The name of a blob's stub while a model is made from it. Ollama writes it into the model that it makes, so it must be
 * the same in every run for one model of the same files: else equal models would have different digests.
 */
export function stubName(model: string, digest: Digest, projector?: Digest): string {
  const hash = createHash('sha256')
    .update([parseModelName(model).canonical, digest, ...(projector === undefined ? [] : [projector])].join('\n'))
    .digest('hex');
  return `gemma-provision-transfer:${hash.slice(0, 24)}`;
}

/** True for a name that only exists while a file gets into the server: any run that finds one later may remove it. */
export function isTransferName(name: string): boolean {
  return STUB.test(name) || PULLED.test(name);
}

/** The port of the registry that a name was pulled from; undefined for every other name. */
export function registryPortOf(name: string): number | undefined {
  const port = PULLED.exec(name)?.[1];
  return port === undefined ? undefined : Number(port);
}
