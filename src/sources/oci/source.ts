import { ProvisionError } from '../../core/errors.ts';
import { parseBounded } from '../../core/parse.ts';
import {
  defineSource,
  type Provenance,
  type RemoteFile,
  type ResolvedSource,
  type ResolveRequest,
  requireExpected,
  type Source,
} from '../contract.ts';
import { schemeOf } from '../reference.ts';
import { fileNameOf, openArtifact, pickGguf } from './artifact.ts';
import { manifestOf, openRepository, type Repository } from './client.ts';
import { type Manifest, MODEL_CONFIG, ModelConfig } from './manifest.ts';
import { formatOciRef, type OciRef, parseOciRef } from './reference.ts';
import type { OciOptions } from './session.ts';

/** A model's config has some 1 kB. */
const LARGEST_CONFIG = 1024 * 1024;

/** `oci:host/repo:tag`: the GGUF of an artifact in an OCI registry. */
export function ociSource(options: OciOptions): Source {
  return defineSource({
    scheme: 'oci',
    description: 'a model in an OCI registry',
    matches: (ref) => schemeOf(ref) === 'oci',
    resolve: (request) => resolveOci(options, request),
    known(request) {
      const ref = parseOciRef(request.ref);
      const key = formatOciRef(ref);
      // An artifact may contain several files: a result for one name does not apply to another.
      const hint = ref.file === undefined && request.fileName !== undefined ? `#?${request.fileName}` : '';
      return { ref: key, key: `${key}${hint}`, fixed: ref.digest !== undefined };
    },
    async requireAccess(file, signal) {
      const repository = openRepository(options, parseOciRef(file.pinnedRef));
      if (await repository.has(file.digest, signal)) return;
      throw new ProvisionError(
        'source-not-found',
        `${file.ref}: the registry has the manifest but not the model itself (${file.digest}).`,
        {
          suggestions: ['Publish it again.'],
        },
      );
    },
  });
}

async function resolveOci(options: OciOptions, request: ResolveRequest): Promise<ResolvedSource> {
  const ref = parseOciRef(request.ref);
  const file = await findRemote(openRepository(options, ref), ref, request);
  requireExpected(file, request.expected);
  return { kind: 'remote', ...file };
}

async function findRemote(
  repository: Repository,
  ref: OciRef,
  { fileName, signal }: ResolveRequest,
): Promise<RemoteFile> {
  const { digest, manifest } = await openArtifact(repository, await manifestOf(repository, ref, signal), signal);
  const asked = {
    ...(ref.file !== undefined && { wanted: ref.file }),
    ...(fileName !== undefined && { hinted: fileName }),
  };
  const layer = pickGguf(manifest, formatOciRef(ref), asked);
  const name = fileNameOf(layer);
  const several = manifest.layers.filter(({ mediaType }) => mediaType === layer.mediaType).length > 1;
  const { host, repository: path } = ref;
  const pinned = { host, repository: path, digest, ...(several && name !== undefined && { file: name }) };
  const provenance = provenanceOf(manifest, await configOf(repository, manifest, signal));
  return {
    ref: formatOciRef(ref),
    pinnedRef: formatOciRef(pinned),
    fileName: name ?? `${path.slice(path.lastIndexOf('/') + 1)}.gguf`,
    sizeBytes: layer.size,
    digest: layer.digest,
    access: await repository.access(layer.digest, signal),
    ...(Object.keys(provenance).length > 0 && { provenance }),
  };
}

/** Only for a ModelPack: other artifacts use other config formats. */
async function configOf(repository: Repository, { config }: Manifest, signal: AbortSignal): Promise<ModelConfig> {
  if (config.mediaType !== MODEL_CONFIG || config.size > LARGEST_CONFIG) return {};
  const bytes = await repository.blob(config, LARGEST_CONFIG, signal);
  try {
    return ModelConfig.parse(parseBounded(bytes.toString('utf8')));
  } catch {
    // The config only states the provenance; a model without it can still be installed.
    return {};
  }
}

/** The standard has no field for the base model and the quantiser; `publish` writes them as annotations. */
export const BASE_MODEL = 'org.opencontainers.image.base.name';
export const QUANTISER = 'gemma-provision.quantiser';

function provenanceOf({ annotations = {} }: Manifest, { descriptor }: ModelConfig): Provenance {
  const licence = descriptor?.licenses?.join(', ') ?? annotations['org.opencontainers.image.licenses'];
  const stated = { licence, baseModel: annotations[BASE_MODEL], quantiser: annotations[QUANTISER] };
  return Object.fromEntries(
    Object.entries(stated).flatMap(([name, text]) => {
      const line =
        text
          ?.replaceAll(/[\p{Cc}\p{Bidi_Control}\s]+/gu, ' ')
          .trim()
          .slice(0, 200) ?? '';
      return line === '' ? [] : [[name, line]];
    }),
  );
}
