/** What scripts rely on: a change of this snapshot is a change of the contract. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '@oclif/core/command';
import { expect, test } from 'vitest';
import { RESULTS } from '../../scripts/results.ts';
import { ROOT } from '../helpers/cli.ts';

const folder = join(ROOT, 'src/commands');

async function commands(): Promise<[string, Command.Class][]> {
  const files = globSync('**/*.ts', { cwd: folder }).sort();
  return Promise.all(
    files.map(async (file) => {
      const { default: command } = await import(join(folder, file));
      return [file.replace(/\.ts$/, '').replaceAll(/[/\\]/g, ' '), command] as [string, Command.Class];
    }),
  );
}

function lineOf(name: string, flag: Record<string, unknown>): string {
  const { char, type, options, multiple, required, env, min } = flag;
  const facts = Object.entries({ char, type, options, multiple, required, env, min });
  const told = facts.filter(([, value]) => value !== undefined && value !== false);
  return `  ${name} ${told.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(' ')}`.trimEnd();
}

test('every command with its arguments, flags and their values', async () => {
  const text = (await commands()).flatMap(([id, command]) => [
    id,
    ...Object.entries(command.args ?? {}).map(([name, arg]) => lineOf(name.toUpperCase(), { ...arg, type: undefined })),
    ...Object.entries({ ...command.baseFlags, ...command.flags })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, flag]) => lineOf(`--${name}`, { ...flag })),
  ]);
  await expect(`${text.join('\n')}\n`).toMatchFileSnapshot('surface.txt');
});

test('every command has a schema of its data, a summary, examples and --json', async () => {
  const all = await commands();
  expect(all.map(([id]) => id).sort()).toEqual(Object.keys(RESULTS).sort());
  for (const [id, command] of all) {
    expect(command.summary, id).toBeTruthy();
    expect(command.examples?.length, id).toBeGreaterThan(0);
    expect(command.enableJsonFlag, id).toBe(true);
  }
});
