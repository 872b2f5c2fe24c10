import { ProvisionError } from '../../core/errors.ts';
import { nearest } from '../../core/suggest.ts';
import { defineCheck } from '../contract.ts';
import type { Configuration } from '../effects.ts';
import { type Finding, findingOf, merged, ok, problem, warning } from '../findings.ts';
import { reasonOf } from '../folder-check.ts';
import { KNOWN_VARIABLES, settleOrigins } from '../settings.ts';

/** Which source won for each setting, a config.json that stops every command, and variables of ours that mean nothing. */
export const settings = defineCheck({
  id: 'settings',
  title: 'Configuration',
  async run({ configuration }) {
    const told = settleOrigins(configuration)
      .filter(({ value, source }) => value !== undefined && source !== 'default')
      .map(({ id, value, source, overruled }) => {
        const lost = overruled.length === 0 ? '' : `, over ${overruled.join(' and ')}`;
        return `${id} is ${value} (${source}${lost})`;
      });
    const detail = told.length === 0 ? 'Defaults everywhere.' : `${told.join('; ')}; defaults otherwise.`;
    return merged([ok(detail), ...broken(configuration), ...strangers(configuration)]);
  },
});

function broken({ fault, filePath }: Configuration): Finding[] {
  if (fault === undefined) return [];
  if (fault instanceof ProvisionError) return [findingOf('problem', fault)];
  return [
    problem(`${filePath} cannot be read: ${reasonOf(fault)}.`, `Give the file to this user, or remove it: ${filePath}`),
  ];
}

function strangers({ env }: Configuration): Finding[] {
  const names = Object.keys(env).filter(
    (name) => name.startsWith('GEMMA_PROVISION_') && !KNOWN_VARIABLES.includes(name),
  );
  return names.sort().map((name) => {
    const near = nearest(name, KNOWN_VARIABLES);
    const remedy = near === undefined ? `Unset ${name}.` : `Did you mean ${near} instead of ${name}?`;
    return warning(`${name} means nothing to this tool.`, remedy);
  });
}
