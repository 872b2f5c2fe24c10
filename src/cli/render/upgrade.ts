import type { InstallReport, UpgradeReport, UpgradeResult } from '../../provision/install/schema.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { describeRuntime } from '../../runtimes/registry.ts';
import { paint, type Terminal } from '../terminal.ts';
import { pairs } from './table.ts';

/** The end of an upgrade: one line a model. */
export function upgradeText({ results }: UpgradeReport, terminal: Terminal): string {
  if (results.length === 0) return 'There is nothing to upgrade.';
  return results.map((result) => line(result, terminal)).join('\n');
}

function line({ name, report, error }: UpgradeResult, terminal: Terminal): string {
  if (report === undefined) return `${paint(terminal, 'red', name)} failed: ${error?.message ?? ''}`;
  if (report.dryRun) return `Would install ${report.model}:${report.quant} as ${name}, unless it is already installed.`;
  if (!report.changed) return `${paint(terminal, 'green', name)} is up to date: no byte moved, nothing changed.`;
  return `${paint(terminal, 'green', name)} is upgraded to ${versionOf(report)}.${keptText(report)}`;
}

/** The end of a rollback. */
export function rollbackText(report: InstallReport, terminal: Terminal): string {
  const { smoke, record } = report;
  const when = record === undefined ? '' : `, installed ${record.installedAt}`;
  const head = `${paint(terminal, 'green', report.name)} was rolled back to ${versionOf(report)}${when}; no byte moved.`;
  const lines: [string, string][] = [['  Runtime', describeRuntime(report.runtime)]];
  if (smoke !== undefined) lines.push(['  Smoke', `${smoke.passed} passed, ${smoke.failed} failed (${smoke.suite})`]);
  return [head, pairs(lines)].join('\n') + keptText(report);
}

function versionOf({ model, quant, source }: Pick<InstallReport, 'model' | 'quant' | 'source'>): string {
  const digest = source.digest === undefined ? '' : ` (${source.digest.slice(0, 19)}…)`;
  return `${model}:${quant}${digest}`;
}

function keptText({ name, previous }: { name: string; previous?: InstallRecord['previous'] | undefined }): string {
  if (previous?.keptAs === undefined) return '';
  return `\n  The previous version of ${previous.installedAt} is kept: gemma-provision rollback ${name}`;
}
