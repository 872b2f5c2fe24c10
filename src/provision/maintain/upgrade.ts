/** From a record to the request that would install the newest of the same thing. */
import { isAbsolute } from 'node:path';
import type { Catalog } from '../../catalog/load.ts';
import type { UseCaseId } from '../../catalog/schema.ts';
import { USE_CASES } from '../../catalog/use-cases.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { InstallRequest } from '../plan/request.ts';

/**
 * Asks for the same model, quant, use case and name from where it came. Load settings are those of the record: planning
 * keeps what is installed under the name. What ships with this tool comes from this version of it.
 */
export function upgradeRequest(record: InstallRecord, catalog: Catalog): InstallRequest {
  const { name, source, profile, quant } = record;
  const useCase = useCaseOf(record.choice.useCase);
  const common = { name, settings: {}, force: false, ...(useCase !== undefined && { useCase }) };
  if (source.ref.startsWith('ollama:')) return { ...common, from: source.ref };
  const known = knownModel(record, catalog);
  const named = { ...common, sampling: profile };
  if (known === undefined) return { ...named, ...placeOf(record), family: record.family };
  const model = { ...named, model: record.model, quant };
  return isBundled(record, known) ? model : { ...model, ...placeOf(record) };
}

function useCaseOf(text: string | undefined): UseCaseId | undefined {
  return USE_CASES.find((useCase) => useCase === text);
}

type Model = Catalog['families'][number]['family']['models'][number];

function knownModel({ family, model }: InstallRecord, { families }: Catalog): Model | undefined {
  return families.find((each) => each.family.id === family)?.family.models.find(({ id }) => id === model);
}

/** The file was the one that ships with this tool, of this version or another one. */
function isBundled({ source, quant }: InstallRecord, model: Model): boolean {
  const { bundled } = model.quants.find(({ id }) => id === quant) ?? {};
  const path = (source.path ?? source.ref).replaceAll('\\', '/');
  return bundled !== undefined && path.endsWith(`/${bundled}`);
}

/** A path as the user typed it means something else in another folder; a fixed digest is part of where a file came from. */
function placeOf({ source }: InstallRecord): Pick<InstallRequest, 'from' | 'digest'> {
  const { ref, path, digest } = source;
  if (path !== undefined) return { from: isAbsolute(ref) ? ref : path };
  const isFixed = /^https?:/i.test(ref) && digest !== undefined;
  // The record's schema has checked its form; its type says no more than text.
  return { from: ref, ...(isFixed && { digest: digest }) };
}
