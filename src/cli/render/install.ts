import { formatBytes, formatDuration } from '../../core/units.ts';
import type { InstallReport } from '../../provision/install/schema.ts';
import type { MeasuredMemory } from '../../registry/schema.ts';
import { paint, type Terminal } from '../terminal.ts';
import { countsText } from './smoke.ts';
import { pairs } from './table.ts';

/** The end of an install, or its plan, for a person. */
export function installText(report: InstallReport, terminal: Terminal): string {
  const head = report.dryRun ? planHead(report) : doneHead(report, terminal);
  const reasons = report.choice.reasons.map((reason) => `  - ${reason}`);
  return [head, pairs(facts(report)), 'Why', ...reasons].join('\n');
}

function planHead(report: InstallReport): string {
  return `Would install ${report.model}:${report.quant} as ${report.name}. Nothing was changed.`;
}

function doneHead(report: InstallReport, terminal: Terminal): string {
  if (!report.changed)
    return `${paint(terminal, 'green', report.name)} is already installed: no byte moved, nothing changed.`;
  const ms = report.steps.reduce((sum, step) => sum + step.ms, 0);
  return `${paint(terminal, 'green', report.name)} is installed (${formatDuration(ms)}).`;
}

function facts(report: InstallReport): [string, string][] {
  const { runtime, source, plan, smoke, prompt, previous } = report;
  const size = source.sizeBytes === undefined ? '' : ` (${formatBytes(source.sizeBytes)})`;
  const lines: [string, string][] = [
    ['  Model', `${report.model}:${report.quant}`],
    ['  Runtime', `${runtime.kind} ${runtime.version} at ${runtime.endpoint}`],
    ['  Source', `${source.ref}${size}`],
  ];
  if (plan.bytesFrom !== undefined) lines.push(['  Bytes', bytesFromText(plan.bytesFrom)]);
  if (source.pinnedRef !== undefined && source.pinnedRef !== source.ref) lines.push(['  Pinned', source.pinnedRef]);
  if (source.digest !== undefined) lines.push(['  Digest', source.digest]);
  if (report.projector !== undefined) lines.push(...projectorLines(report.projector));
  if (report.licence !== undefined) lines.push(['  Licence', licenceText(report.licence)]);
  if (report.signedBy !== undefined) lines.push(['  Signed', `by ${report.signedBy}`]);
  lines.push(['  Moves', report.dryRun ? `at most ${formatBytes(plan.bytesToMove)}` : formatBytes(report.bytesMoved)]);
  for (const { path, needBytes, freeBytes, why } of plan.disk) {
    const free = freeBytes === undefined ? 'free space unknown' : `${formatBytes(freeBytes)} free`;
    lines.push(['  Disk', `${formatBytes(needBytes)} at ${path}, ${free} (${why})`]);
  }
  if (plan.memory !== undefined) lines.push(['  Memory', memoryText(plan.memory)]);
  if (smoke !== undefined) lines.push(['  Smoke', `${countsText(smoke)} (${smoke.suite})`]);
  if (prompt !== undefined) lines.push(['  Prompt', promptLine(prompt)]);
  const took = report.record?.memory;
  if (report.changed && took !== undefined) lines.push(['  Memory used', tookText(took)]);
  if (previous !== undefined)
    lines.push(['  Replaced', `${previous.model}:${previous.quant}, installed ${previous.installedAt}`]);
  return lines;
}

function bytesFromText({ at, name = '', path = '' }: NonNullable<InstallReport['plan']['bytesFrom']>): string {
  if (at === 'mirror') return `from the mirror ${name}`;
  const where = at === 'cache' ? 'cache of this tool' : name;
  return `already on this machine: ${where}, ${path}; nothing to download`;
}

function licenceText({ id, url, acceptanceRequired }: NonNullable<InstallReport['licence']>): string {
  // A file may name a licence without a place where it can be read.
  return `${id}${acceptanceRequired ? ', must be accepted once' : ''}${url === '' ? '' : `: ${url}`}`;
}

function projectorLines({ id, serves, source }: NonNullable<InstallReport['projector']>): [string, string][] {
  const size = source.sizeBytes === undefined ? '' : ` (${formatBytes(source.sizeBytes)})`;
  return [
    ['  Projector', `${id} for ${serves.join(' and ')}: ${source.ref}${size}`],
    ...(source.digest === undefined ? [] : [['  Digest', source.digest] satisfies [string, string]]),
  ];
}

function promptLine({ verdict, shapes, bosCount, stop }: NonNullable<InstallReport['prompt']>): string {
  const bos = bosCount === undefined ? '' : `, BOS ${bosCount === 1 ? 'once' : `${bosCount} times`}`;
  return `${verdict.replaceAll('-', ' ')}: ${shapes.length} message shapes${bos}, stop ${stop.join(' ')}`;
}

/** What the loaded model took, in the words of whoever saw it. */
function tookText({ measuredBytes, residentBytes, vramBytes, basis }: MeasuredMemory): string {
  const parts = [
    measuredBytes === undefined ? '' : `${formatBytes(measuredBytes)} (${basis})`,
    residentBytes === undefined ? '' : `RAM use grew by ${formatBytes(residentBytes)}`,
    vramBytes === undefined ? '' : `VRAM use by ${formatBytes(vramBytes)}`,
  ];
  return parts.filter((part) => part !== '').join('; ');
}

function memoryText(memory: NonNullable<InstallReport['plan']['memory']>): string {
  const parts = [
    `weights ${formatBytes(memory.weightsBytes)}`,
    `KV cache ${formatBytes(memory.kvBytes)}`,
    `compute ${formatBytes(memory.computeBytes)}`,
  ];
  const eyes =
    memory.projectorBytes === undefined ? '' : ` (${formatBytes(memory.projectorBytes)} of it the projector)`;
  return `${formatBytes(memory.totalBytes)}: ${parts.join(', ')}${eyes}`;
}
