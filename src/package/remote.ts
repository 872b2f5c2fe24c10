/** A pack in a registry: what `publish` pushed, without the model's own bytes. */
import { openArtifact } from '../sources/oci/artifact.ts';
import { manifestOf, openRepository } from '../sources/oci/client.ts';
import type { OciOptions } from '../sources/oci/options.ts';
import { formatOciRef, parseOciRef } from '../sources/oci/reference.ts';
import { isPack, type PackContents, readContents } from './contents.ts';
import { LARGEST_PART } from './parts.ts';

/**
 * Reads lock file, template, licence and suite of a published model; undefined for an artifact of another writer. Throws as
 * `readContents`, and what the registry and the network throw.
 */
export async function readPublished(
  options: OciOptions,
  ref: string,
  signal: AbortSignal,
): Promise<PackContents | undefined> {
  const parsed = parseOciRef(ref);
  const repository = openRepository(options, parsed);
  const artifact = await openArtifact(repository, await manifestOf(repository, parsed, signal), signal);
  if (!isPack(artifact.manifest)) return undefined;
  return readContents(artifact, formatOciRef(parsed), (blob) => repository.blob(blob, LARGEST_PART, signal));
}
