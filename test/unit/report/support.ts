import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RecommendRequest, recommend } from '../../../src/fit/choice/recommend.ts';
import type { HostProfile } from '../../../src/hardware/schema.ts';
import { recommendationPage } from '../../../src/report/recommendation.ts';
import type { RecommendationData } from '../../../src/report/schema.ts';
import { ROOT } from '../../helpers/plans.ts';
import { E4B_WITH_WEIGHTS, GEMMA_3N, host, nvidia, SETTINGS } from '../fit/support.ts';

export const TEMPLATE = readFileSync(join(ROOT, 'templates/report/recommend.html.hbs'), 'utf8');

export const EIGHT: HostProfile = { ...host({ gpus: [nvidia(8, 7.2, 'RTX 4060')] }), name: 'workstation' };

export function dataFor(hardware: HostProfile = EIGHT, change: Partial<RecommendRequest> = {}): RecommendationData {
  const request = { family: GEMMA_3N, model: E4B_WITH_WEIGHTS, settings: SETTINGS, engine: 'ollama-b' } as const;
  return {
    ...recommend({ ...request, profile: hardware, ...change }),
    hardware,
    server: { version: '0.33.0', endpoint: 'http://127.0.0.1:11434' },
  };
}

export function page(data: RecommendationData = dataFor()): string {
  return recommendationPage(data, TEMPLATE);
}

const VOID = new Set(['meta', 'line', 'rect', 'circle', 'br', 'link', 'img']);

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Every element in order; throws where tags do not close each other, or where a `<` or a quote is no part of a tag. */
export function elementsOf(html: string): Element[] {
  const open: string[] = [];
  const found: Element[] = [];
  const body = html.replace(/^<!doctype html>/i, '').replace(/<style>[\s\S]*?<\/style>/, '<style></style>');
  const pattern = /<(\/?)([a-z0-9]+)((?:\s+[a-zA-Z][\w-]*(?:="[^"<>]*")?)*)\s*(\/?)>|<|>/g;
  for (const [tag, closing, name, attributes = '', selfClosing] of body.matchAll(pattern)) {
    if (name === undefined) throw new Error(`a stray ${tag}`);
    if (closing) {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}>`);
      continue;
    }
    found.push({ name, attributes: attributesOf(attributes) });
    if (!selfClosing && !VOID.has(name)) open.push(name);
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(' ')}`);
  return found;
}

function attributesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/([a-zA-Z][\w-]*)(?:="([^"]*)")?/g)].map(([, name, value]) => [name ?? '', value ?? '']),
  );
}
