/** docs/compatibility.md: the compatibility matrix, for people. */
import { rowDoubt } from '../src/compat/evidence.ts';
import type { CapabilityRow, Matrix, Proof, QuantRow } from '../src/compat/schema.ts';
import { compareNumbers, numbersOf, rangeText } from '../src/compat/version.ts';
import { glance } from './compatibility-glance.ts';

type Evidence = Proof & { readonly evidence: readonly string[] };
interface Step {
  readonly since: string;
}

/** The page as it is committed; every word of its tables comes from the matrix. */
export function compatibilityPage(rows: Matrix): string {
  const parts = [
    intro(rows),
    glanceSection(rows),
    section('Architectures', ['Architecture', 'Since', 'An older server', 'Note'], rows.architectures, (row) => [
      code(row.id),
      row.since,
      row.before,
      row.note ?? '',
    ]),
    section(
      'Models of the library',
      ['Library family', 'Architecture', 'Can be pulled since', 'Note'],
      rows.library,
      (row) => [code(row.id), code(row.architecture), row.since, row.note ?? ''],
      'The registry answers a server that is too old with HTTP 412. A local GGUF (`--from FILE`) needs only support for the architecture.',
    ),
    section(
      'Quants by engine generation',
      ['Architecture', 'Ollama', 'Device', 'Quants', 'Loads', 'Note'],
      rows.quants,
      (row) => quantCells(row, rows),
    ),
    ...features(rows),
    section(
      'Modelfile parameters',
      ['Parameter', 'Supported'],
      rows.options,
      (row) => [code(row.id), rangeText(row)],
      'Before 0.5.5, create fails if the server does not know a parameter; from 0.5.5 on, the parameter is stored and ignored.',
    ),
    section(
      'Templates detected by create',
      ['Architecture', 'Template', 'Since', 'Note'],
      rows.detectedTemplates,
      (row) => [code(row.architecture), row.template ?? 'none', row.since ?? 'never', row.note],
      'The template that a model created from a bare file gets. This tool always sends a template and the stop tokens.',
    ),
    section('Separate projector files', ['Architecture', 'Since', 'An older server'], rows.projectors, (row) => [
      code(row.architecture),
      row.since,
      row.before,
    ]),
    ...defaults(rows),
    section('Dangerous versions', ['Danger', 'What', 'Fixed in', 'Detail', 'What to do'], rows.dangers, (row) => [
      row.id,
      row.title,
      row.fixedIn,
      row.detail,
      row.remedy,
    ]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function intro(rows: Matrix): string {
  return [
    '# Ollama compatibility',
    '<!-- Generated from src/compat/matrix.json by scripts/generate.ts; do not edit. -->',
    `Known: Ollama ${rows.oldestSupported} to ${rows.newestKnown}. Tested for this matrix: ${rows.seen.join(', ')}. A newer version is treated as ${rows.newestKnown}, with a warning; so is a server that reports no usable version (\`0.0.0\`). A pre-release counts as its release.`,
    '"Since" and "to" are the first and the last release, inclusive. The last column shows the evidence for each row: **seen** on a running server, **read** in the server\'s tagged source, or **not verified** (reported by others, or inferred), followed by the details.',
  ].join('\n\n');
}

function glanceSection(rows: Matrix): string {
  const { headers, lines } = glance(rows);
  return [
    '## At a glance',
    'The servers that were tested, with a summary of the tables below.',
    table(headers, lines),
  ].join('\n\n');
}

/** The heading, an explanation, and the table with the proof of each row as its last column. */
function section<Row extends Evidence>(
  title: string,
  headers: readonly string[],
  rows: readonly Row[],
  cells: (row: Row) => readonly string[],
  explanation?: string,
): string {
  const lines = rows.map((row) => [...cells(row), proofOf(row)]);
  const head = [`## ${title}`, ...(explanation === undefined ? [] : [explanation])];
  return [...head, table([...headers, 'Evidence'], lines)].join('\n\n');
}

const KINDS = {
  ability: [
    'Abilities',
    'Useful features. None is required for an install; "What to do" gives the workaround where one is missing.',
  ],
  change: ['Changes', 'Differences in behaviour that matter to clients of the server.'],
  fault: ['Faults', 'Known defects.'],
} as const satisfies Record<CapabilityRow['kind'], readonly [string, string]>;

function features(rows: Matrix): string[] {
  return (['ability', 'change', 'fault'] as const).map((kind) => {
    const [title, explanation] = KINDS[kind];
    const chosen = rows.capabilities.filter((row) => row.kind === kind);
    const headers = [
      'Feature',
      'Releases',
      'What',
      'Otherwise the server',
      ...(kind === 'change' ? [] : ['What to do']),
    ];
    const cells = (row: CapabilityRow) => [
      code(row.id),
      rangeText(row),
      row.title,
      row.otherwise,
      ...(kind === 'change' ? [] : [row.remedy ?? '']),
    ];
    return section(title, headers, chosen, cells, explanation);
  });
}

function defaults(rows: Matrix): string[] {
  const list = <Value>(
    title: string,
    what: string,
    all: readonly (Step & Evidence & { readonly value: Value })[],
    show: (value: Value) => string,
  ) => section(title, ['Since', what], all, (row) => [row.since, show(row.value)]);
  return [
    list('Default context', 'Tokens, if neither the model nor the server sets a number', rows.defaultContext, (value) =>
      [
        `${value.tokens}`,
        ...(value.byVramGiB ?? []).map(({ from, tokens }) => `${tokens} from ${from} GiB of VRAM on`),
      ].join('; '),
    ),
    list('Default parallel requests', 'Requests that one loaded model serves at once', rows.defaultParallel, String),
    list('Default repeat_penalty', 'Value for a model that does not set it', rows.defaultRepeatPenalty, String),
    list('Quantizing in create', 'Types that create can produce', rows.quantizeTypes, (types) => types.join(', ')),
    list('Disk of a create', 'Peak in the models folder, as a multiple of the file size', rows.diskFactor, String),
    list('Engine generations', 'Name in this tool', rows.engines, code),
  ];
}

function quantCells(row: QuantRow, { engines, architectures }: Matrix): string[] {
  const index = engines.findIndex(({ value }) => value === row.engine);
  const next = engines[index + 1]?.since;
  const runs = architectures.find(({ id }) => id === row.architecture)?.since;
  const since =
    [engines[index]?.since, runs]
      .flatMap((release) => release ?? [])
      .sort(byRelease)
      .at(-1) ?? '';
  return [
    code(row.architecture),
    next === undefined ? `${since} or later` : `${since} to before ${next}`,
    row.device.toUpperCase(),
    row.quants.map((quant) => quant.toUpperCase()).join(', '),
    row.verdict === 'unknown' ? 'not known' : rowDoubt(row) === '' ? 'yes' : 'reported',
    row.note ?? '',
  ];
}

function byRelease(a: string, b: string): number {
  return compareNumbers(numbersOf(a), numbersOf(b));
}

const WORDS = { live: 'seen', source: 'read' } as const;

function proofOf(row: Evidence): string {
  const word = row.verified === 'live' || row.verified === 'source' ? WORDS[row.verified] : undefined;
  return `**${word ?? rowDoubt(row).trim().slice(1, -1)}**: ${row.evidence.join('; ')}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(headers: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(headers), line(headers.map(() => '---')), ...lines.map(line)].join('\n');
}

/** A bar would end the cell, `<bos>` would be taken for HTML. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}
