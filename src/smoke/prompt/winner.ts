import { isJinja } from '../../runtimes/jinja.ts';
import { templateMarkersOf } from '../markers.ts';
import type { ProveRequest } from './contract.ts';
import { templateSwallowed } from './findings.ts';

import type { Finding, PromptProof, ShapeProof } from './schema.ts';

type Templates = Pick<ProveRequest, 'runtime' | 'stored' | 'sentTemplate'>;

/** Whose template is used. Ollama shows the one that it uses; the embedded runtime knows only the file's own. */
export function winnerOf({ runtime, stored }: Templates): PromptProof['winner'] {
  if (runtime.kind === 'embedded') return 'jinja';
  if (stored.template === undefined) return 'unknown';
  return isJinja(stored.template) ? 'jinja' : 'template';
}

/**
 * The server shows a Jinja template although another kind of template was sent. That does no harm while no
 * prompt is seen to be wrong, and the template that was sent would not have given others.
 */
export function swallowed(request: Templates, shapes: readonly ShapeProof[]): Finding[] {
  const { runtime, sentTemplate } = request;
  if (runtime.kind === 'embedded' || winnerOf(request) !== 'jinja') return [];
  if (sentTemplate === undefined || isJinja(sentTemplate)) return [];
  const differs = shapes.some(({ verdict }) => verdict === 'differs');
  return [templateSwallowed(!differs && isInStyle(sentTemplate, shapes))];
}

/** Whether every prompt has a marker of the template, or the template has none. */
function isInStyle(template: string, shapes: readonly ShapeProof[]): boolean {
  const markers = templateMarkersOf(template, []);
  return markers.length === 0 || shapes.every(({ expected }) => markers.some((marker) => expected.includes(marker)));
}
