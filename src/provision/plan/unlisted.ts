/**
 * A model of a family that the catalog does not know, described by the header of its file alone. What the header does not
 * say is not known: there are no stars, no sampling of the publisher and no text of a licence, and the user is told so.
 */
import { architectureFacts } from '../../catalog/architectures.ts';
import type { Family, Licence } from '../../catalog/schema.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { RAW_TEMPLATE } from '../../modelfile/templates.ts';
import { BASE_SUITE } from '../../smoke/schema.ts';

/** The formats that ship (`templates/chat/`), by the texts that begin and end a turn in them. */
export const CHAT_FORMATS = [
  { begins: '<start_of_turn>', ends: '<end_of_turn>', template: 'gemma' },
  { begins: '<|im_start|>', ends: '<|im_end|>', template: 'chatml' },
  { begins: '<|start_header_id|>', ends: '<|eot_id|>', template: 'llama3' },
] as const;

export type ChatFormatMatch = (typeof CHAT_FORMATS)[number];

/** The format whose turns a template begins and ends. The proof after an install decides whether it is the same. */
export function chatFormatOf(jinja: string | undefined): ChatFormatMatch | undefined {
  return CHAT_FORMATS.find(({ begins, ends }) => jinja?.includes(begins) && jinja.includes(ends));
}

/** Ids of such families; none of the catalog begins so. */
const PREFIX = 'unlisted-';

export function isUnlisted(family: string | undefined): boolean {
  return family?.startsWith(PREFIX) === true;
}

/** A context that nearly every machine which holds the weights holds as well. */
const DEFAULT_CONTEXT = 4096;

/** A family of one model, for a file of an architecture that no family of the catalog has. */
export function unlistedFamily(header: GgufFacts, fileName: string): Family {
  const { architecture, tokenizer } = header;
  const format = chatFormatOf(header.chatTemplate);
  const name = textOf(header, 'general.name') ?? fileName;
  const hyperparameters = header.hyperparameters;
  if (hyperparameters === undefined) throw new TypeError('a language model has a shape');
  const stop = [...new Set([format?.ends, tokenizer.eos].filter((token) => token !== undefined && token !== ''))];
  const source = `header of ${fileName}`;
  const text = (direction: 'input' | 'output') =>
    ({ kind: 'text', direction, detail: 'text', servedByRuntimes: true }) as const;
  return {
    schemaVersion: 1,
    id: `${PREFIX}${architecture.toLowerCase()}`,
    title: `${architecture} (not in the catalog)`,
    architecture,
    publisher: textOf(header, 'general.organization') ?? 'unknown',
    summary: 'Described by the header of its file.',
    chatTemplate: format?.template ?? RAW_TEMPLATE,
    tokens: { bos: tokenizer.bos ?? '', stop: stop.flatMap((token) => token ?? []) },
    licence: licenceOf(header),
    profiles: {
      runtime: {
        temperature: 0.8,
        top_p: 0.9,
        top_k: 40,
        source: 'defaults of Ollama, docs/modelfile.mdx: the file names no sampling',
      },
    },
    defaultProfile: 'runtime',
    policy: { tiers: [], useCases: [] },
    languages: { spoken: 'unknown', source },
    minimumVersions: [],
    benchmarks: [],
    facts: [],
    models: [
      {
        id: 'unlisted',
        title: name,
        // Without a template there is nothing but text to go on with.
        kind: header.chatTemplate === undefined ? 'base' : 'instruct',
        baseModel: textOf(header, 'general.base_model.0.name') ?? 'unknown',
        parameters: { total: 1, source },
        hyperparameters,
        modalities: [text('input'), text('output')],
        defaultContext: Math.min(DEFAULT_CONTEXT, hyperparameters.contextLength),
        corrections: [],
        quants: [{ id: 'unknown', file: fileName, quality: 3 }],
        // It demands no knowledge and no obedience, which nobody promised.
        smokeSuite: BASE_SUITE,
      },
    ],
  };
}

/** What the user should know before an install of such a model; nothing for a family of the catalog. */
export function unlistedWarnings({ id, licence, chatTemplate, architecture, models: [model] }: Family): string[] {
  if (!isUnlisted(id)) return [];
  const basis =
    architectureFacts(architecture).computeFormula === undefined
      ? 'the memory estimate is an upper bound for networks of its shape'
      : 'the memory estimate is by the formulas for networks of its shape';
  return [
    `The architecture ${architecture} is not in the catalog: everything here is from the header of the file. The quality of its quant and its sampling are not known (Ollama's defaults are used); ${basis}.`,
    licence.text,
    ...(model?.kind === 'instruct'
      ? [`Its chat template looks like ${chatTemplate}; the proof after the install compares the two.`]
      : []),
    'To keep what you know about it: gemma-provision catalog derive FILE --output mine.json, complete it, and use it with --catalog.',
  ];
}

function licenceOf(header: GgufFacts): Licence {
  const id = textOf(header, 'general.license') ?? 'unknown';
  const link = textOf(header, 'general.license.link');
  const url = link !== undefined && URL.parse(link)?.protocol === 'https:' ? link : undefined;
  const title = textOf(header, 'general.license.name') ?? id;
  const where = url === undefined ? 'where you have the file from' : `at ${url}`;
  return {
    id,
    title,
    url: url ?? '',
    text:
      id === 'unknown'
        ? 'The file names no licence: find out where you have it from whether you may use it.'
        : `The file names the licence ${title}; its text is not in the file: read it ${where}.`,
    acceptanceRequired: false,
  };
}

/** One line of a header, for terminals and records. */
export function textOf({ metadata }: GgufFacts, key: string): string | undefined {
  const value = metadata.get(key);
  const line =
    typeof value === 'string'
      ? value
          .replaceAll(/[\p{Cc}\s]+/gu, ' ')
          .trim()
          .slice(0, 200)
      : '';
  return line === '' ? undefined : line;
}
