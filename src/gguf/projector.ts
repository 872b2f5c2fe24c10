import type { Sense } from '../catalog/projector-schema.ts';
import type { ModelFacts } from './schema.ts';

/** What the header of a projector says: a file that is no language model, and lets one take pictures or sound. */
export interface ProjectorFacts {
  readonly serves: readonly Sense[];
  /** `clip.projector_type`, or one for each encoder. */
  readonly types: readonly string[];
  /** Values of one embedding that it writes: those of the model that it belongs to. Absent where the file does not say. */
  readonly embeddingLength?: number;
  /** Bytes of all tensors. */
  readonly tensorBytes: number;
}

type Header = Pick<ModelFacts, 'architecture' | 'metadata' | 'tensors'>;

/** True by the words of its converter: the architecture of all of them, and since 2025 the type as well. */
export function isProjector({ architecture, metadata }: Pick<Header, 'architecture' | 'metadata'>): boolean {
  const type = metadata.get('general.type');
  return architecture === 'clip' || type === 'mmproj' || type === 'projector';
}

/** Undefined for a file that is not a projector. */
export function projectorFacts(header: Header): ProjectorFacts | undefined {
  if (!isProjector(header)) return undefined;
  const { metadata, tensors } = header;
  const has = (encoder: string) => metadata.get(`clip.has_${encoder}_encoder`) === true;
  const types = ['clip.projector_type', 'clip.vision.projector_type', 'clip.audio.projector_type'].flatMap((key) => {
    const type = metadata.get(key);
    return typeof type === 'string' ? [type] : [];
  });
  const length = metadata.get('clip.vision.projection_dim') ?? metadata.get('clip.audio.projection_dim');
  return {
    // Files older than the first audio encoders only ever served pictures, and some of them do not say so.
    serves: [
      ...(has('vision') || !has('audio') ? (['image'] as const) : []),
      ...(has('audio') ? (['audio'] as const) : []),
    ],
    types,
    ...(typeof length === 'number' && { embeddingLength: length }),
    tensorBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
