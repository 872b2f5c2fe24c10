import { type CheckData, NOT_ASKED } from '../../provision/check/check.ts';
import { paint, type Terminal } from '../terminal.ts';
import { table } from './table.ts';

/** Read only when something is wrong. */
const BACKGROUND = /^(option|danger)\./;
/** What newer servers do better: the adapter copes without it, so it is read only when it stands in the way. */
const COPED_WITH = /^feature\./;
/** What must hold for the model to run; while one of them is not known, the answer is not "supported". */
const DECIDES = /^(architecture|model|quant|renderer)\./;

interface CheckTextOptions {
  readonly terminal: Pick<Terminal, 'color'>;
  /** Every verdict, also those that are as they should be. */
  readonly all: boolean;
}

/** One line a verdict, what to do about those that are not met, the answer last. */
export function checkText(data: CheckData, { terminal, all }: CheckTextOptions): string {
  const { server, verdicts, installed = [] } = data;
  const shown = all ? verdicts : verdicts.filter(isTold);
  const hidden = verdicts.filter((verdict) => !shown.includes(verdict));
  const rows = shown.map((verdict) => [markOf(verdict, terminal), verdict.id, verdict.since ?? '', verdict.reason]);
  const where = server.endpoint === NOT_ASKED ? `(${NOT_ASKED})` : `at ${server.endpoint}`;
  const lines = [`Ollama ${server.version} ${where}`, ''];
  lines.push(table(['', 'CHECK', 'SINCE', 'REASON'], rows));
  if (hidden.length > 0) lines.push(paint(terminal, 'dim', hiddenText(hidden)));
  lines.push('', ...remediesOf(shown));
  if (installed.length > 0) lines.push(`Installed already: ${installed.join(', ')}`);
  lines.push(conclusion(data, terminal));
  return lines.join('\n');
}

function isTold({ id, ok, blocking }: CheckData['verdicts'][number]): boolean {
  if (COPED_WITH.test(id)) return !ok && blocking;
  return !ok || !BACKGROUND.test(id);
}

function hiddenText(hidden: CheckData['verdicts']): string {
  const missing = hidden.filter(({ ok }) => !ok).length;
  const supported = `${hidden.length - missing} more are supported`;
  const summary = missing === 0 ? supported : `${supported}, ${missing} features are missing but not needed`;
  return `${summary}; --verbose shows them.`;
}

/** What is not known is no pass: it has a mark of its own. */
function markOf({ ok, blocking, basis }: CheckData['verdicts'][number], terminal: Pick<Terminal, 'color'>): string {
  if (ok && basis === 'unknown') return paint(terminal, 'yellow', '?');
  if (ok) return paint(terminal, 'green', '✓');
  return blocking ? paint(terminal, 'red', '✗') : paint(terminal, 'yellow', '!');
}

/** Each advice once, what blocks first. */
function remediesOf(verdicts: CheckData['verdicts']): string[] {
  const open = verdicts.filter(({ ok }) => !ok);
  const sorted = [...open.filter(({ blocking }) => blocking), ...open.filter(({ blocking }) => !blocking)];
  const advice = sorted.flatMap(({ remedy }) => (remedy === undefined ? [] : [`→ ${remedy}`]));
  return [...new Set(advice)];
}

function conclusion({ supported, target, server, verdicts }: CheckData, terminal: Pick<Terminal, 'color'>): string {
  const what = target === undefined ? `Ollama ${server.version}` : nameOf(target);
  const open = verdicts.filter(({ id, basis }) => basis === 'unknown' && DECIDES.test(id)).map(({ id }) => id);
  if (supported && open.length > 0) {
    return paint(terminal, 'yellow', `${what}: nothing forbids it, but not everything is known (${open.join(', ')})`);
  }
  return supported
    ? paint(terminal, 'green', `${what}: supported`)
    : paint(terminal, 'red', `${what}: not supported by this server`);
}

function nameOf({ model, file, family, quant, architecture }: NonNullable<CheckData['target']>): string {
  const name = file ?? model ?? family ?? architecture;
  return quant === undefined || file !== undefined ? name : `${name}:${quant}`;
}
