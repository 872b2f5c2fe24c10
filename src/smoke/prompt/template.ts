import { howRendererChooses } from '../../compat/renderers.ts';
import { isJinja } from '../../runtimes/jinja.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import { rendererChooses, templateSwallowed } from './findings.ts';
import type { ProveRequest } from './request.ts';
import type { Finding, PromptProof, ShapeProof } from './schema.ts';

/** Special tokens as they are written in templates: `<start_of_turn>`, `<bos>`, `<|im_end|>`. */
const MARKER = /<\|?[a-z][a-z0-9_]*\|?>/gi;

/** Text that must never reach an answer: every marker of the chat template, and the model's own tokens. */
export function templateMarkersOf(template: string, tokens: readonly string[]): string[] {
  return [...new Set([...(template.match(MARKER) ?? []), ...tokens])];
}

/**
 * What a TEMPLATE says about itself. If a server does not show the prompt, this explains the cause of a count that does not fit,
 * and finds a wrong role name, which has as many tokens as the right one in Gemma's vocabulary.
 */

/** Whether anything in the template can write a system text: by its name, or as a message of any role. */
export function knowsSystem(template: string): boolean {
  return /\.System\b|["`]system["`]|\.Role\s*-?\}\}/.test(template);
}

/** Role names that the template itself writes behind a marker, and whether it also writes whatever role a message has. */
export function openedRoles(template: string, marker: string): { readonly names: string[]; readonly any: boolean } {
  const openings = template.split(marker).slice(1);
  return {
    names: openings.flatMap((text) => /^[A-Za-z]+/.exec(text)?.[0] ?? []),
    any: openings.some((text) => text.startsWith('{{')),
  };
}

type Templates = Pick<ProveRequest, 'runtime' | 'stored' | 'sentTemplate'>;

function usesFileTemplate({ kind }: Templates['runtime']): boolean {
  return kind !== undefined && capabilitiesOf(kind).usesFileTemplate;
}

/** Whose template is used. A server shows the one that it uses; other runtimes may know only the file's own. */
export function templateInUse({ runtime, stored }: Templates): PromptProof['winner'] {
  if (usesFileTemplate(runtime)) return 'jinja';
  if (stored.renderer !== undefined) return 'built-in';
  if (stored.template === undefined) return 'unknown';
  return isJinja(stored.template) ? 'jinja' : 'template';
}

/**
 * The server shows a Jinja template although another kind of template was sent. That does no harm while no
 * prompt is seen to be wrong, and the template that was sent would not have given others.
 */
export function findSwallowedTemplate(request: Templates, shapes: readonly ShapeProof[]): Finding[] {
  const { runtime, sentTemplate } = request;
  if (usesFileTemplate(runtime) || templateInUse(request) !== 'jinja') return [];
  if (sentTemplate === undefined || isJinja(sentTemplate)) return [];
  const differs = shapes.some(({ verdict }) => verdict === 'differs');
  return [templateSwallowed(!differs && hasMarkers(sentTemplate, shapes))];
}

/** A built-in format that stands for several prompts is a fault where it is the wrong one now, and a risk where it is right. */
export function findAmbiguousRenderer(
  { stored: { renderer } }: Pick<ProveRequest, 'stored'>,
  shapes: readonly ShapeProof[],
): Finding[] {
  const how = renderer === undefined ? undefined : howRendererChooses(renderer);
  if (renderer === undefined || how === undefined) return [];
  return [
    rendererChooses(
      renderer,
      how,
      shapes.some(({ verdict }) => verdict === 'differs'),
    ),
  ];
}

/** Whether every prompt has a marker of the template, or the template has none. */
function hasMarkers(template: string, shapes: readonly ShapeProof[]): boolean {
  const markers = templateMarkersOf(template, []);
  return markers.length === 0 || shapes.every(({ expected }) => markers.some((marker) => expected.includes(marker)));
}
