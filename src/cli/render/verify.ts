import { formatBytes } from '../../core/units.ts';
import type {
  Problem,
  RepairReport,
  RepairResult,
  VerifyReport,
  VerifyResult,
} from '../../provision/maintain/problems.ts';
import { paint, type Terminal } from '../terminal.ts';

/** The end of `verify`: what is wrong, what could not be looked at. */
export function verifyText({ results }: VerifyReport, terminal: Terminal): string {
  if (results.length === 0) return 'This tool has not installed any models: there is nothing to verify.';
  return results.map((result) => verified(result, terminal)).join('\n');
}

function verified({ name, ok, problems, unchecked, bytesRead }: VerifyResult, terminal: Terminal): string {
  const read = bytesRead === 0 ? '' : ` (${formatBytes(bytesRead)} read)`;
  const head = ok
    ? `${paint(terminal, 'green', name)} matches its record${read}.`
    : `${paint(terminal, 'red', name)} does not match its record${read}:`;
  const next = ok || problems.every(({ kind }) => kind === 'not-asked') ? [] : [`  Fix it: ${remedy(name, problems)}`];
  return [head, ...problems.map(line), ...unchecked.map(notLooked), ...next].join('\n');
}

function remedy(name: string, problems: readonly Problem[]): string {
  const isFile = problems.some(({ kind, path }) => kind === 'bad-record' && path === name);
  return `gemma-provision repair ${isFile ? 'NAME, with the name of the model' : name}`;
}

/** The end of `repair`. */
export function repairText({ results }: RepairReport, terminal: Terminal): string {
  return results.map((result) => repaired(result, terminal)).join('\n');
}

function repaired(result: RepairResult, terminal: Terminal): string {
  const { name, ok, changed, repairs, problems, unchecked, suggestions } = result;
  const colour = ok ? 'green' : 'red';
  const how = ok
    ? changed
      ? 'matches its record again'
      : 'matches its record; nothing was changed'
    : 'still does not match its record';
  return [
    `${paint(terminal, colour, name)} ${how}.`,
    ...repairs.map((each) => `  done: ${each}`),
    ...problems.map(line),
    ...unchecked.map(notLooked),
    ...suggestions.map((each) => `  next: ${each}`),
  ].join('\n');
}

function line({ kind, detail }: Problem): string {
  return `  ${kind}: ${detail}`;
}

function notLooked(why: string): string {
  return `  not checked: ${why}`;
}
