/** What a pack consists of, in a registry and in a bundle alike: a ModelPack with these files besides the model. */
import { MODEL_DATASET, MODEL_DOC, MODEL_WEIGHT_CONFIG } from '../sources/oci/media-types.ts';
import { LOCK_FILE_NAME } from './lock-file.ts';

export type PartName = 'lock' | 'template' | 'licence' | 'suite' | 'modelfile';

/** Path in the pack and media type of each small file. */
export const PARTS: Readonly<Record<PartName, { readonly path: string; readonly mediaType: string }>> = {
  lock: { path: LOCK_FILE_NAME, mediaType: MODEL_WEIGHT_CONFIG },
  modelfile: { path: 'Modelfile', mediaType: MODEL_WEIGHT_CONFIG },
  template: { path: 'template.gotmpl', mediaType: MODEL_WEIGHT_CONFIG },
  licence: { path: 'LICENSE', mediaType: MODEL_DOC },
  suite: { path: 'smoke-suite.json', mediaType: MODEL_DATASET },
};

/** A suite with pictures is the largest of them. */
export const LARGEST_PART = 4 * 1024 * 1024;
