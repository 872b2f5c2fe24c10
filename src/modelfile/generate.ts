import { chatTemplateName } from '../catalog/chat-format.ts';
import type { Family } from '../catalog/schema.ts';
import { ProvisionError } from '../core/errors.ts';
import { modelfilePath } from './paths.ts';
import { renderModelfile } from './render.ts';
import type { ModelfileDifference } from './schema.ts';
import { modelSpec } from './spec.ts';
import { chatTemplateOf, modelfileTemplateOf, type Templates } from './templates.ts';

/**
 * The Modelfile of every family, size and quant with the family's default profile, by path relative to the
 * package root. Throws `bad-template` as {@link renderModelfile} does, and `bad-catalog` for two models whose
 * files would have one name.
 */
export function expectedModelfiles(families: readonly Family[], templates: Templates): Map<string, string> {
  const texts = new Map<string, string>();
  for (const family of families) {
    const template = modelfileTemplateOf(templates, family.id);
    for (const model of family.models) {
      const chatTemplate = chatTemplateOf(templates, chatTemplateName(family, model));
      const spec = modelSpec({ family, model, chatTemplate });
      for (const quant of model.quants) {
        const path = modelfilePath(family, model, quant);
        if (texts.has(path))
          throw new ProvisionError('bad-catalog', `${model.id}:${quant.id} and another quant both produce ${path}`);
        texts.set(path, renderModelfile({ spec, family, model, quant, template }));
      }
    }
  }
  return texts;
}

export type Difference = ModelfileDifference;

/** Compares to the byte; sorted by path. `actual` holds every file under `modelfiles/`, by the same kind of path. */
export function compareModelfiles(
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): Difference[] {
  const paths = [...new Set([...expected.keys(), ...actual.keys()])].toSorted();
  return paths.flatMap((path): Difference[] => {
    const wanted = expected.get(path);
    const found = actual.get(path);
    if (wanted === found) return [];
    if (wanted === undefined)
      return [{ kind: 'orphan', path, detail: 'the catalog does not contain this model and quant' }];
    if (found === undefined) return [{ kind: 'missing', path, detail: 'the file does not exist' }];
    return [{ kind: 'out-of-step', path, detail: firstDifference(wanted, found) }];
  });
}

function firstDifference(wanted: string, found: string): string {
  const wantedLines = wanted.split('\n');
  const foundLines = found.split('\n');
  const at = wantedLines.findIndex((line, index) => line !== foundLines[index]);
  const line = at === -1 ? wantedLines.length : at;
  return `line ${line + 1}: expected ${show(wantedLines[line])}, found ${show(foundLines[line])}`;
}

function show(line: string | undefined): string {
  return line === undefined ? 'the end of the file' : JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
}
