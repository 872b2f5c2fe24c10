import type { CheckResult, CheckStatus, DoctorData } from '../../doctor/schema.ts';
import { paint, type Terminal } from '../terminal.ts';

const MARK = {
  ok: ['✓', 'green', 'ok'],
  warning: ['!', 'yellow', 'warnings'],
  problem: ['✗', 'red', 'problems'],
  skipped: ['-', 'dim', 'skipped'],
} as const satisfies Record<CheckStatus, readonly [string, Parameters<typeof paint>[1], string]>;

/** Narrower columns are harder to read than lines that the terminal wraps. */
const NARROWEST = 40;

type Look = Pick<Terminal, 'color' | 'columns'>;

/** One paragraph per check: mark, id, finding, and below it what to do. Checks skipped for the same reason share one. */
export function doctorText({ checks }: DoctorData, terminal: Look): string {
  const widest = Math.max(0, ...checks.map(({ id }) => id.length));
  const paragraphs = foldSkipped(checks).map((each) => paragraph(each, widest, terminal));
  return `${paragraphs.join('\n')}\n\n${summary(checks)}`;
}

/** When no server answers, a dozen checks would report it one after the other. */
function foldSkipped(checks: readonly CheckResult[]): CheckResult[] {
  const alike = Map.groupBy(checks, ({ status, detail }) => (status === 'skipped' ? detail : undefined));
  return checks.flatMap((check) => {
    const group = check.status === 'skipped' ? (alike.get(check.detail) ?? []) : [];
    if (group.length < 2) return [check];
    if (group[0] !== check) return [];
    return [{ ...check, id: 'skipped', detail: `${group.map(({ id }) => id).join(', ')}: ${check.detail}` }];
  });
}

function paragraph(check: CheckResult, widest: number, terminal: Look): string {
  const [mark, style] = MARK[check.status];
  const width = Math.max(NARROWEST, terminal.columns - widest - 4);
  const margin = ' '.repeat(widest + 4);
  const detail = wrap(check.detail, width).map((line) =>
    check.status === 'skipped' ? paint(terminal, 'dim', line) : line,
  );
  const remedies = (check.remedy ?? '').split('\n').filter((line) => line !== '');
  const steps = remedies.flatMap((line) => hanging(line, width)).map((line) => paint(terminal, 'cyan', line));
  const head = `${paint(terminal, style, mark)} ${check.id.padEnd(widest)}  `;
  return [`${head}${detail[0] ?? ''}`, ...[...detail.slice(1), ...steps].map((line) => margin + line)].join('\n');
}

function hanging(text: string, width: number): string[] {
  return wrap(text, width - 2).map((line, index) => `${index === 0 ? '→' : ' '} ${line}`);
}

/** Lines of at most `width` characters, broken at blanks; a longer word (a path) gets a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && longer.length > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

function summary(checks: readonly CheckResult[]): string {
  const counts = Object.entries(MARK).map(([status, [, , word]]) => {
    const count = checks.filter((check) => check.status === status).length;
    return `${count} ${count === 1 ? word.replace(/s$/, '') : word}`;
  });
  return counts.join(', ');
}
