import { formatBytes } from '../../core/units.ts';
import { formatSpeed, noneRuns, policyText } from '../../fit/choice/reasons.ts';
import type { Candidate, Recommendation } from '../../fit/schema.ts';
import { paint, type Terminal } from '../terminal.ts';
import { publishedLines } from './quality.ts';
import { fitTableText } from './recommend-table.ts';
import { table } from './table.ts';

const VERDICT = { gpu: 'GPU', partial: 'GPU + CPU', cpu: 'CPU', no: 'no' } as const;

/** The ranking as a table, the choice marked, its reasons below, then what would change it. */
export function recommendationText(recommendation: Recommendation, terminal: Pick<Terminal, 'color'>): string {
  const { choice, candidates, changes } = recommendation;
  const parts = [
    headline(recommendation),
    rankingText(candidates, choice?.quant),
    choice === undefined ? failureText(recommendation, terminal) : choiceText(recommendation, choice, terminal),
    bullets('Published measurements (not comparable with each other):', publishedLines(recommendation.measurements)),
    bullets(
      'What would change the result:',
      changes.map(({ sentence }) => sentence),
    ),
    recommendation.table === undefined ? '' : fitTableText(recommendation.table),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function headline({ model, settings, tier, speedFloor }: Recommendation): string {
  const where = tier === undefined ? '' : `, tier: ${tier}`;
  const floor = speedFloor === undefined ? '' : `, wanted: ${formatSpeed(speedFloor.tokensPerSecond)} tok/s or more`;
  return `${model} at ${settings.contextLength} tokens of context, batch ${settings.batch}${where}${floor}`;
}

function rankingText(candidates: readonly Candidate[], chosen: string | undefined): string {
  if (candidates.length === 0) return '';
  const head = ['', 'QUANT', 'QUALITY', 'RUNS ON', 'TOK/S', 'NEEDS', 'GPU', 'HEADROOM', 'MAX CTX', 'ADVISED'];
  const rows = candidates.map((candidate) => row(candidate, chosen));
  return table(head, rows, [4, 5, 6, 7, 8]);
}

function failureText(recommendation: Recommendation, terminal: Pick<Terminal, 'color'>): string {
  const { candidates, shortfall } = recommendation;
  const blocked = candidates.at(0)?.blockedBy ?? [];
  const lines = [...blocked, ...(shortfall === undefined ? [] : [shortfall])].map((line) => `  ${line}`);
  return [paint(terminal, 'red', noneRuns(recommendation)), ...lines].join('\n');
}

function choiceText(
  { model, settingReasons }: Recommendation,
  choice: NonNullable<Recommendation['choice']>,
  terminal: Pick<Terminal, 'color'>,
): string {
  const named = paint(terminal, 'green', `${model}:${choice.quant}`);
  const parameters = Object.entries(choice.parameters).map(([name, value]) => `${name} ${value}`);
  const how = policyText(choice);
  return bullets(`Choice: ${named} (${VERDICT[choice.verdict]}), with ${parameters.join(', ')} (${how})`, [
    ...choice.reasons,
    ...settingReasons,
  ]);
}

function bullets(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, ...lines.map((line) => `  - ${line}`)].join('\n');
}

/** A range, or the one value that was measured here. */
function speedText({ low, high, estimate }: NonNullable<Candidate['tokensPerSecond']>): string {
  return low === high ? `${formatSpeed(estimate)} measured` : `${formatSpeed(low)}–${formatSpeed(high)}`;
}

function row(candidate: Candidate, chosen: string | undefined): string[] {
  const { memory, tokensPerSecond: speed, fastEnough, reachesFloor, largestContext } = candidate;
  const slow = fastEnough === false ? ' (slow)' : reachesFloor === false ? ' (slow?)' : '';
  return [
    candidate.quant === chosen ? '→' : '',
    candidate.quant,
    '★'.repeat(candidate.quality),
    VERDICT[candidate.verdict],
    speed === undefined ? '-' : `${speedText(speed)}${slow}`,
    formatBytes(memory.totalBytes),
    memory.gpuBytes > 0 ? formatBytes(memory.gpuBytes) : '-',
    signed(candidate.headroomBytes),
    largestContext === undefined ? '-' : String(largestContext),
    candidate.published === false ? 'no source' : candidate.byPolicy ? 'yes' : '',
  ];
}

function signed(bytes: number): string {
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}
