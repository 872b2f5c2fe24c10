import { formatBytes } from '../../core/units.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import { pairs, table } from './table.ts';

/** `list`: one line a record. */
export function recordsText(records: readonly InstallRecord[], broken = 0): string {
  if (records.length === 0 && broken > 0) return 'No record of an installed model can be read.';
  if (records.length === 0) return 'This tool has not installed any models. Try: gemma-provision install tiny-gemma-3n';
  const rows = records.map((record) => [
    record.name,
    record.quant,
    record.runtime.kind,
    record.source.sizeBytes === undefined ? '-' : formatBytes(record.source.sizeBytes),
    record.smoke === undefined ? 'not run' : `${record.smoke.passed}/${record.smoke.passed + record.smoke.failed}`,
    record.installedAt.slice(0, 16).replace('T', ' '),
  ]);
  return table(['NAME', 'QUANT', 'RUNTIME', 'SIZE', 'SMOKE', 'INSTALLED (UTC)'], rows, [3]);
}

/** `show`: the whole record for a person. */
export function recordText(record: InstallRecord): string {
  const { runtime, source, stored, template, licence, smoke, previous } = record;
  const lines: [string, string][] = [
    ['Name', record.name],
    ['Model', `${record.model}:${record.quant} (${record.family}, architecture ${record.architecture})`],
    ['Runtime', `${runtime.kind} ${runtime.version} at ${runtime.endpoint}`],
    ['Source', source.ref],
    ['Digest', source.digest ?? 'unknown: the server pulled the model'],
    ['Size', source.sizeBytes === undefined ? '-' : formatBytes(source.sizeBytes)],
    ['Stored layer', stored.layerDigest ?? '-'],
    ['Template', `${template.name} ${template.digest}`],
    ...builtInRows(record),
    ['Sampling', record.profile],
    ['Licence', licence.id],
    ['Smoke', smoke === undefined ? 'not run' : `${smoke.passed} passed, ${smoke.failed} failed (${smoke.suite})`],
    ['Installed', `${record.installedAt} by gemma-provision ${record.toolVersion}`],
  ];
  if (previous) lines.push(['Replaced', `${previous.model}:${previous.quant}, installed ${previous.installedAt}`]);
  const parameters = Object.entries(record.parameters).map(([key, value]) => `  ${key} ${JSON.stringify(value)}`);
  const reasons = record.choice.reasons.map((reason) => `  - ${reason}`);
  return [pairs(lines), 'Parameters', ...parameters, 'Why', ...reasons].join('\n');
}

/** A runtime that follows the template in the file has no use for the names. */
function builtInRows({ runtime, template: { builtIn } }: InstallRecord): [string, string][] {
  if (builtIn === undefined || capabilitiesOf(runtime.kind).usesFileTemplate) return [];
  return [['Chat format', `RENDERER ${builtIn.renderer}, PARSER ${builtIn.parser}`]];
}
